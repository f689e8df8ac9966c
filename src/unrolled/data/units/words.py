"""Words as symbols, found by a rule that knows no language; or as they stand in a prepared file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from typing import Any, Self

from unrolled.data.units.spacing import WordWriter, text_of
from unrolled.data.vocabulary import END, LONGEST, SPECIAL, UNKNOWN, Listed, Writer
from unrolled.errors import DataError

UNSPACED = (
    "\u0e00-\u0e4f\u0e5a-\u0ecf\u0edc-\u0fff\u1000-\u103f\u1050-\u109f\u1780-\u17df"  # Thai to Khmer
    "\u2e80-\u2fff\u3005-\u3007\u3021-\u302f\u3031-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"  # Chinese, Japanese
)
"""Scripts that put no blanks between words: each character is read as a word."""

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Words(Listed):
    """One symbol for each word, number, punctuation mark and line end, by falling frequency.

    A word is a run of letters, marks and digits of any script; apostrophes and hyphens inside it belong to it. A number
    may hold . and , between its digits. Every other character that is no blank stands alone. Chinese and Japanese
    characters are a word each, and so are the letters of scripts without blanks between words, such as Thai: such text
    is read character by character.

    Args:
        lower: words are read in small letters.
        digits: every digit is read as 0.
        pretokenized: words are what stands between blanks, unchanged; `<unk>` and `<eos>` in the text are the symbols.

    Example:
        >>> Words(("<unk>", "<eos>")).split("Don't pay 1,50 для комп'ютера, 東京!")
        ["Don't", 'pay', '1,50', 'для', "комп'ютера", ',', '東', '京', '!']
    """

    lower: bool = False
    digits: bool = False
    pretokenized: bool = False

    @property
    def unit(self) -> str:
        return "word"

    @cached_property
    def index(self) -> dict[str, int]:
        own = {symbol: i for i, symbol in enumerate(self.symbols) if i > END}
        return {**own, SPECIAL[0]: UNKNOWN, SPECIAL[1]: END} if self.pretokenized else own

    def split_part(self, text: str) -> list[str]:
        if self.pretokenized:
            return text.split()
        return _pattern(self.ends == "text").findall(text)

    def keys(self, text: str) -> Iterable[str]:
        pieces = self.split_part(text)
        return map(self.key, pieces) if self.lower or self.digits else pieces

    def key(self, piece: str) -> str:
        """The symbol that a word is read as."""
        if self.lower:
            piece = piece.lower()
        return _DIGIT.sub("0", piece) if self.digits else piece

    def counted(self, text: str) -> Iterable[str]:
        found = super().counted(text)
        return (key for key in found if key not in SPECIAL) if self.pretokenized else found

    def is_empty(self, line: str) -> bool:
        return not line or line.isspace()

    def whole_part(self, text: str) -> int:
        blank = max(text.rfind("\n"), text.rfind(" "))
        return blank + 1 if blank >= 0 or len(text) < LONGEST else len(text)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return ("", "", *(text_of(word, self.pretokenized) for word in self.symbols[2:]))

    def writer(self) -> Writer:
        return WordWriter(self.symbols, self.end_text, self.pretokenized)

    def to_json(self) -> dict[str, Any]:
        own = {name: True for name in ("lower", "digits", "pretokenized") if getattr(self, name)}
        return {**super().to_json(), **own}

    @classmethod
    def restored(cls, symbols: tuple[str, ...], content: Mapping[str, Any]) -> Self:
        flags = [content.get(name, False) for name in ("lower", "digits", "pretokenized")]
        if not all(isinstance(flag, bool) for flag in flags):
            raise DataError(
                'a vocabulary of words must say true or false under "lower", "digits", "pretokenized"'
            )
        return cls(symbols, content.get("ends", "text"), *flags)


@cache
def _pattern(line_ends: bool) -> re.Pattern[str]:
    """What words are; line ends are words where nothing else says where a line ends."""
    mark = f"{_combining()}\u200c\u200d\u00ad"
    letter = rf"[^\W\d_{UNSPACED}]"
    inside = rf"(?:[{mark}\d]|{letter})*"
    word = rf"(?:{letter}|\d){inside}(?:['’‘ʼ‐‑\-·״׳]{letter}{inside})*"
    number = rf"\d+(?:[.,]\d+)*(?![\w{mark}])(?!['’‐‑\-]{letter})"
    alone = rf"\S[{mark}\ufe0f\U0001f3fb-\U0001f3ff]*"
    return re.compile(rf"{number}|{word}|{alone}" + (r"|\n" if line_ends else ""))


@cache
def _combining() -> str:
    """All combining marks, as ranges for a regular expression; `re` has no class for them."""
    ranges: list[list[int]] = []
    for point in chain(range(0x300, 0x20000), range(0xE0000, 0xE0200)):
        if unicodedata.category(chr(point))[0] != "M":
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "".join(rf"{chr(first)}-{chr(last)}" for first, last in ranges)
