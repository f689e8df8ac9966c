"""Where the core meets autograd: first derivatives by its backward program, all others by the reference engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from unrolled.engines.derivatives import refuse_forward_mode
from unrolled.engines.native.backward import backward
from unrolled.engines.native.forward import Setting, forward, twin


def results_of(setting: Setting) -> int:
    """How many of a run's results can be differentiated: output, final rings and further sequences."""
    return 1 + len(setting.plan.carried) + len(setting.plan.further)


class Run(torch.autograd.Function):
    """A run of the core that also gives what its backward run reads.

    `setup_context` would cost more than everything else here, and only `torch.func` needs it, which never comes here.
    """

    @staticmethod
    def forward(ctx: Any, setting: Setting, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the forward program; keep the tensors of the run and what it gave."""
        return _kept(ctx, setting, tensors, forward(setting, setting.named(tensors), keep=True))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Run the backward program; when its result is to be differentiated again, differentiate the reference."""
        return _gradients(ctx, gradients)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        """Forward mode is refused."""
        refuse_forward_mode()


class Known(torch.autograd.Function):
    """A run that has been: what it gave is known, and its backward run is still to come."""

    @staticmethod
    def forward(
        ctx: Any, setting: Setting, results: Sequence[Tensor], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """Give what is known."""
        return _kept(ctx, setting, tensors, tuple(result.detach() for result in results))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Run the backward program."""
        return (None, *_gradients(ctx, gradients))


def _kept(
    ctx: Any, setting: Setting, tensors: tuple[Tensor, ...], results: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    ctx.setting, ctx.count = setting, len(tensors)
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(*results[results_of(setting) :])
    ctx.save_for_backward(*tensors, *results)
    return results


def _gradients(ctx: Any, gradients: Sequence[Tensor | None]) -> tuple[Tensor | None, ...]:
    """For the setting (None) and for each tensor of a run; differentiable by the reference where that is asked."""
    saved, setting = ctx.saved_tensors, ctx.setting
    tensors, results = saved[: ctx.count], saved[ctx.count :]
    gradients = gradients[: results_of(setting)]
    if torch.is_grad_enabled():
        return (None, *_differentiable(setting, tensors, results, gradients))
    needed = ctx.needs_input_grad[-ctx.count :]
    wanted = {name for name, one in zip(setting.names, needed, strict=True) if one}
    found = backward(setting, setting.named(tensors), results, gradients, wanted)
    return (None, *(found.get(name) if name in wanted else None for name in setting.names))


def _differentiable(
    setting: Setting,
    tensors: tuple[Tensor, ...],
    results: tuple[Tensor, ...],
    gradients: Sequence[Tensor | None],
) -> tuple[Tensor, ...]:
    def run(*one: Tensor) -> tuple[Tensor, ...]:
        return twin(setting, setting.named(one))

    whole = [
        torch.zeros_like(result) if gradient is None else gradient
        for gradient, result in zip(gradients, results, strict=False)
    ]
    pull = torch.func.vjp(run, *tensors)[1]
    found: tuple[Tensor, ...] = pull(tuple(whole))
    return found
