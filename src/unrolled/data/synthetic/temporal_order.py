"""Temporal order: which of two symbols came first, told long after."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.data.synthetic.long_range import ClassTask, Examples, Score, whole_numbers, without_padding

START, END, X, Y, DISTRACTORS = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class TemporalOrder(ClassTask):
    """The order of two relevant symbols among noise (Hochreiter and Schmidhuber 1997, task 6a).

    A row begins with the symbol E, ends with B, and holds symbols drawn from a, b, c, d, but for two places with an X
    or a Y each: one from T/10 to T/5, one from T/2 to 3T/5. The class is which of XX, XY, YX, YY it was. Lengths are
    drawn from T to 1.1 T. Symbols are one-hot: E, B, X, Y, a, b, c, d.

    Solved is the paper's rule to stop: an average error below 0.1 and the 2,000 latest sequences right, which they are
    when every output, a softmax here, is off by less than 0.3. The average error is the cross entropy in nats here.

    Shapes: inputs (T, B, 8), targets (B,), lengths from `length` to 1.1 `length`.

    Example:
        >>> drawn = TemporalOrder(length=100).batch(4, torch.Generator().manual_seed(0))
        >>> drawn.inputs[:, :, 2:4].sum((0, 2)).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """

    length: int = 100
    name = "temporal_order"
    input_size = 8
    outputs = 4
    shortest = 10
    places: ClassVar[tuple[tuple[float, float], ...]] = ((0.1, 0.2), (0.5, 0.6))
    tolerance: ClassVar[float] = 0.3

    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        longest = self.length + self.length // 10
        lengths = whole_numbers(self.length, longest, rows, generator)
        symbols = torch.randint(DISTRACTORS, DISTRACTORS + 4, (longest, rows), generator=generator)
        row, kind = torch.arange(rows), torch.zeros(rows, dtype=torch.int64)
        symbols[0] = START
        symbols[lengths - 1, row] = END
        for low, high in self.places:
            place = whole_numbers(round(low * self.length), round(high * self.length), rows, generator)
            relevant = whole_numbers(0, 1, rows, generator)
            symbols[place, row] = X + relevant
            kind = 2 * kind + relevant
        inputs = functional.one_hot(symbols, self.input_size).to(torch.get_default_dtype())
        return Examples(without_padding(inputs, lengths), kind, lengths)

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Whether every share of the softmax is off by less than 0.3."""
        wanted = functional.one_hot(targets, self.outputs)
        right: Tensor = ((outputs.softmax(-1) - wanted).abs() < self.tolerance).all(-1)
        return right

    @property
    def floor(self) -> float:
        return math.log(self.outputs)

    @property
    def criterion(self) -> str:
        return "2,000 in a row with every output off by less than 0.3, on average below 0.1 nats"

    def solved(self, score: Score) -> bool:
        return score.sequences >= self.window and score.wrong == 0 and score.loss < 0.1


@dataclass(frozen=True)
class TemporalOrder3(TemporalOrder):
    """The order of three relevant symbols, eight classes (Hochreiter and Schmidhuber 1997, task 6b).

    As `TemporalOrder`, with an X or a Y each from T/10 to T/5, from 33 to 43 and from 66 to 76 % of T.
    """

    name = "temporal_order_3"
    outputs = 8
    places = ((0.1, 0.2), (0.33, 0.43), (0.66, 0.76))
