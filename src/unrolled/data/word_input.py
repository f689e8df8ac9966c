"""Words with their letters: what a tagger reads of a sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.inputs import UNKNOWN, Input, described, register
from unrolled.data.records import Values
from unrolled.errors import DataError, SettingError

SHAPES = ("no letters", "small", "capitalised", "capitals", "mixed", "number", "with digits")
"""What a word looks like, by the number it goes by."""

WORD, SHAPE, LETTERS = 0, 1, 2
"""Columns of an encoded word; its characters begin at the third."""

_ABSENT, _UNSEEN, _KNOWN = 0, 1, 2
"""Of characters: none here, one that was not seen in training, the first that was."""

_DIGIT = re.compile(r"\d")


@register
class WordInput(Input):
    """Words as rows of whole numbers (T, 2 + C): the word, its shape, and C of its characters.

    The word is looked up with digits read as 0 and, with `lower`, without regard to capitals; what was not seen is
    `<unk>`, index 0. Characters are as they are written, numbered from 2; 1 is one that was not seen, and 0 fills
    the row. Of a word of more than C characters the first and last halves are kept. With C = 0 there are only words
    and shapes.

    Example:
        >>> words = WordInput.fitted([("in", "Rome"), ("In", "1984")], characters=6)
        >>> words.symbols
        ('<unk>', 'in', '0000', 'rome')
        >>> words.encode(("In", "Rum"))[:, :6].tolist()  # capitalised both; no u was seen
        [[1, 2, 6, 11, 0, 0], [0, 2, 7, 1, 10, 0]]

    Raises:
        SettingError: C of 1, or below 0.
    """

    kind = "words"

    def __init__(
        self,
        symbols: Sequence[str],
        letters: Sequence[str],
        lower: bool = True,
        characters: int = 24,
        counts: Sequence[int] | None = None,
    ) -> None:
        if characters < 0 or characters == 1:
            raise SettingError(f"characters must be 0, or 2 or more for each word, got {characters}")
        self.symbols, self.letters = tuple(symbols), tuple(letters)
        self.lower, self.characters = lower, characters
        self.counts = tuple(counts) if counts is not None else (0,) * len(self.symbols)
        """How often each of the symbols occurred in training."""

    @classmethod
    def fitted(
        cls,
        sentences: Iterable[Values],
        lower: bool = True,
        minimum_count: int = 1,
        characters: int = 24,
    ) -> Self:
        """Words that occur at least `minimum_count` times, the most frequent first, and all characters."""
        empty = cls((), (), lower, characters)
        words: Counter[str] = Counter()
        letters: set[str] = set()
        for sentence in sentences:
            words.update(empty.normal(word) for word in _words(sentence))
            letters.update(*_words(sentence))
        kept = [word for word, count in words.items() if count >= minimum_count]
        symbols = sorted(kept, key=lambda word: (-words[word], word))
        counts = [words.total() - sum(words[word] for word in kept), *(words[word] for word in symbols)]
        return cls(("<unk>", *symbols), sorted(letters) if characters else (), lower, characters, counts)

    def normal(self, word: str) -> str:
        """The form in which a word is looked up."""
        return _DIGIT.sub("0", word.lower() if self.lower else word)

    @property
    def alphabet(self) -> int:
        """How many numbers characters go by."""
        return len(self.letters) + _KNOWN

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    @cached_property
    def _letter(self) -> dict[str, int]:
        return {letter: index for index, letter in enumerate(self.letters, _KNOWN)}

    def encode(self, values: Values) -> NDArray[np.int32]:
        words = _words(values)
        rows = np.full((len(words), LETTERS + self.characters), _ABSENT, np.int32)
        for row, word in zip(rows, words, strict=True):
            if not word:
                raise DataError("a word must have at least one character, got an empty one; remove it")
            row[WORD], row[SHAPE] = self._index.get(self.normal(word), UNKNOWN), shape(word)
            spelled = self._spelled(word)
            row[LETTERS : LETTERS + len(spelled)] = [self._letter.get(one, _UNSEEN) for one in spelled]
        return rows

    def _spelled(self, word: str) -> str:
        if len(word) <= self.characters:
            return word
        half = self.characters // 2
        return word[: self.characters - half] + word[len(word) - half :]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "lower": self.lower,
            "characters": self.characters,
            "letters": list(self.letters),
            "symbols": list(self.symbols),
            "counts": list(self.counts),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        names = ("symbols", "letters", "lower", "characters", "counts")
        return cls(*(content[name] for name in names))


def shape(word: str) -> int:
    """The place in `SHAPES` of what a word looks like."""
    if any(one.isdigit() for one in word):
        alone = not any(one.isalpha() for one in word)
        return SHAPES.index("number" if alone else "with digits")
    letters = [one for one in word if one.isalpha()]
    if not letters:
        return SHAPES.index("no letters")
    small = sum(not one.isupper() for one in letters)
    if small == len(letters):
        return SHAPES.index("small")
    if letters[0].isupper() and small == len(letters) - 1:
        return SHAPES.index("capitalised")
    return SHAPES.index("mixed" if small else "capitals")


def _words(values: Values) -> tuple[str, ...]:
    if not isinstance(values, tuple):
        raise DataError(
            f"the model reads words, got {described(values)}; give data of the kind it was trained on"
        )
    return values
