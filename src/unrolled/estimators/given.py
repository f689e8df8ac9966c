"""What estimators are given, as records: lists of arrays, of texts, or of lists of words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.inputs import described
from unrolled.data.records import Label, Place, Record, Values
from unrolled.errors import DataError

WHOLE = "X"
_PICTURES = 4


class InMemory:
    """Sequences and labels in memory, as a `Reader` would give them; `X[3]` is the place of the fourth.

    Raises:
        DataError: no sequences, an empty one, sequences of different kinds or widths, numbers that are not finite;
            says which.
    """

    def __init__(self, X: Iterable[Any], labels: Sequence[Label] | None = None) -> None:
        self.values = sequences(X)
        self.labels = labels
        self.kind = _kind(self.values[0])
        self.facts: dict[str, Any] = {}
        self.notes: list[str] = []

    @property
    def width(self) -> int | None:
        """I; None for texts and words."""
        first = self.values[0]
        return first.shape[1] if isinstance(first, np.ndarray) else None

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Record]:
        labels = [None] * len(self) if self.labels is None else self.labels
        for i, (values, label) in enumerate(zip(self.values, labels, strict=True)):
            yield Record(values, label, Place(f"{WHOLE}[{i}]"))


def sequences(X: Iterable[Any]) -> list[Values]:
    """The sequences of X, all of one kind and width; see `InMemory`."""
    rows = [_values(given, f"{WHOLE}[{i}]") for i, given in enumerate(listed(X, WHOLE))]
    if not rows:
        raise DataError("X must hold at least one sequence, got none; give a list of them")
    for i, row in enumerate(rows):
        if _form(row) != _form(rows[0]):
            raise DataError(
                f"{WHOLE}[{i}]: all sequences must be of one kind, got {described(row)} where {WHOLE}[0] is "
                f"{described(rows[0])}; correct it"
            )
    return rows


def listed(given: Iterable[Any], name: str) -> list[Any]:
    """One thing after the other; a text is none."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise DataError(f"{name} must be a list, got {type(given).__name__}; put it into a list")
    return list(given)


def _kind(values: Values) -> str:
    """The kind of files that would hold such sequences."""
    if isinstance(values, np.ndarray):
        return "video" if values.ndim == _PICTURES else "series"
    return "text" if isinstance(values, str) else "conll"


def values_of(labels: Sequence[Any]) -> NDArray[Any]:
    """Labels of one type as an array (N,).

    Raises:
        DataError: anything else, such as numbers among texts, or lists.
    """
    try:
        found = np.asarray(labels)
        texts = found.dtype.kind in "US"
        if found.ndim != 1 or (texts and not all(isinstance(one, str | bytes) for one in labels)):
            raise TypeError
        np.unique(found)
    except (TypeError, ValueError):
        raise DataError("y must hold labels that are all of one type, got others; correct y") from None
    return found


def _form(values: Values) -> tuple[Any, ...]:
    if not isinstance(values, np.ndarray):
        return (type(values),)
    return (np.ndarray, *values.shape[1:])


def _values(given: Any, place: str) -> Values:
    if isinstance(given, str):
        found: Values = str(given)
    elif isinstance(given, list | tuple | np.ndarray) and len(given) and isinstance(given[0], str):
        found = _words(given, place)
    else:
        found = _frames(given, place)
    if not len(found):
        raise DataError(f"{place}: the sequence is empty; remove it, or give it at least one step")
    return found


def _words(given: Iterable[Any], place: str) -> tuple[str, ...]:
    words = tuple(given)
    for k, word in enumerate(words):
        if not isinstance(word, str) or not word or "\n" in word:
            raise DataError(
                f"{place}: word {k} must be a text of one line that is not empty, got {word!r}; correct it"
            )
    return tuple(map(str, words))


def _frames(given: Any, place: str) -> NDArray[Any]:
    """Pictures (T, height, width, 3) of bytes as they are, anything else as numbers (T, I)."""
    found = numbers(given, place, pictures=True)
    if found.ndim == _PICTURES:
        return found.astype(np.uint8)
    with np.errstate(over="ignore"):
        found = found.astype(np.float32)
    if not np.isfinite(found).all():
        raise DataError(f"{place}: numbers must fit into float32, got larger ones; scale them")
    return found


def numbers(given: Any, place: str, pictures: bool = False) -> NDArray[Any]:
    """(T, I) finite numbers in float64; (T,) is one number a step. Or pictures of bytes.

    Raises:
        DataError: anything else.
    """
    try:
        found = np.asarray(given)
        if pictures and found.dtype == np.uint8 and found.ndim == _PICTURES and found.shape[3] == 3:
            return found
        if found.dtype.kind not in "biufO":
            raise TypeError
        found = found.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{place}: the sequence must be numbers (T, I), a text or a list of words, got {type(given).__name__} "
            "that is none of these; correct it"
        ) from None
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or (len(found) and not found.shape[1]):
        raise DataError(f"{place}: the sequence must be numbers (T, I), got shape {found.shape}; correct it")
    if not np.isfinite(found).all():
        raise DataError(f"{place}: numbers must be finite, got NaN or infinity; fill in what is missing")
    return found
