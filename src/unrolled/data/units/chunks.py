"""So many characters as one symbol: n-grams that do not overlap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from unrolled.data.vocabulary import Listed
from unrolled.errors import DataError


@dataclass(frozen=True)
class Chunks(Listed):
    """One symbol for every `length` characters, counted from the beginning of a text (or line, or sentence).

    What is left at its end is a shorter symbol. Symbols stand by falling frequency.

    Example:
        >>> Chunks(("<unk>", "<eos>"), length=3).split("abcdefgh")
        ['abc', 'def', 'gh']
    """

    length: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < 2:
            raise DataError(f"an n-gram must have at least 2 characters, got {self.length}")
        wrong = [symbol for symbol in self.symbols[2:] if not 1 <= len(symbol) <= self.length]
        if wrong:
            raise DataError(f"a {self.unit} has 1 to {self.length} characters, got {wrong[0]!r}")

    @property
    def unit(self) -> str:
        return f"{self.length}-gram"

    def split_part(self, text: str) -> list[str]:
        return [text[i : i + self.length] for i in range(0, len(text), self.length)]

    def whole_part(self, text: str) -> int:
        return len(text) - len(text) % self.length

    @classmethod
    def restored(cls, symbols: tuple[str, ...], content: Mapping[str, Any]) -> Self:
        length = str(content["unit"]).removesuffix("-gram")
        if not length.isdecimal():
            raise DataError(
                f'a vocabulary of n-grams must say "unit": "3-gram" or so, got {content["unit"]!r}'
            )
        return cls(symbols, content.get("ends", "text"), int(length))
