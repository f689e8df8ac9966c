"""Bytes as text, chunk by chunk, refused where they stand."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

from unrolled.errors import DataError, SettingError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def checked_encoding(wanted: str | None) -> str | None:
    """The encoding that was asked for, as Python calls it.

    Raises:
        SettingError: Python knows no encoding of that name.
    """
    if wanted is None:
        return None
    try:
        found = codecs.lookup(wanted).name
        "".encode(found)
    except (LookupError, ValueError) as error:
        raise SettingError(
            f"--encoding must be an encoding of texts that Python knows, such as latin-1 or utf-16, got {wanted!r}"
        ) from error
    return found


def decoded(chunks: Iterable[bytes], name: str, encoding: str | None = None) -> Iterator[str]:
    """The text in chunks of bytes: UTF-8 with or without its mark, UTF-16 with one, or the encoding that is named.

    Raises:
        DataError: bytes that are no text, NUL; names the byte and the line.
    """
    chunks = iter(chunks)
    start = b""
    for chunk in chunks:
        start += chunk
        if len(start) >= 2:
            break
    found = encoding or ("utf-16" if start.startswith(_UTF16) else "utf-8")
    yield from _Decoder(name, found, encoding is not None).texts(start, chunks)


class _Decoder:
    """One file being decoded; knows how far it got."""

    def __init__(self, name: str, encoding: str, named: bool) -> None:
        self.name, self.encoding, self.named = name, encoding, named
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.bytes = self.lines = 0

    def texts(self, start: bytes, chunks: Iterator[bytes]) -> Iterator[str]:
        first = True
        stream = _with_last(start, chunks)
        for chunk, last in stream:
            text = self._text(chunk, last, stream)
            yield text.removeprefix("\ufeff") if first else text
            first = first and not text

    def _text(self, chunk: bytes, last: bool, behind: Iterator[tuple[bytes, bool]]) -> str:
        state = self.decoder.getstate()
        if b"\0" in chunk and not self.encoding.startswith(("utf-16", "utf-32")):
            raise self._nul(chunk)
        try:
            text = self.decoder.decode(chunk, last)
        except UnicodeDecodeError as error:
            if self.encoding == "utf-8":
                self._look_for_nul(chunk, behind, error)
            self.decoder.setstate(state)
            raise self._undecodable(error, state[0]) from error
        if "\0" in text:
            raise self._nul(chunk)
        self.bytes += len(chunk)
        self.lines += text.count("\n")
        return text

    def _look_for_nul(
        self, chunk: bytes, behind: Iterator[tuple[bytes, bool]], error: UnicodeDecodeError
    ) -> None:
        """A file that holds NUL further on is no text in any encoding, which is the better reason to refuse it."""
        place = self.bytes, self.lines
        for later, _ in behind:
            self.bytes, self.lines, chunk = self.bytes + len(chunk), self.lines + chunk.count(b"\n"), later
            if b"\0" in chunk:
                raise self._nul(chunk) from error
        self.bytes, self.lines = place

    def _nul(self, chunk: bytes) -> DataError:
        offset = chunk.index(b"\0")
        line = self.lines + chunk.count(b"\n", 0, offset) + 1
        return DataError(
            f"{self.name}: byte {self.bytes + offset} (line {line}) is NUL, so this is not a text file; name a plain "
            "text file"
        )

    def _undecodable(self, error: UnicodeDecodeError, held: bytes) -> DataError:
        """What the first bytes that are not text are called; they may begin in the chunk before."""
        before = self.decoder.decode(error.object[len(held) : error.start])
        place = f"byte {self.bytes - len(held) + error.start} (line {self.lines + before.count(chr(10)) + 1})"
        if self.named:
            shown = self.encoding.upper()
            return DataError(
                f"{self.name}: {place} is not {shown}; name the file's own encoding with --encoding"
            )
        if self.encoding == "utf-16":
            return DataError(
                f"{self.name}: {place} is not UTF-16, though the file begins with its mark; convert the file first: "
                f"iconv -c -f UTF-16 -t UTF-8 {self.name} > converted.txt"
            )
        return DataError(
            f"{self.name}: {place} is not UTF-8; convert the file first, if it is Latin-1: "
            f"iconv -f LATIN1 -t UTF-8 {self.name} > converted.txt"
        )


def _with_last(chunk: bytes, behind: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Every chunk, and whether it is the last."""
    for later in behind:
        yield chunk, False
        chunk = later
    yield chunk, True
