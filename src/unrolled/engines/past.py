"""Where earlier values of a state are found in a packed batch, across resets and before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from unrolled.engines.engine import Steps
from unrolled.engines.zeros import is_traced


@dataclass(frozen=True)
class Moments:
    """For every real step (N,): its row, how many steps the row has run, and how many since it began or was reset."""

    row: Tensor
    age: Tensor
    since: Tensor
    was_reset: Tensor


class Timeline:
    """The moments of a packed batch, and the state of the rows after their last step.

    What it keeps is also read by later calls that compute gradients, so no tensor of it is made in inference mode.
    """

    def __init__(self, steps: Steps, resets: Tensor | None, device: torch.device) -> None:
        self.steps = steps
        self.resets = resets
        self.device = device
        self._sources: dict[tuple[int, int], Tensor] = {}

    @cached_property
    def lengths(self) -> Tensor:
        """The length of every row (B,)."""
        with torch.inference_mode(False):
            return self.steps.lengths(self.device)

    @cached_property
    def offsets(self) -> Tensor:
        """Where each step begins."""
        with torch.inference_mode(False):
            return torch.tensor([*self.steps.offsets, 0], dtype=torch.int64, device=self.device)

    @cached_property
    def moments(self) -> Moments:
        """Every real step."""
        return self._both[0]

    @cached_property
    def end(self) -> Moments:
        """The rows after their last step."""
        return self._both[1]

    @cached_property
    def _both(self) -> tuple[Moments, Moments]:
        with torch.inference_mode(False):
            return self._counted()

    def _counted(self) -> tuple[Moments, Moments]:
        time, row = self._coordinates(self.device)
        age = self.lengths[row] - 1 - time if self.steps.reverse else time
        never = torch.zeros(self.steps.total, dtype=torch.bool, device=self.device)
        rows = torch.arange(self.steps.rows, device=self.device)
        moments = Moments(row, age, age, never)
        end = Moments(rows, self.lengths, self.lengths, never.new_zeros(self.steps.rows))
        return (moments, end) if self.resets is None else self._apply(self.resets, moments, end)

    def _coordinates(self, device: torch.device) -> tuple[Tensor, Tensor]:
        counts = torch.tensor(self.steps.counts, dtype=torch.int64, device=device)
        each = torch.arange(len(counts), device=device)
        time = torch.repeat_interleave(each, counts, output_size=self.steps.total)
        return time, torch.arange(self.steps.total, device=device) - self.offsets[time]

    def _apply(self, resets: Tensor, moments: Moments, end: Moments) -> tuple[Moments, Moments]:
        """Count from the last reset instead of from the beginning."""
        rows = self.steps.rows
        # By age and row the age of the last reset so far, -1 for none; one line more, for a batch without steps.
        place = (moments.age + 1) * rows + moments.row
        none = torch.full(((len(self.steps.counts) + 1) * rows,), -1, device=self.device)
        marked = none.index_copy(0, place, torch.where(resets, moments.age, -1))
        last = marked.unflatten(0, (-1, rows)).cummax(0).values if rows else none[None]
        return self._since(moments, last.flatten()[place]), self._since(end, last[-1])

    def _since(self, at: Moments, last: Tensor) -> Moments:
        was_reset = last >= 0
        return Moments(at.row, at.age, torch.where(was_reset, at.age - last, at.age), was_reset)

    def final_clock(self, clock: Tensor) -> Tensor:
        """The clock of the rows after their last step."""
        return clock + self.lengths if self.resets is None else self.clock(clock, self.end)

    def clock(self, clock: Tensor, at: Moments) -> Tensor:
        """The clock of each moment, for rows that began at `clock` (B,)."""
        return torch.where(at.was_reset, at.since, clock[at.row] + at.since)

    def earlier(self, values: Tensor, states: Tensor, start: Tensor, delay: int, at: Moments) -> Tensor:
        """The value `delay` steps before each moment of a state whose sequence is `values` (N, n).

        `states` (K, B, n) are the values before the first step, newest first, `start` (B, n) those of a reset.
        """
        table = torch.cat([values, states.flatten(0, 1), start])
        return table[self.source(delay, len(states), at)]

    def source(self, delay: int, kept: int, at: Moments) -> Tensor:
        """For each moment the row of the table (values, kept * B earlier ones, B of a reset) `delay` steps before."""
        total, rows = self.steps.total, self.steps.rows
        age = (at.age - delay).clamp(min=0)
        time = (self.lengths[at.row] - 1 - age).clamp(min=0) if self.steps.reverse else age
        inside = self.offsets[time.clamp(max=len(self.offsets) - 1)] + at.row
        carried = total + (delay - 1 - at.since).clamp(min=0) * rows + at.row
        fresh = total + kept * rows + at.row
        return torch.where(at.since >= delay, inside, torch.where(at.was_reset, fresh, carried))

    def shift(self, delay: int, kept: int) -> Tensor:
        """`source` for every real step, computed once."""
        key = (delay, kept)
        if key not in self._sources:
            with torch.inference_mode(False):
                self._sources[key] = self.source(delay, kept, self.moments)
        return self._sources[key]


def timeline(steps: Steps, resets: Tensor | None, device: torch.device) -> Timeline:
    """The timeline of a batch; without resets it is kept with the steps."""
    if resets is not None or is_traced():  # made-up tensors are not for sharing
        return Timeline(steps, resets, device)
    found = steps.known.get(device)
    if found is None:
        found = steps.known[device] = Timeline(steps, None, device)
    assert isinstance(found, Timeline)
    return found
