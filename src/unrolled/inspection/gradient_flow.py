"""How far back a network's gradient reaches: its norm against the distance to the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from unrolled.errors import DataError, SettingError
from unrolled.inspection.course import Probe
from unrolled.inspection.figures import colour, drawing, faded
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import (
    Call,
    Model,
    Text,
    at_rest,
    call_of,
    symbols_of,
)
from unrolled.inspection.stepwise import Chain, run_stepwise
from unrolled.inspection.windows import Trajectory
from unrolled.layers.state import State
from unrolled.models.language import LanguageModel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]
Loss = Callable[[Tensor], Tensor]

MEMORY_SHARE = 0.1
"""The effective memory ends where the norm has fallen to this share of what it is at lag 1."""
GROWTH = 10.0
"""A gradient explodes that grows by this factor over the lags looked at."""


@dataclass(frozen=True)
class GradientFlow(Finding):
    """The gradient of a loss with respect to what each layer carries from step to step.

    A lag k is the state that enters the k-th last step before the loss, that of the loss included: k = 1 is what the
    step of the loss reads. One row for each of C layers and directions (`layers`: l0, l0_reverse, l1, ...).

    `lags` (K,); `norms` (C, K), the norm over all states of a layer together, mean over the rows; `low` and `high`
    (C, K), their 10 % and 90 % quantiles; `states`, the mean norm by the name of each state, (C, K); `rates` (C,), the
    factor per step, of the line fitted to the logarithm; `memories` (C,), the lag in steps from which on the norm stays
    below a tenth of its value at lag 1, infinite where it does not within the lags; `verdicts`: "vanishing" where it
    does, "exploding" where the last norm is more than ten times the first and still grows at that pace, else "healthy".
    """

    layers: tuple[str, ...]
    lags: NDArray[np.int64]
    norms: Array
    low: Array
    high: Array
    states: Mapping[str, Array]
    rates: Array
    memories: Array
    verdicts: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Of the whole: exploding if a layer is, else healthy if one is, for then the gradient has a way back."""
        return next((v for v in ("exploding", "healthy") if v in self.verdicts), "vanishing")

    def summary(self) -> str:
        """One line for each layer."""
        return "\n".join(self._line(number) for number in range(len(self.layers)))

    def _line(self, number: int) -> str:
        memory, last = self.memories[number], int(self.lags[-1])
        reach = (
            f"a tenth after {memory:.0f} steps" if math.isfinite(memory) else f"no end within {last} steps"
        )
        return f"{self.layers[number]}: {self.verdicts[number]}, x {self.rates[number]:.3f} a step, {reach}"

    def figure(self) -> Figure:
        """Norm against lag, logarithmic, a line for each layer with its middle 80 % of rows."""
        title = self._line(0) if len(self.layers) == 1 else f"The gradient is {self.verdict}"
        figure = drawing(
            title,
            "lag: steps between the state and the loss",
            "norm of the loss's gradient by the carried state",
        )
        for number, name in enumerate(self.layers):
            self._add_band(figure, number)
            line = {"color": colour(number), "width": 2}
            label = name if len(self.layers) == 1 else self._line(number)
            figure.add_scatter(x=self.lags, y=_drawn(self.norms[number]), name=label, line=line, mode="lines")
            if math.isfinite(self.memories[number]):
                figure.add_vline(
                    x=self.memories[number], line={"color": colour(number), "dash": "dot", "width": 1}
                )
        figure.update_yaxes(type="log", exponentformat="power", dtick=1)
        figure.update_layout(showlegend=len(self.layers) > 1)
        return figure

    def _add_band(self, figure: Figure, number: int) -> None:
        around = np.concatenate([self.lags, self.lags[::-1]])
        band = np.concatenate([self.low[number], self.high[number][::-1]])
        if np.isfinite(band).all() and (band > 0).all():
            look = {"fill": "toself", "fillcolor": faded(number), "line": {"width": 0}, "hoverinfo": "skip"}
            figure.add_scatter(x=around, y=band, showlegend=False, mode="lines", **look)


def gradient_flow(
    model: Model,
    data: Text | Tensor,
    loss: Loss | None = None,
    *,
    lags: int = 100,
    rows: int = 16,
    position: int | None = None,
    state: State | None = None,
    resets: Tensor | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> GradientFlow:
    """How the gradient of the loss at one step changes on its way back through time.

        norm at lag k = mean over rows of || dL_t / ds_{t-k} ||,   s the states of one layer

    Args:
        model: a `LanguageModel`, or a `Recurrent` of any cell, deep or bidirectional.
        data: for a language model a text of more than `lags` symbols; the loss is -log P of the symbol behind each of
            `rows` windows spread over it, each begun with the state that the text before it leaves. For a layer its
            input (T, B, I), in its own layout.
        loss: for a layer, from its output (B, n) at `position` to a number for each row (B,), or their sum.
        lags: K, at most T - 1 for a layer.
        rows: windows of the text.
        position: for a layer, the step whose output the loss reads: the last one, or of a bidirectional layer the
            middle one, which has steps on both sides.
        state, resets, static: for a layer, as in a call.

    Raises:
        DataError: a text that is too short.
        SettingError: lags or rows below one, a layer without a loss.

    Example:
        >>> from unrolled import Recurrent
        >>> layer = Recurrent("gru", input_size=3, hidden_size=5)
        >>> flow = gradient_flow(layer, torch.zeros(40, 2, 3), lambda output: output.sum(-1), lags=30)
        >>> flow.norms.shape, flow.layers
        ((1, 30), ('l0',))

    Papers: Bengio et al. 1994 (doi:10.1109/72.279181); Pascanu et al. 2013 (arXiv:1211.5063).
    """
    if min(lags, rows) < 1:
        raise SettingError(f"lags and rows must be 1 or more, got {lags} and {rows}. Correct them.")
    if isinstance(model, LanguageModel):
        call, targets = _windows(model, data, lags, rows)
        with at_rest(model):
            return _flow(call, lambda output: _surprise(model, output, targets), call.steps - 1, lags)
    if loss is None:
        raise SettingError(
            "a layer needs a loss: a function of its output (B, n) at one step, with a number per row."
        )
    call = call_of(model, data, state, resets, static)
    place = _place(call, position)
    reach = _reach(call, place)
    if reach < 1:
        raise DataError(f"the input must have 2 steps or more, got {call.steps}; give a longer one")
    with at_rest(model):
        return _flow(call, loss, place, min(lags, reach))


def gradient_probe(
    model: Model,
    data: Text | Tensor,
    loss: Loss | None = None,
    *,
    every: int = 100,
    lags: int = 50,
    rows: int = 4,
) -> Probe:
    """A probe that looks at the gradient flow every so many updates: `probe(update)` after each of them.

    It keeps, for each layer, the rate per step, the effective memory (at most `lags`) and the share of the norm left at
    the last lag. One look costs a batch of `rows` windows of `lags` steps; it draws no random number and leaves no
    gradient.
    """

    def measure() -> dict[str, float]:
        flow = gradient_flow(model, data, loss, lags=lags, rows=rows)
        found = {}
        for number, name in enumerate(flow.layers):
            found[f"{name} rate"] = float(flow.rates[number])
            found[f"{name} memory"] = min(float(flow.memories[number]), float(flow.lags[-1]))
            first, last = flow.norms[number, 0], flow.norms[number, -1]
            found[f"{name} left"] = float(last / first) if first > 0 else 0.0
        return found

    return Probe(measure, every)


# --- what is run ---------------------------------------------------------------------------------


def _windows(model: LanguageModel, text: Text | Tensor, lags: int, rows: int) -> tuple[Call, Tensor]:
    """Windows of `lags` steps spread over a text, as rows, and the symbol that follows each (B,)."""
    inputs, targets = symbols_of(model, text)
    if len(inputs) < lags:
        raise DataError(
            f"the text must have {lags} symbols or more to look back {lags} steps, got {len(inputs)}; give a longer "
            "text or fewer lags"
        )
    whole = call_of(model, text)
    places = sorted(set(np.linspace(0, len(inputs) - lags, rows).round().astype(int).tolist()))
    with at_rest(model):
        before = Trajectory(whole).state_before(places)
    steps = torch.tensor(places) + torch.arange(lags)[:, None]
    resets = None if whole.resets is None else whole.resets[:, 0][steps]
    return Call(whole.layer, whole.x[:, 0][steps], resets, {}, before), targets[steps[-1]]


def _surprise(model: LanguageModel, output: Tensor, targets: Tensor) -> Tensor:
    """-log P of the true next symbols."""
    return cross_entropy(model.output(output), targets, reduction="sum")


def _place(call: Call, position: int | None) -> int:
    if position is None:
        return call.steps // 2 if call.layer.bidirectional else call.steps - 1
    if not -call.steps <= position < call.steps:
        raise SettingError(
            f"position must be a step of the input, below T={call.steps}, got {position}. Correct it."
        )
    return position % call.steps


def _reach(call: Call, position: int) -> int:
    """How many lags there are on the side, or on both sides, of the loss."""
    before = position + 1
    return min(before, call.steps - position) if call.layer.bidirectional else before


def _flow(call: Call, loss: Loss, position: int, lags: int) -> GradientFlow:
    with torch.enable_grad():
        chains = run_stepwise(call)
        total = loss(chains.output[position])
        wanted = [list(_borders(chain, position, lags)) for chain in chains.chains]
        tensors = [value for chain in wanted for border in chain for value in border.values()]
        gradients = iter(torch.autograd.grad(total.sum(), tensors, allow_unused=True))
    by_state: dict[str, list[Tensor]] = {}
    for chain in wanted:
        for name in chain[0]:
            by_state.setdefault(name, []).append(torch.zeros(lags, call.rows, dtype=torch.float64))
        for k, border in enumerate(chain):
            for name, gradient in zip(border, gradients, strict=False):
                if gradient is not None:
                    by_state[name][-1][k] = gradient.double().square().sum((0, 2)).cpu()
    return _found([chain.name for chain in chains.chains], by_state)


def _borders(chain: Chain, position: int, lags: int) -> Iterator[Mapping[str, Tensor]]:
    """What is carried over the border of each lag, 1 first."""
    for lag in range(1, lags + 1):
        yield chain.carried[position + lag if chain.reverse else position + 1 - lag]


# --- what it says --------------------------------------------------------------------------------


def _found(layers: Sequence[str], squares: Mapping[str, Sequence[Tensor]]) -> GradientFlow:
    """From the squared norms (K, B) of every state and chain."""
    by_state = {name: np.stack([one.numpy() for one in values]) for name, values in squares.items()}
    rows = np.sqrt(sum(by_state.values()))
    norms = rows.mean(-1)
    low, high = np.quantile(rows, (0.1, 0.9), axis=-1)
    return GradientFlow(
        tuple(layers),
        np.arange(1, norms.shape[1] + 1),
        norms,
        low,
        high,
        {name: np.sqrt(values).mean(-1) for name, values in by_state.items()},
        np.array([rate_of(line) for line in norms]),
        np.array([memory_of(line) for line in norms]),
        tuple(verdict_of(line) for line in norms),
    )


def rate_of(norms: Array) -> float:
    """The factor per step: exp of the slope of the least-squares line through log norm; NaN of fewer than two."""
    lags = np.arange(len(norms))
    known = np.isfinite(norms) & (norms > 0)
    if known.sum() < 2:
        return math.nan
    return float(np.exp(np.polyfit(lags[known], np.log(norms[known]), 1)[0]))


def memory_of(norms: Array) -> float:
    """The lag from which on the norm stays below a tenth of its first; between two lags along their logarithms.

    Infinite where it is not below at the last lag.
    """
    least = MEMORY_SHARE * norms[0]
    above = np.flatnonzero(~(norms < least)) if norms[0] > 0 else np.array([], dtype=int)
    if not len(above):
        return 0.0
    last = int(above[-1])
    if last == len(norms) - 1:
        return math.inf
    here, there = norms[last], norms[last + 1]
    share = math.log(here / least) / math.log(here / there) if there > 0 else 0.0
    return 1 + last + share


def verdict_of(norms: Array) -> str:
    """ "vanishing", "exploding" or "healthy"."""
    if not np.isfinite(norms).all():
        return "exploding"
    # A network that is not normal may grow at first and then no more: the second half must grow at the same pace.
    second = norms[len(norms) // 2 :]
    if norms[-1] > GROWTH * norms[0] and rate_of(second) ** len(norms) > GROWTH:
        return "exploding"
    return "vanishing" if math.isfinite(memory_of(norms)) else "healthy"


def _drawn(norms: Array) -> Array:
    """Norms on a logarithmic axis; zero has no place there."""
    return np.where(norms > 0, norms, np.nan)
