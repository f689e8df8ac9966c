"""How likely a language model finds a text."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, SPECIAL
from unrolled.errors import DataError
from unrolled.models.language import LanguageModel

_WINDOW = 1024


@dataclass(frozen=True)
class Score:
    """The probability of a text, and of each of its characters given those before.

    `log_probability` is in nats (natural logarithm); `characters` pairs every character, `<eos>` too where it was
    asked for, with its probability.
    """

    text: str
    log_probability: float
    characters: list[tuple[str, float]]

    @property
    def perplexity(self) -> float:
        """exp(-log P / n): as uncertain as a free choice among so many characters."""
        try:
            return math.exp(-self.log_probability / len(self.characters))
        except OverflowError:
            return math.inf

    @property
    def bits_per_character(self) -> float:
        """-log2 P / n, the logarithm of the perplexity to base 2."""
        return -self.log_probability / len(self.characters) / math.log(2)


def score(model: LanguageModel, text: str, end: bool = False) -> Score:
    """P(text) by the chain rule, from `<eos>` and a zero state.

        log P(c_1 ... c_n) = sum_i log P(c_i | <eos> c_1 ... c_{i-1})

    With `end`, the `<eos>` behind the last character counts as one more: then it is the probability of exactly this
    text, without `end` that of a text that begins so. A character the model has never seen counts as `<unk>`.

    Raises:
        DataError: an empty text without `end`.
    """
    symbols = model.vocabulary.encode(text).tolist() + [END] * end
    if not symbols:
        raise DataError("an empty text has no characters to score; give at least one character")
    steps = log_probabilities(model, torch.tensor(symbols))
    shown = list(text) + [SPECIAL[END]] * end
    return Score(text, float(steps.sum()), list(zip(shown, steps.exp().tolist(), strict=True)))


def log_probabilities(model: LanguageModel, symbols: Tensor) -> Tensor:
    """log P of each of n symbols `(n,)` given `<eos>` and those before it, `(n,)` in float64, nats."""
    inputs = torch.cat([torch.tensor([END]), symbols[:-1]])
    pieces = []
    state = None
    with torch.no_grad():
        for start in range(0, len(symbols), _WINDOW):
            window = slice(start, start + _WINDOW)
            logits, state = model(inputs[window, None], state)
            everything = torch.log_softmax(logits[:, 0].double(), -1)
            pieces.append(everything.gather(1, symbols[window, None])[:, 0])
    return torch.cat(pieces)
