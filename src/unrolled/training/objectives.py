"""What is trained for: the batches of a task, their loss, and how a model is judged."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

import torch
from torch import Tensor

from unrolled.data.streams import IGNORED, Stream
from unrolled.generation.sampling import sample
from unrolled.layers.penalties import activation_penalty, temporal_penalty
from unrolled.models.kept import Kept
from unrolled.models.language import LanguageModel, Reading
from unrolled.training.window_lengths import drawn_lengths, mean_length

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

    def penalised(self, batch: Any, state: Any) -> tuple[Tensor, Tensor, int, Any]:
        """What is differentiated, that is the loss and penalties; then what `loss` gives, the loss without them."""
        ...

    def pace(self, batch: Any) -> float:
        """The learning rate of this batch's update is multiplied by it."""
        ...

    def validate(self) -> Judgement | None:
        """How good the model is on what is kept out of training; None if nothing is."""
        ...

    def sample(self) -> str:
        """A short text that shows what the model can do now; empty if the task has none."""
        ...


class Unpenalised:
    """What an objective has that trains on its loss and nothing else, at the rate of the schedule."""

    def penalised(self: Objective, batch: Any, state: Any) -> tuple[Tensor, Tensor, int, Any]:
        loss, symbols, state = self.loss(batch, state)
        return loss, loss, symbols, state

    def pace(self, batch: Any) -> float:
        return 1.0


class NextSymbol:
    """Language modelling: the cross entropy of every next symbol, in streams with carried state.

        loss = -1/n sum_t log P(x_t | all before x_t in its row)

    Bits per symbol count every symbol and every `<eos>` of the stream exactly once; what is outside of the vocabulary
    counts as `<unk>`. Where symbols are neither characters nor bytes a validation says the perplexity too, exp(loss).

    What is differentiated may contain penalties on the last layer's output h, before dropout, and d(h), after it:

        loss + ar mean(d(h_t)^2) + tar mean((h_{t+1} - h_t)^2)

    With `variable_steps` the windows of each epoch have lengths of their own, drawn from `seed`, see
    `drawn_lengths`; a window of T symbols trains at T / steps times the learning rate, for otherwise the symbols in
    short windows would count for more.

    Paper: Merity et al. 2018, Regularizing and optimizing LSTM language models, arXiv:1708.02182.
    """

    scale = 1 / math.log(2)

    def __init__(
        self,
        model: LanguageModel,
        training: Stream,
        validation: Stream,
        steps: int,
        seed: int = 0,
        *,
        variable_steps: bool = False,
        ar: float = 0.0,
        tar: float = 0.0,
    ) -> None:
        self.model = model
        self.training = training
        self.validation = validation
        self.steps = steps
        self.seeds = count(seed)
        self.ar, self.tar = ar, tar
        self.lengths = drawn_lengths(steps, seed) if variable_steps else None
        self.batches_per_epoch = training.number_of_windows(steps)
        if variable_steps:  # as many as are expected
            self.batches_per_epoch = math.ceil(training.row_length / mean_length(steps))
        noun = model.vocabulary.unit
        self.unit = f"bits per {noun}"
        self.tells_perplexity = noun not in ("character", "byte")

    def batches(self) -> Iterator[Batch]:
        return self.training.windows(self.steps, self.lengths)

    def pace(self, batch: Batch) -> float:
        return 1.0 if self.lengths is None else len(batch[0]) / self.steps

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, Any]:
        _, loss, symbols, state = self._read(batch, state)
        return loss, symbols, state

    def penalised(self, batch: Batch, state: Any) -> tuple[Tensor, Tensor, int, Any]:
        if not self.ar and not self.tar:
            loss, symbols, state = self.loss(batch, state)
            return loss, loss, symbols, state
        reading, loss, symbols, state = self._read(batch, state)
        penalty = self.ar * activation_penalty(reading.output) + self.tar * temporal_penalty(reading.raw)
        return loss + penalty, loss, symbols, state

    def _read(self, batch: Batch, state: Any) -> tuple[Reading, Tensor, int, Any]:
        inputs, targets = batch
        reading = self.model.read(inputs, state)
        loss = self.model.output.loss(reading.output.flatten(0, 1), targets.flatten(), IGNORED)
        return reading, loss, int((targets != IGNORED).sum()), reading.state

    @torch.no_grad()
    def validate(self) -> Judgement:
        total, symbols, state = 0.0, 0, None
        for batch in self.validation.windows(self.steps):
            loss, number, state = self.loss(batch, state)
            total += float(loss) * number
            symbols += number
        mean = total / symbols
        return Judgement(mean, {"perplexity": perplexity(mean)} if self.tells_perplexity else {})

    def sample(self) -> str:
        return "".join(sample(self.model, length=200, temperature=0.8, seed=next(self.seeds)))


def perplexity(loss: float) -> float:
    """exp(loss); infinite where a float ends."""
    return math.exp(loss) if loss < math.log(sys.float_info.max) else math.inf
