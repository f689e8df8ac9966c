"""What truncated backpropagation leaves out: the truncated gradient beside the full one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from unrolled.data.vocabulary import END
from unrolled.errors import SettingError
from unrolled.inspection.figures import colour, drawing
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Text, evaluating, symbols_of
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.truncation import truncated
from unrolled.models.language import LanguageModel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]
Loss = Callable[[Tensor, slice], Tensor]


@dataclass(frozen=True)
class Truncation(Finding):
    """How far the gradient through `k2` steps is from the one through all `steps`.

    `k2` (K,); `errors` (K,), ||g_k2 - g|| / ||g|| over all parameters together, and `cosines` (K,) of the two;
    `parameter_errors` and `parameter_cosines`, (K,) by the name of each parameter (NaN where the full gradient is
    zero); `norms` (K,) = ||g_k2||, `norm` = ||g||.
    """

    steps: int
    k2: NDArray[np.int64]
    errors: Array
    cosines: Array
    parameter_errors: Mapping[str, Array]
    parameter_cosines: Mapping[str, Array]
    norms: Array
    norm: float

    def summary(self) -> str:
        """One line for each k2."""
        rows = zip(self.k2, self.errors, self.cosines, strict=True)
        return "\n".join(f"k2 = {k}: error {e:.1%}, cosine {c:.4f}" for k, e, c in rows)

    def figure(self) -> Figure:
        """Error and cosine against k2."""
        near = self.k2[self.errors <= 0.1]
        least = f"{near.min()} steps" if len(near) else f"more than {self.k2.max()} steps"
        title = f"Within 10 % of the gradient through {self.steps} steps: {least}"
        figure = drawing(title, "k2: steps the gradient goes back through", "relative error; cosine")
        for number, (name, values) in enumerate((("relative error", self.errors), ("cosine", self.cosines))):
            line = {"color": colour(number), "width": 3}
            figure.add_scatter(x=self.k2, y=values, name=name, line=line, mode="lines+markers")
        for name, values in self.parameter_errors.items():
            thin = {"color": "rgba(120,120,120,0.35)", "width": 1}
            figure.add_scatter(
                x=self.k2, y=values, name=f"error of {name}", line=thin, mode="lines", showlegend=False
            )
        figure.update_xaxes(type="log", tickvals=self.k2, ticktext=[str(k) for k in self.k2])
        return figure


def truncation(
    model: LanguageModel | Recurrent,
    data: Text | Tensor,
    loss: Loss | None = None,
    *,
    k2: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128),
    k1: int | None = None,
    resets: Tensor | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> Truncation:
    """Compare the gradient of truncated backpropagation with the full one, over a sequence and at the same weights.

    Args:
        model: a language model, or a layer that runs forward only.
        data: a text, whose loss is the mean of -log P of its symbols; for a layer its input (T, B, I), in its own
            layout.
        loss: for a layer, from the output of some steps and which they are to their share of the loss: losses of all
            pieces are added. `lambda output, steps: (output - targets[steps]).square().sum()`
        k2: steps to go back through.
        k1: steps between two updates; by default as many as k2, windows that do not overlap, as in training. With 1 the
            loss of every step goes back through exactly k2 steps.
        resets, static: for a layer, as in a call.

    Raises:
        SettingError: a bidirectional layer, k1 or k2 below one, a layer without a loss.

    Example:
        >>> layer, x = Recurrent("gru", 3, 5), torch.randn(30, 2, 3)
        >>> truncation(layer, x, lambda output, steps: output.square().sum(), k2=[1, 10, 30]).errors.argmin()
        np.int64(2)

    Papers: Williams and Peng 1990 (doi:10.1162/neco.1990.2.4.490); Tallec and Ollivier 2017 (arXiv:1705.08209).
    """
    if not len(k2):
        raise SettingError("k2 must list one number of steps or more, got none. Give some.")
    if min(k2) < 1:
        raise SettingError(f"k2 must be 1 or more steps, got {min(k2)}. Correct it.")
    task = (
        _text_task(model, data)
        if isinstance(model, LanguageModel)
        else _layer_task(model, data, loss, resets, static)
    )
    with evaluating(model), torch.enable_grad():
        full = _gradients(model, task.total(task.steps, task.steps))
        found = [_gradients(model, task.total(k if k1 is None else k1, k)) for k in k2]
    return _compared(task.steps, k2, full, found)


@dataclass(frozen=True)
class _Task:
    """A sequence to be run in windows, and what its loss is on each of them."""

    layer: Recurrent
    x: Callable[[], Tensor]
    loss: Loss
    steps: int
    resets: Tensor | None
    static: Mapping[str, Tensor] | None

    def total(self, k1: int, k2: int) -> Tensor:
        """The loss of all windows."""
        windows = truncated(self.layer, self.x(), k1, k2, resets=self.resets, static=self.static)
        pieces: Iterator[Tensor] = (self.loss(window.output, window.steps) for window in windows)
        return sum(pieces, torch.zeros((), dtype=self.layer._like().dtype))


def _text_task(model: LanguageModel, text: Text | Tensor) -> _Task:
    inputs, targets = symbols_of(model, text)
    embedding = model.embedding

    def loss(output: Tensor, steps: slice) -> Tensor:
        return cross_entropy(model.output(output)[:, 0], targets[steps], reduction="sum") / len(targets)

    def x() -> Tensor:
        return inputs[:, None] if embedding is None else embedding(inputs[:, None])

    begins = inputs[:, None] == END
    return _Task(model.recurrent, x, loss, len(inputs), begins if begins[1:].any() else None, None)


def _layer_task(
    layer: Recurrent,
    x: Text | Tensor,
    loss: Loss | None,
    resets: Tensor | None,
    static: Mapping[str, Tensor] | None,
) -> _Task:
    if not isinstance(layer, Recurrent) or not isinstance(x, Tensor):
        raise SettingError(
            "expected a LanguageModel and a text, or a Recurrent and a tensor. Give one of these."
        )
    if loss is None:
        raise SettingError(
            "a layer needs a loss: a function of the output of some steps and of which they are."
        )
    return _Task(layer, lambda: x, loss, x.shape[1 if layer.batch_first else 0], resets, static)


def _gradients(model: nn.Module, total: Tensor) -> dict[str, Tensor]:
    """By the name of every parameter that learns, in float64."""
    names, parameters = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
    if not total.requires_grad:
        return {
            name: torch.zeros_like(p, dtype=torch.float64) for name, p in zip(names, parameters, strict=True)
        }
    found = torch.autograd.grad(total, parameters, allow_unused=True)
    pairs = zip(names, parameters, found, strict=True)
    return {n: torch.zeros_like(p).double() if g is None else g.double() for n, p, g in pairs}


def _compared(
    steps: int, k2: Sequence[int], full: Mapping[str, Tensor], found: Sequence[Mapping[str, Tensor]]
) -> Truncation:
    def flat(gradients: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([gradient.flatten() for gradient in gradients.values()])

    whole = [_compare(flat(one), flat(full)) for one in found]
    each = {name: np.array([_compare(one[name], full[name]) for one in found]) for name in full}
    errors, cosines = np.array(whole).T
    return Truncation(
        steps,
        np.array(k2, dtype=np.int64),
        errors,
        cosines,
        {name: values[:, 0] for name, values in each.items()},
        {name: values[:, 1] for name, values in each.items()},
        np.array([float(flat(one).norm()) for one in found]),
        float(flat(full).norm()),
    )


def _compare(one: Tensor, full: Tensor) -> tuple[float, float]:
    """Relative error and cosine; NaN where there is nothing to compare with."""
    norm, own = float(full.norm()), float(one.norm())
    if norm == 0:
        return float("nan"), float("nan")
    cosine = float((one * full).sum()) / (norm * own) if own > 0 else 0.0
    return float((one - full).norm()) / norm, cosine
