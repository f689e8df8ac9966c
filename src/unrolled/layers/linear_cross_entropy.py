"""A linear map and the cross-entropy of its softmax in one, in memory that does not grow with rows times symbols."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.torch_compatible_call import is_autocast

Reduction = Literal["mean", "sum", "none"]

CHUNK = 8_000_000
"""Numbers in a chunk of logits (32 MB in float32): rows times symbols, but never less than one row."""
ROWS = 2048
"""Rows in a chunk on the CPU: few enough for the chunk to stay in cache where symbols are few."""


@torch.compiler.disable  # type: ignore[untyped-decorator]
def linear_cross_entropy(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    ignored: int = -1,
    reduction: Reduction = "mean",
) -> Tensor:
    """Nats of the target under softmax(W x + b), the (N, V) logits never held.

        loss_n = log sum_v exp(z_nv) - z_n,target,    z = x W^T + b

    The loss is the plain one, and so are its gradients: rows are taken in chunks, and with gradients enabled those of
    x, W and b are computed with the loss, out of the same chunk of logits, softmax(z) - onehot(target) in its place
    (Hsu et al. 2024). What stays are tensors of the shapes of x, W and b. Going backward a second time
    (`retain_graph`), or with `reduction="none"`, computes the logits again. There are no second derivatives.

    A target equal to `ignored` counts for nothing: its loss is 0, the mean is over the others. The mean over none at
    all is 0, with gradients of 0 (torch gives nan), so a batch of padding alone does no harm.

    Args:
        x: (N, H) float32 or float64, any strides. Under autocast it is taken to the dtype of the weight.
        weight: (V, H) of the same dtype.
        bias: (V,), or None.
        targets: (N,) int64 in 0 .. V - 1, or `ignored`.
        reduction: "mean" and "sum" give a scalar, "none" gives (N,).

    Raises:
        ShapeError: sizes or dtypes that do not fit together, a target outside of the symbols.
        SettingError: an unknown reduction; going backward with `create_graph`.

    Example:
        >>> weight = torch.zeros(4, 2, requires_grad=True)
        >>> loss = linear_cross_entropy(torch.ones(3, 2), weight, None, torch.tensor([0, 1, -1]))
        >>> loss  # log 4
        tensor(1.3863, grad_fn=<LinearCrossEntropyBackward>)

    Paper: Hsu et al. 2024, Liger Kernel (arXiv:2410.10989); Wijmans et al. 2024, Cut Your Losses (arXiv:2411.09009).
    """
    if is_autocast(x.device):
        x = x.to(weight.dtype)
    _check(x, weight, bias, targets, ignored, reduction)
    counted = targets != ignored
    scale = counted.to(x.dtype)
    if reduction == "mean":
        scale /= scale.sum().clamp(min=1)
    targets = torch.where(counted, targets, 0)
    given = [value for value in (x, weight, bias) if value is not None]
    if torch.is_grad_enabled() and any(value.requires_grad for value in given):
        summed = reduction != "none"
        loss: Tensor = LinearCrossEntropy.apply(x, weight, bias, targets, scale, summed)  # type: ignore[no-untyped-call]
        return loss
    losses = _losses(x, weight, bias, targets, scale)
    return losses if reduction == "none" else losses.sum()


class LinearCrossEntropy(torch.autograd.Function):
    """The losses times `scale` (N,), 0 where a row is ignored, summed or by row."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scale: Tensor, summed: bool
    ) -> Tensor:
        """`summed`: the gradients are known now, but for the factor that arrives going backward."""
        ctx.save_for_backward(x, weight, bias, targets, scale)
        ctx.gradients = None
        if not summed:
            return _losses(x, weight, bias, targets, scale)
        losses, ctx.gradients = _differentiated(x, weight, bias, targets, scale, ctx.needs_input_grad[:3])
        return losses.sum()

    @staticmethod
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of x, weight and bias."""
        if torch.is_grad_enabled():  # create_graph
            raise SettingError(
                "linear_cross_entropy has no second derivatives; where they are needed (create_graph=True) take "
                "torch's cross_entropy of the logits"
            )
        x, weight, bias, targets, scale = ctx.saved_tensors
        # Handed over, not kept: a second reference would make torch copy the largest of them into `.grad`.
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            scale = scale * factor
            _, gradients = _differentiated(x, weight, bias, targets, scale, ctx.needs_input_grad[:3])
        elif factor.device.type != "cpu" or factor.item() != 1:  # elsewhere, to look would be to wait
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(factor)
        return (*gradients, None, None, None)


def _losses(x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scale: Tensor) -> Tensor:
    """The losses (N,) times `scale`."""
    losses = x.new_empty(len(x))
    with torch.no_grad():
        for rows, logits in _chunks(x, weight, bias):
            torch.log_softmax(logits, 1, out=logits)
            losses[rows] = logits.gather(1, targets[rows, None])[:, 0].neg_()
    return _scaled(losses, scale)


def _differentiated(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    scale: Tensor,
    needed: tuple[bool, bool, bool],
) -> tuple[Tensor, list[Tensor | None]]:
    """The losses times `scale`, and the gradients of their sum where `needed`."""
    losses = x.new_empty(len(x))
    of_x = x.new_empty(x.shape) if needed[0] else None
    of_weight = weight.new_empty(weight.shape) if needed[1] else None
    if of_weight is not None and not len(x):
        of_weight.zero_()
    of_bias = bias.new_zeros(bias.shape) if bias is not None and needed[2] else None
    less_one = scale.new_full((len(x), 1), -1)
    for rows, logits in _chunks(x, weight, bias):
        wanted = targets[rows, None]
        torch.log_softmax(logits, 1, out=logits)
        losses[rows] = logits.gather(1, wanted)[:, 0].neg_()
        difference = logits.exp_().scatter_add_(1, wanted, less_one[rows])
        difference.mul_(scale[rows, None])
        if of_x is not None:
            torch.mm(difference, weight, out=of_x[rows])
        if of_weight is not None:
            of_weight.addmm_(difference.t(), x[rows], beta=min(rows.start, 1))  # the first chunk overwrites
        if of_bias is not None:
            of_bias += difference.sum(0)
    return _scaled(losses, scale), [of_x, of_weight, of_bias]


def _chunks(x: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[tuple[slice, Tensor]]:
    """Some rows and their logits, in memory that is overwritten by the next."""
    most = max(1, CHUNK // max(1, len(weight)))
    if x.device.type == "cpu":
        most = min(most, ROWS)
    chunks = max(1, math.ceil(len(x) / most))
    height = max(1, math.ceil(len(x) / chunks))
    memory = x.new_empty(min(height, len(x)), len(weight))
    for start in range(0, len(x), height):
        rows = slice(start, min(start + height, len(x)))
        logits = memory[: rows.stop - start]
        if bias is None:
            torch.mm(x[rows], weight.t(), out=logits)
        else:
            torch.addmm(bias, x[rows], weight.t(), out=logits)
        yield rows, logits


def _scaled(losses: Tensor, scale: Tensor) -> Tensor:
    """An ignored row gives 0, whatever its logits were."""
    return losses.mul_(scale).masked_fill_(scale == 0, 0)


def _check(
    x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, ignored: int, reduction: str
) -> None:
    """Refuse what does not fit together."""
    if reduction not in ("mean", "sum", "none"):
        raise SettingError(f'reduction must be "mean", "sum" or "none", got {reduction!r}')
    if x.dim() != 2 or weight.dim() != 2 or x.shape[1] != weight.shape[1]:
        raise ShapeError(
            f"x must be (N, H) and the weight (V, H), got {tuple(x.shape)} and {tuple(weight.shape)}; flatten steps "
            "and rows of x, or make the sizes equal"
        )
    if targets.shape != x.shape[:1] or targets.dtype != torch.int64:
        raise ShapeError(
            f"the targets must be int64 ({len(x)},), one by row of x, got {targets.dtype} {tuple(targets.shape)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"the bias must be ({len(weight)},), one by row of the weight, got {tuple(bias.shape)}"
        )
    kinds = {value.dtype for value in (x, weight, bias) if value is not None}
    if len(kinds) > 1 or not kinds <= {torch.float32, torch.float64}:
        names = ", ".join(sorted(str(kind) for kind in kinds))
        raise ShapeError(f"x, weight and bias must be all float32 or all float64, got {names}")
    check_targets(targets, len(weight), ignored)


def check_targets(targets: Tensor, symbols: int, ignored: int) -> None:
    """Refuse what is no symbol; on other devices than the CPU torch does, and a look from here would wait."""
    if targets.device.type != "cpu":
        return
    outside = ((targets < 0) | (targets >= symbols)) & (targets != ignored)
    if outside.any():
        worst = int(targets[outside][0])
        raise ShapeError(f"targets must be in 0 .. {symbols - 1} or {ignored} for ignored, got {worst}")
