"""What a person may set about a model of music; imported without torch."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeVar

from pydantic import ConfigDict, Field, model_validator

from unrolled.data.settings import Settings
from unrolled.errors import SettingError

Group = TypeVar("Group", bound=Settings)

_UPDATES = 3500
FRAME_DEFAULTS: dict[str, Any] = {"dropout_input": 0.2, "steps": 256, "patience": 20}
"""Where frames are trained on and nothing is said: other values than for texts. So little music is learned by heart."""


class MusicSettings(Settings):
    """How music is read, and what a model of it predicts."""

    model_config = ConfigDict(populate_by_name=True)

    kind: Literal["frames", "events"] = Field(
        "frames",
        alias="as",
        description="`frames` predicts which keys sound in the next step of a grid, each by itself; `events` predicts "
        "one event after the other: a key down, a key up, time that passes.",
    )
    grid: int | None = Field(
        None,
        ge=1,
        le=96,
        description="Steps in a quarter note. [default: 4 for MIDI files; 1 for piano rolls, whose frames they are]",
    )
    low: int = Field(21, ge=0, le=127, description="Lowest key, a MIDI note; others are left out.")
    high: int = Field(108, ge=0, le=127, description="Highest key, a MIDI note.")
    transpose: int = Field(
        0,
        ge=0,
        le=24,
        description="In every epoch each piece is moved by up to so many semitones, up or down, as far as the keys "
        "reach: for music in all keys.",
    )
    dropout_recurrent: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the state dropped that recurrent matrices read, the same units at all steps (frames).",
    )
    wait: int = Field(16, ge=1, le=1024, description="Longest time of one event, in steps (events).")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.low > self.high:
            raise SettingError(f"--low {self.low} is above --high {self.high}; exchange them")
        if self.kind == "frames":
            self.refuse(["wait"], "is for --as events")
        else:
            self.refuse(["dropout_recurrent"], "is for --as frames")
        return self

    @property
    def keys(self) -> int:
        """K."""
        return self.high - self.low + 1


def with_defaults(settings: Group, defaults: dict[str, Any]) -> Group:
    """The settings, with other values where a person has set nothing.

    Example:
        >>> from unrolled.training.settings import FitSettings
        >>> with_defaults(FitSettings(batch=7), {"batch": 4, "steps": 256}).model_dump()["steps"]
        256
    """
    kept = {name: value for name, value in defaults.items() if name in type(settings).model_fields}
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return type(settings)(**{**kept, **given})


def frame_course(pieces: int) -> dict[str, Any]:
    """Batches, passes and validations that suit so many pieces: about 3,500 updates within 6 to 100 passes."""
    batch = 4 if pieces < 1000 else 16
    per_epoch = -(-pieces // batch)
    return {
        "batch": batch,
        "epochs": float(min(100, max(6, _UPDATES // per_epoch))),
        "validate_every": min(200, max(per_epoch, 25)),
    }
