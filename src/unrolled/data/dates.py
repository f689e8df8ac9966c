"""Dates as tables write them, the step from one to the next, and the dates that follow."""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

QUARTER = "quarter"
ZONE = "zone"
_FORMS = (
    "%Y-%m-%d",
    "%Y-%m",
    QUARTER,
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    ZONE,
    "%Y/%m/%d",
    "%Y/%m",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%Y",
)
_BARE = ("%Y", "%Y%m%d", "%Y%m")
"""Forms that are numbers as well: only where a column is known to hold dates."""
_QUARTER = re.compile(r"(\d{4})([- ]?)Q([1-4])")
_ISO = {"%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"}
_LENGTHS = {"%Y-%m-%d": 10, "%Y-%m-%d %H:%M": 16, "%Y-%m-%dT%H:%M": 16}
_DAY = 86400
_WORKDAYS = 5
_SUREST_DAY = 28
"""Every month has so many days."""


def form_of(cells: Sequence[str], bare: bool = False) -> str | None:
    """The form in which all cells are dates, or None; days before months where both would do and dates then rise.

    Example:
        >>> form_of(["1949-01", "1949-02"]), form_of(["13/01/2020"]), form_of(["112"])
        ('%Y-%m', '%d/%m/%Y', None)
    """
    fitting = [form for form in _FORMS + (_BARE if bare else ()) if _all_parse(cells, form)]
    if not fitting:
        return None
    return min(fitting, key=lambda form: _disorder([parsed(cell, form) for cell in cells]))


def _all_parse(cells: Sequence[str], form: str) -> bool:
    try:
        return bool(cells) and all(parsed(cell, form) for cell in cells)
    except ValueError:
        return False


def _disorder(dates: Sequence[datetime]) -> tuple[int, int]:
    """How often dates fall, and how many different steps they make."""
    steps = [after - before for before, after in pairwise(dates)]
    return sum(step <= timedelta(0) for step in steps), len(set(steps))


def parsed(cell: str, form: str) -> datetime:
    """A cell as a date; ValueError where it is none of this form."""
    cell = cell.strip()
    if form == QUARTER:
        found = _QUARTER.fullmatch(cell)
        if found is None:
            raise ValueError(cell)
        return datetime(int(found[1]), 3 * int(found[3]) - 2, 1)
    if form == ZONE:
        date = datetime.fromisoformat(cell)
        if date.tzinfo is None:
            raise ValueError(cell)
        return date.astimezone(UTC).replace(tzinfo=None)
    if form in _ISO and len(cell) == _LENGTHS.get(form, 19) and ("T" in cell) == ("T" in form):
        return datetime.fromisoformat(cell)  # many times faster
    return datetime.strptime(cell, form)


def written(date: datetime, form: str) -> str:
    """A date in the form of its column; times with a zone in UTC."""
    if form == QUARTER:
        return f"{date.year}Q{(date.month + 2) // 3}"
    if form == ZONE:
        return f"{date.isoformat()}+00:00"
    # strftime writes years before 1000 with fewer digits.
    return date.strftime(form.replace("%Y", f"{date.year:04}"))


@dataclass(frozen=True)
class Frequency:
    """The step between dates: so many months (at their ends, if `ends`), seconds or workdays.

    Example:
        >>> dates = [datetime(2024, 1, 31), datetime(2024, 2, 29), datetime(2024, 3, 31)]
        >>> frequency = Frequency.of(dates)
        >>> frequency, frequency.after(dates[-1], 1).day
        (Frequency(unit='months', count=1, ends=True), 30)
    """

    unit: Literal["months", "seconds", "workdays"]
    count: int
    ends: bool = False

    @classmethod
    def of(cls, dates: Sequence[datetime]) -> Frequency | None:
        """The most frequent step of dates that rise; None of fewer than two, or where they do not."""
        if len(dates) < 2 or any(after <= before for before, after in pairwise(dates)):
            return None
        ends = all(date.day == _last_day(date) for date in dates)
        days = {(date.day, date.time()) for date in dates}
        if (len(days) == 1 and dates[0].day <= _SUREST_DAY) or (ends and len({t for _, t in days}) == 1):
            months = [date.year * 12 + date.month for date in dates]
            return cls("months", _usual([b - a for a, b in pairwise(months)]), ends and dates[0].day != 1)
        step = _usual([round((b - a).total_seconds()) for a, b in pairwise(dates)])
        weekend = any(date.weekday() >= _WORKDAYS for date in dates)
        leaps = any(a.weekday() == 4 and b.weekday() == 0 for a, b in pairwise(dates))
        if step == _DAY and not weekend and leaps:
            return cls("workdays", 1)
        return cls("seconds", max(1, step))

    def positions(self, dates: Sequence[datetime]) -> NDArray[np.float64]:
        """How many steps each date lies behind the first, (T,); whole where it keeps the step."""
        first = dates[0]
        if self.unit == "months":
            counted = [(d.year - first.year) * 12 + d.month - first.month for d in dates]
        elif self.unit == "seconds":
            counted = [round((d - first).total_seconds()) for d in dates]
        else:
            days = np.array([d.date() for d in dates], "datetime64[D]")
            return np.busday_count(days[0], days).astype(np.float64)
        return np.array(counted, np.float64) / self.count

    def after(self, date: datetime, steps: int) -> datetime:
        """The date so many steps later."""
        if self.unit == "seconds":
            return date + timedelta(seconds=self.count * steps)
        if self.unit == "workdays":
            day = np.busday_offset(np.datetime64(date.date(), "D"), steps, roll="forward")
            return datetime.combine(day.astype(object), date.time())
        month = date.year * 12 + date.month - 1 + self.count * steps
        moved = date.replace(year=month // 12, month=month % 12 + 1, day=1)
        return moved.replace(day=_last_day(moved) if self.ends else date.day)

    def __str__(self) -> str:
        if self.unit == "months":
            names = {1: "month", 3: "quarter", 12: "year"}
            return f"a {names[self.count]}" if self.count in names else f"{self.count} months"
        if self.unit == "workdays":
            return "a workday"
        for name, seconds in (("week", 7 * _DAY), ("day", _DAY), ("hour", 3600), ("minute", 60)):
            if self.count % seconds == 0:
                number = self.count // seconds
                article = "an" if name == "hour" else "a"
                return f"{article} {name}" if number == 1 else f"{number} {name}s"
        return f"{self.count} seconds"


def _last_day(date: datetime) -> int:
    return calendar.monthrange(date.year, date.month)[1]


def _usual(steps: Sequence[int]) -> int:
    """The most frequent; of two the smaller."""
    counts = Counter(steps)
    return min(counts, key=lambda step: (-counts[step], step))
