"""How a model does on data: scores beside those of a trivial rule, and tables; the same form for every task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Grid:
    """A table for people: texts and numbers, as they are to be shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]
    sparse: bool = False
    """Whether most numbers are 0 and need not be listed."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on a data set.

    `floors` holds the scores of `floor`, a rule that looks at no sequence (such as always the most frequent class)
    or only at its last value: a model that is not better has learned nothing.
    """

    task: str
    count: int
    counted: str
    """What `count` counts: `sequences`, `words`, `forecasts`."""
    scores: dict[str, float]
    floor: str
    floors: dict[str, float]
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
