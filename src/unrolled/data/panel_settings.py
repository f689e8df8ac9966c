"""What a person may set about reading numeric series; imported without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from unrolled.data.settings import ReadSettings, Settings


class PanelSettings(Settings):
    """How tables become numeric series; what is not set is guessed from the files and shown."""

    model_config = ConfigDict(populate_by_name=True)

    target: str | None = Field(
        None,
        description="Columns to forecast, names or numbers from 1 with commas between. [default: the last of numbers]",
    )
    series: str | None = Field(
        None,
        description="Column that says which series a row belongs to. Without it each file is one series.",
    )
    date: str | None = Field(
        None, description="Column of dates, or `none`. [default: the first column that holds dates]"
    )
    inputs: str | None = Field(
        None, alias="with", description="Further columns of numbers to read, with commas between."
    )
    known: str | None = Field(
        None,
        description="Those of --with that are known in advance, such as holidays: their values at the steps to be "
        "forecast are read too. The others are known only up to now.",
    )
    fill: Literal["linear", "nothing"] | None = Field(
        None,
        description="Missing values and gaps between dates: `linear` draws a line across; `nothing` takes rows as "
        "following each other whatever their dates. Without it they are refused.",
    )
    encoding: str | None = Field(
        None, description="Encoding of the files, such as latin-1. [default: UTF-8, or what their mark says]"
    )
    delimiter: str | None = Field(
        None, description="What separates columns, such as `;`; `tab` for a tabulator. [default: guessed]"
    )
    header: bool | None = Field(
        None, description="Whether the first line names the columns. [default: guessed]"
    )

    @property
    def table(self) -> ReadSettings:
        """The part that says how a table is written."""
        return ReadSettings(encoding=self.encoding, delimiter=self.delimiter, header=self.header)


def listed(names: str | None) -> tuple[str, ...]:
    """Names with commas between.

    Example:
        >>> listed("temperature, holiday"), listed(None)
        (('temperature', 'holiday'), ())
    """
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())
