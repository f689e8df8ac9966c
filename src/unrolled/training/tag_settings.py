"""What a person may set about a tagger; imported without torch."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field

from unrolled.data.settings import Settings
from unrolled.training.settings import Optimizer, TaskSettings

_MANY = 20_000


class TaggerSettings(Settings):
    """The shape of a tagger."""

    cell: str = Field(
        "lstm", description="A cell of the catalogue (`unrolled cells`), or a file of equations."
    )
    hidden: int = Field(128, ge=1, description="Hidden size H, units in each layer and direction.")
    layers: int = Field(1, ge=1, description="Recurrent layers L, one on top of the other.")
    bidirectional: bool = Field(True, description="Read in both directions.")
    output: Literal["crf", "softmax"] = Field(
        "crf", description="Whether tags are chosen together, by a linear-chain CRF, or each by itself."
    )
    constrained: bool = Field(
        True, description="Of a CRF over BIO tags: never answer what the scheme forbids, such as I- after O."
    )
    embedding: int | None = Field(
        None,
        ge=1,
        description="Size of what words, characters or pictures are turned into. [default: 64, characters 32]",
    )
    letters: int = Field(30, ge=1, description="Size of the embedding of the characters of a word.")
    spelling: int = Field(
        50, ge=0, description="Units of the layer that reads the characters of a word; 0 for none."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of the values dropped while training.")
    lower: bool = Field(
        True, description="Look words up as if they had no capitals; their characters and shape keep them."
    )
    minimum_count: int = Field(
        1, ge=1, description="Words or characters that occur less often are read as `<unk>`."
    )
    unknown: float = Field(
        0.5,
        ge=0,
        description="a: while training a word that occurs n times is read as `<unk>` with probability a / (a + n).",
    )


class TagSettings(TaskSettings):
    """The course of training a tagger."""

    batch: int | None = Field(
        None, ge=1, description="Sequences B of one update. [default: 16, of 20,000 sequences or more 32]"
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Highest step size. [default: 0.003 with adam, 1 with sgd, 0.003 with rmsprop]",
    )
    validation: float = Field(
        0.1, ge=0, lt=1, description="Share of the sequences kept out to validate on; 0 keeps the last model."
    )

    rates: ClassVar[dict[Optimizer, float]] = {**TaskSettings.rates, "adam": 0.003, "rmsprop": 0.003}

    def chosen(self, sequences: int) -> Self:
        """As for other tasks, but with smaller batches: a sentence has as many targets as words."""
        batch = self.batch or (16 if sequences < _MANY else 32)
        return super(TagSettings, self.model_copy(update={"batch": batch})).chosen(sequences)
