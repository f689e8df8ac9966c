"""Parity: whether the number of ones so far is odd; every single input matters for ever."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from unrolled.data.synthetic.long_range import ClassTask, Examples, Score


@dataclass(frozen=True)
class Parity(ClassTask):
    """The parity of T bits, told at the end (Bengio et al. 1994, IEEE Trans. Neural Networks 5(2)).

    Nothing that is less than all of the bits says anything about the answer: the floor is ln 2. Solved is a window of
    2,000 sequences without a wrong one.

    Shapes: inputs (T, B, 1), 0 or 1; targets (B,), the remainder by 2 of their sum; T = length.

    Example:
        >>> drawn = Parity(length=5).batch(2, torch.Generator().manual_seed(0))
        >>> drawn.inputs.sum((0, 2)).long() % 2 == drawn.targets
        tensor([True, True])
    """

    length: int = 100
    name = "parity"
    input_size = 1
    outputs = 2

    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        bits = torch.randint(2, (self.length, rows), generator=generator)
        odd = bits.cumsum(0) % 2
        targets = odd if self.every_step else odd[-1]
        return Examples(
            bits[..., None].to(torch.get_default_dtype()), targets, torch.full((rows,), self.length)
        )

    @property
    def floor(self) -> float:
        return math.log(2)

    @property
    def criterion(self) -> str:
        return "2,000 in a row without a wrong answer"

    def solved(self, score: Score) -> bool:
        return score.sequences >= self.window and score.wrong == 0


@dataclass(frozen=True)
class RunningParity(Parity):
    """The parity of the bits so far, told at every step: the same memory, taught step by step.

    Shapes: targets (T, B).
    """

    name = "running_parity"
    every_step = True
