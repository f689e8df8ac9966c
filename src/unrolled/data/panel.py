"""Numeric series from files: one or many, with further columns and dates, checked for gaps and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dates import Frequency, written
from unrolled.errors import DataError

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Calendar:
    """The dates of a series: the form they are written in, the step, and all of them."""

    form: str
    frequency: Frequency | None
    dates: tuple[datetime, ...]

    def text(self, step: int) -> str:
        """The date of a step from 0, also of one that is still to come; '' where the dates keep no step."""
        if step < len(self.dates):
            return written(self.dates[step], self.form)
        if self.frequency is None:
            return ""
        return written(self.frequency.after(self.dates[-1], step - len(self.dates) + 1), self.form)


@dataclass(frozen=True)
class Series:
    """One series of T steps: targets (T, K), inputs (T, X), and the inputs known in advance for F more steps (F, X).

    `ahead` holds NaN where an input is not known in advance. `lines[t]` is the line of step t, 0 where there is none.
    """

    name: str
    file: str
    values: Numbers
    inputs: Numbers
    ahead: Numbers
    calendar: Calendar | None = None
    lines: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return self.file if self.name in self.file else f"{self.file}, series {self.name}"

    def until(self, steps: int) -> Series:
        """The first steps."""
        dates = self.calendar and replace(self.calendar, dates=self.calendar.dates[:steps])
        return replace(
            self,
            values=self.values[:steps],
            inputs=self.inputs[:steps],
            ahead=self.ahead[:0],
            calendar=dates,
            lines=self.lines[:steps],
        )

    def date(self, step: int) -> str:
        """The date of a step, '' without dates."""
        return self.calendar.text(step) if self.calendar else ""


@dataclass(frozen=True)
class Panel:
    """Series with the same columns.

    Example:
        >>> panel = Panel.of([[112.0, 118.0, 132.0]])
        >>> panel.targets, panel.series[0].values.shape
        (('1',), (3, 1))
    """

    series: tuple[Series, ...]
    targets: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    known: tuple[bool, ...] = ()
    """Which inputs are known in advance, (X,)."""
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Sequence[Any], targets: Sequence[str] = ()) -> Panel:
        """Series in memory: arrays (T, K) or (T,) of finite numbers.

        Raises:
            DataError: other shapes, or numbers that are not finite.
        """
        series = tuple(_in_memory(number, one) for number, one in enumerate(values, 1))
        if not series or len({one.values.shape[1] for one in series}) != 1:
            raise DataError("series must be (T, K) with the same K, one at least; give arrays of that shape")
        width = series[0].values.shape[1]
        names = tuple(targets) or tuple(str(number) for number in range(1, width + 1))
        if len(names) != width:
            raise DataError(f"targets must name {width} columns, got {len(names)}; name each of them")
        return cls(series, names)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def steps(self) -> int:
        """Of all series together."""
        return sum(map(len, self.series))


def _in_memory(number: int, values: Any) -> Series:
    array = np.asarray(values, np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not np.isfinite(array).all():
        raise DataError(f"series {number} must be finite numbers (T, K), got {array.shape}; correct it")
    empty = np.zeros((len(array), 0))
    return Series(str(number), f"series {number}", array, empty, empty[:0])
