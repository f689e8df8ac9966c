"""What happens during training, as plain data for displays and logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ReadSoFar:
    """While data is read, before anything else: records until now, and the file the last of them stands in."""

    records: int
    seconds: float
    file: str


@dataclass(frozen=True)
class Prepared:
    """Before the first update: what will be trained on what. `notes` are lines a person should read."""

    run: Path | None
    """The folder; None where nothing is written."""
    model: str
    data: str
    plan: str
    notes: tuple[str, ...] = ()
    kind: str = "text"
    unit: str = "bits per character"
    symbols: str = "characters"
    """What speed is counted in."""


@dataclass(frozen=True)
class Updated:
    """After every update. `train` is this update's loss in the objective's unit, before the update."""

    update: int
    epoch: float
    fraction: float
    seconds: float
    train: float
    gradient_norm: float
    learning_rate: float
    symbols_per_second: float

    @property
    def seconds_left(self) -> float:
        """An estimate from the part that is over."""
        return self.seconds * (1 - self.fraction) / self.fraction if self.fraction else float("nan")


@dataclass(frozen=True)
class Validated:
    """After a validation. `train` is the mean over the updates since the one before, None before the first.

    `validation` is None where no data was kept out; `scores` are further figures of this validation.
    """

    update: int
    seconds: float
    train: float | None
    validation: float | None
    best: bool
    scores: dict[str, float] = field(default_factory=dict)
    averaged: int = 0
    """Updates behind which the weights were that were judged, as their mean; 0 where it was the weights as they are."""


@dataclass(frozen=True)
class Sampled:
    """A text drawn from the current weights, or from their mean where that is what is judged."""

    update: int
    text: str


@dataclass(frozen=True)
class Probed:
    """A look inside after an update, or before the first: numbers by name. Its seconds are those of the run."""

    update: int
    seconds: float
    values: Mapping[str, float | None]


@dataclass(frozen=True)
class Regressed:
    """A linear output found in closed form with one strength of the ridge; see `unrolled.models.ridge.RidgePoint`."""

    ridge: float
    norm: float
    error: float | None
    wrong: float | None
    best: bool


Event = ReadSoFar | Prepared | Updated | Validated | Sampled | Probed | Regressed
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `reason` is `finished`, `early stopping` or `interrupted`."""

    reason: str
    updates: int
    seconds: float
    best: float
    best_update: int
    symbols_per_second: float
    unit: str
    scores: dict[str, float] = field(default_factory=dict)
    """Of the best model, beside `best`."""
