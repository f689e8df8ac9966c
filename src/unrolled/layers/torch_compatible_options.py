"""What the classes with torch's names take beside torch's arguments: masks, segments, resets and records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from unrolled.cells import find
from unrolled.engines import Job, Outcome, choose
from unrolled.engines.engine import Steps
from unrolled.engines.segments import run_within
from unrolled.equations import Schedule
from unrolled.errors import ShapeError
from unrolled.layers.masks import drawn_key
from unrolled.layers.packing import Packing
from unrolled.layers.regularise import Masks, Regularise
from unrolled.layers.state import Key

if TYPE_CHECKING:
    from unrolled.layers.torch_compatible import _Sequences


def running_schedule(cell: str, settings: Regularise) -> Schedule:
    """What runs outside training."""
    return settings.cell(find(cell)).schedule()


def training_schedule(cell: str, settings: Regularise) -> Schedule:
    """What runs while a module trains: the masks that are states are given at every step."""
    made = find(cell)
    trained = settings.training_cell(made)
    return trained.schedule(tuple(name for name in trained.states if name not in made.states))


@dataclass(frozen=True)
class Opened:
    """A batch as torch's classes take it, in the packed order engines run."""

    given: Tensor | PackedSequence
    batch_first: bool
    packing: Packing
    values: Tensor

    @classmethod
    def of(cls, given: Tensor | PackedSequence, batch_first: bool) -> Opened:
        """The batch (N, I) of (T, B, I), (B, T, I), (T, I) or a PackedSequence."""
        if isinstance(given, PackedSequence):
            counts = tuple(given.batch_sizes.tolist())
            steps = Steps(counts, counts[0])
            packing = Packing(len(counts), counts[0], steps, given.sorted_indices, is_packed=True)
            return cls(given, batch_first, packing, given.data)
        x = _time_first(given, given.dim() == 2, batch_first)
        packing = Packing.dense(*x.shape[:2])
        return cls(given, batch_first, packing, packing.pack(x))

    @property
    def is_single(self) -> bool:
        """Whether it is one sequence without a batch."""
        return isinstance(self.given, Tensor) and self.given.dim() == 2

    def answer(self, values: Tensor) -> Tensor | PackedSequence:
        """(N, n) as the kind that went in."""
        if isinstance(self.given, PackedSequence):
            return PackedSequence(values, *self.given[1:])
        batch = self.packing.unpack(values)
        if self.is_single:
            return batch.squeeze(1)
        return batch.transpose(0, 1) if self.batch_first else batch

    def resets(self, resets: object) -> Tensor:
        """(N,) bool, of resets in the layout of the input, or padded where that is packed."""
        if isinstance(resets, PackedSequence) and isinstance(self.given, PackedSequence):
            same = torch.equal(resets.batch_sizes, self.given.batch_sizes)
            if same and resets.data.dtype == torch.bool and resets.data.shape == self.values.shape[:1]:
                return resets.data
        elif isinstance(resets, Tensor) and resets.dtype == torch.bool:
            if resets.dim() == 2 - self.is_single:
                marks = _time_first(resets, self.is_single, self.batch_first)
                if tuple(marks.shape) == (self.packing.time, self.packing.rows):
                    return self._packed(marks)
        self._refuse(resets)
        raise AssertionError  # it does not return

    def _packed(self, marks: Tensor) -> Tensor:
        """(T, B) to (N,)."""
        if not self.packing.is_packed:
            return self.packing.pack(marks)
        counts = torch.tensor(self.packing.steps.counts, device=marks.device)
        real = torch.arange(self.packing.rows, device=marks.device) < counts[:, None]
        return self.packing.sort(marks, 1)[real]

    def _refuse(self, resets: object) -> None:
        time, rows = self.packing.time, self.packing.rows
        wanted = f"({time},)" if self.is_single else f"(T, B) = {(time, rows)}"
        wanted = f"(B, T) = {(rows, time)}" if self.batch_first and not self.is_single else wanted
        got = f"{resets.dtype} {tuple(resets.shape)}" if isinstance(resets, Tensor) else type(resets).__name__
        packed = ", or a PackedSequence as the input" if self.packing.is_packed else ""
        raise ShapeError(f"resets must be bool {wanted}{packed}, got {got}. Correct them.")


def _time_first(value: Tensor, is_single: bool, batch_first: bool) -> Tensor:
    if is_single:
        return value.unsqueeze(1)
    return value.transpose(0, 1) if batch_first else value


class Call:
    """One call with something of ours: it runs each layer and direction, and keeps what is recorded."""

    def __init__(self, module: _Sequences, batch: Opened, resets: object, record: Sequence[str]) -> None:
        like = module.weight_ih_l0
        settings, cell = module.regularise, find(module._cell_name)
        self.checkpoint, self.packing, self.record = module.checkpoint, batch.packing, tuple(record)
        self.resets = None if resets is None else batch.resets(resets)
        self.masks: Masks | None = None
        if settings is not None and module.training:
            rows = torch.zeros(batch.packing.rows, dtype=torch.int64, device=like.device)
            self.masks = Masks(settings, 0.0, cell, Key(drawn_key(), rows), batch.packing)
            cell = settings.training_cell(cell)
        elif settings is not None:
            cell = settings.cell(cell)
        self.schedule = cell.schedule(self.masks.names if self.masks else (), self.record)
        self.engine = choose(self.schedule, like.device, like.dtype, module._engine_name)
        self.outcomes: list[Outcome] = []

    def into(self, layer: int, values: Tensor) -> Tensor:
        """The input of a layer; torch's dropout between layers has been there."""
        return self.masks.into(layer, values) if self.masks else values

    def out(self, values: Tensor) -> Tensor:
        """The output of the last layer."""
        return self.masks.out(values) if self.masks else values

    def run(self, job: Job, index: int) -> Outcome:
        """One layer in one direction."""
        resets = None if self.resets is None else self.packing.resets(self.resets, job.steps.reverse)
        job = replace(job, schedule=self.schedule, resets=resets)
        outcome = run_within(self.engine, self.masks.job(job, index) if self.masks else job, self.checkpoint)
        outcome = self.masks.outcome(outcome) if self.masks else outcome
        self.outcomes.append(outcome)
        return outcome

    def records(self, batch: Opened) -> dict[str, list[Any]]:
        """By name one value for each layer and direction, in the layout of the output."""
        return {name: [batch.answer(one.records[name]) for one in self.outcomes] for name in self.record}
