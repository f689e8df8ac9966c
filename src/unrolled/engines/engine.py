"""What an engine is given and what it gives back.

A batch arrives packed: rows sorted by length, longest first, and the steps one after the other, each with the
rows that are still running. N is the number of real steps of all rows; nothing is ever computed on padding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor

from unrolled.equations import Schedule


@dataclass(frozen=True)
class Steps:
    """The shape of a packed batch: `counts[t]` rows run at step t, and never more than before."""

    counts: tuple[int, ...]
    rows: int
    reverse: bool = False

    @cached_property
    def total(self) -> int:
        """N, the number of real steps."""
        return sum(self.counts)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each step begins."""
        return (0, *accumulate(self.counts))[:-1]

    @cached_property
    def listed(self) -> list[int]:
        """`counts` as the core reads them."""
        return list(self.counts)

    @cached_property
    def turned(self) -> Steps:
        """The same steps in the other direction."""
        other = Steps(self.counts, self.rows, not self.reverse)
        other.__dict__["turned"] = self  # so that both keep what is worked out for them
        return other

    @cached_property
    def known(self) -> dict[object, object]:
        """Where engines keep what they have worked out for these steps."""
        return {}

    @property
    def order(self) -> range:
        """The steps in the direction of the run."""
        steps = range(len(self.counts))
        return steps[::-1] if self.reverse else steps

    def lengths(self, device: torch.device) -> Tensor:
        """The length of every row (B,)."""
        counts = torch.tensor(self.counts, dtype=torch.int64, device=device)
        return (counts[:, None] > torch.arange(self.rows, device=device)).sum(0)


@dataclass
class Job:
    """One layer in one direction over one batch.

    `x` (N, I), or (N,) indices that stand for one-hot vectors; `states[name]` (K, B, n) the last K
    values, newest first; `start[name]` (B, n) what a reset goes back to; `clock` (B,) int64; `resets` (N,) bool;
    `forced[name]` (N, n); `static[name]` (B, n).
    """

    schedule: Schedule
    letters: Mapping[str, int]
    parameters: Mapping[str, Tensor]
    steps: Steps
    x: Tensor
    states: Mapping[str, Tensor]
    start: Mapping[str, Tensor]
    clock: Tensor
    resets: Tensor | None = None
    forced: Mapping[str, Tensor] = field(default_factory=dict)
    static: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a job gives: `output` (N, n), `states[name]` (K, B, n), `clock` (B,), `records[name]` (N, n)."""

    output: Tensor
    states: Mapping[str, Tensor]
    clock: Tensor
    records: Mapping[str, Tensor]


class Engine(Protocol):
    """Runs schedules; differentiable with torch's autograd. `runs` says in a line what it runs, and how."""

    name: str
    runs: str

    def accepts(self, schedule: Schedule, device: torch.device, dtype: torch.dtype) -> str | None:
        """None when this engine can run the schedule there, otherwise the reason why not."""
        ...

    def run(self, job: Job) -> Outcome:
        """Run one layer in one direction."""
        ...
