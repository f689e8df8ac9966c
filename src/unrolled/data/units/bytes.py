"""Bytes as symbols: the 256 of UTF-8, and nothing is ever unknown."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from unrolled.data.vocabulary import SPECIAL, Ids, Vocabulary, Writer
from unrolled.errors import DataError

SYMBOLS = (*SPECIAL, *(chr(byte) if byte < 0x80 else f"\\x{byte:02x}" for byte in range(256)))
"""How bytes are shown: ASCII as its character, others by their number."""


@dataclass(frozen=True)
class Bytes(Vocabulary):
    """One symbol for each byte of the text in UTF-8; index 2 is the byte 0.

    Example:
        >>> vocabulary = Bytes()
        >>> vocabulary.encode("ñ").tolist()  # bytes 0xc3 0xb1
        [197, 179]
        >>> vocabulary.decode([197, 179])
        'ñ'
    """

    symbols: tuple[str, ...] = SYMBOLS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.symbols != SYMBOLS:
            raise DataError(
                "a vocabulary of bytes holds <unk>, <eos> and the 256 bytes in their order, got others"
            )

    @property
    def unit(self) -> str:
        return "byte"

    def encode_part(self, text: str) -> Ids:
        return np.frombuffer(utf8(text), np.uint8).astype(np.int64) + len(SPECIAL)

    def split_part(self, text: str) -> list[str]:
        """Every character stands with its first byte, "" with the others."""
        if text.isascii():
            return list(text)
        return [piece for symbol in text for piece in (symbol, *[""] * (len(utf8(symbol)) - 1))]

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return ("", "", *map(chr, range(256)))

    def writer(self) -> Writer:
        return ByteWriter([b"", b"", *(bytes([byte]) for byte in range(256))], self.end_text)

    @classmethod
    def restored(cls, symbols: tuple[str, ...], content: Mapping[str, Any]) -> Self:
        return cls(symbols=symbols, ends=content.get("ends", "text"))


class ByteWriter(Writer):
    """Writes characters as soon as their last byte is there; bytes that are no text as U+FFFD.

    Args:
        adds: the bytes each index adds.
        end: how `<eos>` is written.
    """

    def __init__(self, adds: list[bytes], end: str) -> None:
        self._adds = adds
        self._names = (SPECIAL[0], end)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, index: int) -> str:
        if index < len(SPECIAL):
            return self.end() + self._names[index]
        return self._decoder.decode(self._adds[index])

    def end(self) -> str:
        return self._decoder.decode(b"", True)


def utf8(text: str) -> bytes:
    """The bytes of a text; those of the command line that are not UTF-8, which are lone surrogates, as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
