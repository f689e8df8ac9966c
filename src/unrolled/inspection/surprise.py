"""Where a language model was wrong: the probability of every symbol of a text, and what it expected instead."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import SettingError
from unrolled.inspection.figures import SCALE, drawing, visible
from unrolled.inspection.plain import Finding
from unrolled.inspection.reading import Text, at_rest, characters_of, symbols_of
from unrolled.models.language import LanguageModel

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Array = NDArray[np.float64]

_WINDOW = 1024
_ACROSS, _MOST_LINES = 80, 60


@dataclass(frozen=True)
class Mistake:
    """A symbol the model did not expect: where, after what, how likely it was, and what was likelier."""

    position: int
    before: str
    symbol: str
    probability: float
    bits: float
    expected: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        instead = ", ".join(f"{symbol!r} {p:.1%}" for symbol, p in self.expected)
        return f"{self.position}: {self.before!r} then {self.symbol!r} ({self.bits:.1f} bits); expected {instead}"


@dataclass(frozen=True)
class Surprise(Finding):
    """The probability of every symbol of a text given those before.

    `characters` (n,); `probabilities` (n,); `bits` (n,), -log2 of them; `entropies` (n,), the bits the model expected
    to need; `ranks` (n,), how many symbols were likelier; `mistakes`, the most surprising first.
    """

    characters: tuple[str, ...]
    probabilities: Array
    bits: Array
    entropies: Array
    ranks: NDArray[np.int64]
    mistakes: tuple[Mistake, ...]

    @property
    def bits_per_symbol(self) -> float:
        """The mean."""
        return float(self.bits.mean())

    @property
    def perplexity(self) -> float:
        """2 to the mean of the bits; infinite where that is no float."""
        return float(np.exp2(self.bits_per_symbol)) if self.bits_per_symbol < 1024 else math.inf

    @property
    def accuracy(self) -> float:
        """How often the true symbol was the likeliest."""
        return float((self.ranks == 0).mean())

    def figure(self) -> Figure:
        """The text coloured by surprise (its first 4,800 symbols), with the bits of each symbol on hover."""
        from plotly.graph_objects import Heatmap

        number = min(len(self.characters), _ACROSS * _MOST_LINES)
        empty = -number % _ACROSS
        grid = np.append(self.bits[:number], np.full(empty, np.nan)).reshape(-1, _ACROSS)
        text = [visible(symbol) for symbol in self.characters[:number]] + [""] * empty
        figure = drawing(self._title())
        look = {
            "colorscale": SCALE,
            "zmin": 0,
            "zmax": max(8.0, float(np.quantile(self.bits, 0.99))),
            "xgap": 1,
            "ygap": 1,
        }
        trace = Heatmap(
            z=grid,
            text=np.array(text, dtype=object).reshape(-1, _ACROSS),
            texttemplate="%{text}",
            textfont={"family": "monospace", "size": 12},
            hovertemplate="%{text}: %{z:.2f} bits<extra></extra>",
            colorbar={"title": "bits"},
            **look,
        )
        figure.add_trace(trace)
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False, autorange="reversed")
        figure.update_layout(
            height=110 + 22 * len(grid), width=1250, margin={"l": 20, "r": 20, "t": 60, "b": 20}
        )
        return figure

    def _title(self) -> str:
        return (
            f"{self.bits_per_symbol:.2f} bits a symbol; the likeliest symbol was right in {self.accuracy:.0%}"
        )


def surprise(
    model: LanguageModel, text: Text, *, worst: int = 20, context: int = 40, expected: int = 5
) -> Surprise:
    """How likely a model found each symbol of a text, from `<eos>` and a zero state.

        bits_t = -log2 P(c_t | <eos> c_1 ... c_{t-1})

    Args:
        model: the language model.
        text: n symbols.
        worst: how many mistakes are listed, the most surprising first: symbols that were not the likeliest.
        context: symbols before each of them that are shown.
        expected: how many likelier symbols are shown.

    Raises:
        DataError: an empty text.
        SettingError: worst, context or expected below one.

    Example:
        >>> from unrolled.data.vocabulary import Vocabulary
        >>> model = LanguageModel(Vocabulary.from_text(["hola"]), "gru", hidden_size=8)
        >>> surprise(model, "hola").bits.shape
        (4,)
    """
    if min(worst, context, expected) < 1:
        raise SettingError(
            f"worst, context and expected must be 1 or more, got {worst}, {context} and {expected}. Correct them."
        )
    inputs, targets = symbols_of(model, text)
    characters = characters_of(model, text)
    own, entropies, ranks, likely, likeliest = [], [], [], [], []
    state = None
    best = min(expected, len(model.vocabulary))
    with at_rest(model), torch.no_grad():
        for start in range(0, len(inputs), _WINDOW):
            piece = slice(start, start + _WINDOW)
            logits, state = model(inputs[piece, None], state)
            logs = torch.log_softmax(logits[:, 0].double(), -1)
            mine = logs.gather(1, targets[piece, None])
            own.append(mine[:, 0])
            entropies.append(-torch.special.xlogy(logs.exp(), logs.exp()).sum(-1))
            ranks.append((logs > mine).sum(-1))
            top = logs.topk(best)
            likely.append(top.values.exp())
            likeliest.append(top.indices)
    found, rank = torch.cat(own).numpy(), torch.cat(ranks).numpy()
    bits = -found / math.log(2)
    guesses, shares = torch.cat(likeliest), torch.cat(likely)
    between = " " if model.vocabulary.unit in ("word", "event") else ""

    def mistake(t: int) -> Mistake:
        before = between.join(characters[max(0, t - context) : t])
        names = [model.vocabulary.symbols[i] for i in guesses[t].tolist()]
        instead = tuple(zip(names, shares[t].tolist(), strict=True))
        return Mistake(t, before, characters[t], float(np.exp(found[t])), float(bits[t]), instead)

    order = [int(t) for t in np.argsort(-bits, kind="stable") if rank[t] > 0][:worst]
    return Surprise(
        characters,
        np.exp(found),
        bits,
        torch.cat(entropies).numpy() / math.log(2),
        rank,
        tuple(map(mistake, order)),
    )
