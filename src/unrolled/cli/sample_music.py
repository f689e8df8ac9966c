"""What `unrolled sample` does with a model of music: MIDI files, pictures, or a piano roll in the terminal."""

from __future__ import annotations

import json as json_format
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unrolled.data.piano_roll import Piece
    from unrolled.models.language import LanguageModel
    from unrolled.models.music import MusicModel

_MIDI, _PICTURES = (".mid", ".midi"), (".html", ".htm")
_TEMPO = 100
_WIDEST = 120


def sample_music(
    model: MusicModel | LanguageModel,
    *,
    prime: Path | None,
    output: Path | None,
    picture: Path | None,
    length: int,
    temperature: float,
    seed: int | None,
    number: int,
    json: bool,
) -> None:
    """Draw pieces and write them where it was said; without `output`, a picture or `json` they are shown as text.

    Raises:
        SettingError: a file name with an ending that is none of its kind, values outside their range.
        FolderError: a file that exists already or cannot be written.
        DataError: a prime that is no music.
        MissingExtra: MIDI, and mido is not installed.
    """
    from unrolled.generation.music import draw_music

    outputs = _files(output, number, _MIDI, "--output")
    pictures = _files(picture, number, _PICTURES, "--picture")
    given = None if prime is None else _prime(model, prime)
    primed = 0 if given is None else len(given)
    pieces = draw_music(model, length, temperature, seed, number, given)
    _write(pieces, outputs, pictures, primed, _grid(model))
    if json:
        print(json_format.dumps(_as_json(pieces, outputs, pictures, primed, _grid(model))))
        return
    for path in (*outputs, *pictures):
        print(f"written: {path}")
    if not outputs and not pictures:
        _show(pieces, primed, _grid(model))


def _grid(model: MusicModel | LanguageModel) -> int:
    """Steps in a quarter note."""
    from unrolled.data.music_events import EventVocabulary
    from unrolled.models.music import MusicModel

    if isinstance(model, MusicModel):
        return model.grid
    assert isinstance(model.vocabulary, EventVocabulary)
    return model.vocabulary.grid


def _files(path: Path | None, number: int, endings: Sequence[str], option: str) -> list[Path]:
    """A file for each piece: the one named, or of several name-1, name-2, ..."""
    from unrolled.errors import FolderError, SettingError

    if path is None:
        return []
    if path.suffix.lower() not in endings:
        raise SettingError(f"{option} must end in {' or '.join(endings)}, got {path}")
    numbered = [path.with_stem(f"{path.stem}-{i}") for i in range(1, number + 1)]
    found = [path] if number == 1 else numbered
    for each in found:
        if each.exists():
            raise FolderError(f"{each}: exists already; remove it first, or name another {option}")
        if not each.parent.is_dir():
            raise FolderError(f"{each.parent}: no such folder; make it first, or name another {option}")
    return found


def _prime(model: MusicModel | LanguageModel, path: Path) -> Piece:
    """The piece in a file, or the first of several."""
    from unrolled.data.music import read_music
    from unrolled.data.music_events import EventVocabulary
    from unrolled.models.music import MusicModel

    if isinstance(model, MusicModel):
        low, keys = model.low, model.keys
    else:
        assert isinstance(model.vocabulary, EventVocabulary)
        low, keys = model.vocabulary.low, model.vocabulary.number_of_keys
    music = read_music([path], _grid(model), low, keys)
    pieces = (*music.pieces, *music.valid, *music.test)
    several = [f"{path}: the first of {len(pieces):,} pieces"] if len(pieces) > 1 else []
    for note in (*music.notes, *several):
        print(f"unrolled: {note}", file=sys.stderr)
    return pieces[0]


def _write(
    pieces: Sequence[Piece], outputs: Sequence[Path], pictures: Sequence[Path], primed: int, grid: int
) -> None:
    from unrolled.data.midi import write_midi
    from unrolled.inspection.piano_roll import piano_roll_figure
    from unrolled.models.writing import write_atomically

    for piece, path in zip(pieces, outputs, strict=False):
        write_midi(piece, path, grid, _TEMPO)
    for piece, path in zip(pieces, pictures, strict=False):
        drawn = len(piece) - primed
        title = f"{drawn} steps drawn, {grid} in a quarter note" + (
            f", after {primed} given" if primed else ""
        )
        figure = piano_roll_figure(piece, primed, grid, title)
        write_atomically(path, figure.to_html().encode(), "--picture")


def _as_json(
    pieces: Sequence[Piece], outputs: Sequence[Path], pictures: Sequence[Path], primed: int, grid: int
) -> dict[str, object]:
    return {
        "grid": grid,
        "primed": primed,
        "pieces": [piece.notes() for piece in pieces],
        "outputs": [str(path) for path in outputs],
        "pictures": [str(path) for path in pictures],
    }


def _show(pieces: Sequence[Piece], primed: int, grid: int) -> None:
    """Piano rolls, each under a line that says which it is."""
    from unrolled.inspection.piano_roll import as_text

    width = min(_WIDEST, shutil.get_terminal_size().columns)
    for number, piece in enumerate(pieces, 1):
        name = f"piece {number} of {len(pieces)}: " if len(pieces) > 1 else ""
        given = f", {primed} of them given" if primed else ""
        print(f"{name}{len(piece)} steps, {grid} in a quarter note{given}")
        print(as_text(piece, primed, width))
    print("--output FILE.mid writes it as MIDI, --picture FILE.html draws it")
