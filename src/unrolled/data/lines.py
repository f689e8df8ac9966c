"""Text files as lines: compression looked through, any encoding, refused where they cannot be read."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from unrolled.data.zipped import MARK, open_member
from unrolled.errors import DataError, MissingExtra, SettingError

STANDARD_INPUT = "-"
UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What reading a file may raise beside UnicodeDecodeError."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 16

_standard_input: tuple[Any, IO[bytes]] | None = None


def name_of(path: Path) -> str:
    """What a file is called in messages."""
    return "standard input" if str(path) == STANDARD_INPUT else str(path)


def on_disk(path: Path) -> Path:
    """The file itself; standard input is copied to a temporary file, since data is gone through more than once."""
    global _standard_input
    if str(path) != STANDARD_INPUT:
        return path
    if _standard_input is None or _standard_input[0] is not sys.stdin:
        copy = tempfile.NamedTemporaryFile()  # noqa: SIM115 - lives as long as the program
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        _standard_input = (sys.stdin, copy)
    return Path(_standard_input[1].name)


def open_bytes(path: Path) -> BinaryIO:
    """A file of bytes, unpacked if it begins as gzip, bzip2, xz or zstd do, or as a zip archive of one file.

    Raises:
        DataError: the file cannot be opened, or an archive does not hold one file.
        MissingExtra: zstd is read by pyarrow.
    """
    path_on_disk = on_disk(path)
    try:
        with open(path_on_disk, "rb") as file:
            start = file.read(6)
        return cast(BinaryIO, _opener(start)(path_on_disk))
    except OSError as error:
        raise unreadable(path, error) from error


def _opener(start: bytes) -> Callable[[Path], Any]:
    if start.startswith(b"\x1f\x8b"):
        return gzip.open
    if start.startswith(b"BZh"):
        return bz2.open
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.open
    if start.startswith(MARK):
        return open_member
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        module = _pyarrow()
        return lambda path: io.BufferedReader(module.input_stream(str(path), compression="zstd"))
    return lambda path: open(path, "rb")


def _pyarrow() -> Any:
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise MissingExtra(
            'zstd files are read by pyarrow, which is not installed: pip install "unrolled[tables]"'
        ) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that cannot be opened, or breaks off while it is unpacked."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return DataError(f"{name_of(path)}: cannot be read ({reason}); check the file and its permissions")


def beginning(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file, unpacked."""
    with open_bytes(path) as file:
        try:
            return file.read(size)
        except UNREADABLE as error:
            raise unreadable(path, error) from error


def encoding_of(path: Path, wanted: str | None) -> str:
    """The encoding that was asked for, else the one a byte order mark says, else UTF-8.

    Raises:
        SettingError: Python knows no encoding of that name.
    """
    if wanted is None:
        start = beginning(path, 4)
        return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
    try:
        found = codecs.lookup(wanted).name
        "".encode(found)
    except (LookupError, ValueError) as error:
        raise SettingError(
            f"--encoding must be an encoding of texts that Python knows, such as latin-1 or utf-16, got {wanted!r}"
        ) from error
    return "utf-8-sig" if found == "utf-8" else found


def text_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a text file with their ends (LF, CRLF or CR), one at a time.

    Raises:
        DataError: bytes that are no text in this encoding, NUL, or a file that cannot be read; names the line.
    """
    encoding = encoding_of(path, encoding)
    with open_bytes(path) as file:
        text = io.TextIOWrapper(file, encoding, newline="")
        try:
            for number, line in enumerate(text, 1):
                if "\0" in line:
                    raise DataError(
                        f"{name_of(path)}, line {number}: holds NUL, so this is not text; name a text file, or the "
                        "encoding with --encoding, such as utf-16-le"
                    )
                yield line
        except UnicodeDecodeError as error:
            raise _not_text(path, encoding) from error
        except UNREADABLE as error:
            raise unreadable(path, error) from error


def _not_text(path: Path, encoding: str) -> DataError:
    place = f"{name_of(path)}, line {_undecodable(path, encoding)}: not {_shown(encoding)}"
    if b"\0" in beginning(path) and not encoding.startswith(("utf-16", "utf-32")):
        return DataError(
            f"{place}, and holds NUL as no text does; name a text file, or its encoding with --encoding, such as "
            "utf-16-le"
        )
    return DataError(
        f"{place}; name the encoding of the file with --encoding, such as --encoding latin-1 (or cp1251 for Cyrillic)"
    )


def _shown(encoding: str) -> str:
    return "UTF-8" if encoding.startswith("utf-8") else encoding.upper()


def _undecodable(path: Path, encoding: str) -> int:
    """The line of the first bytes that are not text: whole chunks as long as it goes, then byte by byte."""
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    with open_bytes(path) as file:
        while chunk := file.read(_CHUNK):
            state = decoder.getstate()
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError:
                decoder.setstate(state)
                break
    for byte in chunk:
        try:
            line += decoder.decode(bytes([byte])).count("\n")
        except UnicodeDecodeError:
            break
    return line
