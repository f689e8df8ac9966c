"""What a person may set about a forecaster; imported without torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator

from unrolled.data.settings import Settings
from unrolled.errors import SettingError
from unrolled.training.settings import TaskSettings

_ROWS = 16
_WINDOW = 64
_UPDATES = 3000


class ForecasterSettings(Settings):
    """The shape of a forecaster, and how numbers are scaled for it."""

    horizon: int = Field(1, ge=1, description="Steps n that are forecast at once.")
    cell: str = Field(
        "gru", description="A cell of the catalogue (`unrolled cells`), or a file of equations."
    )
    hidden: int | None = Field(
        None, ge=1, description="Hidden size H. [default: 16 to 128, by the number of values]"
    )
    layers: int = Field(1, ge=1, description="Recurrent layers L, one on top of the other.")
    shape: Literal["many-to-one", "many-to-many"] = Field(
        "many-to-one",
        description="`many-to-one` reads a window for each forecast; `many-to-many` reads the whole series with "
        "carried state and forecasts at every step.",
    )
    window: int | None = Field(
        None,
        ge=1,
        description="Steps read for one forecast (many-to-one). [default: a season, or 24 to twice the horizon]",
    )
    quantiles: str | None = Field(
        None,
        description="Quantiles to forecast instead of the mean, such as 0.1,0.5,0.9 (pinball loss).",
    )
    relative: Literal["none", "last", "season"] | None = Field(
        None,
        description="What a forecast is the difference to: the last value, or the same place of the last season. "
        "[default: what leaves the smallest differences]",
    )
    read: Literal["levels", "differences", "both"] | None = Field(
        None,
        description="Whether values, their differences to what --relative says, or both are read. [default: both]",
    )
    season: int | None = Field(
        None, ge=1, description="Steps of a season, 1 for none. [default: found by the autocorrelation]"
    )
    scale: Literal["series", "panel", "window"] | None = Field(
        None,
        description="Mean and deviation of each series in training, of all together, or of each window that is read. "
        "[default: window where series have a trend, panel where they are alike]",
    )
    log: bool = Field(False, description="Work with logarithms: for growth by percent; values above 0.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the values dropped while training.")

    @field_validator("quantiles")
    @classmethod
    def _check_quantiles(cls, text: str | None) -> str | None:
        _quantiles(text)
        return text

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The quantiles as numbers."""
        return _quantiles(self.quantiles)


def _quantiles(text: str | None) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        found = (0.0,)
    if any(not 0 < q < 1 for q in found) or sorted(set(found)) != list(found):
        raise SettingError(
            f"--quantiles must be numbers that rise between 0 and 1, such as 0.1,0.5,0.9, got {text}"
        )
    return found


class ForecastSettings(TaskSettings):
    """The course of training a forecaster."""

    validation: float = Field(
        0.15,
        ge=0,
        lt=1,
        description="Share of the steps of each series, from the end, kept out to validate on; 0 keeps the last model.",
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="Window T of truncated BPTT (many-to-many), in steps; the state is carried on. [default: 64]",
    )
    epochs: float | None = Field(
        None,
        gt=0,
        description="Stop after so many passes over the data. [default: 6 to 300, by the data's size]",
    )
    validate_every: int | None = Field(
        None, ge=1, description="Updates between two validations. [default: one pass, 25 to 200 updates]"
    )
    patience: int = Field(
        20, ge=1, description="Stop early after so many validations in a row without a new best."
    )

    def chosen(self, sequences: int) -> Self:
        """These settings with what was left open chosen for so many training windows.

        About 3,000 updates where no limit was set, within 6 to 300 passes.
        """
        batch = self.batch or (16 if sequences < 1000 else 32 if sequences < 20_000 else 64)
        return self.model_copy(update={"batch": batch}).limited(-(-sequences // batch))

    def chosen_streams(self) -> Self:
        """The same for whole series, before they are laid out: rows and steps."""
        return self.model_copy(update={"batch": self.batch or _ROWS, "steps": self.steps or _WINDOW})

    def limited(self, per_epoch: int) -> Self:
        """Limits for so many updates a pass."""
        unlimited = self.updates is None and self.epochs is None and self.minutes is None
        epochs = float(min(300, max(6, _UPDATES // max(1, per_epoch)))) if unlimited else self.epochs
        every = self.validate_every or min(200, max(per_epoch, 25))
        changes = {"epochs": epochs, "validate_every": every, "learning_rate": self.rate}
        return self.model_copy(update=changes)
