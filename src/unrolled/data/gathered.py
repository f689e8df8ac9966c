"""All records of a data set as they were read: values in one long array, labels, places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.records import Label, Place, Record, Values
from unrolled.data.sequences import IN_MEMORY, Sequences
from unrolled.errors import DataError

_BETWEEN = "\n"
"""Between two words in memory; no word holds it, since words end where white space begins."""


@dataclass(frozen=True)
class Gathered:
    """The R records of a data set, read once and kept: in memory, or in a temporary file if they are large.

    Example:
        >>> gathered = Gathered.of([Record("hola", "es", Place("a.csv", 1)), Record("olá", "pt", Place("a.csv", 2))])
        >>> gathered.value(1), gathered.labels
        ('olá', ['es', 'pt'])
    """

    raw: Sequences
    kind: type
    labels: list[Label | None]
    places: list[Place]

    @classmethod
    def of(cls, records: Iterable[Record], in_memory: int = IN_MEMORY) -> Gathered:
        """Go through the records once.

        Raises:
            DataError: no records, an empty sequence, records of different kinds.
        """
        kinds: list[type] = []
        labels: list[Label | None] = []
        places: list[Place] = []

        def rows() -> Iterable[NDArray[Any]]:
            for record in records:
                _check(record, kinds)
                labels.append(record.label)
                places.append(record.place)
                yield _numbers(record.values)

        raw = Sequences(rows(), in_memory)
        return cls(raw, kinds[0], labels, places)

    def __len__(self) -> int:
        return len(self.labels)

    def value(self, index: int) -> Values:
        """What was read: a text, words or an array."""
        row = self.raw[index]
        if self.kind is np.ndarray:
            return row
        text = row.tobytes().decode("utf-8", "surrogatepass")
        return text if self.kind is str else tuple(text.split(_BETWEEN))

    def names(self) -> list[str]:
        """The labels where every record has exactly one.

        Raises:
            DataError: a record without label, or with one for each step.
        """
        for label, place in zip(self.labels, self.places, strict=True):
            if label is None:
                raise DataError(
                    f"{place}: a sequence must have one label, got none; add it, or name another --label"
                )
            if not isinstance(label, str):
                raise DataError(
                    f"{place}: a sequence must have one label, got one for each of its {len(label)} steps; use "
                    "unrolled train tag, or give data with one for all"
                )
        return [label for label in self.labels if isinstance(label, str)]


def split(labels: Sequence[object], share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to validate on, drawn so that every label has about its share in both.

    A label with a single sequence is trained on.
    """
    generator = np.random.default_rng(seed)
    members: dict[object, list[int]] = {}
    for index, label in enumerate(labels):
        members.setdefault(label, []).append(index)
    training: list[int] = []
    validation: list[int] = []
    carried = 0.0
    for one in members.values():
        wanted = share * len(one) + carried
        kept_out = min(round(wanted), len(one) - 1)
        carried = wanted - kept_out
        order = generator.permutation(len(one))
        validation += [one[i] for i in order[:kept_out]]
        training += [one[i] for i in order[kept_out:]]
    return np.sort(np.array(training, np.int64)), np.sort(np.array(validation, np.int64))


def _check(record: Record, kinds: list[type]) -> None:
    kind = type(record.values)
    if not kinds:
        kinds.append(kind)
    if kind is not kinds[0]:
        raise DataError(f"{record.place}: all records must be of one kind; give files of one kind")
    if len(record.values) == 0:
        raise DataError(f"{record.place}: the sequence is empty; remove it, or give it at least one step")


def _numbers(values: Values) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    text = values if isinstance(values, str) else _BETWEEN.join(values)
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
