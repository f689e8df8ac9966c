"""MIDI files as pieces, and back."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.piano_roll import KEYS, LOW, Piece
from unrolled.errors import DataError, FolderError, MissingExtra, SettingError

DRUMS = 9
"""Channel 10, as people count them: its notes are drums, not keys."""
_NEAR = 0.25
"""A note shorter than its rounding stays where it begins so near to a line of the grid, in steps."""
_TICKS = 480
_VELOCITY = 80
_MOST_FRAMES = 1_000_000
_LARGEST = 1 << 28


@dataclass(frozen=True)
class Read:
    """A piece from a file, and how many of its notes were left out, and why."""

    piece: Piece
    drums: int = 0
    outside: int = 0
    """Above or below the keys."""
    short: int = 0
    """Between two lines of the grid."""
    endless: int = 0
    """Never released in the file: they sound to its end (and are not left out)."""


@dataclass(frozen=True)
class _Note:
    note: int
    begin: int
    end: int
    drum: bool


def read_midi(path: str | Path, grid: int = 4, low: int = LOW, keys: int = KEYS) -> Read:
    """All tracks and channels of a MIDI file in one piece, but for drums.

    Time is counted in quarter notes, as the file does, so changes of tempo move nothing. A note sounds from the line
    of the grid that is nearest to its beginning to the one nearest to its end; where these are one, it is a step long
    if it begins within a quarter of a step from that line, else it is left out: a coarse grid hears what sounds on its
    lines, a fine one everything. Silence before the first note is cut off. Pedals, loudness and instruments are not
    kept.

    Args:
        path: a file of format 0 or 1.
        grid: steps in a quarter note.
        low, keys: the lowest key as a MIDI note, and how many there are.

    Raises:
        DataError: no MIDI file, one that is cut off or of format 2, no notes in it.
        MissingExtra: mido is not installed.
    """
    if grid < 1:
        raise SettingError(f"grid must be at least 1 step in a quarter note, got {grid}; correct it")
    midi = _opened(Path(path))
    notes, endless = _notes(midi)
    kept = [each for each in notes if not each.drum]
    inside = [each for each in kept if low <= each.note < low + keys]
    placed = [
        (each.note - low, *steps)
        for each in inside
        if (steps := _steps(each, grid / midi.ticks_per_beat)) is not None
    ]
    if not placed:
        raise DataError(f"{path}: {_why_empty(notes, kept, inside, low, keys)}")
    return Read(
        _piece(str(path), placed, low, keys),
        len(notes) - len(kept),
        len(kept) - len(inside),
        len(inside) - len(placed),
        endless,
    )


def _opened(path: Path) -> Any:
    """The file, read by mido."""
    mido = _mido()
    try:
        data = path.read_bytes() if path.stat().st_size <= _LARGEST else b""
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if data[:4] != b"MThd":
        raise DataError(f"{path}: no MIDI file, it does not begin with MThd; name a .mid file")
    try:
        midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except EOFError as error:
        raise DataError(f"{path}: the file is cut off, its end is missing; copy it again") from error
    except Exception as error:  # mido raises whatever its parts do
        raise DataError(f"{path}: damaged, mido says: {_one_line(error)}; copy it again") from error
    if midi.type == 2:
        raise DataError(
            f"{path}: format 2, whose tracks are separate pieces; save each as a file of format 0 or 1"
        )
    if midi.ticks_per_beat <= 0:
        raise DataError(
            f"{path}: time is in SMPTE frames, and notes have no place among the beats; save it with ticks per "
            "quarter note"
        )
    return midi


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _notes(midi: Any) -> tuple[list[_Note], int]:
    """Every note with its begin and end in ticks, and how many the file never ends.

    A key that is struck again while it sounds ends there and begins anew; a note_on without velocity is a note_off.
    """
    found: list[_Note] = []
    endless = 0
    for track in midi.tracks:
        sounding: dict[tuple[int, int], int] = {}
        now = 0
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            key = (message.channel, message.note)
            if (begin := sounding.pop(key, None)) is not None:
                found.append(_Note(message.note, begin, now, message.channel == DRUMS))
            if message.type == "note_on" and message.velocity:
                sounding[key] = now
        endless += len(sounding)
        found += [_Note(note, begin, now, channel == DRUMS) for (channel, note), begin in sounding.items()]
    return found, endless


def _steps(note: _Note, scale: float) -> tuple[int, int] | None:
    """The first step of a note and the one behind its last, or None where it is too short for the grid."""
    first, behind = (int(np.floor(ticks * scale + 0.5)) for ticks in (note.begin, note.end))
    if behind > first:
        return first, behind
    return (first, first + 1) if abs(note.begin * scale - first) <= _NEAR else None


def _piece(name: str, placed: Sequence[tuple[int, int, int]], low: int, keys: int) -> Piece:
    start = min(first for _, first, _ in placed)
    length = max(behind for _, _, behind in placed) - start
    if length > _MOST_FRAMES:
        raise DataError(f"{name}: {length:,} steps long; cut it, or use a coarser --grid")
    frames = np.zeros((length, keys), bool)
    struck = np.zeros_like(frames)
    for key, first, behind in placed:
        frames[first - start : behind - start, key] = True
        struck[first - start, key] = True
    return Piece(name, frames, low, struck)


def _why_empty(
    notes: Sequence[_Note], kept: Sequence[_Note], inside: Sequence[_Note], low: int, keys: int
) -> str:
    if not notes:
        return "no notes in it; name another file"
    if not kept:
        return "no notes in it but drums (channel 10); name another file"
    if not inside:
        return f"no notes from {low} to {low + keys - 1} in it; name another file, or other keys"
    return "all its notes are shorter than a step of the grid; use a finer --grid"


def write_midi(
    pieces: Piece | Sequence[Piece], path: str | Path, grid: int = 4, tempo: float = 100.0
) -> None:
    """Pieces as one MIDI file of format 1, one behind the other with a bar of four quarter notes between them.

    A key sounds from where it is struck to where it ends or is struck again. Of frames that a model drew, equal
    neighbours are tied to one long note, since frames do not tell whether it was struck again.

    Args:
        pieces: what is written.
        path: the file, replaced if it is there.
        grid: steps in a quarter note.
        tempo: quarter notes in a minute.

    Raises:
        FolderError: the file cannot be written.
        SettingError: a grid or tempo outside of what MIDI can write.
        MissingExtra: mido is not installed.
    """
    mido = _mido()
    pieces = [pieces] if isinstance(pieces, Piece) else pieces
    if not 1 <= grid <= _TICKS:
        raise SettingError(f"grid must be 1 to {_TICKS} steps in a quarter note, got {grid}; correct it")
    if not 4 <= tempo <= 1000:
        raise SettingError(f"tempo must be 4 to 1000 quarter notes in a minute, got {tempo:g}; correct it")
    step = _TICKS // grid
    file = mido.MidiFile(type=1, ticks_per_beat=step * grid)
    header = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))])
    track = mido.MidiTrack([mido.Message("program_change", program=0)])
    file.tracks += [header, track]
    now = 0
    for place, kind, note in _messages(pieces, 4 * grid):
        velocity = _VELOCITY if kind == "note_on" else 0
        track.append(mido.Message(kind, note=note, velocity=velocity, time=(place - now) * step))
        now = place
    length = sum(map(len, pieces)) + 4 * grid * (len(pieces) - 1)
    track.append(mido.MetaMessage("end_of_track", time=max(0, length - now) * step))
    made = io.BytesIO()
    file.save(file=made)
    try:
        Path(path).write_bytes(made.getvalue())
    except OSError as error:
        raise FolderError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def _messages(pieces: Sequence[Piece], rest: int) -> Iterator[tuple[int, str, int]]:
    """Time in steps, note_on or note_off, and the note; in order, ends before beginnings."""
    start = 0
    for piece in pieces:
        nothing = np.zeros((1, piece.keys), bool)
        sounds = np.concatenate([nothing, piece.frames, nothing])
        struck = np.concatenate([piece.struck, nothing])
        for step in range(len(piece) + 1):
            released = sounds[step] & (~sounds[step + 1] | struck[step])
            for kind, keys in (("note_off", released), ("note_on", struck[step])):
                for key in np.flatnonzero(keys).tolist():
                    yield start + step, kind, piece.low + key
        start += len(piece) + rest


def _mido() -> Any:
    try:
        return import_module("mido")
    except ImportError as error:
        raise MissingExtra(
            'mido, which reads and writes MIDI, is not installed: pip install "unrolled[music]"'
        ) from error
