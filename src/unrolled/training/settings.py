"""What a person may set about a training run, with units and defaults; the command line shows these texts."""

from __future__ import annotations

from typing import Self

from pydantic import Field

from unrolled.data.settings import Settings

DEFAULT_UPDATES = 3000


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
    initialise: str = Field(
        "roles",
        description="How the recurrent layers start: `roles` (by what each parameter does), `chrono:500` (memories of "
        "up to 500 steps), `orthogonal`, `identity`, `critical:0.95`, `forget:2`, or several joined by +.",
    )


class CourseSettings(Settings):
    """The course of any training; tasks give the defaults."""

    batch: int = Field(32, ge=1, description="Rows B of one update.")
    updates: int | None = Field(None, ge=1, description="Stop after so many updates.")
    epochs: float | None = Field(None, gt=0, description="Stop after so many passes over the data.")
    minutes: float | None = Field(
        None, gt=0, description="Stop after so many minutes. Such a run depends on the machine's speed."
    )
    learning_rate: float = Field(
        0.004,
        gt=0,
        description="Highest step size of Adam; it falls to 0 as half a cosine over the whole run.",
    )
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="Every update also shrinks the weights by this times the learning rate (AdamW).",
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
        0, ge=0, lt=2**63, description="Fixes the first weights and all that is drawn; same seed, same run."
    )

    @property
    def update_limit(self) -> int | None:
        """The limit in updates, if there is one."""
        return self.updates


class FitSettings(CourseSettings):
    """The course of training a language model."""

    steps: int = Field(
        64, ge=1, description="Window T of truncated BPTT, in characters; the state is carried on."
    )
    batch: int = Field(64, ge=1, description="Rows B trained side by side; one update sees B x T characters.")
    updates: int | None = Field(
        None, ge=1, description=f"Stop after so many updates. {DEFAULT_UPDATES} if no limit at all is given."
    )
    probe: int | None = Field(
        None,
        ge=1,
        description="Every so many updates the gradient flow and the spectra are measured; `unrolled inspect` draws "
        "their course. Without, never. What is learned stays the same.",
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
        return self.model_copy(update={"batch": batch, "epochs": epochs, "validate_every": every})
