"""Calls of the core: tensors brought into its layout, addresses handed over, results taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from unrolled import _native
from unrolled.engines.engine import Steps
from unrolled.engines.native.layout import BEYOND, LANES, whole_vectors
from unrolled.engines.native.lowering import Earlier
from unrolled.engines.native.memory import empty
from unrolled.engines.native.plan import Ready
from unrolled.engines.past import Timeline


def padded(value: Tensor) -> Tensor:
    """The tensor with its last dimension in whole vectors, contiguous."""
    missing = -value.shape[-1] % LANES
    return (functional.pad(value, (0, missing)) if missing else value).contiguous()


def real(value: Tensor, width: int) -> Tensor:
    """The entries of padded rows that mean something."""
    return value if value.shape[-1] == width else value[..., :width].contiguous()


@dataclass
class Shifts:
    """Earlier values of one sequence: its values, or their address, and the history of its state."""

    values: Tensor | int
    before: Tensor
    start: Tensor


@dataclass
class Data:
    """What one run reads, by the names of its program; an address stands for a sequence on the tape.

    `tensors`: sequences, rows, vectors and matrices; `rings[name]`: (initial (K, B, n), start (B, n)) of a state;
    `collect` whether resets hand back what they throw away; `shifts[earlier]`: the sequences of an earlier run that
    shifted values come from, and `forward` its timeline where it was another; `places`: where sequences go by node,
    where that is settled.
    """

    steps: Steps
    timeline: Timeline
    dtype: torch.dtype
    tensors: Mapping[str, Tensor | int]
    indices: Tensor | None
    rings: Mapping[str, tuple[Tensor, Tensor]]
    shifts: Mapping[Earlier, Shifts]
    clock: Tensor | None
    resets: Tensor | None
    collect: bool = False
    forward: Timeline | None = None
    results: Sequence[tuple[int, ...]] = ()
    places: Mapping[int, int] = field(default_factory=dict)


@dataclass
class Given:
    """What one run gave: sequences by node (N, padded), final rings, collected rows, results."""

    sequences: dict[int, Tensor] = field(default_factory=dict)
    rings: dict[str, Tensor] = field(default_factory=dict)
    collected: dict[str, Tensor] = field(default_factory=dict)
    results: list[Tensor] = field(default_factory=list)


def call(ready: Ready, data: Data) -> Given:
    """Run a program."""
    return _Call(ready, data).run()


class _Call:
    def __init__(self, ready: Ready, data: Data) -> None:
        self.ready = ready
        self.layout = ready.layout
        self.data = data
        self.alive: list[Tensor] = []  # the core holds addresses only

    def _address(self, value: Tensor | None) -> int:
        if value is None:
            return 0
        self.alive.append(value)
        return value.data_ptr()

    def _row(self, value: Tensor | int) -> int:
        """The address of rows in whole vectors."""
        return value if isinstance(value, int) else self._address(padded(value))

    def run(self) -> Given:
        data, given = self.data, Given()
        buffers = self._buffers(given)
        rings = self._rings(given)
        matrices, tables = self._matrices()
        given.results = [empty(shape, data.dtype) for shape in data.results]
        entry = _native.run_float if data.dtype == torch.float32 else _native.run_double
        entry(
            self.ready.handle,
            buffers,
            rings,
            matrices,
            tables,
            [self._address(data.indices) for _ in self.ready.lowered.lookups],
            self._histories(given),
            [value.data_ptr() for value in given.results],
            data.steps.listed,
            data.steps.rows,
            data.steps.reverse,
            self._address(data.clock),
            self._address(data.resets),
            torch.get_num_threads(),
        )
        return given

    def _buffers(self, given: Given) -> list[int]:
        addresses = [0] * self.layout.buffers
        for name, buffer in self.layout.brought:
            addresses[buffer] = self._row(self.data.tensors[name])
        total = self.data.steps.total
        for position, buffer, step in self.layout.given:
            place = self.data.places.get(position)
            if place is None:
                rows = empty((total * step + BEYOND,), self.data.dtype)
                given.sequences[position] = rows.as_strided((total, step), (step, 1))
                place = rows.data_ptr()
            addresses[buffer] = place
        return addresses

    def _rings(self, given: Given) -> list[int]:
        found = [0] * (4 * self.layout.buffers)
        for name, place in self.layout.rings:
            initial, start = map(padded, self.data.rings[name])
            final = given.rings[name] = torch.empty_like(initial)
            found[place] = self._address(initial)
            found[place + 1] = final.data_ptr()
            found[place + 2] = self._address(start)
            if self.data.collect:
                given.collected[name] = torch.zeros_like(start)
                found[place + 3] = given.collected[name].data_ptr()
        return found

    def _matrices(self) -> tuple[list[int], list[int]]:
        found: list[int] = []
        tables: list[int] = []
        for name, turned, table in self.layout.matrices:
            matrix = self.data.tensors[name]
            assert isinstance(matrix, Tensor)
            if table:
                found += (0, *matrix.stride())
                tables.append(self._address(padded(matrix if turned else matrix.t())))
            else:
                found += (self._address(matrix), *matrix.stride()[:: -1 if turned else 1])
                tables.append(0)
        return found, tables

    def _histories(self, given: Given) -> list[int]:
        found: list[int] = []
        for earlier in self.ready.lowered.histories:
            shifts, timeline = self.data.shifts.get(earlier), self.data.forward or self.data.timeline
            if shifts is None:  # a sequence this very run writes
                own = given.sequences[int(earlier.source.removeprefix("own:").removeprefix("v"))]
                shifts, timeline = Shifts(own, *self.data.rings[earlier.state]), self.data.timeline
            index = timeline.shift(earlier.delay, len(shifts.before))
            found += map(self._row, (shifts.values, shifts.before, shifts.start))
            found += (self._address(index), whole_vectors(shifts.start.shape[-1]), len(shifts.before))
        return found
