"""What a person may say about files of pairs of texts; imported without torch."""

from __future__ import annotations

from pydantic import Field

from unrolled.data.settings import Settings

LONGEST = 200
"""Symbols of one side, where nothing else is said."""


class PairSettings(Settings):
    """How files become pairs of texts, and what is done with pairs that cannot be used."""

    source: str | None = Field(
        None,
        description="Column that is read: its name, or its number from 1. Without it the one called `source`, else "
        "the first.",
    )
    target: str | None = Field(
        None,
        description="Column that is to be written: its name, or its number from 1. Without it the one called "
        "`target`, else the second.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of the files, such as latin-1. Without it UTF-8, or what a byte order mark says.",
    )
    delimiter: str | None = Field(
        None,
        description="What separates columns, such as `;`. Without it a tabulator, of `.csv` files guessed.",
    )
    longest: int = Field(LONGEST, ge=1, description="A source or target of more symbols is refused.")
    skip_bad: bool = Field(
        False,
        description="Leave out pairs that cannot be used (a side missing or empty, too long, of an unknown alphabet), "
        "and say how many.",
    )
