"""Which symbols of a vocabulary may come next, so that the text goes on to a match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, Vocabulary, Writer
from unrolled.errors import SettingError
from unrolled.generation.automaton import AfterBlank, Automaton, OverBytes, State

_WALKED = 300_000
"""Symbols looked at, at most, to prove beforehand that no text runs into a dead end."""

OF_BYTES = ("byte", "byte pair")
"""Units whose texts are bytes, written as the characters of the same numbers."""


@dataclass
class _Beginning:
    """A node of the tree of all symbols' texts: the symbols that end here, and what follows."""

    symbols: list[int] = field(default_factory=list)
    followers: dict[str, _Beginning] = field(default_factory=dict)


class Constraint:
    """Texts of symbols that an automaton accepts: for each of its states, the symbols that may come next.

    A symbol may come if its whole text leads to a state from which a match can be reached; `<eos>` where the text
    so far matches; `<unk>` never. That it can be reached *in symbols of this vocabulary* is found out beforehand for
    automata that are small enough (all with up to some hundred states): then no text runs into a dead end. The
    prompt is no part of the match, and neither is the blank before the first word.

    Raises:
        SettingError: no text of these symbols matches.

    Example:
        >>> from unrolled.generation.regular import Regular
        >>> constraint = Constraint(Regular("ho*la"), Vocabulary.from_text(["hola"]))
        >>> after_h = constraint.advance(constraint.start, 3)
        >>> [constraint.vocabulary.symbols[i] for i in constraint.mask(after_h).nonzero()]
        ['l', 'o']
    """

    def __init__(self, automaton: Automaton, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.automaton = automaton
        if vocabulary.unit in OF_BYTES:
            self.automaton = OverBytes(automaton)
        elif vocabulary.unit == "word":
            self.automaton = AfterBlank(automaton)
        self.start: State = self.automaton.start
        self._texts = vocabulary.texts
        self._beginnings = _tree(self._texts)
        self._masks: dict[State, Tensor] = {}
        self._alive = self._reach_match()
        if self._alive is not None and self.start not in self._alive:
            raise SettingError(
                f"no text of this model's {vocabulary.unit}s matches the constraint; "
                "its vocabulary lacks what a match is made of"
            )

    def mask(self, state: State) -> Tensor:
        """Which symbols may come next, (V,); none only where the automaton was too large to prove that some may."""
        if state not in self._masks:
            mask = torch.zeros(len(self.vocabulary), dtype=torch.bool)
            mask[[symbol for symbol, target in self._next(state) if self._is_alive(target)]] = True
            mask[END] = self.automaton.accepting(state)
            self._masks[state] = mask
        return self._masks[state]

    def dead_end(self) -> SettingError:
        """What is said where no symbol may come next."""
        return SettingError(
            f"the text ran into a dead end: no {self.vocabulary.unit} of the vocabulary goes on to a match; "
            "draw with another seed, or write a constraint that the vocabulary can follow"
        )

    def advance(self, state: State, symbol: int) -> State:
        """The state after a symbol that the mask allows."""
        for character in self._texts[symbol]:
            state = self.automaton.step(state, character)
        return state

    def writer(self, goes_on: bool = False) -> Writer:
        """Writes symbols exactly as the automaton reads them, words too, whose blanks otherwise depend on what they
        stand beside; the blank before the first word only if the text `goes_on` behind a prompt."""
        if self.vocabulary.unit == "word":
            return _Words(self._texts, goes_on)
        return self.vocabulary.writer()

    def complete(self, state: State) -> bool:
        """Whether the text matches and cannot go on."""
        mask = self.mask(state)
        return bool(mask[END]) and int(mask.sum()) == 1

    def _is_alive(self, state: State) -> bool:
        return self._alive is None or state in self._alive

    def _next(self, state: State) -> Iterator[tuple[int, State]]:
        """The symbols whose texts keep the automaton alive, and the state behind each."""
        waiting = [(self._beginnings, state)]
        while waiting:
            place, reached = waiting.pop()
            for character, follower in place.followers.items():
                after = self.automaton.step(reached, character)
                if after is not None:
                    waiting.append((follower, after))
                    yield from ((symbol, after) for symbol in follower.symbols)

    def _reach_match(self) -> set[State] | None:
        """The states from which symbols lead to a match; None if there are too many states to look at."""
        before: dict[State, set[State]] = {self.start: set()}
        waiting, walked = [self.start], 0
        while waiting:
            state = waiting.pop()
            for _, target in self._next(state):
                walked += 1
                if target not in before:
                    before[target] = set()
                    waiting.append(target)
                before[target].add(state)
            walked += len(self._beginnings.followers)
            if walked > _WALKED:
                return None
        found = {state for state in before if self.automaton.accepting(state)}
        waiting = list(found)
        while waiting:
            new = before[waiting.pop()] - found
            found |= new
            waiting += new
        return found


class _Words(Writer):
    def __init__(self, texts: tuple[str, ...], goes_on: bool) -> None:
        super().__init__(texts.__getitem__)
        self._goes_on = goes_on

    def write(self, index: int) -> str:
        text = super().write(index)
        if not self._goes_on:
            text = text.removeprefix(" ")
            self._goes_on = True
        return text


def _tree(texts: tuple[str, ...]) -> _Beginning:
    root = _Beginning()
    for symbol, text in enumerate(texts):
        place = root
        for character in text:
            place = place.followers.setdefault(character, _Beginning())
        if text:
            place.symbols.append(symbol)
    return root
