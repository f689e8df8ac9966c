"""Plain text from files, folders, standard input, or the language reference inside every CPython."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unrolled.errors import DataError

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Document:
    """One text with a beginning and, unless it was cut off, an end (`<eos>`)."""

    name: str
    text: str
    ends: bool = True


@dataclass
class Texts:
    """What was read: the documents, the files passed over with the reason, and how many had CRLF line ends."""

    documents: list[Document] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    converted: int = 0

    @property
    def characters(self) -> int:
        return sum(len(document.text) for document in self.documents)

    def add(self, name: str, data: bytes) -> None:
        """Decode one file and keep it; CRLF line ends become LF."""
        text = decode(data, name)
        if not text:
            raise DataError(f"{name}: the file is empty; name a file with text")
        self.converted += "\r\n" in text
        self.documents.append(Document(name, text.replace("\r\n", "\n")))


def read_texts(paths: Sequence[str | Path] = ()) -> Texts:
    """Read files, folders (every text file below, sorted by path) and `-` (standard input).

    Without a path: the Python language reference that CPython carries in `pydoc_data.topics`. UTF-8, or UTF-16
    with a byte order mark; the mark is removed. In a folder, hidden files are passed over, and what is not text
    is skipped and listed in `Texts.skipped`.

    Raises:
        DataError: a file named explicitly is missing, empty or not text; a folder holds no text file.

    Example:
        >>> read_texts().documents[0].name
        'python reference: assert'
    """
    if not paths:
        return _language_reference()
    texts = Texts()
    for path in paths:
        if str(path) == STANDARD_INPUT:
            texts.add("standard input", sys.stdin.buffer.read())
        elif os.path.isdir(path):
            _add_folder(texts, Path(path))
        else:
            texts.add(str(path), _bytes_of(Path(path)))
    return texts


def decode(data: bytes, name: str) -> str:
    """Bytes as text: UTF-8 with or without its mark, UTF-16 with one; anything else is refused where it stands."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = _decode_utf16(data, name)
        if "\0" not in text:
            return text
    elif b"\0" not in data:
        return _decode_utf8(data, name)
    offset = data.index(b"\0")
    line = data.count(b"\n", 0, offset) + 1
    raise DataError(
        f"{name}: byte {offset} (line {line}) is NUL, so this is not a text file; name a plain text file"
    )


def _decode_utf8(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}: byte {error.start} (line {line}) is not UTF-8; convert the file first, if it is Latin-1: "
            f"iconv -f LATIN1 -t UTF-8 {name} > converted.txt"
        ) from error


def _decode_utf16(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-16")
    except UnicodeDecodeError as error:
        encoding = "utf-16-le" if data.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
        before = data[2 : error.start].decode(encoding, "ignore")
        raise DataError(
            f"{name}: byte {error.start} (line {before.count(chr(10)) + 1}) is not UTF-16, though the file begins "
            f"with its mark; convert the file first: iconv -c -f UTF-16 -t UTF-8 {name} > converted.txt"
        ) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; give the path of a text file, a folder, or - for standard input"
        ) from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); check the file and its permissions"
        ) from error


def _add_folder(texts: Texts, folder: Path) -> None:
    found = len(texts.documents)
    for path in _files_below(folder):
        try:
            texts.add(str(path), _bytes_of(path))
        except DataError as error:
            texts.skipped.append(str(error).partition("; ")[0])
    if len(texts.documents) == found:
        raise DataError(f"{folder}: no text file in this folder; name a folder that holds plain text files")


def _files_below(folder: Path) -> list[Path]:
    """Regular files, hidden ones and hidden folders left out, in the order of their paths."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _language_reference() -> Texts:
    from pydoc_data.topics import topics

    return Texts([Document(f"python reference: {name}", topics[name]) for name in sorted(topics)])
