"""Music from files: MIDI, folders of it, piano rolls; and which part of it is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unrolled.data.midi import Read, read_midi
from unrolled.data.piano_roll import KEYS, LOW, Piece, read_piano_rolls
from unrolled.data.readers import files_of
from unrolled.errors import DataError

MIDI_GRID, ROLL_GRID = 4, 1
"""Steps in a quarter note where nothing else is said: sixteenths hold most of what is written down; published piano
rolls of chorales count in quarter notes."""
_MIDI, _ROLLS = {".mid", ".midi", ".kar"}, {".json"}
_LISTED = 3


@dataclass(frozen=True)
class Music:
    """What was read: pieces, those that the files themselves keep out of training, and what a person should know."""

    pieces: tuple[Piece, ...]
    """To train on, or all of them where the files say nothing about parts."""
    grid: int
    valid: tuple[Piece, ...] = ()
    test: tuple[Piece, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_music(
    paths: Sequence[str | Path], grid: int | None = None, low: int = LOW, keys: int = KEYS
) -> Music:
    """MIDI files, piano rolls in JSON, or folders with either of them.

    Args:
        paths: of one kind; other files in folders are left out.
        grid: steps in a quarter note; 4 for MIDI unless set. Of piano rolls it says what a frame is, 1 unless set.
        low, keys: the lowest key as a MIDI note, and how many there are.

    Raises:
        DataError: no file of either kind, both kinds, what `read_midi` and `read_piano_rolls` refuse.
        MissingExtra: MIDI, and mido is not installed.
    """
    files = files_of(paths)
    midi, rolls = ([path for path in files if path.suffix.lower() in endings] for endings in (_MIDI, _ROLLS))
    named = [Path(path) for path in paths if not Path(path).is_dir()]
    for path in named:
        if path not in midi and path not in rolls:
            raise DataError(f"{path}: music must be a .mid, .midi or .json file by its name; name others")
    if not midi and not rolls:
        raise DataError(f"{paths[0]}: no .mid, .midi or .json file in it; name a folder with music")
    if midi and rolls:
        raise DataError(f"music must be MIDI or piano rolls, got both ({midi[0]}, {rolls[0]}); name one kind")
    others = [path.name for path in files if path not in set(midi + rolls)]
    left = [f"left out, by their names no music: {_listed(others)} ({len(others)})"] if others else []
    if midi:
        return _of_midi(midi, grid or MIDI_GRID, low, keys, left)
    return _of_rolls(rolls, grid or ROLL_GRID, low, keys, left)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")


def _of_midi(files: Sequence[Path], grid: int, low: int, keys: int, notes: Sequence[str]) -> Music:
    found = [read_midi(path, grid, low, keys) for path in files]
    return Music(tuple(each.piece for each in found), grid, notes=(*notes, *_said(found, grid, low, keys)))


def _said(found: Sequence[Read], grid: int, low: int, keys: int) -> list[str]:
    """What was left out of MIDI files, if anything."""
    sums = {
        "notes left out, of drums (channel 10)": sum(each.drums for each in found),
        f"notes left out, outside of {low} to {low + keys - 1}": sum(each.outside for each in found),
        f"notes left out, between the lines of a grid of {grid} steps a quarter note (--grid makes it finer)": sum(
            each.short for each in found
        ),
        "notes never released, held to the end of their track": sum(each.endless for each in found),
    }
    return [f"{what}: {count:,}" for what, count in sums.items() if count]


def _of_rolls(files: Sequence[Path], grid: int, low: int, keys: int, notes: Sequence[str]) -> Music:
    found = [read_piano_rolls(path, low, keys) for path in files]
    parts = {
        name: tuple(piece for rolls in found for piece in rolls.parts.get(name, ()))
        for name in ("", "train", "valid", "test")
    }
    if parts[""] and any(parts[name] for name in ("train", "valid", "test")):
        raise DataError(
            f"{files[0]}: all files of piano rolls must say their parts, or none of them; name them apart"
        )
    outside = sum(rolls.outside for rolls in found)
    said = [f"notes left out, outside of {low} to {low + keys - 1}: {outside:,}"] if outside else []
    return Music(parts[""] or parts["train"], grid, parts["valid"], parts["test"], (*notes, *said))
