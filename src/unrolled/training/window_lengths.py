"""Windows of truncated BPTT whose lengths are drawn, so that their borders fall elsewhere in every epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from unrolled.training.settings import SHORTEST

_DEVIATION = 5.0
_USUAL = 0.95
"""Share of the windows that are about as long as was asked for; the others are about half as long."""


def drawn_lengths(steps: int, seed: int) -> Iterator[int]:
    """Lengths without end: max(5, floor(s)), s normal around `steps` with p = 0.95, else around steps / 2, deviation 5.

    Example:
        >>> lengths = drawn_lengths(70, seed=0)
        >>> [next(lengths) for _ in range(5)]
        [69, 70, 71, 74, 63]

    Paper: Merity et al. 2018, Regularizing and optimizing LSTM language models, arXiv:1708.02182.
    """
    generator = np.random.default_rng(seed)
    while True:
        centre = steps if generator.random() < _USUAL else steps / 2
        yield max(SHORTEST, math.floor(generator.normal(centre, _DEVIATION)))


def mean_length(steps: int) -> float:
    """The expectation of these lengths: 5 + sum over k > 5 of P(length >= k)."""
    lengths = np.arange(SHORTEST + 1, steps + 12 * round(_DEVIATION))
    usual, short = (
        sum(0.5 * math.erfc((k - centre) / (_DEVIATION * math.sqrt(2))) for k in lengths.tolist())
        for centre in (steps, steps / 2)
    )
    return SHORTEST + _USUAL * usual + (1 - _USUAL) * short
