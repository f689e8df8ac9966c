"""The symbols a model knows, and the numbers they go by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from itertools import chain
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from unrolled.data.sentences import sentence_parts, sentences_end
from unrolled.data.unit import Ends
from unrolled.errors import DataError, SettingError

UNKNOWN, END = 0, 1
SPECIAL = ("<unk>", "<eos>")

Ids = NDArray[np.int64]
StoredIds = NDArray[np.integer[Any]]
"""Indices as they are kept: in memory as int64, or in a file as the smallest integers that hold them."""

_UNITS = {
    "character": ("unrolled.data.units.characters", "Characters"),
    "event": ("unrolled.data.music_events", "EventVocabulary"),
    "word": ("unrolled.data.units.words", "Words"),
    "byte": ("unrolled.data.units.bytes", "Bytes"),
    "byte pair": ("unrolled.data.units.byte_pairs", "BytePairs"),
    "n-gram": ("unrolled.data.units.chunks", "Chunks"),
}
LONGEST = 1 << 20
"""A sentence or line without an end is cut after so many characters, where text is read in pieces."""


@dataclass(frozen=True)
class Vocabulary(ABC):
    """The V symbols of a model: `<unk>` is 0, `<eos>` is 1, then what texts are made of.

    `Vocabulary.from_text` makes one of characters; other units come from `unrolled.data.unit.Unit`. With `ends` of
    "line" or "sentence" an `<eos>` is read behind every line or sentence; empty lines are passed over.

    Example:
        >>> vocabulary = Vocabulary.from_text(["hola"])
        >>> vocabulary.symbols
        ('<unk>', '<eos>', 'a', 'h', 'l', 'o')
        >>> vocabulary.encode("halo!").tolist()
        [3, 2, 4, 5, 0]
        >>> vocabulary.decode([3, 2, 4, 5, 1])
        'halo<eos>'
    """

    symbols: tuple[str, ...]
    ends: Ends = "text"

    def __post_init__(self) -> None:
        if self.symbols[:2] != SPECIAL:
            raise DataError(f"a vocabulary must begin with <unk>, <eos>, got {self.symbols[:2]}")
        if self.ends not in get_args(Ends):
            raise DataError(f'a vocabulary must say "ends": {_listed(get_args(Ends))}, got {self.ends!r}')

    @staticmethod
    def from_text(texts: Iterable[str], minimum_count: int = 1) -> Vocabulary:
        """The characters that occur at least `minimum_count` times, in order of their code points.

        With 1, no training character is `<unk>` and its probability stays untrained; with 2 or more the rare
        characters train it.
        """
        from unrolled.data.units.characters import Characters

        return Characters.fitted(texts, minimum_count)

    @property
    @abstractmethod
    def unit(self) -> str:
        """What a symbol is, a noun whose plural takes an s: "character", "word", "byte", "3-gram", "byte pair"."""

    @abstractmethod
    def encode_part(self, text: str) -> Ids:
        """The indices `(n,)` of a text, or of a line or sentence where these end with `<eos>`."""

    @abstractmethod
    def split_part(self, text: str) -> list[str]:
        """The piece of the text behind each index of `encode_part`."""

    @property
    @abstractmethod
    def texts(self) -> tuple[str, ...]:
        """The text that each index adds; "" for `<unk>` and `<eos>`. Of bytes: the character of the same number."""

    @abstractmethod
    def writer(self) -> Writer:
        """Writes one index after the other."""

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> Ids:
        """The indices `(n,)` of a text; what is not in the vocabulary becomes `<unk>`."""
        if self.ends == "text":
            return self.encode_part(text)
        found = [np.zeros(0, np.int64)]
        for part, ended in self._parts(text):
            found.append(self.encode_part(part))
            # A text that was prepared for it may hold its own <eos>.
            if ended and not (len(found[-1]) and found[-1][-1] == END):
                found.append(np.array([END]))
        return np.concatenate(found)

    def split(self, text: str) -> list[str]:
        """The piece of the text behind each index of `encode(text)`; "\\n" where a line or sentence ends."""
        if self.ends == "text":
            return self.split_part(text)
        found: list[str] = []
        for part, ended in self._parts(text):
            pieces = self.split_part(part)
            found += pieces
            if ended and not (pieces and self.encode_part(pieces[-1]).tolist() == [END]):
                found.append("\n")
        return found

    def _parts(self, text: str) -> Iterator[tuple[str, bool]]:
        """Lines or sentences with something in them, and whether each ends inside the text."""
        if self.ends == "sentence":
            yield from sentence_parts(text)
            return
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if not self.is_empty(line):
                yield line, number < len(lines)

    def is_empty(self, line: str) -> bool:
        """Whether a line holds nothing to read."""
        return not line

    def whole(self, text: str) -> int:
        """So many characters of a text are encoded the same, whatever follows; the rest waits for what follows."""
        if self.ends == "sentence":
            place = next(sentences_end(text, backwards=True), 0)
            return place if place or len(text) < LONGEST else self.whole_part(text)
        if self.ends == "line":
            line = text.rfind("\n") + 1
            return line if line or len(text) < LONGEST else self.whole_part(text)
        return self.whole_part(text)

    def whole_part(self, text: str) -> int:
        """The same inside a text, line or sentence."""
        return len(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the indices; `<unk>` appears as such, and `<eos>` too, or as the line end it stands for."""
        writer = self.writer()
        return "".join([writer.write(int(i)) for i in ids]) + writer.end()

    def missing(self, text: str) -> Iterable[str]:
        """The symbols that `text` asks for and the vocabulary does not have, one for each `<unk>` that is read."""
        return ()

    def unseen(self, text: str) -> Sequence[str]:
        """The distinct pieces of `text` that are read as `<unk>`, in order of appearance."""
        ids = self.encode(text)
        if UNKNOWN not in ids:
            return []
        pieces = self.split(text)
        return list(
            dict.fromkeys(pieces[i] for i in np.flatnonzero(ids == UNKNOWN) if pieces[i] != SPECIAL[0])
        )

    @property
    def end_text(self) -> str:
        """How `<eos>` is written."""
        return SPECIAL[END] if self.ends == "text" else "\n"

    def to_json(self) -> dict[str, Any]:
        """What `vocabulary.json` holds."""
        content: dict[str, Any] = {"unit": self.unit, "symbols": list(self.symbols)}
        return content if self.ends == "text" else {**content, "ends": self.ends}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary written by `to_json`.

        Raises:
            DataError: it is none, or of a unit that this version does not know.
        """
        unit = content.get("unit") if isinstance(content, Mapping) else None
        name = "n-gram" if isinstance(unit, str) and unit.endswith("-gram") else str(unit)
        if name not in _UNITS:
            known = _listed(_UNITS)
            raise DataError(f'a vocabulary must say "unit": {known}; it was written by another program')
        symbols = content.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise DataError('a vocabulary must hold a list of strings under "symbols"')
        module, kind = _UNITS[name]
        found: Vocabulary = getattr(import_module(module), kind).restored(tuple(symbols), content)
        return found

    @classmethod
    def restored(cls, symbols: tuple[str, ...], content: Mapping[str, Any]) -> Self:
        """From the symbols and what else `to_json` wrote."""
        return cls(symbols, content.get("ends", "text"))


class Writer:
    """Turns indices into text, one at a time: `write` gives what can be shown now, `end` what was held back."""

    def __init__(self, piece: Callable[[int], str]) -> None:
        self._piece = piece

    def write(self, index: int) -> str:
        """What the index adds to what was written before."""
        return self._piece(index)

    def end(self) -> str:
        """What is still held back."""
        return ""


@dataclass(frozen=True)
class Listed(Vocabulary):
    """A vocabulary whose symbols are themselves the pieces of a text."""

    def __post_init__(self) -> None:
        super().__post_init__()
        own = self.symbols[2:]  # a piece of text may look like <eos> and be none
        if len(set(own)) != len(own):
            twice = next(symbol for symbol, count in Counter(own).items() if count > 1)
            raise DataError(f"a vocabulary holds every symbol once, got {twice!r} twice")

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of every symbol but `<unk>` and `<eos>`."""
        return {symbol: i for i, symbol in enumerate(self.symbols) if i > END}

    def keys(self, text: str) -> Iterable[str]:
        """The symbol that each piece of a text, line or sentence asks for, known or not."""
        return self.split_part(text)

    def of(self, counts: Mapping[str, int], minimum_count: int = 1, size: int | None = None) -> Self:
        """The same with the symbols that were counted, by falling frequency, equally frequent ones in their order.

        Only what occurs at least `minimum_count` times, and only the `size` most frequent.
        """
        if minimum_count < 1:
            raise SettingError(f"minimum_count must be at least 1, got {minimum_count}")
        kept = [symbol for symbol, count in counts.items() if count >= minimum_count]
        kept.sort(key=lambda symbol: (-counts[symbol], symbol))
        return replace(self, symbols=SPECIAL + tuple(kept[:size]))

    def counted(self, text: str) -> Iterable[str]:
        """The symbols that all pieces of a text ask for, `<unk>` and `<eos>` not among them."""
        if self.ends == "text":
            return self.keys(text)
        return chain.from_iterable(self.keys(part) for part, _ in self._parts(text))

    def count(self, text: str) -> Mapping[str, int]:
        """How often each of them occurs in a text."""
        return Counter(self.counted(text))

    def missing(self, text: str) -> Iterable[str]:
        return (key for key in self.counted(text) if key not in self.index)

    def encode_part(self, text: str) -> Ids:
        index = self.index
        return np.array([index.get(key, UNKNOWN) for key in self.keys(text)], np.int64)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return ("", "", *self.symbols[2:])

    def writer(self) -> Writer:
        shown = (*self.symbols[:END], self.end_text, *self.symbols[2:])
        return Writer(shown.__getitem__)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
