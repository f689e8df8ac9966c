"""What a person may set about a training run, with units and defaults; the command line shows these texts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unrolled.errors import SettingError

DEFAULT_UPDATES = 3000


class Settings(BaseModel):
    """A group of settings: unknown names and values out of range are refused with a SettingError."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingError(describe(error)) from error


class DataSettings(Settings):
    """How the text becomes symbols."""

    validation: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Share of the characters, from the end, kept out of training to validate on.",
    )
    minimum_count: int = Field(
        1, ge=1, description="Characters that occur less often become `<unk>`; 2 or more also trains `<unk>`."
    )


class ModelSettings(Settings):
    """The shape of the model."""

    cell: str = Field(
        "gru", description="A cell of the catalogue (`unrolled cells`), or a file of equations."
    )
    hidden: int = Field(128, ge=1, description="Hidden size H, units in each layer.")
    layers: int = Field(1, ge=1, description="Recurrent layers L, one on top of the other.")
    embedding: int | None = Field(
        None,
        ge=1,
        description="Size of a learned embedding of the characters; without it the input is one-hot.",
    )


class FitSettings(Settings):
    """The course of training."""

    steps: int = Field(
        64, ge=1, description="Window T of truncated BPTT, in characters; the state is carried on."
    )
    batch: int = Field(64, ge=1, description="Rows B trained side by side; one update sees B x T characters.")
    updates: int | None = Field(
        None, ge=1, description=f"Stop after so many updates. {DEFAULT_UPDATES} if no limit at all is given."
    )
    epochs: float | None = Field(None, gt=0, description="Stop after so many passes over the text.")
    minutes: float | None = Field(
        None, gt=0, description="Stop after so many minutes. Such a run depends on the machine's speed."
    )
    learning_rate: float = Field(
        0.004,
        gt=0,
        description="Highest step size of Adam; it falls to 0 as half a cosine over the whole run.",
    )
    warmup: int = Field(
        50, ge=0, description="Updates over which the learning rate first rises to its highest."
    )
    clip: float = Field(1.0, gt=0, description="Gradients with a larger global norm are scaled down to this.")
    validate_every: int = Field(200, ge=1, description="Updates between two validations.")
    patience: int = Field(
        10, ge=1, description="Stop early after so many validations in a row without a new best."
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Fixes the first weights and the samples shown; same seed, same run."
    )

    @property
    def update_limit(self) -> int | None:
        """The limit in updates, the default one if no limit of any kind is set."""
        if self.updates is None and self.epochs is None and self.minutes is None:
            return DEFAULT_UPDATES
        return self.updates


def describe(error: ValidationError) -> str:
    """One line for the first thing pydantic refuses."""
    first = error.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, SettingError):
        return str(inner)
    name = "--" + ".".join(str(part) for part in first["loc"]).replace("_", "-")
    reason = first["msg"].removeprefix("Input should ").partition(", unable")[0]
    return f"{name} must {reason}, got {first['input']}"
