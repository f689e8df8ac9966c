"""What is trained for: the batches of a task, their loss, and how a model is judged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from unrolled.data.streams import IGNORED, Stream
from unrolled.generation.sampling import sample
from unrolled.models.kept import Kept
from unrolled.models.language import LanguageModel

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Judgement:
    """How good a model is on what was kept out: the mean loss, figures shown beside it, and what decides.

    Of two models the one with the smaller `order` is better; without one, that with the smaller loss.
    """

    loss: float
    scores: dict[str, float] = field(default_factory=dict)
    order: tuple[float, ...] = ()

    @property
    def place(self) -> tuple[float, ...]:
        return self.order or (self.loss,)


class Objective(Protocol):
    """A task as the training loop sees it. Losses are means per symbol, in nats for probabilities."""

    @property
    def model(self) -> Kept: ...

    unit: str
    scale: float
    """Loss times scale is a number in `unit`."""
    batches_per_epoch: int

    def batches(self) -> Iterator[Any]:
        """One epoch. The state after a batch is carried to the next; an epoch starts without."""
        ...

    def loss(self, batch: Any, state: Any) -> tuple[Tensor, int, Any]:
        """The mean loss, the number of symbols in it, and the state to carry (None, or with `.detach()`)."""
        ...

    def validate(self) -> Judgement | None:
        """How good the model is on what is kept out of training; None if nothing is."""
        ...

    def sample(self) -> str:
        """A short text that shows what the model can do now; empty if the task has none."""
        ...


class NextSymbol:
    """Language modelling: the cross entropy of every next symbol, in streams with carried state.

    Bits per character count every character and every `<eos>` of the stream exactly once; a character outside
    the vocabulary counts as `<unk>`.

        loss = -1/n sum_t log P(x_t | all before x_t in its row)
    """

    unit = "bits per character"
    scale = 1 / math.log(2)

    def __init__(
        self, model: LanguageModel, training: Stream, validation: Stream, steps: int, seed: int = 0
    ) -> None:
        self.model = model
        self.training = training
        self.validation = validation
        self.steps = steps
        self.seeds = count(seed)
        self.batches_per_epoch = training.number_of_windows(steps)

    def batches(self) -> Iterator[Batch]:
        return self.training.windows(self.steps)

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, Any]:
        inputs, targets = batch
        logits, state = self.model(inputs, state)
        loss = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)
        return loss, int((targets != IGNORED).sum()), state

    @torch.no_grad()
    def validate(self) -> Judgement:
        total, symbols, state = 0.0, 0, None
        for batch in self.validation.windows(self.steps):
            loss, number, state = self.loss(batch, state)
            total += float(loss) * number
            symbols += number
        return Judgement(total / symbols)

    def sample(self) -> str:
        return "".join(sample(self.model, length=200, temperature=0.8, seed=next(self.seeds)))
