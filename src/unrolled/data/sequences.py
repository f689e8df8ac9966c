"""Encoded sequences end to end, in memory or in a file, and the batches they are trained in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from queue import Queue
from threading import Thread
from typing import IO, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.layers.ragged import Ragged

IN_MEMORY = 1 << 30
"""Bytes of values kept in memory; what is larger goes to a temporary file, and the system reads what it needs."""

_POOL = 50
"""Batches among which sequences are sorted by length."""

Item = TypeVar("Item")


class Sequences:
    """R sequences of numbers, (T, ...) each, end to end: `values` (N, ...) and `lengths` (R,).

    Built from an iterator that is gone through once. Values beyond `in_memory` bytes are kept in a temporary file
    that disappears with this object, so the data may be larger than memory.

    Example:
        >>> sequences = Sequences([np.array([1, 2]), np.array([3])])
        >>> sequences.rows([1, 0]).values.tolist()
        [3, 1, 2]
    """

    def __init__(self, rows: Iterable[NDArray[Any]], in_memory: int = IN_MEMORY) -> None:
        lengths: list[int] = []
        kept: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        held, first = 0, None
        for row in rows:
            first = row if first is None else first
            lengths.append(len(row))
            kept.append(row)
            held += row.nbytes
            if held > in_memory:
                self._write(kept)
                kept, held = [], 0
        if first is None:
            raise DataError("the data holds no sequence; give at least one")
        self.lengths: NDArray[np.int64] = np.array(lengths, np.int64)
        self.starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(self.lengths)])
        self.values = np.concatenate(kept) if self._file is None else self._mapped(kept, first)

    def _write(self, rows: Sequence[NDArray[Any]]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the values
        for row in rows:
            self._file.write(np.ascontiguousarray(row).tobytes())

    def _mapped(self, rest: Sequence[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
        assert self._file is not None
        self._write(rest)
        self._file.flush()
        shape = (int(self.starts[-1]), *like.shape[1:])
        return np.memmap(self._file, like.dtype, "r", shape=shape)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> NDArray[Any]:
        row: NDArray[Any] = self.values[self.starts[index] : self.starts[index + 1]]
        return row

    def rows(self, index: Iterable[int]) -> Ragged:
        """Some of the sequences as a batch, in the order of `index`."""
        chosen = [self[i] for i in index]
        return Ragged(torch.from_numpy(np.concatenate(chosen)), torch.tensor([len(row) for row in chosen]))


def batches(
    lengths: NDArray[np.int64], batch: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Every sequence once, in batches of sequences of about the same length, in random order.

    A ragged batch computes no padding; rows that end together still run faster, since the last steps of a batch
    then have as many rows as the first. Sequences are shuffled, sorted within pools of 50 batches, and the batches
    of a pool are shuffled again.
    """
    order = generator.permutation(len(lengths))
    for start in range(0, len(order), batch * _POOL):
        pool = order[start : start + batch * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        pieces = [pool[i : i + batch] for i in range(0, len(pool), batch)]
        for piece in generator.permutation(len(pieces)):
            yield pieces[piece]


def in_order(count: int, batch: int) -> Iterator[NDArray[np.int64]]:
    """Every sequence once, in the order they came."""
    for start in range(0, count, batch):
        yield np.arange(start, min(count, start + batch))


def ahead(items: Iterable[Item], number: int = 2) -> Iterator[Item]:
    """The same items, the next `number` of them prepared by a thread while one is used."""
    ready: Queue[tuple[str, Any]] = Queue(number)
    stopped = False

    def prepare() -> None:
        try:
            for item in items:
                if stopped:
                    return
                ready.put(("item", item))
            ready.put(("end", None))
        except BaseException as error:  # handed over to where the items are used
            ready.put(("error", error))

    thread = Thread(target=prepare, daemon=True)
    thread.start()
    try:
        while True:
            what, item = ready.get()
            if what == "end":
                return
            if what == "error":
                raise item
            yield item
    finally:
        stopped = True
        while thread.is_alive():
            while not ready.empty():
                ready.get_nowait()
            thread.join(0.01)
