"""What a person may set about a training run, with units and defaults; the command line shows these texts."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from unrolled.data.settings import Settings
from unrolled.data.text_settings import DataSettings as DataSettings
from unrolled.errors import SettingError

Optimizer = Literal["adam", "sgd", "rmsprop"]

SHORTEST = 5
"""Windows of drawn lengths have so many symbols at least."""

DEFAULT_UPDATES = 3000


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
        description="Size of a learned embedding of the symbols; without it the input is one-hot.",
    )
    tied: bool = Field(
        False,
        description="The output layer's weights are the embedding's; that needs an embedding as large as the hidden "
        "size, or as the projection.",
    )
    projection: int | None = Field(
        None, ge=1, description="Size P of a linear map between the last layer and the output layer."
    )
    adaptive: str | None = Field(
        None,
        description="Cutoffs of an adaptive softmax, such as 2000,10000: symbols below the first are predicted at "
        "once, rarer ones by way of their group; for large vocabularies.",
    )
    dropout_embedding: float = Field(
        0.0, ge=0, lt=1, description="Share of the symbols whose embedding is dropped, for a whole window."
    )
    dropout_input: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the units dropped of what the first layer reads, the same at all steps.",
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the units dropped between recurrent layers, the same at all steps.",
    )
    dropout_output: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the units dropped of what the output layer reads, the same at all steps.",
    )
    dropconnect: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the entries of the recurrent matrices dropped, for a whole window.",
    )
    initialise: str = Field(
        "roles",
        description="How the recurrent layers start: `roles` (by what each parameter does), `chrono:500` (memories of "
        "up to 500 steps), `orthogonal`, `identity`, `critical:0.95`, `forget:2`, or several joined by +.",
    )

    @field_validator("adaptive")
    @classmethod
    def _check_adaptive(cls, text: str | None) -> str | None:
        _cutoffs(text)
        return text

    def check_together(self) -> None:
        """Refuse what would change nothing; of settings to which a preset has been applied, if there is one.

        Raises:
            SettingError: dropout between layers where there is one.
        """
        if self.dropout and self.layers == 1:
            raise SettingError(
                f"--dropout is between layers, and there is one; use --dropout-output {self.dropout:g} or --layers 2, "
                "with --dropout 0 for one layer"
            )

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The cutoffs of the adaptive softmax as numbers; none without it."""
        return _cutoffs(self.adaptive)


def _cutoffs(text: str | None) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError:
        found = (0,)
    if any(cutoff < 1 for cutoff in found) or sorted(set(found)) != list(found):
        raise SettingError(f"--adaptive must be whole numbers that rise, such as 2000,10000, got {text}")
    return found


class CourseSettings(Settings):
    """The course of any training; tasks give the defaults."""

    batch: int = Field(32, ge=1, description="Rows B of one update.")
    updates: int | None = Field(None, ge=1, description="Stop after so many updates.")
    epochs: float | None = Field(None, gt=0, description="Stop after so many passes over the data.")
    minutes: float | None = Field(
        None, gt=0, description="Stop after so many minutes. Such a run depends on the machine's speed."
    )
    optimizer: Optimizer = Field(
        "adam", description="`adam` (AdamW), `sgd` (the plain gradient), or `rmsprop`."
    )
    momentum: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the last step that `sgd` and `rmsprop` go on with; steps grow by up to 1 / (1 - share).",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Highest step size. [default: 0.004 with adam, 1 with sgd, 0.004 with rmsprop]",
    )
    schedule: Literal["cosine", "plateau", "constant"] = Field(
        "cosine",
        description="How the learning rate goes on behind the warm-up: to 0 as half a cosine over the whole run, "
        "down a stair whenever the validation gets no better, or not at all.",
    )
    decay: float = Field(
        0.25, gt=0, lt=1, description="Of `plateau`: each stair multiplies the learning rate by this."
    )
    plateau_patience: int = Field(
        2, ge=1, description="Of `plateau`: a stair after so many validations in a row without a new best."
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="Every update also shrinks the weights by this times the learning rate. With sgd and rmsprop it "
        "is added to the gradient, times the weights.",
    )
    warmup: int = Field(
        50, ge=0, description="Updates over which the learning rate first rises to its highest."
    )
    clip: float = Field(1.0, gt=0, description="Gradients with a larger global norm are scaled down to this.")
    validate_every: int = Field(200, ge=1, description="Updates between two validations.")
    patience: int = Field(
        10, ge=1, description="Stop early after so many validations in a row without a new best."
    )
    average: Literal["none", "triggered", "always"] = Field(
        "none",
        description="Judge and keep the mean of the weights behind all updates: of all, or from the validation on that "
        "was worse than the best of those some time ago; behind that one `plateau` takes no more stairs.",
    )
    average_after: int = Field(
        5,
        ge=1,
        description="Of `triggered`: validations that are not compared with, because they are recent.",
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Fixes the first weights and all that is drawn; same seed, same run."
    )

    rates: ClassVar[dict[Optimizer, float]] = {"adam": 0.004, "sgd": 1.0, "rmsprop": 0.004}
    """Learning rates where none is set."""

    @model_validator(mode="after")
    def _check_unless_preset(self) -> Self:
        # What a preset will set is not there yet; `with_preset` checks then.
        if getattr(self, "preset", None) is None:
            self.check_together()
        return self

    def check_together(self) -> None:
        """Refuse what would change nothing.

        Raises:
            SettingError: an option of another optimizer, schedule or kind of averaging than the one chosen.
        """
        if self.optimizer == "adam":
            self.refuse(["momentum"], "is of sgd and rmsprop, and adam has its own")
        if self.schedule != "plateau":
            self.refuse(["decay", "plateau_patience"], "is of --schedule plateau")
        elif self.plateau_patience >= self.patience:
            raise SettingError(
                f"--plateau-patience {self.plateau_patience} is not below --patience {self.patience}, which stops the "
                "run before the learning rate can fall; use a smaller one"
            )
        if self.average != "triggered":
            self.refuse(["average_after"], "is of --average triggered")
        elif self.average_after >= self.patience:
            raise SettingError(
                f"--average-after {self.average_after} is not below --patience {self.patience}, which stops the run "
                "before averaging can begin; use a smaller one"
            )

    @property
    def rate(self) -> float:
        """The highest learning rate: what was set, else what is usual for the optimizer."""
        return self.rates[self.optimizer] if self.learning_rate is None else self.learning_rate

    @property
    def update_limit(self) -> int | None:
        """The limit in updates, if there is one."""
        return self.updates


class FitSettings(CourseSettings):
    """The course of training a language model."""

    steps: int = Field(
        64, ge=1, description="Window T of truncated BPTT, in symbols; the state is carried on."
    )
    batch: int = Field(64, ge=1, description="Rows B trained side by side; one update sees B x T symbols.")
    updates: int | None = Field(
        None, ge=1, description=f"Stop after so many updates. {DEFAULT_UPDATES} if no limit at all is given."
    )
    variable_steps: bool = Field(
        False,
        description="Draw the length of each window: around T, one in twenty around T/2, with deviation 5 and at "
        "least 5 symbols; the learning rate goes with the length.",
    )
    ar: float = Field(
        0.0,
        ge=0,
        description="Add this times the mean square of what the output layer reads to what is minimised.",
    )
    tar: float = Field(
        0.0,
        ge=0,
        description="Add this times the mean square of the last layer's change from step to step.",
    )
    preset: Literal["small", "awd"] | None = Field(
        None,
        description="Set what is not set otherwise: `small` learns a text of a megabyte in ten minutes on two cores, "
        "`awd` is an LSTM regularised as by Merity et al. 2018, for words.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Highest step size. [default: 0.004 with adam, 4 with sgd, 0.004 with rmsprop]",
    )
    probe: int | None = Field(
        None,
        ge=1,
        description="Every so many updates the gradient flow and the spectra are measured; `unrolled inspect` draws "
        "their course. Without, never. What is learned stays the same.",
    )

    rates: ClassVar[dict[Optimizer, float]] = {**CourseSettings.rates, "sgd": 4.0}

    def check_together(self) -> None:
        """Refuse what would change nothing, and windows too short to vary.

        Raises:
            SettingError: an option of another choice than the one made; `variable_steps` with fewer than 5 steps.
        """
        super().check_together()
        if self.variable_steps and self.steps < SHORTEST:
            raise SettingError(
                f"--variable-steps draws windows of at least {SHORTEST} symbols, got --steps {self.steps}; use more"
            )

    @property
    def update_limit(self) -> int | None:
        """The limit in updates, the default one if no limit of any kind is set."""
        if self.updates is None and self.epochs is None and self.minutes is None:
            return DEFAULT_UPDATES
        return self.updates


class TaskSettings(CourseSettings):
    """The course of training on separate sequences; what is None is chosen by how much data there is."""

    batch: int | None = Field(  # type: ignore[assignment]
        None, ge=1, description="Sequences B of one update. [default: 16 to 64, by the number of sequences]"
    )
    epochs: float | None = Field(
        None,
        gt=0,
        description="Stop after so many passes over the data. [default: 6 to 100, by the data's size]",
    )
    patience: int = Field(
        20, ge=1, description="Stop early after so many validations in a row without a new best."
    )
    validate_every: int | None = Field(  # type: ignore[assignment]
        None, ge=1, description="Updates between two validations. [default: one pass, 200 updates at most]"
    )

    def chosen(self, sequences: int) -> Self:
        """These settings with what was left open chosen for so many training sequences.

        About 4,000 updates where no limit was set, within 6 to 100 passes; batches of 16 for hundreds of
        sequences, of 64 for ten thousands.
        """
        batch = self.batch or (16 if sequences < 1000 else 32 if sequences < 20_000 else 64)
        per_epoch = -(-sequences // batch)
        unlimited = self.updates is None and self.epochs is None and self.minutes is None
        epochs = float(min(100, max(6, 4000 // per_epoch))) if unlimited else self.epochs
        every = self.validate_every or min(200, max(per_epoch, 10))
        return self.model_copy(
            update={"batch": batch, "epochs": epochs, "validate_every": every, "learning_rate": self.rate}
        )
