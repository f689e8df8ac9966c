"""Pairs of texts from files: what is read, what is to be written, and those that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.data.decoding import checked_encoding
from unrolled.data.lines import name_of
from unrolled.data.pair_rows import SIDES, PairRows
from unrolled.data.pair_settings import PairSettings
from unrolled.data.records import Place
from unrolled.data.vocabulary import UNKNOWN, Ids, Vocabulary
from unrolled.errors import DataError

_CURE = "or leave out what cannot be used with --skip-bad"
_SHOWN = 40


@dataclass(frozen=True)
class Pair:
    """A text that is read, the one that is to be written (None where it is not known), and where they stand."""

    source: str
    target: str | None
    place: Place


@dataclass(frozen=True)
class Bad:
    """A line that cannot be used: where it is, why in few words, and the sentence that refuses it."""

    place: Place
    reason: str
    message: str

    @property
    def error(self) -> DataError:
        return DataError(f"{self.place}: {self.message}, {_CURE}")


class Usable:
    """Lets pairs through; a bad one is refused, or left out and counted.

    Example:
        >>> usable = Usable(skip=True)
        >>> bad = Bad(Place("a.tsv", 2), "with an empty side", "the target is empty; add it")
        >>> [pair.source for pair in usable([Pair("hola", "hello", Place("a.tsv", 1)), bad])]
        ['hola']
        >>> usable.notes()
        ['1 pair left out: 1 with an empty side']
    """

    def __init__(self, skip: bool, noun: str = "pair") -> None:
        self.skip, self.noun = skip, noun
        self.reasons: Counter[str] = Counter()

    def __call__(self, found: Iterable[Pair | Bad]) -> Iterator[Pair]:
        for one in found:
            if isinstance(one, Pair):
                yield one
            else:
                self.leave_out(one)

    def leave_out(self, bad: Bad) -> None:
        """Count it.

        Raises:
            DataError: bad pairs are not to be left out.
        """
        if not self.skip:
            raise bad.error
        self.reasons[bad.reason] += 1

    def notes(self) -> list[str]:
        """How many were left out and why; nothing where none was."""
        number = self.reasons.total()
        if not number:
            return []
        listed = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common())
        return [f"{number:,} {self.noun}{'' if number == 1 else 's'} left out: {listed}"]


class Pairs:
    """The pairs in files, as they stand there: good and bad ones, in order; each iteration reads them again.

    A line is `source TAB target`; further columns are not looked at. `.csv` files, JSON lines and Parquet have the
    columns that the settings name. Files may be packed (gzip, bzip2, xz, zip with one file). `-` is standard input.
    Without `targets` a line needs nothing but its source, and standard input is read as it comes, line by line.

    Attributes:
        notes: which columns were taken where that was guessed, once the files have been read.

    Raises:
        DataError: while iterating, for a file that cannot be read, is empty or lacks a column.
        SettingError: an unknown encoding, a delimiter of several characters.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "pairs.tsv")
        >>> _ = path.write_text("Go.\\tVa !\\nStop.\\n")
        >>> for found in Pairs([path]):
        ...     print(found.target if isinstance(found, Pair) else found.message)
        Va !
        a pair must be source TAB target, got only 'Stop.'; add the other side
    """

    def __init__(
        self, paths: Sequence[str | Path], settings: PairSettings | None = None, targets: bool = True
    ) -> None:
        self.settings, self.targets = settings or PairSettings(), targets
        self.paths = [Path(path) for path in paths]
        self.notes: list[str] = []
        checked_encoding(self.settings.encoding)

    def __iter__(self) -> Iterator[Pair | Bad]:
        self.notes.clear()
        if not self.paths:
            raise DataError("no file was given; name one, or - for standard input")
        for path in self.paths:
            rows, found = PairRows(path, self.settings, self.targets), False
            for line, cells in rows:
                found = True
                yield _pair(Place(name_of(path), line), cells, self.targets)
            if not found:
                raise DataError(f"{name_of(path)}: the file is empty; name a file with lines")
            self.notes += rows.notes


def _pair(place: Place, cells: Sequence[str], targets: bool) -> Pair | Bad:
    """The cells of a line, as far as they are there, as a pair."""
    sides = [cell.strip() for cell in cells]
    if not any(sides):
        wanted = "a pair must be source TAB target" if targets else "a source must hold a text"
        return Bad(place, "of an empty line", f"{wanted}, got an empty line; remove it")
    if len(sides) < 1 + targets:
        shown = short(next(filter(None, sides)))
        return Bad(
            place,
            "with a missing side",
            f"a pair must be source TAB target, got only {shown!r}; add the other side",
        )
    for name, side in zip(SIDES, sides, strict=False):
        if not side:
            return Bad(place, "with an empty side", f"the {name} is empty; add it")
    return Pair(sides[0], sides[1] if targets else None, place)


def too_long(place: Place, name: str, symbols: int, unit: str, longest: int) -> Bad | None:
    """What is wrong with a side of so many symbols, if it is longer than allowed."""
    if symbols <= longest:
        return None
    message = (
        f"the {name} has {symbols:,} {unit}s, more than --longest {longest}; shorten it, or raise --longest"
    )
    return Bad(place, f"of more than {longest} {unit}s", message)


def unreadable_side(place: Place, name: str, text: str, ids: Ids) -> Bad | None:
    """What is wrong with a side of which nothing is in the vocabulary."""
    if (ids != UNKNOWN).any():
        return None
    message = (
        f"nothing of the {name} {short(text)!r} is in the model's vocabulary; give texts in the language and alphabet "
        "it was trained on"
    )
    return Bad(place, "with nothing that is in the vocabulary", message)


def checked_source(pair: Pair, vocabulary: Vocabulary, longest: int) -> Pair | Bad:
    """A pair whose source can be read by a model that has been trained, or what is wrong with it."""
    ids = vocabulary.encode(pair.source)
    found = too_long(pair.place, SIDES[0], len(ids), vocabulary.unit, longest)
    return found or unreadable_side(pair.place, SIDES[0], pair.source, ids) or pair


def checked_pair(pair: Pair, source: Vocabulary, target: Vocabulary, longest: int) -> Pair | Bad:
    """The same of both sides."""
    checked = checked_source(pair, source, longest)
    if isinstance(checked, Bad):
        return checked
    text = pair.target or ""
    ids = target.encode(text)
    found = too_long(pair.place, SIDES[1], len(ids), target.unit, longest)
    return found or unreadable_side(pair.place, SIDES[1], text, ids) or pair


def by_source(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """All targets of every source, both in the order in which they first come.

    Example:
        >>> by_source([Pair("Hi.", "Salut.", Place("a")), Pair("Hi.", "Bonjour.", Place("a"))])
        {'Hi.': ['Salut.', 'Bonjour.']}
    """
    found: dict[str, dict[str, None]] = {}
    for pair in pairs:
        found.setdefault(pair.source, {})[pair.target or ""] = None
    return {source: list(targets) for source, targets in found.items()}


def split_pairs(
    pairs: Sequence[Pair], share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices to train on and to validate on; all pairs of a source stand on one side.

    About `share` of the different sources is kept out, and one at least is trained on.
    """
    numbers: dict[str, int] = {}
    source = np.array([numbers.setdefault(pair.source, len(numbers)) for pair in pairs], np.int64)
    kept_out = min(round(share * len(numbers)), max(0, len(numbers) - 1))
    drawn = np.random.default_rng(seed).permutation(len(numbers))[:kept_out]
    held = np.isin(source, drawn)
    return np.flatnonzero(~held), np.flatnonzero(held)


def short(text: str) -> str:
    """The beginning of a text, for messages."""
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
