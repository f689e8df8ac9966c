"""Regular expressions as automata that read a text character by character."""

from __future__ import annotations

from unrolled.errors import SettingError
from unrolled.generation.character_sets import CharacterSet
from unrolled.generation.regular_syntax import Either, One, Repeat, Sequence, Tree, parse

LARGEST = 50_000
"""States the nondeterministic automaton may have."""


class Regular:
    """A regular expression that a whole text must match, read from left to right.

    The nondeterministic automaton of Thompson (1968); the deterministic one is built as far as it is walked. After
    every text from which a match can still be reached there is a state, after all others None.

    Raises:
        SettingError: what `parse` refuses, an expression that nothing matches, or one that is too large.

    Example:
        >>> date = Regular("[0-9]{4}-[0-9]{2}")
        >>> state = date.start
        >>> for character in "2026-11":
        ...     state = date.step(state, character)
        >>> date.accepting(state), date.step(state, "2")
        (True, None)
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._reads: list[tuple[CharacterSet, int] | None] = []
        self._empty: list[list[int]] = []
        begin, self._final = self._fragment(parse(expression))
        self._useful = self._reach_final()
        if begin not in self._useful:
            raise SettingError(f"the regular expression {expression!r} matches nothing; write another one")
        self._numbers: dict[frozenset[int], int] = {}
        self._sets: list[frozenset[int]] = []
        self._steps: dict[tuple[int, str], int | None] = {}
        self.start = self._numbered(self._closure([begin]))

    def step(self, state: int, character: str) -> int | None:
        """The state after one more character; None if no match can be reached any more."""
        key = state, character
        if key not in self._steps:
            reads = (self._reads[place] for place in self._sets[state])
            targets = self._closure([one[1] for one in reads if one and character in one[0]])
            self._steps[key] = self._numbered(targets) if targets else None
        return self._steps[key]

    def accepting(self, state: int) -> bool:
        """Whether the text read so far matches."""
        return self._final in self._sets[state]

    def between(self, state: int, first: int, last: int) -> bool:
        """Whether a character with a code point from `first` to `last` leads on."""
        reads = (self._reads[place] for place in self._sets[state])
        return any(one[0].meets(first, last) for one in reads if one and one[1] in self._useful)

    def _numbered(self, places: frozenset[int]) -> int:
        if places not in self._numbers:
            self._numbers[places] = len(self._sets)
            self._sets.append(places)
        return self._numbers[places]

    def _closure(self, places: list[int]) -> frozenset[int]:
        """What is reached without reading; of that, the places where something is read, and the end."""
        waiting, seen = list(places), set(places)
        while waiting:
            for follower in self._empty[waiting.pop()]:
                if follower not in seen:
                    seen.add(follower)
                    waiting.append(follower)
        return frozenset(p for p in seen & self._useful if self._reads[p] or p == self._final)

    def _reach_final(self) -> set[int]:
        """The places from which the end can be reached."""
        before: list[list[int]] = [[] for _ in self._empty]
        for place, followers in enumerate(self._empty):
            read = self._reads[place]
            for follower in [*followers, *([read[1]] if read and read[0].ranges else [])]:
                before[follower].append(place)
        found, waiting = {self._final}, [self._final]
        while waiting:
            for place in before[waiting.pop()]:
                if place not in found:
                    found.add(place)
                    waiting.append(place)
        return found

    def _place(self) -> int:
        if len(self._empty) == LARGEST:
            raise SettingError(f"the regular expression {self.expression!r} is too large; repeat less in it")
        self._reads.append(None)
        self._empty.append([])
        return len(self._empty) - 1

    def _fragment(self, tree: Tree) -> tuple[int, int]:
        """Places for a part of the expression: its begin and its end."""
        begin, end = self._place(), self._place()
        match tree:
            case One(characters):
                self._reads[begin] = characters, end
            case Sequence(parts):
                self._empty[self._chain(begin, list(parts))].append(end)
            case Either(parts):
                for part in parts:
                    self._empty[self._chain(begin, [part])].append(end)
            case Repeat(part, least, most):
                self._repeat(begin, end, part, least, most)
        return begin, end

    def _chain(self, place: int, parts: list[Tree]) -> int:
        """Parts one after the other from `place` on; where they end."""
        for part in parts:
            begin, end = self._fragment(part)
            self._empty[place].append(begin)
            place = end
        return place

    def _repeat(self, begin: int, end: int, part: Tree, least: int, most: int | None) -> None:
        place = self._chain(begin, [part] * least)
        if most is None:
            loop = self._place()
            self._empty[place].append(loop)
            self._empty[self._chain(loop, [part])].append(loop)
            place = loop
        for _ in range((most or least) - least):
            self._empty[place].append(end)
            place = self._chain(place, [part])
        self._empty[place].append(end)
