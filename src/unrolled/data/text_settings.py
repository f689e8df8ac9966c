"""What a person may set about the text of a language model; imported without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from unrolled.data.settings import Settings
from unrolled.data.unit import Ends, Unit


class DataSettings(Settings):
    """How the text becomes symbols."""

    unit: str = Field(
        "character",
        description="What a symbol is: `character`, `word`, `byte`, `bpe` (byte pairs), or `2-gram`, `3-gram` and so "
        "on (so many characters).",
    )
    lower: bool = Field(False, description="Words are read in small letters.")
    digits: bool = Field(False, description="Every digit of a word is read as 0.")
    vocabulary: int | None = Field(
        None,
        ge=1,
        description="Size of the vocabulary: the most frequent symbols, `<unk>` and `<eos>` not counted. Without it "
        "all (of byte pairs 8,000).",
    )
    minimum_count: int = Field(
        1, ge=1, description="Symbols that occur less often become `<unk>`; 2 or more also trains `<unk>`."
    )
    pretokenized: bool = Field(
        False,
        description="Words are what stands between blanks, as in files prepared for comparisons; `<unk>` and `<eos>` "
        "in them are those symbols.",
    )
    ends: Ends | None = Field(
        None,
        description="What ends with `<eos>`: every `text` (file), every `line`, or every `sentence` (a rule of thumb "
        "over punctuation). Without it text, and line with --pretokenized.",
    )
    validation: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Share of the characters, from the end, kept out of training to validate on.",
    )
    validate_on: Path | None = Field(
        None, description="A file or folder of its own to validate on; then nothing is cut off."
    )
    carry: bool | None = Field(
        None,
        description="Whether the state goes on behind `<eos>` instead of starting anew. Going on, a text helps to "
        "predict the next; starting anew, the model learns how texts begin, and P(sentence) with it. Without it, it "
        "goes on where lines were prepared (--pretokenized) only.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of text files, such as latin-1. Without it UTF-8, or what a byte order mark says.",
    )

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if self.validate_on is not None:
            self.refuse(["validation"], "means nothing beside --validate-on, which is validated on instead")
        if "unit" in self.model_fields_set:  # else a preset may set it; `with_preset` checks then
            self.check_together()
        return self

    def check_together(self) -> None:
        """Refuse options that mean nothing for the unit, or beside each other (SettingError)."""
        self.symbols()

    def symbols(self) -> Unit:
        """The unit, checked against what was asked of it."""
        return Unit(
            self.unit,
            self.lower,
            self.digits,
            self.vocabulary,
            self.minimum_count,
            self.pretokenized,
            self.ending,
        )

    @property
    def ending(self) -> Ends:
        """Where `<eos>` stands."""
        return self.ends or ("line" if self.pretokenized else "text")

    @property
    def carried(self) -> bool:
        """Whether the state goes on behind `<eos>`."""
        return self.pretokenized if self.carry is None else self.carry
