"""How long a cell remembers: it is trained on a long-range task, on sequences that are drawn anew for every update."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from unrolled.cells import find
from unrolled.data.synthetic.long_range import Examples, LongRangeTask, Score
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers import Recurrent
from unrolled.training.interrupt import Interrupt

TESTED = 2560
"""Fresh sequences that decide whether a task is solved (as many as Hochreiter and Schmidhuber 1997 tested on)."""

_ROWS = 256
"""Rows of a batch of the test."""

_SECONDS = 0.2
"""Between two reports."""


@dataclass(frozen=True)
class MemorySettings:
    """How a cell is trained on a long-range task.

    Args:
        hidden: H, units.
        initialise: the start, as for `Recurrent`.
        learning_rate: the step size of Adam.
        batch: B, sequences for each update.
        anneal: let the step size fall to 0, as half a cosine over the budget; for networks that are steady no other
            way. How many sequences a task takes then depends on the budget.
        clip: gradients with a larger global norm are scaled down to this.
        sequences: how many sequences are trained on at most.
        minutes: how long the training lasts at most.
        seed: fixes the weights and the sequences.
    """

    hidden: int = 32
    initialise: str = "roles"
    learning_rate: float = 3e-3
    batch: int = 20
    clip: float = 1.0
    sequences: int = 100_000
    minutes: float | None = None
    seed: int = 0
    anneal: bool = False

    def __post_init__(self) -> None:
        for name in ("hidden", "batch", "sequences"):
            if (value := getattr(self, name)) < 1:
                raise SettingError(f"{name} must be a whole number >= 1, got {value}. Correct it.")
        for name in ("learning_rate", "clip", "minutes"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise SettingError(f"{name} must be a number above 0, got {value}. Correct it.")


@dataclass(frozen=True)
class Trial:
    """How one training went.

    `reason` is "solved", "sequences" or "minutes" (the budget that ended it), "diverged" or "interrupted". `test` is
    the score on `TESTED` fresh sequences at the end, `loss` its loss. A task is solved when its criterion holds for
    the latest training sequences, each answered before it was trained on, and then for the test as well.
    """

    cell: str
    task: str
    length: int
    initialise: str
    reason: str
    sequences: int
    seconds: float
    test: Score
    floor: float

    @property
    def solved(self) -> bool:
        """Whether the task's criterion was met."""
        return self.reason == "solved"

    @property
    def loss(self) -> float:
        """The mean loss on the test."""
        return self.test.loss


@dataclass(frozen=True)
class Heard:
    """What is known while a trial runs: the score on its latest sequences, and what it has used."""

    score: Score
    sequences: int
    seconds: float
    fraction: float


Tell: TypeAlias = Callable[[Heard], None]


class Answerer(nn.Module):
    """A recurrent layer and a linear layer that answers from its output: at every step, or at the end of each row."""

    def __init__(self, task: LongRangeTask, cell: Cell | str, settings: MemorySettings) -> None:
        super().__init__()
        self.task = task
        known = find(cell) if isinstance(cell, str) else cell
        if known.signature.statics:
            raise SettingError(
                f"{known.name} reads {', '.join(known.signature.statics)} beside the sequence, which a long-range "
                "task does not have. Take another cell."
            )
        sizes = dict.fromkeys(known.named_sizes, settings.hidden)
        self.layer = Recurrent(
            known, task.input_size, settings.hidden, sizes=sizes, initialise=settings.initialise
        )
        self.answer = nn.Linear(self.layer.output_size, task.outputs)

    def forward(self, drawn: Examples) -> Tensor:
        """(B, outputs), or (T, B, outputs) if the task is answered at every step."""
        longest = int(drawn.lengths.min()) == len(drawn.inputs)
        output, _ = self.layer(drawn.inputs, lengths=None if longest else drawn.lengths)
        if not self.task.every_step:
            output = output[drawn.lengths - 1, torch.arange(len(drawn.lengths))]
        answers: Tensor = self.answer(output)
        return answers


def train_memory(
    task: LongRangeTask,
    cell: Cell | str,
    settings: MemorySettings | None = None,
    tell: Tell = lambda heard: None,
) -> Trial:
    """Train a cell on a long-range task until it is solved or the budget is used up.

    Every update draws new sequences, so that all scores are on sequences never seen before.

    Example:
        >>> from unrolled.data.synthetic.adding import Adding
        >>> trial = train_memory(Adding(length=10), "lstm", MemorySettings(sequences=400))
        >>> trial.sequences, trial.reason
        (400, 'sequences')
    """
    with Interrupt() as interrupt:
        return _Training(task, cell, settings or MemorySettings(), tell, interrupt).trial()


class _Training:
    def __init__(
        self,
        task: LongRangeTask,
        cell: Cell | str,
        settings: MemorySettings,
        tell: Tell,
        interrupt: Interrupt,
    ) -> None:
        self.task, self.settings, self.tell, self.interrupt = task, settings, tell, interrupt
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            self.model = Answerer(task, cell, settings)
        self.drawn = torch.Generator().manual_seed(settings.seed)
        self.tested = torch.Generator().manual_seed(settings.seed + 2**40)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=settings.learning_rate)
        self.latest: deque[Score] = deque(maxlen=-(-task.window // settings.batch))
        self.started = time.perf_counter()
        self.sequences = 0
        self.next_test = 0
        self.told = -math.inf

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    @property
    def score(self) -> Score:
        return sum(self.latest, Score(0.0, 0, 0))

    @property
    def fraction(self) -> float:
        used = self.sequences / self.settings.sequences
        return max(used, self.seconds / 60 / self.settings.minutes) if self.settings.minutes else used

    def trial(self) -> Trial:
        reason = None
        while reason is None:
            rows = min(self.settings.batch, self.settings.sequences - self.sequences)
            finite = self._update(self.task.batch(rows, self.drawn))
            reason = self._reason(finite)
        seconds = self.seconds
        if reason != "solved":
            self.test = self._test()
        layer = self.model.layer
        return Trial(
            layer.cell.name,
            self.task.name,
            self.task.length,
            str(layer.initialise),
            reason,
            self.sequences,
            seconds,
            self.test,
            self.task.floor,
        )

    def _reason(self, finite: bool) -> str | None:
        if not finite:
            return "diverged"
        if self.sequences >= self.next_test and self.task.solved(self.score):
            self.test = self._test()
            if self.task.solved(self.test):
                return "solved"
            self.next_test = self.sequences + self.task.window
        if self.interrupt.requested:
            return "interrupted"
        if self.sequences >= self.settings.sequences:
            return "sequences"
        return "minutes" if self.fraction >= 1 else None

    def _update(self, drawn: Examples) -> bool:
        """One step of Adam; whether the loss and its gradients were finite."""
        if self.settings.anneal:
            for group in self.adam.param_groups:
                group["lr"] = (
                    self.settings.learning_rate * (1 + math.cos(math.pi * min(1.0, self.fraction))) / 2
                )
        outputs = self.model(drawn)
        loss = self.task.loss(outputs, drawn.targets)
        self.adam.zero_grad()
        loss.backward()
        norm = float(clip_grad_norm_(self.model.parameters(), self.settings.clip))
        if not (math.isfinite(norm) and math.isfinite(float(loss.detach()))):
            return False
        self.adam.step()
        self.sequences += len(drawn.lengths)
        self.latest.append(self.task.score(outputs, drawn.targets))
        if self.seconds - self.told > _SECONDS:
            self.told = self.seconds
            self.tell(Heard(self.score, self.sequences, self.seconds, self.fraction))
        return True

    @torch.no_grad()
    def _test(self) -> Score:
        total = Score(0.0, 0, 0)
        for _ in range(TESTED // _ROWS):
            drawn = self.task.batch(_ROWS, self.tested)
            total += self.task.score(self.model(drawn), drawn.targets)
        return total
