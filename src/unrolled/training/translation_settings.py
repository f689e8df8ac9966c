"""What a person may set about translation; imported without torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.data.settings import Settings
from unrolled.data.unit import Unit
from unrolled.errors import SettingError
from unrolled.training.settings import Optimizer, TaskSettings


class TranslatorSettings(Settings):
    """The shape of an encoder-decoder, and what its symbols are."""

    unit: str = Field(
        "word",
        description="What a symbol is, on both sides: `word`, `bpe` (byte pairs), `character`, `byte`, or `2-gram`, "
        "`3-gram` and so on (so many characters).",
    )
    lower: bool = Field(False, description="Words are read and written in small letters.")
    source_vocabulary: int | None = Field(
        None,
        ge=1,
        description="Size of the vocabulary of what is read: the most frequent symbols. Without it all (of byte pairs "
        "8,000).",
    )
    target_vocabulary: int | None = Field(None, ge=1, description="The same of what is written.")
    minimum_count: int | None = Field(
        None,
        ge=1,
        description="Symbols that occur less often are `<unk>`. [default: 2 for words, else 1]",
    )
    cell: str = Field(
        "gru", description="A cell of the catalogue (`unrolled cells`), or a file of equations."
    )
    hidden: int = Field(256, ge=1, description="Hidden size H of encoder and decoder, in each direction.")
    layers: int = Field(1, ge=1, description="Recurrent layers L of each, one on top of the other.")
    embedding: int = Field(256, ge=1, description="Size of the learned embeddings of both vocabularies.")
    bidirectional: bool = Field(True, description="Whether the source is read in both directions.")
    condition: Literal["attention", "context", "state"] = Field(
        "attention",
        description="What the decoder sees of the source: all of it at every step, its end at every step, or its end "
        "once, as the first state.",
    )
    attention: Literal["general", "dot"] | None = Field(
        None,
        description="How attention scores a place of the source: with a learned matrix between, or as a plain product. "
        "[default: general]",
    )
    tied: bool = Field(
        True, description="The output layer's weights are the embedding of the target's symbols."
    )
    dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the values dropped while training: of embeddings, between layers, and "
        "of what the output layer reads.",
    )

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if self.condition != "attention":
            self.refuse(["attention"], "is of --condition attention")
        self.units()
        return self

    def units(self) -> tuple[Unit, Unit]:
        """What source and target are cut into, checked against what was asked of it."""
        count = self.minimum_count or (2 if self.unit == "word" else 1)
        return self._unit("source", self.source_vocabulary, count), self._unit(
            "target", self.target_vocabulary, count
        )

    def _unit(self, side: str, size: int | None, count: int) -> Unit:
        try:
            return Unit(self.unit, self.lower, size=size, minimum_count=count)
        except SettingError as error:
            raise SettingError(str(error).replace("--vocabulary", f"--{side}-vocabulary")) from error


class TranslateSettings(TaskSettings):
    """The course of training an encoder-decoder."""

    batch: int | None = Field(
        None, ge=1, description="Pairs B of one update. [default: 16 to 64, by the number of pairs]"
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Highest step size. [default: 0.002 with adam, 1 with sgd, 0.002 with rmsprop]",
    )
    smoothing: float = Field(
        0.1, ge=0, lt=1, description="Label smoothing: share of the target spread over the whole vocabulary."
    )
    validation: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Share of the sources, each with all its targets, kept out to validate on; 0 keeps the last model.",
    )

    rates: ClassVar[dict[Optimizer, float]] = {**TaskSettings.rates, "adam": 0.002, "rmsprop": 0.002}
