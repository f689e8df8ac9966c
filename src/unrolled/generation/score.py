"""How likely a language model finds a text, and which of several texts it finds likelier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, SPECIAL
from unrolled.errors import DataError
from unrolled.layers.state import State
from unrolled.models.kept import evaluating
from unrolled.models.language import LanguageModel

_WINDOW = 1024

Symbol = tuple[str, float]
"""The piece of a text behind a symbol, and P(symbol | all before)."""


@dataclass(frozen=True)
class Score:
    """The probability of a text, and of each of its symbols given those before.

    `log_probability` is in nats (natural logarithm); `symbols` pairs every piece of the text, `<eos>` too where it was
    asked for, with its probability; `unit` says what a piece is: a character, a word, a byte ...
    """

    text: str
    log_probability: float
    symbols: list[Symbol]
    unit: str = "character"
    end: bool = False

    @property
    def perplexity(self) -> float:
        """exp(-log P / n) over n symbols: as uncertain as a free choice among so many."""
        try:
            return math.exp(-self.log_probability / len(self.symbols))
        except OverflowError:
            return math.inf

    @property
    def bits_per_character(self) -> float:
        """-log2 P by characters of the text (code points), of whatever unit the model is; a counted end is one more."""
        return -self.log_probability / (len(self.text) + self.end) / math.log(2)


@dataclass(frozen=True)
class Comparison:
    """A text beside a likelier one: `log_odds` = log P(likelier) - log P(other), nats, and where they part.

    `place` is the first symbol that differs, from 0, and `symbols` both there, None behind the end of a text; for
    texts with the same symbols `place` is None.
    """

    log_odds: float
    place: int | None
    symbols: tuple[Symbol | None, Symbol | None] = (None, None)

    @property
    def odds(self) -> float:
        """P(likelier) / P(other); infinite where that is no float."""
        try:
            return math.exp(self.log_odds)
        except OverflowError:
            return math.inf


def score(model: LanguageModel, text: str, end: bool = False) -> Score:
    """P(text) by the chain rule, from `<eos>` and a zero state.

        log P(s_1 ... s_n) = sum_i log P(s_i | <eos> s_1 ... s_{i-1})

    With `end`, the `<eos>` behind the last symbol counts as one more, unless the text holds it already: then it is the
    probability of exactly this text, without `end` that of a text that begins so. What the model has never seen counts
    as `<unk>`.

    Raises:
        DataError: an empty text without `end`.
    """
    symbols: list[int] = model.vocabulary.encode(text).tolist()
    end = end and symbols[-1:] != [END]
    symbols += [END] * end
    if not symbols:
        raise DataError(f"an empty text has no {model.vocabulary.unit}s to score; give at least one")
    steps = log_probabilities(model, torch.tensor(symbols))
    shown = list(model.vocabulary.split(text)) + [SPECIAL[END]] * end
    pairs = list(zip(shown, steps.exp().tolist(), strict=True))
    return Score(text, float(steps.sum()), pairs, model.vocabulary.unit, end)


def compare(likelier: Score, other: Score) -> Comparison:
    """How much likelier one text is than another, and where the two part."""
    log_odds = likelier.log_probability - other.log_probability
    for place, (one, two) in enumerate(zip_longest(likelier.symbols, other.symbols)):
        if one is None or two is None or one[0] != two[0]:
            return Comparison(log_odds, place, (one, two))
    return Comparison(log_odds, None)


def log_probabilities(model: LanguageModel, symbols: Tensor) -> Tensor:
    """log P of each of n symbols `(n,)` given `<eos>` and those before it, `(n,)` in float64, nats."""
    inputs = torch.cat([torch.tensor([END]), symbols[:-1]])
    pieces = []
    state = None
    with torch.no_grad(), evaluating(model):
        for start in range(0, len(symbols), _WINDOW):
            window = slice(start, start + _WINDOW)
            found, state = window_log_probabilities(model, inputs[window], symbols[window], state)
            pieces.append(found.double())
    return torch.cat(pieces)


def window_log_probabilities(
    model: LanguageModel, inputs: Tensor, targets: Tensor, state: State | None
) -> tuple[Tensor, State]:
    """log P of T targets `(T,)` after the inputs `(T,)` and the carried state, `(T,)` in nats, and the new state."""
    reading = model.read(inputs[:, None], state)
    return model.output.log_probabilities(reading.output[:, 0], targets), reading.state
