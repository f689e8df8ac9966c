"""Numbers measured now and then while a network trains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import SettingError
from unrolled.inspection.figures import colour, drawing
from unrolled.inspection.plain import Finding

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Measure = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Course(Finding):
    """How numbers went while a network trained: `updates` (N,), and by name `values` (N,)."""

    updates: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]

    def figure(self, *names: str, title: str = "", y: str = "") -> Figure:
        """A line for each name, for all without any."""
        shown = names or tuple(self.values)
        figure = drawing(title or self._title(shown), "update", y)
        for number, name in enumerate(shown):
            line = {"color": colour(number), "width": 2}
            figure.add_scatter(
                x=self.updates, y=self.values[name], name=name, line=line, mode="lines+markers"
            )
        return figure

    def _title(self, names: Iterable[str]) -> str:
        if not len(self.updates):
            return "Nothing was measured"
        first = next(iter(names), None)
        if first is None:
            return "Nothing was measured"
        begun, ended = self.values[first][0], self.values[first][-1]
        return f"{first}: from {begun:.3g} to {ended:.3g} at update {self.updates[-1]:,}"


class Probe:
    """Measures every so many updates; call it with the number of each update.

    Example:
        >>> import itertools
        >>> numbers = itertools.count(10)
        >>> probe = Probe(lambda: {"n": next(numbers)}, every=5)
        >>> for update in range(1, 12):
        ...     _ = probe(update)
        >>> probe.course().updates.tolist(), probe.course().values["n"].tolist()
        ([5, 10], [10.0, 11.0])
    """

    def __init__(self, measure: Measure, every: int = 100) -> None:
        if every < 1:
            raise SettingError(f"every must be 1 or more updates, got {every}. Correct it.")
        self.measure = measure
        self.every = every
        self._found: list[tuple[int, dict[str, float]]] = []

    def __call__(self, update: int) -> Mapping[str, float] | None:
        """Measure if it is time; what was found, or None."""
        return self.look(update) if update % self.every == 0 else None

    def look(self, update: int) -> Mapping[str, float]:
        """Measure now."""
        found = {name: float(value) for name, value in self.measure().items()}
        self._found.append((update, found))
        return found

    def course(self) -> Course:
        """All that was found so far."""
        names = dict.fromkeys(name for _, found in self._found for name in found)
        return Course(
            np.array([update for update, _ in self._found], dtype=np.int64),
            {name: np.array([found.get(name, np.nan) for _, found in self._found]) for name in names},
        )
