"""Music as a text of events: keys that go down, keys that come up, and time that passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from unrolled.data.piano_roll import KEYS, LOW, Piece
from unrolled.data.vocabulary import SPECIAL, Ids, Listed, Writer
from unrolled.errors import DataError

LONGEST_WAIT = 16
_EVENT = re.compile(r"(on|off|wait)(\d+)")


@dataclass(frozen=True)
class EventVocabulary(Listed):
    """The events a piece is written in: `on60` and `off60` for every key, `wait1` to `waitN` for steps that pass.

    A language model of these symbols draws music one event after the other: which keys sound together need not be
    independent, as it is in frames. `EventVocabulary.for_keys(low, keys)` makes one.

    Example:
        >>> vocabulary = EventVocabulary.for_keys(low=60, keys=5, longest_wait=4)
        >>> piece = Piece.of([[60, 64], [60, 64], [60]], low=60, keys=5)
        >>> ids = vocabulary.of_piece(piece)
        >>> vocabulary.decode(ids)
        'on60 on64 wait2 off64 wait1 off60 '
        >>> vocabulary.piece(ids).notes()
        [[60, 64], [60, 64], [60]]

    Raises:
        DataError: symbols that are no events.
    """

    grid: int = 4
    """Steps in a quarter note."""

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [symbol for symbol in self.symbols[2:] if not _EVENT.fullmatch(symbol)]
        if wrong:
            raise DataError(f"events are onN, offN and waitN, got {wrong[0]!r}")
        if not self._notes or not self.longest_wait:
            raise DataError(
                "events must hold at least one on and one wait; they were written by another program"
            )

    @classmethod
    def for_keys(
        cls, low: int = LOW, keys: int = KEYS, longest_wait: int = LONGEST_WAIT, grid: int = 4
    ) -> Self:
        """The events of these keys."""
        notes = range(low, low + keys)
        waits = range(1, longest_wait + 1)
        return cls(
            (
                *SPECIAL,
                *(f"on{note}" for note in notes),
                *(f"off{note}" for note in notes),
                *(f"wait{steps}" for steps in waits),
            ),
            grid=grid,
        )

    @property
    def unit(self) -> str:
        return "event"

    def split_part(self, text: str) -> list[str]:
        return text.split()

    def whole_part(self, text: str) -> int:
        return text.rfind(" ") + 1

    @property
    def texts(self) -> tuple[str, ...]:
        return ("", "", *(f"{symbol} " for symbol in self.symbols[2:]))

    def writer(self) -> Writer:
        shown = (*self.symbols[:1], self.end_text, *self.texts[2:])
        return Writer(shown.__getitem__)

    @cached_property
    def _notes(self) -> tuple[int, ...]:
        return tuple(int(symbol[2:]) for symbol in self.symbols if symbol.startswith("on"))

    @cached_property
    def longest_wait(self) -> int:
        """N."""
        waits = (int(symbol[4:]) for symbol in self.symbols if symbol.startswith("wait"))
        return max(waits, default=0)

    @property
    def low(self) -> int:
        """The lowest key, a MIDI note."""
        return min(self._notes)

    @property
    def number_of_keys(self) -> int:
        """K."""
        return max(self._notes) - self.low + 1

    def of_piece(self, piece: Piece) -> Ids:
        """The events of a piece, exactly: `piece(of_piece(p))` has the frames and the strikes of p."""
        return self.encode(" ".join(written(piece, self.longest_wait)))

    def piece(self, ids: Iterable[int], name: str = "") -> Piece:
        """The piece that events describe; other symbols say nothing.

        What a model drew need not make sense: keys that come up without having gone down are passed over, and so is
        what comes behind the last wait, since no time is left for it.
        """
        return played((self.symbols[int(i)] for i in ids), self.low, self.number_of_keys, name)

    def to_json(self) -> dict[str, Any]:
        """What `vocabulary.json` holds."""
        return {**super().to_json(), "grid": self.grid}

    @classmethod
    def restored(cls, symbols: tuple[str, ...], content: Mapping[str, Any]) -> Self:
        """From the symbols; events have no lines."""
        return cls(symbols, grid=content.get("grid", 4))


def written(piece: Piece, longest_wait: int = LONGEST_WAIT) -> list[str]:
    """The events of a piece: in every step keys that come up, then keys that go down, both from low to high."""
    nothing = np.zeros((1, piece.keys), bool)
    before = np.concatenate([nothing, piece.frames])
    sounds = np.concatenate([piece.frames, nothing])
    struck = np.concatenate([piece.struck, nothing])
    up = before & (~sounds | struck)
    found: list[str] = []
    last = 0
    for step in [*np.flatnonzero((up | struck)[:-1].any(1)).tolist(), len(piece)]:
        full, rest = divmod(step - last, longest_wait)
        found += [f"wait{longest_wait}"] * full + ([f"wait{rest}"] if rest else [])
        found += [f"off{key + piece.low}" for key in np.flatnonzero(up[step]).tolist()]
        found += [f"on{key + piece.low}" for key in np.flatnonzero(struck[step]).tolist()]
        last = step
    return found


def played(events: Iterable[str], low: int = LOW, keys: int = KEYS, name: str = "") -> Piece:
    """The piece that events describe, see `EventVocabulary.piece`."""
    frames: list[np.ndarray] = []
    strikes: list[np.ndarray] = []
    sounding, struck = np.zeros(keys, bool), np.zeros(keys, bool)
    for event in events:
        match = _EVENT.fullmatch(event)
        if match is None:
            continue
        kind, number = match[1], int(match[2])
        if kind == "wait":
            frames += [sounding.copy()] * number
            strikes += [struck & sounding, *[np.zeros(keys, bool)] * (number - 1)]
            struck = np.zeros(keys, bool)
        else:
            sounding[number - low] = struck[number - low] = kind == "on"
    shape = (len(frames), keys)
    return Piece(name, np.array(frames, bool).reshape(shape), low, np.array(strikes, bool).reshape(shape))
