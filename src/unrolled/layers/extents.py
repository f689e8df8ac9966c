"""Where the rows of a ragged batch lie among its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unrolled.engines import Steps
from unrolled.errors import ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SHOWN = 8  # lengths that a text shows


class Extents:
    """Where every row lies among the values; worked out once for all batches that share their lengths.

    In the *packed* order, the one of PyTorch's PackedSequence and of the engines, the longest rows come first and all
    rows of a step lie together. Everything is on the CPU, but for what a method brings to a device.
    """

    def __init__(self, lengths: Tensor, order: Tensor | None = None) -> None:
        self.lengths = lengths
        self._order = order
        self._known: dict[tuple[str, torch.device], Tensor] = {}

    @cached_property
    def listed(self) -> list[int]:
        """The lengths as numbers."""
        return [int(length) for length in self.lengths.tolist()]

    @cached_property
    def total(self) -> int:
        """N, the steps of all rows together."""
        return sum(self.listed)

    @cached_property
    def longest(self) -> int:
        """T, the steps of the longest row."""
        return max(self.listed, default=0)

    @cached_property
    def starts(self) -> Tensor:
        """(B,) where each row begins."""
        return self.lengths.cumsum(0) - self.lengths

    @property
    def rows(self) -> Tensor:
        """(N,) the row of every value."""
        return torch.arange(len(self.lengths)).repeat_interleave(self.lengths)

    @property
    def steps(self) -> Tensor:
        """(N,) the step of every value in its row."""
        return torch.arange(self.total) - self.starts.repeat_interleave(self.lengths)

    @cached_property
    def order(self) -> Tensor:
        """(B,) which row stands at each place of the packed order; rows of one length keep their order."""
        return self.lengths.argsort(descending=True, stable=True) if self._order is None else self._order

    @cached_property
    def places(self) -> Tensor:
        """(B,) where each row stands in the packed order."""
        return inverse(self.order)

    @cached_property
    def counts(self) -> Tensor:
        """(T,) the rows that are still running at each step."""
        return exceeding(self.lengths, self.longest)

    @cached_property
    def run(self) -> Steps:
        """The same for engines, which keep with it what they work out."""
        return Steps(tuple(self.counts.tolist()), len(self.lengths))

    def packed(self, device: torch.device) -> Tensor:
        """(N,) which value lies at each place of the packed order."""
        return self._on(device, "packed", lambda: inverse(self.unpacked(torch.device("cpu"))))

    def unpacked(self, device: torch.device) -> Tensor:
        """(N,) where every value lies in the packed order."""
        begins = self.counts.cumsum(0) - self.counts
        return self._on(device, "unpacked", lambda: begins[self.steps] + self.places[self.rows])

    def padded(self, time: int, batch_first: bool, device: torch.device) -> Tensor:
        """(N,) where every value lies in (T, B), or in (B, T), counted through."""
        flat = self.rows * time + self.steps if batch_first else self.steps * len(self.lengths) + self.rows
        return flat.to(device)

    def among(self, starts: Tensor) -> Tensor:
        """(N,) where the values of these rows lie in others, among which the rows begin at `starts`."""
        return starts.repeat_interleave(self.lengths) + self.steps

    def offsets(self, device: torch.device) -> Tensor:
        """(B + 1,) where each row begins, and where the last one ends: always the same tensor.

        Nested tensors take each other for equally long only if they have the same offsets, not equal ones.
        """
        return self._on(device, "offsets", lambda: torch.cat([self.starts, torch.tensor([self.total])]))

    def adopt(self, offsets: Tensor) -> Extents:
        """The same, with these offsets for their device."""
        self._known["offsets", offsets.device] = offsets
        return self

    def _on(self, device: torch.device, name: str, make: Callable[[], Tensor]) -> Tensor:
        key = (name, device)
        if key not in self._known:
            self._known[key] = make().to(device)
        return self._known[key]


def inverse(permutation: Tensor) -> Tensor:
    """The permutation that undoes this one."""
    return torch.empty_like(permutation).scatter_(0, permutation, torch.arange(len(permutation)))


def exceeding(numbers: Tensor, size: int) -> Tensor:
    """(size,) how many of the numbers exceed 0, 1, ...: from lengths the rows of each step, and back."""
    return len(numbers) - torch.bincount(numbers, minlength=size + 1).cumsum(0)[:size]


def whole_lengths(given: Tensor | ArrayLike) -> Tensor:
    """Lengths (B,) as int64 on the CPU, a copy; ShapeError for what is none."""
    try:
        found = given.detach() if isinstance(given, Tensor) else torch.tensor(np.array(given))
    except (TypeError, ValueError, RuntimeError):
        raise ShapeError(f"lengths must be whole numbers (B,), got {given!r}. Correct them.") from None
    if found.dim() != 1 or found.dtype == torch.bool or found.is_complex():
        raise ShapeError(
            f"lengths must be whole numbers (B,), got {found.dtype} {tuple(found.shape)}. Correct them."
        )
    lengths = found.to("cpu", torch.int64, copy=True)
    wrong = ((lengths < 0) | (lengths.double() != found.cpu().double())).nonzero().flatten()
    if len(wrong):
        b = int(wrong[0])
        raise ShapeError(f"lengths[{b}] must be a whole number >= 0, got {found[b].item()}. Correct it.")
    return lengths


def shortened(lengths: Sequence[int]) -> str:
    """The first lengths, and how many there are."""
    shown = ", ".join(str(length) for length in lengths[:SHOWN])
    return f"[{shown}]" if len(lengths) <= SHOWN else f"[{shown}, ...] of {len(lengths)} rows"
