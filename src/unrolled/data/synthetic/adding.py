"""Adding and multiplication: two marked numbers of a long sequence are to be combined at its end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.data.synthetic.long_range import (
    Examples,
    NumberTask,
    Score,
    uniform,
    whole_numbers,
    without_padding,
)


@dataclass(frozen=True)
class Adding(NumberTask):
    """The adding problem as most papers since run it (Le et al. 2015, arXiv:1504.00941).

    Every step shows a number of U(0, 1) and a mark; two steps are marked by 1, one in each half, the others by 0.
    The target is the sum of the two marked numbers. Its mean, 1, leaves a squared error of 1/6, the variance of the
    sum. That one mark lies in each half follows Arjovsky et al. 2016 (arXiv:1511.06464). None of these papers says
    when the task is solved; here it is at a mean squared error below 1e-3.

    Shapes: inputs (T, B, 2), targets (B,); T = length.

    Example:
        >>> drawn = Adding(length=6).batch(3, torch.Generator().manual_seed(0))
        >>> drawn.inputs.shape, drawn.inputs[:, :, 1].sum(0).tolist()
        (torch.Size([6, 3, 2]), [2.0, 2.0, 2.0])
    """

    length: int = 100
    name = "adding"
    input_size = 2

    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        values = uniform(self.length, rows, 0, 1, generator)
        half = self.length // 2
        first = whole_numbers(0, half - 1, rows, generator)
        second = whole_numbers(half, self.length - 1, rows, generator)
        marks = torch.zeros_like(values)
        row = torch.arange(rows)
        marks[first, row] = marks[second, row] = 1
        return Examples(
            torch.stack([values, marks], -1), (values * marks).sum(0), torch.full((rows,), self.length)
        )

    @property
    def floor(self) -> float:
        return 1 / 6

    @property
    def criterion(self) -> str:
        return "a mean squared error below 0.001"

    def solved(self, score: Score) -> bool:
        return score.sequences >= self.window and score.loss < 1e-3


@dataclass(frozen=True)
class _Paired(NumberTask):
    """Pairs of a number and a mark as in tasks 4 and 5 of Hochreiter and Schmidhuber 1997.

    The length of a row is drawn from T to T + T/10. One of the first ten pairs is marked by 1, then another one of
    the first T/2; the first and the last pair carry -1 unless marked, all others 0.
    """

    length: int = 100
    input_size = 2
    shortest = 20

    @property
    def longest(self) -> int:
        """The largest length that is drawn."""
        return self.length + self.length // 10

    def _pairs(
        self, rows: int, low: float, first_pair: float, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs (T, B, 2), the two marked numbers (2, B) and the lengths; a marked first pair has a fixed number."""
        lengths = whole_numbers(self.length, self.longest, rows, generator)
        values = uniform(self.longest, rows, low, 1, generator)
        one = whole_numbers(0, 9, rows, generator)
        other = whole_numbers(0, self.length // 2 - 2, rows, generator)
        other = other + (other >= one)  # every pair but the one that is marked already
        row = torch.arange(rows)
        marks = torch.zeros_like(values)
        marks[0] = -1
        marks[lengths - 1, row] = -1
        marks[one, row] = marks[other, row] = 1
        values[0] = torch.where(marks[0] == 1, first_pair, values[0])
        marked = torch.stack([values[one, row], values[other, row]])
        return without_padding(torch.stack([values, marks], -1), lengths), marked, lengths

    @property
    def _first_marked(self) -> float:
        """How likely the first pair is one of the two."""
        return 1 / 10 + 9 / 10 / (self.length // 2 - 1)


@dataclass(frozen=True)
class Adding1997(_Paired):
    """The adding problem of the paper that introduced the LSTM (Hochreiter and Schmidhuber 1997, task 4).

    Numbers are of U(-1, 1), the target is 0.5 + (X_1 + X_2) / 4, and a first pair that is marked holds 0. Solved is
    the paper's rule to stop: an average error below 0.01 and the 2,000 latest sequences right, each within an
    absolute error of 0.04. The average is that of the squares here.

    Shapes: inputs (T, B, 2), targets (B,), lengths from `length` to 1.1 `length`.
    """

    name = "adding_1997"

    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        inputs, marked, lengths = self._pairs(rows, -1.0, 0.0, generator)
        return Examples(inputs, 0.5 + marked.sum(0) / 4, lengths)

    @property
    def floor(self) -> float:
        return (2 - self._first_marked) / 3 / 16

    @property
    def criterion(self) -> str:
        return "2,000 in a row with an absolute error below 0.04, on average squared below 0.01"

    def solved(self, score: Score) -> bool:
        return score.sequences >= self.window and score.wrong == 0 and score.loss < 0.01


@dataclass(frozen=True)
class Multiplication(_Paired):
    """Two marked numbers are to be multiplied (Hochreiter and Schmidhuber 1997, task 5).

    Numbers are of U(0, 1), the target is X_1 X_2, and a first pair that is marked holds 1. Solved is the stricter of
    the paper's two rules: fewer than 13 of the 2,000 latest sequences wrong by 0.04 or more.

    Shapes: inputs (T, B, 2), targets (B,), lengths from `length` to 1.1 `length`.
    """

    name = "multiplication"

    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        inputs, marked, lengths = self._pairs(rows, 0.0, 1.0, generator)
        return Examples(inputs, marked.prod(0), lengths)

    @property
    def floor(self) -> float:
        """The variance of the target, which is one number alone where the first pair is marked."""
        rare = self._first_marked
        mean = rare / 2 + (1 - rare) / 4
        return rare / 3 + (1 - rare) / 9 - mean**2

    @property
    def criterion(self) -> str:
        return "fewer than 13 of 2,000 with an absolute error of 0.04 or more"

    def solved(self, score: Score) -> bool:
        return score.sequences >= self.window and score.wrong * 2000 < 13 * score.sequences
