"""Characters as symbols: every Unicode code point is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.vocabulary import SPECIAL, UNKNOWN, Ids, Listed
from unrolled.errors import DataError


@dataclass(frozen=True)
class Characters(Listed):
    """One symbol for each Unicode code point, in order of the code points.

    Example:
        >>> Characters.fitted(["hola"]).split("alto")
        ['a', 'l', 't', 'o']
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [symbol for symbol in self.symbols[2:] if len(symbol) != 1]
        if wrong:
            raise DataError(f"a vocabulary holds single characters after <unk> and <eos>, got {wrong[0]!r}")

    @classmethod
    def fitted(cls, texts: Iterable[str], minimum_count: int = 1) -> Characters:
        """The characters that occur at least `minimum_count` times."""
        counts: Counter[str] = Counter()
        empty = cls(SPECIAL)
        for text in texts:
            counts.update(empty.count(text))
        return empty.of(counts, minimum_count)

    @property
    def unit(self) -> str:
        return "character"

    def of(self, counts: Mapping[str, int], minimum_count: int = 1, size: int | None = None) -> Self:
        found = super().of(counts, minimum_count, size)
        return type(self)(SPECIAL + tuple(sorted(found.symbols[2:])), self.ends)

    def count(self, text: str) -> Mapping[str, int]:
        if self.ends == "sentence":  # line ends inside them become blanks
            return super().count(text)
        numbers = np.bincount(_code_points(text))
        counts = {chr(code): int(numbers[code]) for code in np.flatnonzero(numbers).tolist()}
        if self.ends == "line":
            counts.pop("\n", None)
        return counts

    @cached_property
    def _codes(self) -> tuple[NDArray[np.uint32], Ids]:
        """Code points in rising order, and the index of each."""
        codes = _code_points("".join(self.symbols[2:]))
        order = np.argsort(codes)
        return codes[order], (order + len(SPECIAL)).astype(np.int64)

    def encode_part(self, text: str) -> Ids:
        known, index = self._codes
        codes = _code_points(text)
        if not len(known):
            return np.full(len(codes), UNKNOWN, dtype=np.int64)
        place = np.searchsorted(known, codes).clip(max=len(known) - 1)
        return np.where(known[place] == codes, index[place], UNKNOWN)

    def split_part(self, text: str) -> list[str]:
        return list(text)

    def unseen(self, text: str) -> str:
        """The distinct characters of `text` that are not in the vocabulary, in order of appearance."""
        return "".join(super().unseen(text))


def _code_points(text: str) -> NDArray[np.uint32]:
    # surrogatepass: bytes of the command line that are not UTF-8 reach us as lone surrogates.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
