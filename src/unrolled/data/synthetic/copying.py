"""Copying memory: ten symbols are to be repeated after a long wait."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from unrolled.data.synthetic.long_range import ClassTask, Examples, Score

KINDS, COPIED = 8, 10
BLANK, DELIMITER = 8, 9


@dataclass(frozen=True)
class Copying(ClassTask):
    """The copying memory problem (Arjovsky et al. 2016, arXiv:1511.06464, after Hochreiter and Schmidhuber 1997).

    Ten symbols of eight kinds, T - 1 blanks, a delimiter, ten blanks: T + 20 steps. The targets are T + 10 blanks and
    then the ten symbols. Without a memory the blanks can be told and the symbols guessed, which costs

        10 ln 8 / (T + 20)

    nats per step. The papers draw curves; solved means a tenth of that here.

    Shapes: inputs (T + 20, B, 10), targets (T + 20, B); T = length.

    Example:
        >>> drawn = Copying(length=3).batch(1, torch.Generator().manual_seed(0))
        >>> drawn.targets[-10:, 0].tolist() == drawn.inputs[:10, 0].argmax(-1).tolist()
        True
    """

    length: int = 100
    name = "copying"
    input_size = KINDS + 2
    outputs = KINDS + 1
    every_step = True
    shortest = 1

    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        steps = self.length + 2 * COPIED
        symbols = torch.randint(KINDS, (COPIED, rows), generator=generator)
        shown = torch.full((steps, rows), BLANK)
        shown[:COPIED] = symbols
        shown[-COPIED - 1] = DELIMITER
        targets = torch.full((steps, rows), BLANK)
        targets[-COPIED:] = symbols
        inputs = functional.one_hot(shown, self.input_size).to(torch.get_default_dtype())
        return Examples(inputs, targets, torch.full((rows,), steps))

    @property
    def floor(self) -> float:
        return COPIED * math.log(KINDS) / (self.length + 2 * COPIED)

    @property
    def criterion(self) -> str:
        return "below a tenth of the floor"

    def solved(self, score: Score) -> bool:
        return score.sequences >= self.window and score.loss < self.floor / 10
