"""What texts are cut into, as a person asks for it; imported without numpy and torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from unrolled.errors import SettingError

Ends = Literal["text", "line", "sentence"]
"""Where `<eos>` stands: behind a text, behind every line of it, behind every sentence."""

Kind = Literal["character", "word", "byte", "bpe", "n-gram"]
NAMES = "character, word, byte, bpe (byte pairs), 2-gram, 3-gram, ..."
_NGRAM = re.compile(r"([1-9]\d*)-grams?")
BYTE_PAIRS = 8000
"""Byte pairs of a vocabulary whose size is not given."""
_BYTES = 256


@dataclass(frozen=True)
class Unit:
    """What a symbol is, and which of them a vocabulary keeps.

    Args:
        name: "character", "word", "byte", "bpe" (byte pairs) or "3-gram" (3 characters; any number from 2).
        lower: words are read in small letters.
        digits: every digit of a word is read as 0.
        size: V without `<unk>` and `<eos>`: only the most frequent symbols.
        minimum_count: only symbols that occur so often.
        pretokenized: words are what stands between blanks, nothing is changed; `<unk>` and `<eos>` in the text are
            these symbols.
        ends: where `<eos>` stands: behind each "text", "line" or "sentence".

    Raises:
        SettingError: no such unit, or an option that means nothing for it.

    Example:
        >>> Unit("3-gram").length
        3
    """

    name: str = "character"
    lower: bool = False
    digits: bool = False
    size: int | None = None
    minimum_count: int = 1
    pretokenized: bool = False
    ends: Ends = "text"

    def __post_init__(self) -> None:
        for option, given in (
            ("--lower", self.lower),
            ("--digits", self.digits),
            ("--pretokenized", self.pretokenized),
        ):
            if given and self.kind != "word":
                raise SettingError(f"{option} is for --unit word, got --unit {self.name}; leave it out")
        if self.pretokenized and (self.lower or self.digits):
            option = "--lower" if self.lower else "--digits"
            raise SettingError(
                f"--pretokenized takes words as they stand, and {option} changes them; leave one out"
            )
        if self.pretokenized and self.ends == "sentence":
            raise SettingError(
                "--pretokenized goes with --ends line or text, got --ends sentence; choose another"
            )
        if self.kind == "byte" and (self.size is not None or self.minimum_count > 1):
            option = "--minimum-count" if self.size is None else "--vocabulary"
            raise SettingError(f"--unit byte always has 256 symbols, so {option} means nothing; leave it out")
        if self.kind == "bpe" and self.size is not None and self.size < _BYTES:
            raise SettingError(
                f"--vocabulary must be at least {_BYTES} with --unit bpe, one for every byte, got {self.size}"
            )

    @property
    def kind(self) -> Kind:
        """The name, whatever the n of an n-gram is."""
        if self.name in ("character", "word", "byte", "bpe"):
            return self.name  # type: ignore[return-value]
        if self.length < 2:
            raise SettingError(f"--unit must be one of {NAMES}, got {self.name!r}")
        return "n-gram"

    @property
    def length(self) -> int:
        """The n of an n-gram; 0 of other units."""
        found = _NGRAM.fullmatch(self.name)
        return int(found[1]) if found else 0
