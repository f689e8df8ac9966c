"""Sets of characters, as ranges of code points."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache

LAST = 0x10FFFF


@dataclass(frozen=True)
class CharacterSet:
    """Characters whose code points lie in `ranges` (first, last), which rise and leave gaps between each other.

    Example:
        >>> vowels = CharacterSet.of([(ord(c), ord(c)) for c in "aeiou"])
        >>> "e" in vowels, "f" in vowels, "f" in vowels.complement()
        (True, False, True)
        >>> vowels.meets(ord("f"), ord("h")), vowels.meets(ord("f"), ord("i"))
        (False, True)
    """

    ranges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> CharacterSet:
        """The union of ranges in any order."""
        joined: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
            else:
                joined.append((first, last))
        return cls(tuple(joined))

    def complement(self) -> CharacterSet:
        """All other characters."""
        edges = [-1, *(edge for one in self.ranges for edge in one), LAST + 1]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        return CharacterSet(tuple((low + 1, high - 1) for low, high in gaps if low + 1 < high))

    def meets(self, first: int, last: int) -> bool:
        """Whether a code point from `first` to `last` is in the set."""
        place = bisect_right(self._firsts, last)
        return place > 0 and self.ranges[place - 1][1] >= first

    def __contains__(self, character: str) -> bool:
        return self.meets(ord(character), ord(character))

    @cached_property
    def _firsts(self) -> tuple[int, ...]:
        return tuple(first for first, _ in self.ranges)


@lru_cache
def category(letter: str) -> CharacterSet:
    r"""What `\d`, `\w`, `\s`, or with a capital letter everything else, stands for in Python's patterns of text."""
    tests: dict[str, Callable[[str], bool]] = {
        "d": str.isdecimal,
        "w": lambda character: character.isalnum() or character == "_",
        "s": str.isspace,
    }
    if letter.isupper():
        return category(letter.lower()).complement()
    test = tests[letter]
    return CharacterSet.of((code, code) for code in range(LAST + 1) if test(chr(code)))
