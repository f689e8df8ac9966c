"""Which reader reads what: by the kind that is asked for, else by the names of the files, else by their first bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from unrolled.data.lines import STANDARD_INPUT, beginning, name_of
from unrolled.data.records import Reader
from unrolled.data.settings import Kind, ReadSettings
from unrolled.errors import DataError, SettingError

_READERS: dict[str, tuple[str, str]] = {
    "text": ("unrolled.data.tables", "TableReader"),
    "conll": ("unrolled.data.conll", "ConllReader"),
    "dna": ("unrolled.data.dna", "DnaReader"),
    "audio": ("unrolled.data.audio", "AudioReader"),
    "video": ("unrolled.data.video", "VideoReader"),
    "series": ("unrolled.data.series", "SeriesReader"),
    "images": ("unrolled.data.images", "ImageReader"),
}

_ENDINGS: dict[str, Kind] = {
    **dict.fromkeys((".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"), "text"),
    **dict.fromkeys((".conll", ".conllu", ".bio", ".iob"), "conll"),
    **dict.fromkeys((".fasta", ".fa", ".fna", ".ffn", ".fastq", ".fq"), "dna"),
    **dict.fromkeys((".wav", ".flac", ".ogg"), "audio"),
    **dict.fromkeys((".mp4", ".avi", ".mkv", ".mov", ".webm"), "video"),
    **dict.fromkeys((".ts", ".npz"), "series"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".idx"), "images"),
}
_COMPRESSED = {".gz", ".xz", ".bz2", ".zst"}
_IDX = re.compile(r"[-.]idx\d-ubyte$")
_STARTS: tuple[tuple[re.Pattern[bytes], Kind], ...] = (
    (re.compile(rb"(#.*\n)*>[^\n]+\n\s*[A-Za-z*\s-]+(\n|$)"), "dna"),
    (re.compile(rb"@[^\n]+\n[A-Za-z.]+\r?\n\+"), "dna"),
    (re.compile(rb'PAR1|(\xef\xbb\xbf)?\s*\{\s*"'), "text"),
    (re.compile(rb"RIFF....WAVE|fLaC|OggS", re.DOTALL), "audio"),
    (re.compile(rb"RIFF....AVI |....ftyp|\x1aE\xdf\xa3", re.DOTALL), "video"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|\0\0\x08[\x01-\x04]"), "images"),
)
_DNA_TEXT = re.compile(rb"(#.*\n)*>[^\n]+\n[ACGTURYSWKMBDHVNacgturyswkmbdhvn\s]{10,}(>|$)")
_OF_LINES = ("text", "conll", "dna")
"""Kinds that standard input may hold."""
_FILES: tuple[Kind, ...] = ("audio", "video", "images")
"""Kinds of which a file is told by its name or its first bytes, and holds no text."""
_MEANT_FOR: dict[str, tuple[Kind, ...]] = {
    "sample_rate": ("audio",),
    "features": ("audio",),
    "bands": ("audio",),
    "picture": ("video", "images"),
    "frames_per_second": ("video",),
    "workers": _FILES,
}
_LISTED = 3


def open_records(
    paths: Sequence[str | Path], settings: ReadSettings | None = None, labelled: bool = True
) -> Reader:
    """The reader for files of one kind, for the files of that kind below folders, or for standard input (`-`).

    With `labelled=False` records need no label (their label is None where the files have none): for predictions.

    Raises:
        DataError: a path that does not exist, files of several kinds, a kind that cannot be told.
        SettingError: a setting that means nothing for this kind.
        MissingExtra: the package that reads this kind is not installed; the text says how to install it.
    """
    settings = settings or ReadSettings()
    found = list(_found(paths))
    files = [path for path, _ in found]
    kind = settings.kind if settings.kind != "auto" else _common_kind(files)
    if Path(STANDARD_INPUT) in files and kind not in _OF_LINES:
        raise DataError(f"standard input must hold {', '.join(_OF_LINES)}, got {kind}; name files")
    _check_meaning(settings, kind)
    left = _strangers([path for path, below in found if below], kind) if kind in _OF_LINES else set()
    module, name = _READERS[kind]
    wanted = [path for path in files if path not in left]
    if kind in _OF_LINES:
        _check_text(wanted, kind)
    reader: Reader = getattr(import_module(module), name)(wanted, settings, labelled)
    if left:
        names = sorted(path.name for path in left)
        listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        reader.notes.append(f"left out, by their names not {kind}: {listed} ({len(names)})")
    return reader


def _check_meaning(settings: ReadSettings, kind: Kind) -> None:
    for name, kinds in _MEANT_FOR.items():
        if kind not in kinds and getattr(settings, name) != ReadSettings.model_fields[name].default:
            option = name.replace("_", "-")
            raise SettingError(f"--{option} is for {', '.join(kinds)}, and the data is {kind}; leave it out")


def _check_text(files: Sequence[Path], kind: Kind) -> None:
    """A kind that was asked for, by a person or because a model was trained on it, and files that hold no text."""
    for path in files:
        holds = _by_name(path)
        if holds in _FILES:
            raise DataError(
                f"{path}: {holds} by its name, where {kind} is wanted; name other data, or the kind with --kind when "
                "training"
            )


def files_of(paths: Sequence[str | Path]) -> list[Path]:
    """The files that are named, and every file below the folders that are.

    Raises:
        DataError: a path that does not exist, a folder without files.
    """
    return [path for path, _ in _found(paths)]


def _strangers(below: Sequence[Path], kind: Kind) -> set[Path]:
    """Files below folders that by their names are not of this kind, unless none is: then names say nothing."""
    others = {path for path in below if _by_name(path) != kind}
    return others if len(others) < len(below) else set()


def _found(paths: Sequence[str | Path]) -> Iterator[tuple[Path, bool]]:
    """Every file, and whether it was found below a folder."""
    if not paths:
        raise DataError("no data was named; give a file or a folder")
    for path in map(Path, paths):
        if path.is_dir():
            found = [(each, True) for each in _below(path)]
            if not found:
                raise DataError(f"{path}: no file in this folder; name one that holds the data")
            yield from found
        elif str(path) == STANDARD_INPUT or path.exists():
            yield path, False
        else:
            raise DataError(f"{path}: no such file or folder; check the path")


def _below(folder: Path) -> Iterator[Path]:
    """Regular files in the order of their paths; hidden files and folders are left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(place, name).is_file():
                yield Path(place, name)


def kind_of(path: Path) -> Kind | None:
    """What a file holds by its name (`.gz` and the like looked through), else by its first bytes, or None."""
    kind = _by_name(path)
    if kind is None:
        start = beginning(path)
        return next((found for pattern, found in _STARTS if pattern.match(start)), None)
    if path.suffix.lower() == ".txt" and kind == "text":
        return "dna" if _DNA_TEXT.match(beginning(path)) else kind
    return kind


def _by_name(path: Path) -> Kind | None:
    endings = [ending.lower() for ending in path.suffixes]
    name = path.name.lower()
    if endings and endings[-1] in _COMPRESSED:
        name = name.removesuffix(endings.pop())
    if _IDX.search(name):
        return "images"
    if endings[-1:] == [".txt"] and _ENDINGS.get(endings[-2] if len(endings) > 1 else "") in _OF_LINES:
        endings.pop()  # a.conll.txt
    return _ENDINGS.get(endings[-1]) if endings else None


def _common_kind(files: Sequence[Path]) -> Kind:
    kinds = _first_of_each(files, _by_name)
    if "text" in kinds and (better := kind_of(kinds["text"])) is not None:
        kinds[better] = kinds.pop("text")
    kinds = kinds or _first_of_each(files, kind_of)
    if len(kinds) > 1:
        several = ", ".join(f"{kind} ({name_of(path)})" for kind, path in kinds.items())
        raise DataError(
            f"files must be of one kind, got {several}; name one kind with --kind, or other files"
        )
    if not kinds and Path(STANDARD_INPUT) in files:
        return "text"
    if not kinds:
        raise DataError(
            f"{files[0]}: neither name nor beginning say what it holds; name it with --kind ({', '.join(_READERS)})"
        )
    return next(iter(kinds))


def _first_of_each(files: Sequence[Path], kind_by: Callable[[Path], Kind | None]) -> dict[Kind, Path]:
    kinds: dict[Kind, Path] = {}
    for path in files:
        kind = kind_by(path)
        if kind is not None:
            kinds.setdefault(kind, path)
    return kinds
