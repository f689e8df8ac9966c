"""What a person may set about a reservoir, fixed random weights and a linear output; imported without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import Field, field_validator

from unrolled.data.settings import Settings
from unrolled.errors import SettingError
from unrolled.training.settings import TaskSettings

RIDGES = tuple(10.0**k for k in range(-8, 2))
_RATE = 0.001
"""Of fine-tuning: the output reads hundreds of units, and larger first steps undo what was found."""

Model = TypeVar("Model", bound=Settings)
Course = TypeVar("Course", bound=TaskSettings)


class ReservoirSettings(Settings):
    """A reservoir instead of training by gradients, or before it."""

    reservoir: bool = Field(
        False,
        description="Draw all weights and leave them fixed; only the linear output is found, in one pass over the data "
        "(ridge regression). Usual then: cell leaky, more units, the mean over the steps.",
    )
    leak: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Leak of the cell: a unit remembers about 1 / leak steps. [default: the cell's own; leaky 0.3]",
    )
    spectral_radius: float = Field(
        0.9, ge=0, description="Largest magnitude of the eigenvalues of every recurrent matrix."
    )
    density: float = Field(
        0.1, gt=0, le=1, description="Share of the entries of a recurrent matrix that are not 0."
    )
    input_scaling: float | None = Field(
        None,
        ge=0,
        description="Weights of the input are drawn from +- this number. [default: 1 / sqrt(I) for I numbers a step]",
    )
    bias_scaling: float = Field(0.5, ge=0, description="Biases are drawn from +- this number.")
    ridges: str | None = Field(
        None,
        description="Strengths of the ridge, such as 1e-4 or 1e-6,1e-4,1e-2; the best on the validation part is taken. "
        "[default: 1e-8 to 10, in powers of ten]",
    )
    fine_tune: float | None = Field(
        None,
        gt=0,
        description="Then train all weights by gradients, for so many passes over the data; the options of training "
        "act on this, the learning rate is 0.001 if it is not set. [default: never]",
    )

    usual: ClassVar[dict[str, Any]] = {"cell": "leaky", "hidden": 400, "pooling": "mean"}
    """Of the model, where nothing else is said."""

    @field_validator("ridges")
    @classmethod
    def _check_ridges(cls, text: str | None) -> str | None:
        _strengths(text)
        return text

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strengths as numbers, in ascending order."""
        return _strengths(self.ridges)

    def applied(self, model: Model, training: Course) -> tuple[Model, Course]:
        """The settings of a task with what is usual for reservoirs, where it was not set.

        Raises:
            SettingError: an option is set that would have no effect.
        """
        if not self.reservoir:
            for name in sorted(self.model_fields_set - {"reservoir"}):
                raise SettingError(f"{_option(name)} is for reservoirs; add --reservoir, or leave it out")
            return model, training
        self._check(model, training)
        fixed = {} if self.fine_tune else {"dropout": 0.0, "unknown": 0.0}
        changes = {**self.usual, **fixed}
        fields = type(model).model_fields.keys() - model.model_fields_set
        found = model.model_copy(update={name: changes[name] for name in fields & changes.keys()})
        if not self.fine_tune:
            return found, training
        rate = _RATE if training.learning_rate is None else training.learning_rate
        return found, training.model_copy(update={"epochs": self.fine_tune, "learning_rate": rate})

    def _check(self, model: Settings, training: Settings) -> None:
        if self.fine_tune:
            if "epochs" in training.model_fields_set:
                raise SettingError("--fine-tune says how many passes there are; leave --epochs out")
            return
        idle = sorted(model.model_fields_set & {"dropout", "unknown"})
        idle += sorted(training.model_fields_set - {"validation", "seed", "several"})
        if idle:
            raise SettingError(
                f"{_option(idle[0])} acts on training by gradients, and a reservoir is not trained so; add --fine-tune "
                "EPOCHS, or leave it out"
            )
        if getattr(model, "pooling", None) == "attention":
            raise SettingError(
                "--pooling attention is learned by gradients; use mean, last or max, or add --fine-tune EPOCHS"
            )

    def check_validated(self, validated: bool) -> None:
        """Whether the strength of the ridge can be chosen.

        Raises:
            SettingError: there are several, and nothing is kept out to choose by.
        """
        if self.reservoir and not validated and len(self.strengths) > 1:
            raise SettingError(
                "nothing is kept out to choose the strength of the ridge by; give one, such as --ridges 1e-4, or "
                "--validation 0.1"
            )

    def used(self, model: Settings, training: Settings) -> dict[str, Any]:
        """What goes into config.toml about the model, the course and the reservoir."""
        kept = None if self.fine_tune or not self.reservoir else {"validation", "seed", "several"}
        config = {
            "model": model.model_dump(exclude_none=True),
            "training": training.model_dump(exclude_none=True, include=kept),
        }
        if self.reservoir:
            given = self.model_dump(exclude_none=True) | {"ridges": list(self.strengths)}
            config["reservoir"] = given
        return config


class ForecastReservoirSettings(ReservoirSettings):
    """The same for forecasters.

    There is no feedback to set: a forecaster reads the series itself, and beyond the horizon its own forecasts.
    """

    washout: int = Field(
        0,
        ge=0,
        description="First steps of every series that the linear output is not fitted to (many-to-many).",
    )

    usual: ClassVar[dict[str, Any]] = {"cell": "leaky", "hidden": 200}

    def check_panel(self, validated: bool, known: Sequence[bool]) -> None:
        """Whether this can be done with series.

        Raises:
            SettingError: several strengths and nothing kept out; inputs known in advance, without gradients.
        """
        self.check_validated(validated)
        if self.reservoir and not self.fine_tune and any(known):
            raise SettingError(
                "--known is learned by gradients; leave it out, and the column is read up to now, or add --fine-tune "
                "EPOCHS"
            )

    def _check(self, model: Settings, training: Settings) -> None:
        super()._check(model, training)
        if self.washout and getattr(model, "shape", None) != "many-to-many":
            raise SettingError(
                "--washout is for --shape many-to-many; a window is read from its start, leave it out"
            )
        if getattr(model, "quantiles", None):
            raise SettingError(
                "--quantiles cannot be found by least squares; leave out --reservoir, or the quantiles"
            )


def _strengths(text: str | None) -> tuple[float, ...]:
    if text is None:
        return RIDGES
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(math.isfinite(strength) and strength >= 0 for strength in found):
        raise SettingError(f"--ridges must be numbers >= 0 such as 1e-6,1e-4,1e-2, got {text}")
    return tuple(sorted(set(found)))


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
