"""What a person may set about a classifier; imported without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unrolled.data.settings import Settings
from unrolled.training.settings import TaskSettings


class ClassifierSettings(Settings):
    """The shape of a classifier."""

    cell: str = Field(
        "gru", description="A cell of the catalogue (`unrolled cells`), or a file of equations."
    )
    hidden: int = Field(128, ge=1, description="Hidden size H, units in each layer and direction.")
    layers: int = Field(1, ge=1, description="Recurrent layers L, one on top of the other.")
    bidirectional: bool = Field(True, description="Read in both directions.")
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        "max", description="How the outputs of all steps become one vector."
    )
    embedding: int | None = Field(
        None,
        ge=1,
        description="Size of what symbols or pictures become. [default: 128, 32 for characters, 64 for pictures]",
    )
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the values dropped while training. [default: 0.3 for words, else 0.1]",
    )
    unit: Literal["word", "character"] | None = Field(
        None,
        description="What text is cut into. [default: words; characters for DNA and text without spaces]",
    )
    ngram: int = Field(
        1, ge=1, le=8, description="Neighbouring symbols that are read as one, overlapping; 3 suits DNA."
    )
    positions: int = Field(
        0,
        ge=0,
        description="Learn a vector for each of so many first steps and add it: for windows cut around a site.",
    )
    lower: bool = Field(True, description="Read capital letters as small ones.")
    minimum_count: int = Field(1, ge=1, description="Symbols that occur less often are read as `<unk>`.")
    unknown: float = Field(
        0.02, ge=0, lt=1, description="Share of the symbols read as `<unk>` while training."
    )


class ClassifySettings(TaskSettings):
    """The course of training a classifier."""

    validation: float = Field(
        0.1, ge=0, lt=1, description="Share of the sequences kept out to validate on; 0 keeps the last model."
    )
    smoothing: float = Field(
        0.0, ge=0, lt=1, description="Label smoothing: share of the target spread over all classes."
    )
    balance: bool = Field(False, description="Weigh every class by the inverse of how often it occurs.")
    several: str | None = Field(
        None,
        min_length=1,
        description="What separates labels, such as `|`, where a sequence has several or none.",
    )
