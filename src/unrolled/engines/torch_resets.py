"""A batch with resets as a batch without: every piece of a row between two resets is a row of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from unrolled.engines.engine import Job, Steps
from unrolled.engines.past import Timeline


@dataclass(frozen=True)
class Pieces:
    """The pieces, packed forward and longest first, S of them.

    `position` (N,) says where each step of the batch has gone, `row` (S,) which row a piece comes from, `fresh` (S,)
    whether it begins at a reset, `last` (B,) which piece a row ends with, and `empty` (B,) whether it has no steps.
    """

    steps: Steps
    position: Tensor
    row: Tensor
    fresh: Tensor
    last: Tensor
    empty: Tensor

    @classmethod
    def of(cls, job: Job, known: Timeline) -> Pieces:
        """The pieces of a batch with at least one step, in the direction of its run."""
        moments, room = known.moments, len(job.steps.counts)
        # A piece is known by its row and the age at which it begins.
        names = moments.row * room + moments.age - moments.since
        pieces, piece, lengths = names.unique(return_inverse=True, return_counts=True)
        order = lengths.argsort(descending=True, stable=True)
        place = order.argsort()
        counts = _counts(lengths.tolist())
        offsets = torch.tensor([0, *accumulate(counts)], device=names.device)
        fresh = torch.zeros_like(pieces, dtype=torch.bool).index_fill(0, piece[moments.was_reset], True)
        borders = torch.arange(1, job.steps.rows + 1, device=names.device) * room
        return cls(
            steps=Steps(counts, len(pieces)),
            position=offsets[moments.since] + place[piece],
            row=(pieces // room)[order],
            fresh=fresh[order],
            last=place[(torch.searchsorted(pieces, borders) - 1).clamp(min=0)],
            empty=known.lengths == 0,
        )

    def pack(self, values: Tensor) -> Tensor:
        """Steps (N, n) in the order of the pieces."""
        return values[self.position.argsort()]

    def begin(self, carried: Tensor, start: Tensor) -> Tensor:
        """What each piece begins with (1, S, n): what its row carries (1, B, n), or the start (B, n) of a reset."""
        return torch.where(self.fresh[:, None], start[self.row], carried[0, self.row])[None]

    def end(self, ends: Tensor, carried: Tensor) -> Tensor:
        """What each row ends with (1, B, n), of what its pieces end with (1, S, n)."""
        return torch.where(self.empty[:, None], carried, ends[:, self.last])


def _counts(lengths: Sequence[int]) -> tuple[int, ...]:
    """How many pieces run at each step."""
    ending = [0] * (max(lengths) + 1)
    for length in lengths:
        ending[length] += 1
    return tuple(len(lengths) - done for done in accumulate(ending[:-1]))
