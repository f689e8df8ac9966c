"""The classes of a task, and the numbers they go by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.records import Place
from unrolled.errors import DataError

_LISTED = 8


class Labels:
    """The C classes, in order; with a separator a sequence may carry several of them, or none.

    Example:
        >>> labels = Labels.fitted(["spam", "ham", "spam"])
        >>> labels.names, labels.index("spam")
        (('ham', 'spam'), 1)
        >>> Labels.fitted(["rock|live", "live"], separator="|").indicator("live").tolist()
        [1.0, 0.0]
    """

    def __init__(
        self,
        names: Sequence[str],
        separator: str | None = None,
        counts: Sequence[int] | None = None,
        total: int = 0,
    ) -> None:
        self.names, self.separator = tuple(names), separator
        self.counts = tuple(counts) if counts is not None else (0,) * len(self.names)
        """How often each occurred in training, among `total` sequences."""
        self.total = total

    @classmethod
    def of(cls, labels: Labels | Sequence[str] | int) -> Labels:
        """Labels as they are, from their names, or C of them named by their numbers."""
        if isinstance(labels, Labels):
            return labels
        return cls([str(number) for number in range(labels)] if isinstance(labels, int) else labels)

    @classmethod
    def fitted(cls, labels: Iterable[str], separator: str | None = None) -> Self:
        """The distinct labels in order; numbers count upwards, not as texts."""
        found: Counter[str] = Counter()
        empty, total = cls((), separator), 0
        for label in labels:
            found.update(empty.split(label))
            total += 1
        least = 2 if separator is None else 1
        if len(found) < least:
            only = f"only {next(iter(found))!r}" if found else "none"
            raise DataError(
                f"the data must hold at least two classes, got {only}; give data of others too, or say with --label "
                "where the labels stand"
            )
        names = sorted(found, key=_numbers_first)
        return cls(names, separator, [found[name] for name in names], total)

    def __len__(self) -> int:
        return len(self.names)

    def split(self, label: str) -> list[str]:
        """The classes named in one label."""
        if self.separator is None:
            return [label]
        return [part.strip() for part in label.split(self.separator) if part.strip()]

    @property
    def most_frequent(self) -> int:
        """The number of the class that occurred most in training; of several the first."""
        return int(np.argmax(self.counts))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def index(self, label: str, place: Place | None = None) -> int:
        """The number of a class.

        Raises:
            DataError: a class that was never seen in training.
        """
        if label not in self._index:
            where = f"{place}: " if place else ""
            known = ", ".join(self.names[:_LISTED]) + (", ..." if len(self) > _LISTED else "")
            raise DataError(
                f"{where}the label {label!r} was never seen in training, known: {known}; correct it or train with it"
            )
        return self._index[label]

    def indicator(self, label: str, place: Place | None = None) -> NDArray[np.float32]:
        """(C,): 1 for every class named in the label, 0 for the others."""
        found = np.zeros(len(self), np.float32)
        found[[self.index(part, place) for part in self.split(label)]] = 1
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "names": list(self.names),
            "separator": self.separator,
            "counts": list(self.counts),
            "total": self.total,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(content["names"], content["separator"], content["counts"], content["total"])


def _numbers_first(label: str) -> tuple[int, float, str]:
    digits = label.removeprefix("-").replace(".", "", 1)
    return (0, float(label), label) if digits.isascii() and digits.isdigit() else (1, 0.0, label)
