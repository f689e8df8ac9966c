"""Documents as one long stream of symbols, cut into rows and windows for training with carried state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat

import numpy as np
import torch
from torch import Tensor

from unrolled.data.vocabulary import END, Ids, StoredIds
from unrolled.errors import DataError, SettingError

IGNORED = -1
"""The target of a place that holds no symbol; losses leave it out."""


@dataclass(frozen=True)
class Stream:
    """A stream `(N,)` laid out as B rows of neighbouring symbols, all of about the same length.

    Every symbol is a target exactly once per pass. The first input of every row is `<eos>`, the symbol that
    precedes a text. A row should therefore begin where a text could: behind one of the symbols `breaks`, the first
    of them that is found near, within 1/32 of a row. Without one there, it begins anywhere.

    `tokens` may be a memory map of a file, with any kind of integers; what windows give out is int64.

    Example:
        >>> stream = Stream(np.array([2, 3, 4, 5, 6]), batch=2)
        >>> for inputs, targets in stream.windows(2):
        ...     print(inputs.tolist(), targets.tolist())
        [[1, 1], [2, 5]] [[2, 5], [3, 6]]
        [[3, 6]] [[4, -1]]
    """

    tokens: StoredIds
    batch: int
    breaks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise SettingError(f"a batch must have at least one row, got {self.batch}")
        if len(self.tokens) < self.batch:
            raise DataError(
                f"a stream of {len(self.tokens)} symbols cannot fill {self.batch} rows; use a smaller batch"
            )

    @cached_property
    def borders(self) -> Ids:
        """Where the rows begin, and the end of the last one, `(B + 1,)`."""
        shortest, longer = divmod(len(self.tokens), self.batch)
        rows = np.arange(self.batch + 1)
        equal = rows * shortest + np.minimum(rows, longer)
        # Near, for where the longest row ends the shorter ones have nothing left to train on.
        inner = [place + self._to_break(place, shortest // 32) for place in equal[1:-1].tolist()]
        return np.array([0, *inner, len(self.tokens)])

    def _to_break(self, place: int, reach: int) -> int:
        """Symbols from `place` to the nearest place behind a break; 0 if there is none within `reach`."""
        before = self.tokens[place - 1 : place + reach]
        for symbol in self.breaks:
            found = np.flatnonzero(before == symbol)
            if len(found):
                return int(found[0])
        return 0

    @property
    def row_length(self) -> int:
        """Symbols in the longest row."""
        return int(np.diff(self.borders).max())

    def number_of_windows(self, steps: int) -> int:
        return -(-self.row_length // steps)

    def windows(self, steps: int, lengths: Iterator[int] | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets, both `(T, B)`, in order; carry the state from one to the next.

        T is `steps`, or what `lengths` gives for each window (`steps` again when it gives no more); less in the last
        window. Behind the end of a row that is shorter than the longest the target is `IGNORED`.
        """
        start = 0
        given = repeat(steps) if lengths is None else chain(lengths, repeat(steps))
        while start < self.row_length:
            length = next(given)
            if length < 1:
                raise SettingError(f"a window must have at least one step, got {length}")
            yield self._window(start, min(start + length, self.row_length))
            start += length

    def _window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        step = np.arange(start, stop)[:, None]
        place = self.borders[:-1] + step
        targets = np.where(step < np.diff(self.borders), self._at(place), IGNORED)
        inputs = np.where(step == 0, END, self._at(place - 1))
        return torch.from_numpy(inputs), torch.from_numpy(targets)

    def _at(self, place: Ids) -> Ids:
        """The symbols at these places; past the end the last one."""
        return self.tokens[np.minimum(place, len(self.tokens) - 1)].astype(np.int64)
