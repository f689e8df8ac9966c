"""Batches as people have them, to the packed order engines run: longest rows first, padding left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from unrolled.engines import Outcome, Steps
from unrolled.errors import ShapeError
from unrolled.layers.extents import Extents
from unrolled.layers.state import CellState


@dataclass(frozen=True)
class Packing:
    """How a (T, B, ...) batch is packed; without lengths it is only reshaped.

    `order[j]` is the row that stands at place j, `index` the position in T*B of every real step. Where `is_packed`,
    batches come and go as (N, ...) in the packed order.
    """

    time: int
    rows: int
    steps: Steps
    order: Tensor | None = None
    index: Tensor | None = None
    is_packed: bool = False

    @classmethod
    def of(
        cls, time: int, rows: int, lengths: Tensor | Sequence[int] | None, device: torch.device
    ) -> Packing:
        """How a batch of `rows` rows and `time` steps is packed."""
        return cls.dense(time, rows) if lengths is None else cls.ragged(time, rows, lengths, device)

    @classmethod
    def dense(cls, time: int, rows: int) -> Packing:
        """Every row has all `time` steps."""
        return _dense(time, rows)

    @classmethod
    def ragged(cls, time: int, rows: int, lengths: Tensor | Sequence[int], device: torch.device) -> Packing:
        """Row b has `lengths[b]` steps, at its beginning; zero is allowed."""
        known = torch.tensor(_checked(lengths, time, rows), dtype=torch.int64)
        longest = int(known.max()) if rows else 0
        known, order = known.sort(descending=True, stable=True)
        running = torch.arange(longest)[:, None] < known
        index = (torch.arange(longest)[:, None] * rows + order)[running]
        counts = tuple(running.sum(1).tolist())
        return cls(time, rows, Steps(counts, rows), order.to(device), index.to(device))

    @classmethod
    def packed(cls, extents: Extents, device: torch.device) -> Packing:
        """A ragged batch whose values are in the packed order already."""
        return cls(extents.longest, extents.run.rows, extents.run, extents.order.to(device), is_packed=True)

    @cached_property
    def place(self) -> Tensor | None:
        """Where each row stands in the packed order."""
        return None if self.order is None else torch.argsort(self.order)

    def direction(self, reverse: bool) -> Steps:
        """The steps, run forward or in reverse."""
        return self.steps.turned if reverse else self.steps

    def pack(self, batch: Tensor) -> Tensor:
        """(T, B, ...) to (N, ...)."""
        if self.is_packed:
            return batch
        flat = batch.reshape(self.time * self.rows, *batch.shape[2:])
        return flat if self.index is None else flat.index_select(0, self.index)

    def unpack(self, packed: Tensor) -> Tensor:
        """(N, ...) to (T, B, ...), zeros at padding."""
        if self.is_packed:
            return packed
        if self.index is not None:
            empty = packed.new_zeros(self.time * self.rows, *packed.shape[1:])
            packed = empty.index_copy_(0, self.index, packed)
        return packed.reshape(self.time, self.rows, *packed.shape[1:])

    def sort(self, by_row: Tensor, dim: int) -> Tensor:
        """Rows in the packed order."""
        return by_row if self.order is None else by_row.index_select(dim, self.order)

    def unsort(self, by_row: Tensor, dim: int) -> Tensor:
        """Rows in the caller's order again."""
        return by_row if self.place is None else by_row.index_select(dim, self.place)

    def end(self, outcome: Outcome) -> CellState:
        """The final state, rows in the caller's order."""
        states = {name: self.unsort(value, 1) for name, value in outcome.states.items()}
        return CellState(states, self.unsort(outcome.clock, 0))

    def resets(self, resets: Tensor, reverse: bool) -> Tensor:
        """(T, B) cuts before a step, to (N,) in the direction of the run: the same place is cut in both."""
        packed = self.pack(resets)
        if not reverse:
            return packed
        following = torch.zeros_like(packed)
        first = self.steps.counts[0] if self.steps.counts else 0
        return following.index_copy_(0, self._before.to(packed.device), packed[first:])

    @cached_property
    def _before(self) -> Tensor:
        """For every real step but the first ones, where the step before it lies in the packed order."""
        counts = torch.tensor(self.steps.counts, dtype=torch.int64)
        back = counts[:-1].repeat_interleave(counts[1:])
        return torch.arange(self.steps.total - len(back), self.steps.total) - back


@lru_cache(maxsize=16)
def _dense(time: int, rows: int) -> Packing:
    """Batches of one shape share their steps, and what engines keep with them."""
    return Packing(time, rows, Steps((rows,) * time if rows else (), rows))


def _checked(lengths: Tensor | Sequence[int], time: int, rows: int) -> list[int]:
    try:
        given = torch.as_tensor(lengths)
    except (TypeError, ValueError):
        raise ShapeError(f"lengths must be whole numbers (B,), got {lengths!r}. Correct them.") from None
    if given.shape != (rows,):
        raise ShapeError(
            f"lengths must have one entry for each of {rows} rows, got {tuple(given.shape)}. Give (B,) lengths."
        )
    values = given.tolist()
    for b, length in enumerate(values):
        if isinstance(length, bool) or not 0 <= length <= time or length != int(length):
            raise ShapeError(
                f"lengths[{b}] must be a whole number from 0 to T={time}, got {length}. Correct it."
            )
    return [int(length) for length in values]
