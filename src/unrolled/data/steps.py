"""Rows of a table as the steps of one series: in order, without gaps, and nothing missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dates import Frequency, written
from unrolled.data.panel import Calendar, Numbers, Series
from unrolled.errors import DataError


@dataclass(frozen=True)
class Rows:
    """What the rows of one series say: lines, numbers (targets first) and dates."""

    file: str
    lines: list[int]
    numbers: list[list[float]]
    dates: list[datetime]


class Columns(Protocol):
    """What the numbers of a row are."""

    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...
    @property
    def numbers(self) -> tuple[str, ...]: ...
    @property
    def form(self) -> str | None: ...


def as_series(
    name: str, rows: Rows, columns: Columns, known: tuple[bool, ...], fill: str | None
) -> tuple[Series, list[str]]:
    """The steps of one series, and lines about what was filled in.

    Raises:
        DataError: dates that do not rise, gaps and missing values that are not to be filled; by file and line.
    """
    numbers = np.array(rows.numbers, np.float64)
    lines = np.array(rows.lines, np.int64)
    notes: list[str] = []
    dates, frequency = tuple(rows.dates), None
    if dates:
        _check_order(rows, columns)
        frequency = Frequency.of(dates)
    if frequency is not None and fill != "nothing":
        numbers, lines, dates = _without_gaps(rows, numbers, lines, frequency, columns, fill, notes)
    elif frequency is not None and not _regular(frequency, dates):
        frequency = None
    steps = _steps(numbers, len(columns.targets), known)
    future = numbers[steps:, len(columns.targets) :]
    numbers = without_missing(
        numbers[:steps], lambda t: f"{rows.file}, line {lines[t]}", columns.numbers, fill, notes
    )
    if np.isnan(future[:, np.array(known, bool)]).any():
        row = int(np.isnan(future[:, np.array(known, bool)]).any(1).argmax())
        raise DataError(
            f"{rows.file}, line {lines[steps + row]}: a row without targets must hold what is known in advance, but "
            "something is missing; fill it in, or remove the row"
        )
    form = columns.form
    calendar = None if form is None else Calendar(form, frequency, dates[:steps])
    cut = len(columns.targets)
    return (
        Series(name, rows.file, numbers[:, :cut], numbers[:, cut:], future, calendar, lines[:steps]),
        notes,
    )


def _check_order(rows: Rows, columns: Columns) -> None:
    assert columns.form is not None
    for i in range(1, len(rows.dates)):
        if rows.dates[i] > rows.dates[i - 1]:
            continue
        what = "comes twice" if rows.dates[i] == rows.dates[i - 1] else "comes after a later one"
        raise DataError(
            f"{rows.file}, line {rows.lines[i]}: the date {written(rows.dates[i], columns.form)} {what}; sort the "
            "rows and keep one for each date, or name the column that tells series apart with --series"
        )


def _regular(frequency: Frequency, dates: Sequence[datetime]) -> bool:
    return bool((np.diff(frequency.positions(dates)) == 1).all())


def _without_gaps(
    rows: Rows,
    numbers: Numbers,
    lines: NDArray[np.int64],
    frequency: Frequency,
    columns: Columns,
    fill: str | None,
    notes: list[str],
) -> tuple[Numbers, NDArray[np.int64], tuple[datetime, ...]]:
    """Every step once: rows that a gap leaves out are NaN, to be filled."""
    positions = frequency.positions(rows.dates)
    steps = np.diff(positions)
    uneven = np.flatnonzero((steps != 1) if fill is None else (steps < 1) | (steps % 1 != 0))
    if len(uneven):
        i = int(uneven[0])
        _refuse_gap(rows, i, float(steps[i]), frequency, columns)
    places = positions.astype(np.int64)
    count = int(places[-1]) + 1
    if count == len(numbers):
        return numbers, lines, tuple(rows.dates)
    whole = np.full((count, numbers.shape[1]), np.nan)
    whole[places] = numbers
    where = np.searchsorted(places, np.arange(count), "right") - 1
    dates = [frequency.after(rows.dates[0], k) for k in range(count)]
    for place, date in zip(places, rows.dates, strict=True):
        dates[place] = date
    added = count - len(numbers)
    missing = "1 date was" if added == 1 else f"{added:,} dates were"
    notes.append(f"{rows.file}: {missing} missing, filled in by a straight line")
    return whole, lines[where], tuple(dates)


def _refuse_gap(rows: Rows, i: int, step: float, frequency: Frequency, columns: Columns) -> None:
    assert columns.form is not None
    before, after = (written(rows.dates[k], columns.form) for k in (i, i + 1))
    missing = (
        f"{step - 1:,.0f} missing between them" if step % 1 == 0 and step > 1 else "which is another step"
    )
    cure = "--fill linear to draw a line across" if step % 1 == 0 and step > 1 else "correct the date"
    raise DataError(
        f"{rows.file}, line {rows.lines[i + 1]}: {after} follows {before}, but the dates go by {frequency}: {missing}; "
        f"add the rows, {cure}, or --fill nothing if rows follow each other whatever their dates"
    )


def _steps(numbers: Numbers, targets: int, known: tuple[bool, ...]) -> int:
    """T: without the last rows that have no target, where these say what is known in advance."""
    if not any(known):
        return len(numbers)
    given = np.flatnonzero(~np.isnan(numbers[:, :targets]).all(1))
    return int(given[-1]) + 1 if len(given) else 0


def without_missing(
    numbers: Numbers, place: Callable[[int], str], names: Sequence[str], fill: str | None, notes: list[str]
) -> Numbers:
    """Numbers (T, n) with lines across what is missing, if that is to be filled.

    Raises:
        DataError: something is missing, and not to be filled or at an end; `place` says where a step stands.
    """
    missing = np.isnan(numbers)
    if not missing.any():
        return numbers
    at_end = missing & _ends(missing)
    if fill != "linear" or at_end.any():
        row, column = (int(k) for k in np.argwhere(at_end if fill == "linear" else missing)[0])
        cure = "a line needs a value on both sides" if fill == "linear" else "or --fill linear"
        raise DataError(f"{place(row)}: {names[column]} is missing; fill it in or remove the row, {cure}")
    steps = np.arange(len(numbers))
    filled = numbers.copy()
    for k in np.flatnonzero(missing.any(0)):
        given = ~missing[:, k]
        filled[:, k] = np.interp(steps, steps[given], numbers[given, k])
    if not notes:
        count = int(missing.sum())
        values = "1 missing value" if count == 1 else f"{count:,} missing values"
        notes.append(f"{place(0)}: {values} from here on filled in by a straight line")
    return filled


def _ends(missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows are the first or the last."""
    ends = np.zeros_like(missing)
    ends[[0, -1]] = True
    return ends
