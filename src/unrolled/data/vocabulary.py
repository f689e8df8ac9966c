"""The symbols a model knows, and the numbers they go by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError, SettingError

UNKNOWN, END = 0, 1
SPECIAL = ("<unk>", "<eos>")

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """The V symbols of a model: `<unk>` is 0, `<eos>` is 1, then one Unicode code point each.

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

    def __post_init__(self) -> None:
        if self.symbols[:2] != SPECIAL:
            raise DataError(f"a vocabulary must begin with <unk>, <eos>, got {self.symbols[:2]}")
        wrong = [symbol for symbol in self.symbols[2:] if len(symbol) != 1]
        if wrong:
            raise DataError(f"a vocabulary holds single characters after <unk> and <eos>, got {wrong[0]!r}")
        if len(set(self.symbols)) != len(self.symbols):
            twice = next(symbol for symbol, count in Counter(self.symbols).items() if count > 1)
            raise DataError(f"a vocabulary holds every symbol once, got {twice!r} twice")

    @classmethod
    def from_text(cls, texts: Iterable[str], minimum_count: int = 1) -> Vocabulary:
        """The characters that occur at least `minimum_count` times, in order of their code points.

        With 1, no training character is `<unk>` and its probability stays untrained; with 2 or more the rare
        characters train it.
        """
        if minimum_count < 1:
            raise SettingError(f"minimum_count must be at least 1, got {minimum_count}")
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        kept = sorted(symbol for symbol, count in counts.items() if count >= minimum_count)
        return cls(SPECIAL + tuple(kept))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def _codes(self) -> tuple[NDArray[np.uint32], Ids]:
        """Code points in rising order, and the index of each."""
        codes = _code_points("".join(self.symbols[2:]))
        order = np.argsort(codes)
        return codes[order], (order + len(SPECIAL)).astype(np.int64)

    def encode(self, text: str) -> Ids:
        """The index of every character, `(len(text),)`; one that is not in the vocabulary becomes `<unk>`."""
        known, index = self._codes
        codes = _code_points(text)
        if not len(known):
            return np.full(len(codes), UNKNOWN, dtype=np.int64)
        place = np.searchsorted(known, codes).clip(max=len(known) - 1)
        return np.where(known[place] == codes, index[place], UNKNOWN)

    def decode(self, ids: Iterable[int]) -> str:
        """The characters of the indices; the two special symbols appear as `<unk>` and `<eos>`."""
        return "".join(self.symbols[i] for i in ids)

    def unseen(self, text: str) -> str:
        """The distinct characters of `text` that are not in the vocabulary, in order of appearance."""
        return "".join(symbol for symbol in dict.fromkeys(text) if symbol not in self._known)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.symbols[2:])

    def to_json(self) -> dict[str, Any]:
        """What `vocabulary.json` holds."""
        return {"unit": "character", "symbols": list(self.symbols)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary written by `to_json`."""
        if not isinstance(content, Mapping) or content.get("unit") != "character":
            raise DataError('a vocabulary must say "unit": "character"; it was written by another program')
        symbols = content.get("symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise DataError('a vocabulary must hold a list of strings under "symbols"')
        return cls(tuple(symbols))


def _code_points(text: str) -> NDArray[np.uint32]:
    # surrogatepass: bytes of the command line that are not UTF-8 reach us as lone surrogates.
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
