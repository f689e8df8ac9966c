"""How fast calls run on this machine, and how fast they could: interleaved timing, work counted by hand."""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter, sleep

from unrolled.equations import Cell

Call = Callable[[], object]
Samples = dict[str, list[float]]

SHORTEST_SAMPLE = 0.02
"""Seconds; calls that take less are repeated within a sample."""
PAUSE = 0.03
"""Seconds before each turn: by then the threads of the call before have stopped waiting for more of its work."""


def matrix_entries(cell: Cell, input_size: int, hidden_size: int, **sizes: int) -> int:
    """The numbers in the cell's matrices; each costs one multiply-add by step and row.

    Example:
        >>> from unrolled.cells import find
        >>> matrix_entries(find("lstm"), 3, 5)  # 4 (5 x 3 + 5 x 5)
        160
    """
    shapes = cell.parameter_shapes(input_size, hidden_size, **sizes)
    return sum(math.prod(shape) for shape in shapes.values() if len(shape) == 2)


def operations(entries: int, steps: int, backward: bool = False) -> int:
    """Floating point operations of `steps` real steps (T x B of a dense batch).

    Forward 2 x steps x entries; the backward run costs twice that: the gradients of what every matrix multiplies,
    and those of the matrix itself. Recomputation is not counted, nor is work by entry.
    """
    return 2 * steps * entries * (3 if backward else 1)


def fma_peak(threads: int, seconds: float = 0.2) -> float:
    """The multiply-adds this machine does now, times two, per second, in float32 on `threads` threads."""
    from unrolled import _native

    return _native.kernels.fma_peak(threads, seconds)


def interleaved(calls: Mapping[str, Call], repeats: int) -> Samples:
    """Seconds of every call, `repeats` samples each, in turns: what slows the machine slows all of them.

    Before a sample there is a pause, and before a short one the call runs once untimed, so that none pays for the
    threads and caches that the one before it left behind.
    """
    samples: Samples = {name: [] for name in calls}
    with _without_collection():
        counts = {name: _count(_seconds(call, 1)) for name, call in calls.items()}
        for _ in range(repeats):
            for name, call in calls.items():
                sleep(PAUSE)
                if counts[name] > 1:
                    call()
                samples[name].append(_seconds(call, counts[name]))
    return samples


def median(samples: list[float]) -> float:
    """The middle sample."""
    return statistics.median(samples)


def spread(samples: list[float]) -> float:
    """(third quartile - first) / median: how far the samples can be trusted."""
    if len(samples) < 2:
        return 0.0
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return (third - first) / median(samples)


def _count(seconds: float) -> int:
    """How many calls one sample takes."""
    return max(1, math.ceil(SHORTEST_SAMPLE / max(seconds, 1e-7)))


def _seconds(call: Call, count: int) -> float:
    start = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - start) / count


@contextmanager
def _without_collection() -> Iterator[None]:
    """Python's collector must not run inside a sample."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
