"""What long-range tasks have in common: drawn examples, a loss, a floor, and the criterion of their paper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.errors import SettingError


@dataclass(frozen=True)
class Examples:
    """A batch of drawn sequences.

    `inputs` (T, B, I), zero behind the end of a row; `targets` one for each row, (B,), or one for each step, (T, B):
    numbers, or whole numbers that stand for classes; `lengths` (B,) the steps of each row.
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Score:
    """How well sequences were answered: the mean loss, how many answers were wrong, and of how many sequences."""

    loss: float
    wrong: int
    sequences: int

    def __add__(self, other: Score) -> Score:
        """Both sets as one."""
        total = self.sequences + other.sequences
        loss = self.loss * self.sequences + other.loss * other.sequences
        return Score(loss / total if total else 0.0, self.wrong + other.wrong, total)


class LongRangeTask(ABC):
    """A task that only a memory of about `length` steps can solve.

    A subclass is a frozen dataclass with `length` as its first field. `input_size` is I, `outputs` how many numbers
    an answer has: one, or one logit for each class. `every_step` says whether every step is answered or only the
    last one of each row. `window` is how many fresh sequences in a row the criterion looks at.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    input_size: ClassVar[int]
    outputs: ClassVar[int]
    every_step: ClassVar[bool] = False
    window: ClassVar[int] = 2000
    shortest: ClassVar[int] = 2
    length: int

    def __post_init__(self) -> None:
        if not isinstance(self.length, int) or self.length < self.shortest:
            raise SettingError(
                f"the length of {self.name} must be a whole number >= {self.shortest}, got {self.length}. Correct it."
            )

    @abstractmethod
    def batch(self, rows: int, generator: torch.Generator | None = None) -> Examples:
        """Draw B = `rows` sequences; the same generator draws the same ones."""

    @property
    @abstractmethod
    def floor(self) -> float:
        """The loss of the best answer that is the same for every sequence: what is reached without a memory."""

    @property
    @abstractmethod
    def criterion(self) -> str:
        """`solved` in words."""

    @abstractmethod
    def solved(self, score: Score) -> bool:
        """Whether a score on at least `window` sequences that were not trained on meets the paper's criterion."""

    @abstractmethod
    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Whether each row is answered right, (B,)."""

    @abstractmethod
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of outputs (B, outputs), or (T, B, outputs) if every step is answered."""

    @torch.no_grad()
    def score(self, outputs: Tensor, targets: Tensor) -> Score:
        """The loss of some outputs, and how many rows they answer wrong."""
        right = self.right(outputs, targets)
        return Score(float(self.loss(outputs, targets)), int((~right).sum()), len(right))


class NumberTask(LongRangeTask):
    """A task whose answer is one number at the end; the loss is the squared error.

    An answer is right within an absolute error of 0.04 (Hochreiter and Schmidhuber 1997).
    """

    unit = "squared error"
    outputs = 1
    tolerance: ClassVar[float] = 0.04

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(outputs.squeeze(-1), targets)

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.squeeze(-1) - targets).abs() < self.tolerance


class ClassTask(LongRangeTask):
    """A task whose answers are classes; the loss is the cross entropy in nats."""

    unit = "nats"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def right(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Whether the largest output is the right one, at every step that is answered."""
        right = outputs.argmax(-1) == targets
        return right.all(0) if right.dim() > 1 else right


def whole_numbers(low: int, high: int, rows: int, generator: torch.Generator | None) -> Tensor:
    """B whole numbers from `low` to `high`, both included."""
    return torch.randint(low, high + 1, (rows,), generator=generator)


def uniform(rows: int, columns: int, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    """(rows, columns) numbers between `low` and `high`."""
    return low + (high - low) * torch.rand(rows, columns, generator=generator)


def without_padding(inputs: Tensor, lengths: Tensor) -> Tensor:
    """Inputs (T, B, I) with zeros behind the end of every row, no longer than the longest row."""
    inside = torch.arange(len(inputs))[:, None] < lengths
    kept: Tensor = (inputs * inside[..., None])[: int(lengths.max()) if len(lengths) else 0]
    return kept
