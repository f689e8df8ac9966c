"""Which reader reads what: by the kind that is asked for, else by the names of the files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from unrolled.data.records import Reader
from unrolled.data.settings import Kind, ReadSettings
from unrolled.errors import DataError

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
    **dict.fromkeys((".txt", ".csv", ".tsv", ".jsonl", ".parquet"), "text"),
    **dict.fromkeys((".conll", ".conllu", ".bio", ".iob"), "conll"),
    **dict.fromkeys((".fasta", ".fa", ".fna", ".ffn", ".fastq", ".fq"), "dna"),
    **dict.fromkeys((".wav", ".flac", ".ogg"), "audio"),
    **dict.fromkeys((".mp4", ".avi", ".mkv", ".mov", ".webm"), "video"),
    **dict.fromkeys((".ts", ".npz"), "series"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".idx"), "images"),
}
_COMPRESSED = {".gz", ".xz", ".bz2", ".zst"}


def open_records(
    paths: Sequence[str | Path], settings: ReadSettings | None = None, labelled: bool = True
) -> Reader:
    """The reader for files of one kind, or for the files below folders.

    With `labelled=False` records need no label (their label is None where the files have none): for predictions.

    Raises:
        DataError: a path that does not exist, files of several kinds, a kind that cannot be told.
        MissingExtra: the package that reads this kind is not installed; the text says how to install it.
    """
    settings = settings or ReadSettings()
    files = list(_files(paths))
    kind = settings.kind if settings.kind != "auto" else _common_kind(files)
    module, name = _READERS[kind]
    reader: Reader = getattr(import_module(module), name)(files, settings, labelled)
    return reader


def _files(paths: Sequence[str | Path]) -> Iterator[Path]:
    if not paths:
        raise DataError("no data was named; give a file or a folder")
    for path in map(Path, paths):
        if path.is_dir():
            found = list(_below(path))
            if not found:
                raise DataError(f"{path}: no file in this folder; name one that holds the data")
            yield from found
        elif path.exists():
            yield path
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
    """What a file holds by its name (`.gz` and the like looked through), or None."""
    endings = [ending.lower() for ending in path.suffixes]
    if endings and endings[-1] in _COMPRESSED:
        endings.pop()
    return _ENDINGS.get(endings[-1]) if endings else None


def _common_kind(files: Sequence[Path]) -> Kind:
    kinds: dict[Kind, Path] = {}
    for path in files:
        kind = kind_of(path)
        if kind is not None:
            kinds.setdefault(kind, path)
    if len(kinds) > 1:
        several = ", ".join(f"{kind} ({path.name})" for kind, path in kinds.items())
        raise DataError(
            f"files must be of one kind, got {several}; name one kind with --kind, or other files"
        )
    if not kinds:
        raise DataError(
            f"{files[0]}: the name does not say what it holds; name it with --kind ({', '.join(_READERS)})"
        )
    return next(iter(kinds))
