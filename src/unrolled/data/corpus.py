"""Texts that may be larger than memory: read again piece by piece each time they are needed."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from unrolled.data.decoding import checked_encoding, decoded
from unrolled.errors import DataError, SettingError

STANDARD_INPUT = "-"
PIECE = 1 << 20
"""Bytes read at a time; a piece of text ends with the last line end in them, if there is one."""


class Piece(NamedTuple):
    """Part of a text: the name of its document, the characters, and whether the document ends with them."""

    document: str
    text: str
    ends: bool


class Corpus:
    """Files, folders and standard input as pieces of text of about a megabyte, cut behind line ends.

    All is read once to check and to count it, and again by every loop over the corpus; no text is kept. What cannot be
    read twice (standard input, pipes) is copied to a temporary file. CRLF line ends become LF. Without a path: the
    Python language reference that CPython carries in `pydoc_data.topics`.

    Attributes:
        documents: names of the texts.
        characters: of all texts together.
        skipped: files in folders that hold no text, with the reason.
        converted: number of files with CRLF line ends.

    Raises:
        DataError: a file named explicitly is missing, empty or not text; a folder holds no text file.
        SettingError: Python knows no encoding of that name.

    Example:
        >>> next(iter(Corpus())).document
        'python reference: assert'
    """

    def __init__(self, paths: Sequence[str | Path] = (), encoding: str | None = None) -> None:
        self.encoding = checked_encoding(encoding)
        self.skipped: list[str] = []
        self.converted = 0
        self._sources: list[_Source] = []
        for path in paths:
            if os.path.isdir(path):
                self._add_folder(Path(path))
            else:
                self._add(_File(path, self.encoding))
        if not paths:
            self._add_language_reference()

    @property
    def documents(self) -> tuple[str, ...]:
        return tuple(source.name for source in self._sources)

    @property
    def characters(self) -> int:
        return sum(source.characters for source in self._sources)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.part(0, self.characters))

    def part(self, start: int, stop: int) -> Part:
        """From one character to another, counted over all texts."""
        return Part(self, start, stop)

    def split(self, fraction: float = 0.1) -> int:
        """The character with which the last `fraction` of all begins."""
        if not 0 < fraction < 1:
            raise SettingError(f"the validation share must be between 0 and 1, got {fraction}")
        return round((1 - fraction) * self.characters)

    def _add(self, source: _Source) -> None:
        source.scan()
        if not source.characters:
            raise DataError(f"{source.name}: the file is empty; name a file with text")
        self.converted += source.converted
        self._sources.append(source)

    def _add_folder(self, folder: Path) -> None:
        found = len(self._sources)
        for path in _files_below(folder):
            try:
                self._add(_File(path, self.encoding))
            except DataError as error:
                self.skipped.append(str(error).partition("; ")[0])
        if len(self._sources) == found:
            raise DataError(
                f"{folder}: no text file in this folder; name a folder that holds plain text files"
            )

    def _add_language_reference(self) -> None:
        from pydoc_data.topics import topics

        for name in sorted(topics):
            self._add(_InMemory(f"python reference: {name}", topics[name]))


@dataclass(frozen=True)
class Part:
    """The characters from `start` to `stop` of a corpus, as pieces; read anew by every loop."""

    corpus: Corpus
    start: int
    stop: int

    @property
    def characters(self) -> int:
        return self.stop - self.start

    @property
    def documents(self) -> int:
        """Texts with a character in this part."""
        first = 0
        number = 0
        for source in self.corpus._sources:
            number += max(first, self.start) < min(first + source.characters, self.stop)
            first += source.characters
        return number

    def __iter__(self) -> Iterator[Piece]:
        first = 0
        for source in self.corpus._sources:
            start, stop = max(first, self.start), min(first + source.characters, self.stop)
            if start < stop:
                yield from _cut(source, start - first, stop - first)
            first += source.characters


def _cut(source: _Source, start: int, stop: int) -> Iterator[Piece]:
    """The characters from `start` to `stop` of one text."""
    place = 0
    for text in source.texts():
        head, tail = max(start - place, 0), min(stop - place, len(text))
        place += len(text)
        if head < tail:
            yield Piece(source.name, text[head:tail], place >= stop == source.characters)
        if place >= stop:
            return
    raise DataError(
        f"{source.name}: became shorter while it was read; leave the file alone until it has been read"
    )


class _Source:
    """One text: its name, and after `scan` how many characters it has and whether it had CRLF line ends."""

    name: str
    characters = 0
    converted = False

    def scan(self) -> None:
        self.characters = sum(map(len, self.texts()))

    def texts(self) -> Iterator[str]:
        raise NotImplementedError


class _InMemory(_Source):
    def __init__(self, name: str, text: str) -> None:
        self.name, self.text = name, text

    def texts(self) -> Iterator[str]:
        yield self.text


class _File(_Source):
    def __init__(self, path: str | Path, encoding: str | None) -> None:
        self.path, self.encoding = path, encoding
        self.name = "standard input" if str(path) == STANDARD_INPUT else str(path)
        self.copy: IO[bytes] | None = None

    def texts(self) -> Iterator[str]:
        with self._opened() as file:
            chunks = iter(lambda: file.read(PIECE), b"")
            yield from _whole_lines(self._lf(decoded(chunks, self.name, self.encoding)))

    def _opened(self) -> IO[bytes]:
        try:
            if self.copy is None and (copied := self._copy_of_what_flows()):
                self.copy = copied
            if self.copy is not None:
                return open(self.copy.name, "rb")
            return open(self.path, "rb")
        except FileNotFoundError as error:
            raise DataError(
                f"{self.path}: no such file; give the path of a text file, a folder, or - for standard input"
            ) from error
        except OSError as error:
            raise DataError(
                f"{self.path}: cannot be read ({error.strerror}); check the file and its permissions"
            ) from error

    def _copy_of_what_flows(self) -> IO[bytes] | None:
        """Standard input or a pipe in a temporary file; it goes with the corpus."""
        if str(self.path) == STANDARD_INPUT:
            return _copied(sys.stdin.buffer)
        if stat.S_ISREG(os.stat(self.path).st_mode):
            return None
        with open(self.path, "rb") as flowing:
            return _copied(flowing)

    def _lf(self, texts: Iterable[str]) -> Iterator[str]:
        """CRLF line ends as LF, also where a piece ends between the two."""
        held = ""
        for text in texts:
            text, held = held + text, ""
            if text.endswith("\r"):
                text, held = text[:-1], "\r"
            if "\r\n" in text:
                self.converted = True
                text = text.replace("\r\n", "\n")
            yield text
        yield held


def _copied(flowing: IO[bytes]) -> IO[bytes]:
    copy = tempfile.NamedTemporaryFile()  # noqa: SIM115 - lives as long as the corpus
    shutil.copyfileobj(flowing, copy)
    copy.flush()
    return copy


def _whole_lines(texts: Iterable[str]) -> Iterator[str]:
    """The same text in pieces that end with a line end, if they have one; none is empty."""
    rest = ""
    for text in texts:
        rest += text
        cut = rest.rfind("\n") + 1
        if not cut and len(rest) >= PIECE // 2:
            cut = len(rest)
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
    if rest:
        yield rest


def _files_below(folder: Path) -> list[Path]:
    """Regular files, hidden ones and hidden folders left out, in the order of their paths."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())
