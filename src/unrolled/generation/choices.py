"""A list of texts as an automaton: the tree of their beginnings."""

from __future__ import annotations

from collections.abc import Iterable

from unrolled.errors import SettingError


class Choices:
    """One of the given texts, read from left to right in the tree of their beginnings (a trie).

    Raises:
        SettingError: no texts.

    Example:
        >>> weather = Choices(["rain", "rainbow"])
        >>> state = weather.start
        >>> for character in "rain":
        ...     state = weather.step(state, character)
        >>> weather.accepting(state), weather.step(state, "y")
        (True, None)
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self.start = 0
        self._followers: list[dict[str, int]] = [{}]
        self._ends: set[int] = set()
        for text in texts:
            self._add(text)
        if not self._ends:
            raise SettingError("there are no texts to choose from; give at least one")

    def _add(self, text: str) -> None:
        state = self.start
        for character in text:
            followers = self._followers[state]
            if character not in followers:
                followers[character] = len(self._followers)
                self._followers.append({})
            state = followers[character]
        self._ends.add(state)

    def step(self, state: int, character: str) -> int | None:
        """The state after one more character; None if no text begins so."""
        return self._followers[state].get(character)

    def accepting(self, state: int) -> bool:
        """Whether the text read so far is one of the texts."""
        return state in self._ends

    def between(self, state: int, first: int, last: int) -> bool:
        """Whether a character with a code point from `first` to `last` leads on."""
        return any(first <= ord(character) <= last for character in self._followers[state])
