"""Music as frames: which keys sound in each step of a grid; and piano rolls in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError

Frames = NDArray[np.bool_]

LOW, KEYS = 21, 88
"""The keys of a piano, as MIDI numbers them: A0 is 21, C8 is 108."""
HIGHEST = 127
_NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_PARTS = {"train": "train", "valid": "valid", "validation": "valid", "test": "test"}


@dataclass(frozen=True, eq=False)
class Piece:
    """One piece: `frames` (T, K) says which keys sound in each step, key 0 being the MIDI note `low`.

    `struck` (T, K) says where a key is struck, which is where it begins to sound, and where it is struck again while
    it sounds. Frames alone do not tell the latter: of a piece made from them equal neighbours are one long note.

    Example:
        >>> piece = Piece.of([[60, 64], [60], []], "third", low=60, keys=5)
        >>> piece.frames.astype(int).tolist()
        [[1, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
        >>> piece.notes(), int(piece.struck.sum())
        ([[60, 64], [60], []], 2)

    Raises:
        DataError: arrays that do not fit each other.
    """

    name: str
    frames: Frames
    low: int = LOW
    struck: Frames = None  # type: ignore[assignment] # made from the frames

    def __post_init__(self) -> None:
        begins = self.frames & ~np.concatenate([np.zeros_like(self.frames[:1]), self.frames[:-1]])
        struck = begins if self.struck is None else self.struck
        if struck.shape != self.frames.shape or (begins & ~struck).any() or (struck & ~self.frames).any():
            raise DataError(
                f"{self.name}: struck must mark keys that sound, and every beginning; correct it, or leave it out"
            )
        object.__setattr__(self, "struck", struck)

    @classmethod
    def of(cls, notes: Sequence[Iterable[int]], name: str = "", low: int = LOW, keys: int = KEYS) -> Piece:
        """A piece from the MIDI notes of each frame; notes outside of the keys are left out."""
        frames = np.zeros((len(notes), keys), bool)
        for step, sounding in enumerate(notes):
            inside = [note - low for note in sounding if low <= note < low + keys]
            frames[step, inside] = True
        return cls(name, frames, low)

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def keys(self) -> int:
        """K."""
        return int(self.frames.shape[1])

    def notes(self) -> list[list[int]]:
        """The MIDI notes of every frame, rising."""
        return [(np.flatnonzero(frame) + self.low).tolist() for frame in self.frames]

    def moved(self, semitones: int) -> Piece:
        """The piece so many semitones higher; below 0 lower.

        Raises:
            DataError: a note would leave the keys.
        """
        if not self.range_of_moves(abs(semitones))[semitones < 0] == semitones and semitones:
            raise DataError(f"{self.name}: {semitones} semitones would lead beyond the keys; move it by less")
        frames, struck = (np.roll(each, semitones, 1) for each in (self.frames, self.struck))
        return Piece(self.name, frames, self.low, struck)

    def range_of_moves(self, most: int) -> tuple[int, int]:
        """The highest and the lowest move of at most `most` semitones that keeps all notes within the keys."""
        used = np.flatnonzero(self.frames.any(0))
        if not len(used):
            return most, -most
        return min(most, self.keys - 1 - int(used[-1])), max(-most, -int(used[0]))


def pitch_name(note: int) -> str:
    """A MIDI note as musicians write it; 60 is the C in the middle.

    Example:
        >>> pitch_name(60), pitch_name(70), pitch_name(21)
        ('C4', 'B♭4', 'A0')
    """
    return f"{_NAMES[note % 12]}{note // 12 - 1}"


@dataclass(frozen=True)
class Rolls:
    """Pieces of a file by part (`train`, `valid`, `test`), or under "" where it has no parts."""

    parts: Mapping[str, tuple[Piece, ...]]
    outside: int
    """Notes left out since they are outside of the keys."""


def read_piano_rolls(path: str | Path, low: int = LOW, keys: int = KEYS) -> Rolls:
    """A JSON file of pieces: each a list of frames, each a list of the MIDI notes that sound.

    A list of pieces, or {"train": [...], "valid": [...], "test": [...]}, which is how they are split then.

    Raises:
        DataError: not such a file, a note that is none, a piece without a note, with the place.
    """
    content = _json(Path(path))
    if isinstance(content, list):
        named = {"": content}
    elif isinstance(content, dict) and content and content.keys() <= _PARTS.keys():
        named = {_PARTS[name]: rows for name, rows in content.items()}
    else:
        raise DataError(
            f'{path}: must hold a list of pieces, or {{"train": [...], "valid": [...], "test": [...]}}, got '
            f"{_described(content)}; write it so"
        )
    parts: dict[str, tuple[Piece, ...]] = {}
    outside = 0
    for part, rows in named.items():
        place = f"{path}: {part} " if part else f"{path}: "
        if not isinstance(rows, list):
            raise DataError(
                f"{place.rstrip()}: must be a list of pieces, got {_described(rows)}; write it so"
            )
        made = [_piece(f"{place}piece {number}", row, low, keys) for number, row in enumerate(rows, 1)]
        parts[part] = tuple(piece for piece, _ in made)
        outside += sum(count for _, count in made)
    if not any(parts.values()):
        raise DataError(f"{path}: holds no piece; name a file with music")
    return Rolls(parts, outside)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}); write the file again"
        ) from error
    except ValueError as error:  # bytes that are no text
        raise DataError(f"{path}: not JSON, it holds no text; name a file of piano rolls") from error


def _piece(place: str, rows: Any, low: int, keys: int) -> tuple[Piece, int]:
    """One piece, and how many notes of it are outside of the keys."""
    if not isinstance(rows, list):
        raise DataError(f"{place}: must be a list of frames, got {_described(rows)}; write it so")
    for number, frame in enumerate(rows, 1):
        if not isinstance(frame, list):
            raise DataError(
                f"{place}, frame {number}: must be a list of notes, got {_described(frame)}; write it so"
            )
        for note in frame:
            if type(note) is not int or not 0 <= note <= HIGHEST:
                raise DataError(
                    f"{place}, frame {number}: a note must be a whole number from 0 to {HIGHEST}, got "
                    f"{_described(note)}; correct it"
                )
    piece = Piece.of(rows, place, low, keys)
    outside = sum(not low <= note < low + keys for frame in rows for note in frame)
    if not piece.frames.any():
        raise DataError(f"{place}: no notes from {low} to {low + keys - 1} in it; remove the piece")
    return piece, outside


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(map(repr, list(value)[:4])) or 'nothing in it'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "..."
