"""Settings as groups of named values, and those that say how data is read; imported without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unrolled.errors import SettingError

Kind = Literal["auto", "text", "conll", "dna", "audio", "video", "series", "images"]


class Settings(BaseModel):
    """A group of settings: unknown names and values out of range are refused with a SettingError."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(describe(error)) from error

    def refuse(self, names: Sequence[str], why: str) -> None:
        """Refuse settings that would change nothing: that have another value than the usual one.

        Raises:
            SettingError: one of `names` has; says why it means nothing.
        """
        for name in names:
            field = type(self).model_fields[name]
            if getattr(self, name) != field.default:
                option = (field.alias or name).replace("_", "-")
                raise SettingError(f"--{option} {why}; leave it out")


class ReadSettings(Settings):
    """How files become sequences; what is not set is guessed from the files and shown."""

    kind: Kind = Field("auto", description="What the files hold; `auto` goes by their names.")
    text: str | None = Field(
        None,
        description="Column of a table that holds the text or the sequence: its name, or its number from 1.",
    )
    label: str | None = Field(
        None,
        description="Column that holds the label: its name, or its number from 1. For files of sound, video or "
        "pictures: `folder`, the name of the folder around each, or a pattern of their names such as "
        "`{label}_{speaker}_{index}`.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of text files, such as latin-1. Without it UTF-8, or what a byte order mark says.",
    )
    delimiter: str | None = Field(
        None, description="What separates columns, such as `;`. Without it guessed; `tab` for a tabulator."
    )
    header: bool | None = Field(
        None, description="Whether the first line of a table names its columns. Without it guessed."
    )
    sample_rate: int | None = Field(
        None,
        ge=100,
        description="Hz at which sound is analysed; other files are resampled. Without it that of the first file.",
    )
    features: Literal["log-mel", "mfcc"] = Field("log-mel", description="What sound is turned into.")
    bands: int = Field(
        40, ge=4, le=256, description="Mel bands of sound; of `mfcc` the first 13 coefficients are kept."
    )
    picture: int = Field(
        32, ge=8, le=512, description="Side in pixels to which pictures and video frames are scaled."
    )
    frames_per_second: float | None = Field(
        None, gt=0, description="Video frames kept for each second. Without it all of them."
    )
    workers: int = Field(1, ge=1, le=64, description="Threads that read and decode files.")

    def refuse_for_tables(
        self, file: str, names: Sequence[str] = ("encoding", "delimiter", "header")
    ) -> None:
        """Refuse what says how a table is written, where a file is none.

        Raises:
            SettingError: one of them is set.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise SettingError(f"--{name} is for tables and texts, and {file} is neither; leave it out")


def describe(error: ValidationError) -> str:
    """One line for the first thing pydantic refuses."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, SettingError):
        return str(inner)
    name = "--" + ".".join(str(part) for part in first["loc"]).replace("_", "-")
    reason = first["msg"].removeprefix("Input should ").partition(", unable")[0]
    return f"{name} must {reason}, got {first['input']}"
