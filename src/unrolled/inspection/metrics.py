"""Scores of predicted classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Confusion:
    """How often class i (row) was taken for class j (column), (C, C).

    Example:
        >>> confusion = Confusion.of([0, 0, 1, 2], [0, 1, 1, 1], classes=3)
        >>> confusion.table.tolist()
        [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
        >>> confusion.accuracy
        0.5
    """

    table: NDArray[np.int64]

    @classmethod
    def of(cls, truth: ArrayLike, predicted: ArrayLike, classes: int) -> Confusion:
        """Count pairs of class numbers."""
        pairs = np.asarray(truth, np.int64) * classes + np.asarray(predicted, np.int64)
        return cls(np.bincount(pairs, minlength=classes * classes).reshape(classes, classes))

    @property
    def accuracy(self) -> float:
        """Share of the sequences whose class was found, 0 to 1; NaN of none."""
        total = self.table.sum()
        return float(np.trace(self.table) / total) if total else float("nan")

    @property
    def precision(self) -> NDArray[np.float64]:
        """(C,): of those taken for a class, the share that is of it; 0 if none was."""
        return _ratio(np.diag(self.table), self.table.sum(0))

    @property
    def recall(self) -> NDArray[np.float64]:
        """(C,): of a class, the share that was found; 0 if there is none of it."""
        return _ratio(np.diag(self.table), self.table.sum(1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """(C,): 2 / (1/precision + 1/recall)."""
        return _ratio(2 * np.diag(self.table), self.table.sum(0) + self.table.sum(1))

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the classes that occur, in truth or in predictions."""
        seen = (self.table.sum(0) + self.table.sum(1)) > 0
        return float(self.f1[seen].mean()) if seen.any() else float("nan")


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
