"""What every reader gives: one sequence after the other, each with its place in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Values = str | tuple[str, ...] | NDArray[np.float32] | NDArray[np.uint8]
"""A sequence: a text, words, frames (T, I) float32, or pictures (T, height, width, 3) uint8."""

Label = str | tuple[str, ...]
"""One label of a whole sequence, or one for each step."""


@dataclass(frozen=True)
class Place:
    """Where something stands: a file, and the line (from 1) where the file has lines.

    Example:
        >>> str(Place("reviews.csv", 3))
        'reviews.csv, line 3'
    """

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}, line {self.line}"


@dataclass(frozen=True)
class Record:
    """One sequence, what is to be learned about it (None where a file does not say), and its place."""

    values: Values
    label: Label | None
    place: Place
    columns: dict[str, str] = field(default_factory=dict)
    """What else a table says about this record; predictions are written beside it."""


class Reader(Protocol):
    """Files of one kind. Iterating reads them from the start, one record at a time, and may be done again.

    Raises:
        DataError: while iterating, at the first thing that cannot be used: the file, the line, the cure.
    """

    kind: str
    """`text`, `conll`, `dna`, `audio`, `video`, `series` or `images`."""
    facts: dict[str, Any]
    """What was guessed or set and must be the same for new files: `{"sample_rate": 8000}`. Goes into JSON."""
    notes: list[str]
    """Lines a person should read: what each column was taken for, how many rows were left out and why."""

    def __iter__(self) -> Iterator[Record]: ...
