"""What constraints are made of: automata that read a text, and views of them for other units of text."""

from __future__ import annotations

from typing import Any, Protocol

State = Any  # hashable; each automaton has its own kind


class Automaton(Protocol):
    """Reads a text character by character and knows whether it can still become one that matches."""

    @property
    def start(self) -> State:
        """The state before the first character."""
        ...

    def step(self, state: State, character: str) -> State | None:
        """The state after one more character; None if no match can be reached any more."""
        ...

    def accepting(self, state: State) -> bool:
        """Whether the text read so far matches."""
        ...

    def between(self, state: State, first: int, last: int) -> bool:
        """Whether `step` has a state for some character with a code point from `first` to `last`."""
        ...


_RANGES = {1: [(0x80, 0x7FF)], 2: [(0x800, 0xD7FF), (0xE000, 0xFFFF)], 3: [(0x10000, 0x10FFFF)]}
"""The code points of characters with so many bytes after the first."""


class OverBytes:
    """An automaton over the bytes of a text in UTF-8, each given as the character of the same number.

    A state is one of the automaton, the bits of a character that has begun, its bytes and how many of them are
    missing.

    Example:
        >>> from unrolled.generation.choices import Choices
        >>> both = OverBytes(Choices(["ñ", "o"]))
        >>> both.step(both.start, chr(0xC2)) is None  # "ñ" is C3 B1
        True
        >>> both.accepting(both.step(both.step(both.start, chr(0xC3)), chr(0xB1)))
        True
    """

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        self.start: State = (automaton.start, 0, 0, 0)

    def step(self, state: State, character: str) -> State | None:
        inner, bits, size, missing = state
        byte = ord(character)
        if missing:
            return self._going_on(inner, bits << 6 | byte & 63, size, missing - 1) if byte >> 6 == 2 else None
        if byte < 0x80:
            return self._done(inner, character)
        if 0xC0 <= byte < 0xF8:
            size = 1 + (byte >= 0xE0) + (byte >= 0xF0)
            return self._going_on(inner, byte & (0x3F >> size), size, size)
        return None

    def accepting(self, state: State) -> bool:
        return state[3] == 0 and self.automaton.accepting(state[0])

    def between(self, state: State, first: int, last: int) -> bool:
        return any(self.step(state, chr(byte)) is not None for byte in range(first, min(last, 255) + 1))

    def _done(self, inner: State, character: str) -> State | None:
        after = self.automaton.step(inner, character)
        return None if after is None else (after, 0, 0, 0)

    def _going_on(self, inner: State, bits: int, size: int, missing: int) -> State | None:
        first = bits << 6 * missing
        last = first + (1 << 6 * missing) - 1
        parts = [(max(first, low), min(last, high)) for low, high in _RANGES[size]]
        possible = [(low, high) for low, high in parts if low <= high]
        if possible and not missing:
            return self._done(inner, chr(bits))
        alive = any(self.automaton.between(inner, low, high) for low, high in possible)
        return (inner, bits, size, missing) if alive else None


class AfterBlank:
    """An automaton that passes over one blank at the very beginning: the one that a word brings along.

    A state is one of the automaton, and whether nothing has been read yet.
    """

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        self.start: State = (automaton.start, True)

    def step(self, state: State, character: str) -> State | None:
        inner, first = state
        if first and character == " ":
            return inner, False
        after = self.automaton.step(inner, character)
        return None if after is None else (after, False)

    def accepting(self, state: State) -> bool:
        return self.automaton.accepting(state[0])

    def between(self, state: State, first: int, last: int) -> bool:
        blank = state[1] and first <= ord(" ") <= last
        return blank or self.automaton.between(state[0], first, last)
