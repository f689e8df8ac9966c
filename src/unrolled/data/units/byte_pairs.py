"""Byte pairs as symbols: bytes joined to longer and longer pieces, the most frequent neighbours first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, Self

import numpy as np

from unrolled.data.unit import Ends
from unrolled.data.units.bytes import ByteWriter
from unrolled.data.vocabulary import LONGEST, SPECIAL, Ids, Vocabulary, Writer
from unrolled.errors import DataError, MissingExtra

_PIECES = r"\n| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|[^\S\n]+(?!\S)|[^\S\n]+"
"""What pairs are joined within: line ends alone, words with the blank before them, numbers, signs, blanks."""
_AT_ONCE, _LINES = 1 << 18, 50
"""Characters and lines that are handed over together."""
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_INNER_BLANK = re.compile(r"(?<=\S) (?=\S)")


@dataclass(frozen=True)
class BytePairs(Vocabulary):
    """One symbol for each piece of bytes that pairs were joined to; every byte is one too, so nothing is unknown.

    Joined within words and numbers, never over a line end. Made and applied by the package tokenizers.

    Args:
        tokenizer: its JSON.

    Paper: Sennrich et al. 2016, Neural machine translation of rare words with subword units.
    """

    tokenizer: str = ""

    @classmethod
    def trained(
        cls, texts: Iterable[str], size: int, minimum_count: int = 1, ends: Ends = "text"
    ) -> BytePairs:
        """At most `size` pieces, the 256 bytes among them; a pair is joined where it occurs twice or more often.

        Raises:
            MissingExtra: the package tokenizers is not installed.
        """
        package = _tokenizers()
        tokenizer = package.Tokenizer(package.models.BPE())
        tokenizer.pre_tokenizer = package.pre_tokenizers.Sequence(
            [
                package.pre_tokenizers.Split(package.Regex(_PIECES), "isolated"),
                package.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        trainer = package.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=max(2, minimum_count),
            initial_alphabet=sorted(_BYTE_OF),
            show_progress=False,
        )
        # Some hundred of what it is given are held at a time.
        short = (lines for text in texts for group in _groups(_encodable(text)) for lines in group)
        tokenizer.train_from_iterator(short, trainer)
        return cls.of(tokenizer.to_str(), ends)

    @classmethod
    def of(cls, tokenizer: str, ends: Ends = "text") -> Self:
        """From the JSON of a byte-level tokenizer."""
        adds = _pieces(json.loads(tokenizer))
        return cls(
            (*SPECIAL, *map(_shown, adds)), ends, json.dumps(json.loads(tokenizer), ensure_ascii=False)
        )

    @property
    def unit(self) -> str:
        return "byte pair"

    @cached_property
    def _tokenizer(self) -> Any:
        return _tokenizers().Tokenizer.from_str(self.tokenizer)

    @cached_property
    def _adds(self) -> list[bytes]:
        return [b"", b"", *_pieces(json.loads(self.tokenizer))]

    def encode_part(self, text: str) -> Ids:
        encode = self._tokenizer.encode_batch_fast
        found: list[int] = []
        for lines in _groups(_encodable(text)):
            for encoded in encode(lines, add_special_tokens=False):
                found += encoded.ids
        return np.array(found, np.int64) + len(SPECIAL)

    def split_part(self, text: str) -> list[str]:
        """Where a character is cut in pieces it stands with the first of them."""
        place, found = 0, []
        for _, stop in self._tokenizer.encode(_encodable(text), add_special_tokens=False).offsets:
            found.append(text[place:stop])
            place = max(place, stop)
        return found

    def whole_part(self, text: str) -> int:
        line = text.rfind("\n") + 1
        if line:
            return line
        blanks = [match.start() for match in _INNER_BLANK.finditer(text, max(0, len(text) - 10_000))]
        return blanks[-1] if blanks else len(text) if len(text) >= LONGEST else 0

    @cached_property
    def texts(self) -> tuple[str, ...]:
        return tuple(piece.decode("latin-1") for piece in self._adds)

    def writer(self) -> Writer:
        return ByteWriter(self._adds, self.end_text)

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "tokenizer": json.loads(self.tokenizer)}

    @classmethod
    def restored(cls, symbols: tuple[str, ...], content: Mapping[str, Any]) -> Self:
        try:
            found = cls.of(json.dumps(content["tokenizer"]), content.get("ends", "text"))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                'a vocabulary of byte pairs must hold a byte-level one under "tokenizer"'
            ) from error
        if found.symbols != symbols:
            raise DataError("a vocabulary of byte pairs must hold the symbols of its tokenizer, got others")
        return found


def _groups(text: str) -> Iterator[list[str]]:
    """The text in pieces of some lines, many at a time: one long text takes the package far longer, and memory."""
    place = 0
    while place < len(text):
        stop = min(place + _AT_ONCE, len(text))
        if stop < len(text):
            stop = text.rfind("\n", place, stop) + 1 or text.find("\n", stop) + 1 or len(text)
        lines = _LINE.findall(text, place, stop)
        yield ["".join(lines[i : i + _LINES]) for i in range(0, len(lines), _LINES)]
        place = stop


def _tokenizers() -> Any:
    try:
        return import_module("tokenizers")
    except ImportError as error:
        raise MissingExtra(
            'byte pairs are made by tokenizers, which is not installed: pip install "unrolled[bpe]"'
        ) from error


def _printable_bytes() -> dict[str, int]:
    """The character each byte goes by in a byte-level vocabulary: itself if it can be seen, else one from U+0100 on."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _printable_bytes()


def _pieces(tokenizer: Mapping[str, Any]) -> list[bytes]:
    """The bytes of every piece, in the order of their numbers."""
    numbers: dict[str, int] = tokenizer["model"]["vocab"]
    return [
        bytes(_BYTE_OF[letter] for letter in name) for name, _ in sorted(numbers.items(), key=lambda x: x[1])
    ]


def _shown(piece: bytes) -> str:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"\\x{byte:02x}" for byte in piece)


def _encodable(text: str) -> str:
    """Lone surrogates, which no encoding knows, as U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not _is_text(text) else text


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
