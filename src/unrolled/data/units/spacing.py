"""Words written as a text: a blank where one belongs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unrolled.data.vocabulary import END, Writer

_CLOSING = frozenset(".,;:!?…)]}»›”’%‰′″、。，；：！？」』）】》〉")
_OPENING = frozenset("([{«‹„‚‘¿¡#$£¥「『（【《〈")
_JOINING = frozenset("/\\_@°\n")
"""No blank on either side."""
_STRAIGHT = frozenset("\"'`")
"""Quotes that open and close in turn; so does “, which closes what „ opened."""
_UNSPACED = re.compile(
    "[\u0e00-\u0e4f\u0e5a-\u0ecf\u0edc-\u103f\u1050-\u109f\u1780-\u17df\u2e80-\u9fff\uf900-\ufaff"
    "\uff00-\uffef\U00020000-\U0003ffff]"
)


class WordWriter(Writer):
    """Writes word by word, each with the blank before it if one belongs there.

    Example:
        >>> writer = WordWriter(("<unk>", "<eos>", "¿", "Vienes", "?"), "\\n")
        >>> "".join(map(writer.write, [2, 3, 4, 3]))
        '¿Vienes? Vienes'
    """

    def __init__(self, symbols: Sequence[str], end: str, pretokenized: bool = False) -> None:
        self._symbols, self._end, self._pretokenized = symbols, end, pretokenized
        self._start()

    def _start(self) -> None:
        self._before = ""
        self._opens = True
        self._quotes: set[str] = set()

    def write(self, index: int) -> str:
        if index == END:
            self._start()
            return self._end
        word = self._symbols[index]
        if word == "\n":
            self._start()
            return word
        blank = "" if self._joined(word) else " "
        self._before = word
        return blank + word

    def _joined(self, word: str) -> bool:
        """Whether no blank stands before the word; from now on the word is the one before."""
        if self._pretokenized:
            joined, self._opens = self._opens, False
            return joined
        opens, closes = self._sides(word)
        both = _UNSPACED.match(self._before[-1:]) and _UNSPACED.match(word)
        joined = self._opens or closes or bool(both)
        self._opens = opens
        return joined

    def _sides(self, word: str) -> tuple[bool, bool]:
        """Whether no blank belongs behind the word, and whether none belongs before it."""
        if word in _STRAIGHT:
            opens = word not in self._quotes
            self._quotes ^= {word}
            return opens, not opens
        if word == "“":
            closes = "„" in self._quotes
            self._quotes.discard("„")
            return not closes, closes
        if word == "„":
            self._quotes.add(word)
        return word in _OPENING or word in _JOINING, word in _CLOSING or word in _JOINING


def text_of(word: str, pretokenized: bool) -> str:
    """A word with the blank that usually stands before it."""
    joined = word == "\n" or word in _CLOSING or word in _JOINING or _UNSPACED.match(word)
    return word if joined and not pretokenized else f" {word}"
