"""How much each earlier symbol moves a prediction: the gradient of the next symbol's logit by every input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import SettingError
from unrolled.inspection.figures import SCALE, drawing, dressed, visible
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Call, Text, at_rest, call_of, characters_of, symbols_of
from unrolled.inspection.windows import Trajectory
from unrolled.models.language import LanguageModel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]

ACROSS = 64  # symbols in a line of a figure
MEMORY = 2**28
"""Bytes that one batch of windows may take, nearly."""
MOST_ROWS = 256


@dataclass(frozen=True)
class Memorization(Finding):
    """What moved the prediction at each of P positions of a text.

    `characters` (n,), the symbols; `positions` (P,), which of them were predicted; `connectivity` (P, window) in whole
    numbers from 0 to 255, the influence of the input k steps before (k = 0: the symbol right before the one that is
    predicted) as a share of the largest at this position, times 255; `strongest` (P,), that largest influence: the
    squared norm of d logit(true symbol) / d input. `probabilities` (P,) of the true symbol; `guesses` (P, k), the
    likeliest symbols, and `guess_probabilities` (P, k).
    """

    characters: tuple[str, ...]
    positions: NDArray[np.int64]
    connectivity: NDArray[np.uint8]
    strongest: Array
    probabilities: Array
    guesses: tuple[tuple[str, ...], ...]
    guess_probabilities: Array

    @property
    def window(self) -> int:
        """How many steps it looks back, at most."""
        return int(self.connectivity.shape[1])

    def at(self, position: int) -> Array:
        """The influence of each earlier symbol on the prediction at a position, from 0 to 1 over the n symbols.

        What was read before the first symbol, `<eos>`, is not among them: `begin(position)`.
        """
        row = self._row(position)
        found = np.zeros(len(self.characters))
        lags = np.arange(min(position, self.window))
        found[position - 1 - lags] = self.connectivity[row, lags] / 255
        return found

    def begin(self, position: int) -> float:
        """The influence of `<eos>`, read before the text, from 0 to 1; 0 where it lies before the window."""
        row = self._row(position)
        return self.connectivity[row, position] / 255 if position < self.window else 0.0

    @property
    def by_lag(self) -> Array:
        """(window,) the mean share of the largest influence, over the positions that have so much text before them."""
        reach = np.arange(self.window)[None] <= self.positions[:, None]
        return np.asarray((self.connectivity * reach).sum(0) / 255 / reach.sum(0).clip(1))

    def _row(self, position: int) -> int:
        row = int(np.searchsorted(self.positions, position))
        if row == len(self.positions) or self.positions[row] != position:
            raise SettingError(
                f"position must be one that was looked at, from {self.positions[0]} to {self.positions[-1]}, "
                f"got {position}. Use one of these."
            )
        return row

    def figure(self, position: int | None = None) -> Figure:
        """The text before a position, coloured by influence; without one, the mean influence by distance."""
        if position is None:
            return Memorizations({"": self}).figure()
        figure = drawing(self._title(position))
        figure.add_trace(self._text(position))
        return _as_text(figure, 120 + 24 * _lines(self, position))

    def _title(self, position: int, name: str = "") -> str:
        row = self._row(position)
        guessed = ", ".join(
            f"{visible(s)} {p:.0%}"
            for s, p in zip(self.guesses[row], self.guess_probabilities[row], strict=True)
        )
        true = f"{visible(self.characters[position])} ({self.probabilities[row]:.0%})"
        return f"{f'{name}: what' if name else 'What'} moved the prediction of {true}; expected {guessed}"

    def _text(self, position: int) -> object:
        from plotly.graph_objects import Heatmap

        first = max(0, position - self.window)
        shares = np.append(self.at(position)[first:position], np.nan)
        symbols = [visible(symbol) for symbol in self.characters[first:position]] + ["?"]
        empty = -len(shares) % ACROSS
        grid = np.append(shares, np.full(empty, np.nan)).reshape(-1, ACROSS)
        text = np.array(symbols + [""] * empty, dtype=object).reshape(-1, ACROSS)
        look = {
            "colorscale": SCALE,
            "zmin": 0,
            "zmax": 1,
            "xgap": 1,
            "ygap": 1,
            "colorbar": {"title": "influence"},
        }
        hover = "%{text}: %{z:.2f} of the largest<extra></extra>"
        return Heatmap(z=grid, text=text, texttemplate="%{text}", hovertemplate=hover, **look)


@dataclass(frozen=True)
class Memorizations(Finding):
    """The same text read by several models, by name."""

    models: Mapping[str, Memorization]

    def figure(self, position: int | None = None) -> Figure:
        """The text before a position for each model; without a position, mean influence by distance, a line each."""
        if position is None:
            return self._by_lag()
        from plotly.subplots import make_subplots

        titles = [one._title(position, name) for name, one in self.models.items()]
        figure = make_subplots(rows=len(titles), cols=1, subplot_titles=titles, vertical_spacing=0.12)
        for row, one in enumerate(self.models.values(), 1):
            figure.add_trace(one._text(position), row=row, col=1)
        figure.update_traces(showscale=False)
        height = sum(90 + 24 * _lines(one, position) for one in self.models.values())
        shown = "".join(
            visible(c) for c in next(iter(self.models.values())).characters[max(0, position - 20) : position]
        )
        dressed(figure, f"What {len(titles)} models look at after “{shown}”")
        return _as_text(figure, 80 + height)

    def _by_lag(self) -> Figure:
        name, longest = max(self.models.items(), key=lambda item: _half(item[1].by_lag))
        title = f"Half of the influence on a prediction lies within {_half(longest.by_lag)} symbols"
        title += f" ({name} looks furthest back)" if len(self.models) > 1 else ""
        figure = drawing(
            title, "symbols back (0: the one read last)", "mean influence, as a share of the largest"
        )
        for name, one in self.models.items():
            figure.add_scatter(
                x=np.arange(one.window), y=one.by_lag, name=name, showlegend=bool(name), mode="lines"
            )
        figure.update_yaxes(type="log", exponentformat="power", dtick=1)
        return figure


def memorization(
    model: LanguageModel,
    text: Text,
    *,
    window: int = 256,
    best: int = 5,
    positions: range | None = None,
) -> Memorization:
    """How much each of the last `window` symbols moves the prediction at each position of a text.

        influence of the symbol k steps before p = || d logit_p(true symbol p) / d input_{p-k} ||^2

    The input is the one-hot vector, or the embedding where the model has one. Every position has a window of its own,
    run from the state that the text before it leaves: one batch with a row for each, one backward run.

    Args:
        model: the language model.
        text: n symbols; `<eos>` is read before the first.
        window: steps to look back, the symbol read last included.
        best: how many guesses are kept for each position.
        positions: which of them are looked at, all by default.

    Raises:
        DataError: an empty text.
        SettingError: window or best below one, positions outside of the text.

    Example:
        >>> from unrolled.data.vocabulary import Vocabulary
        >>> model = LanguageModel(Vocabulary.from_text(["hola"]), "gru", hidden_size=8)
        >>> memorization(model, "holahola", window=4).connectivity.shape
        (8, 4)

    Paper: Madsen 2019, Visualizing memorization in RNNs (doi:10.23915/distill.00016).
    """
    inputs, targets = symbols_of(model, text)
    chosen = range(len(targets)) if positions is None else positions
    best = min(best, len(model.vocabulary))
    _check(window, best, chosen, len(targets))
    with at_rest(model):
        logits = _logits(model, inputs[: chosen[-1] + 1])[chosen]
        found = influences(model, text, chosen, window)
    shares = torch.softmax(logits.double(), -1)
    top = shares.topk(best)
    strongest = found.max(1)
    scale = 255 / np.where(strongest > 0, strongest, 1)
    return Memorization(
        characters_of(model, text),
        np.array(chosen, dtype=np.int64),
        (found * scale[:, None]).round().astype(np.uint8),
        strongest,
        shares.gather(1, targets[chosen][:, None])[:, 0].numpy(),
        tuple(tuple(model.vocabulary.symbols[i] for i in row) for row in top.indices.tolist()),
        top.values.numpy(),
    )


def memorizations(models: Mapping[str, LanguageModel], text: Text, **options: object) -> Memorizations:
    """`memorization` of several models over one text, side by side; options as there."""
    if not models:
        raise SettingError("at least one model must be given, got none. Give {name: model}.")
    return Memorizations({name: memorization(one, text, **options) for name, one in models.items()})  # type: ignore[arg-type]


def influences(model: LanguageModel, text: Text, positions: Sequence[int], window: int) -> Array:
    """The squared norms themselves, (P, window): at [i, k] that of the input k steps before what is read last.

    Zero where the text does not reach so far back. Positions must rise.
    """
    call = call_of(model, text)
    _, targets = symbols_of(model, text)
    last = torch.as_tensor(list(positions))
    found = np.zeros((len(last), window))
    with at_rest(model):
        whole = Trajectory(replace(call, x=_numbers(call)))
        rows = _rows(model, window)
        for piece in (slice(start, start + rows) for start in range(0, len(last), rows)):
            found[piece] = _batch(model, whole, last[piece], targets, window)
    return found


def _numbers(call: Call) -> Tensor:
    """The input as numbers (T, 1, I), one-hot where it came as indices."""
    if call.x.is_floating_point():
        return call.x
    blank = call.layer._like().new_zeros(*call.x.shape, call.layer.input_size)
    return blank.scatter_(2, call.x[:, :, None], 1)


def _batch(model: LanguageModel, whole: Trajectory, last: Tensor, targets: Tensor, window: int) -> Array:
    """(B, window) of windows that end with the steps `last`; one backward run from the sum of their logits."""
    first = (last - window + 1).clamp(min=0)
    lengths = last - first + 1
    longest = int(lengths.max())
    steps = (first + torch.arange(longest)[:, None]).clamp(max=whole.call.steps - 1)
    x = whole.call.x[:, 0][steps].requires_grad_()
    with torch.enable_grad():
        total = (whole.last_outputs(x, first, last + 1) * model.output.weight[targets[last]]).sum()
        (gradient,) = torch.autograd.grad(total, x)
    squares = torch.linalg.vector_norm(gradient, dim=-1).double().square()
    back = lengths - 1 - torch.arange(longest)[:, None]  # the step k before the last, (k, B)
    found = np.zeros((len(last), window))
    found[:, :longest] = (squares.gather(0, back.clamp(min=0)) * (back >= 0)).T.numpy()
    return found


def _logits(model: LanguageModel, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        logits, _ = model(inputs[:, None])
    found: Tensor = logits[:, 0]
    return found


def _rows(model: LanguageModel, window: int) -> int:
    """How many windows a batch may have: input and its gradient, and about a dozen values by unit."""
    layer = model.recurrent
    floats = 3 * layer.input_size + 12 * sum(layer.widths)
    return int(np.clip(MEMORY // (floats * window * layer._like().element_size()), 1, MOST_ROWS))


def _check(window: int, best: int, chosen: range, number: int) -> None:
    if min(window, best) < 1:
        raise SettingError(f"window and best must be 1 or more, got {window} and {best}. Correct them.")
    if not len(chosen) or chosen.step < 1 or chosen[0] < 0 or chosen[-1] >= number:
        raise SettingError(
            f"positions must rise from 0 to n-1 = {number - 1} at most, got {chosen}. Correct them."
        )


# --- figures -------------------------------------------------------------------------------------


def _lines(one: Memorization, position: int) -> int:
    return min(position, one.window) // ACROSS + 1


def _as_text(figure: Figure, height: int) -> Figure:
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed")
    figure.update_layout(
        height=height, width=1150, plot_bgcolor="#fafafa", margin={"l": 20, "r": 20, "t": 90, "b": 20}
    )
    figure.update_traces(textfont={"family": "monospace", "size": 13})
    return figure


def _half(by_lag: Iterable[float]) -> int:
    """Within how many symbols half of the influence lies."""
    total = np.cumsum(np.asarray(by_lag))
    return int(np.searchsorted(total, total[-1] / 2)) + 1
