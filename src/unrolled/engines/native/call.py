"""Calls of the core: tensors brought into its layout, addresses handed over, results taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from unrolled import _native
from unrolled.engines.engine import Steps
from unrolled.engines.native.lowering import Earlier
from unrolled.engines.native.plan import Ready
from unrolled.engines.past import Timeline

LANES = 16  # rows of the core's buffers are whole vectors


def whole_vectors(size: int) -> int:
    """`size` rounded up to whole vectors."""
    return (size + LANES - 1) // LANES * LANES


def padded(value: Tensor) -> Tensor:
    """The tensor with its last dimension in whole vectors, contiguous."""
    missing = -value.shape[-1] % LANES
    return (functional.pad(value, (0, missing)) if missing else value).contiguous()


def real(value: Tensor, width: int) -> Tensor:
    """The entries of padded rows that mean something."""
    return value if value.shape[-1] == width else value[..., :width].contiguous()


@dataclass
class Shifts:
    """Earlier values of one sequence: its values and the history of its state, in the core's layout."""

    values: Tensor
    before: Tensor
    start: Tensor


@dataclass
class Data:
    """What one run reads, by the names of its program; all values padded.

    `rings[name]`: (initial (K, B, n), start (B, n)) of a looped state; `collect` whether resets hand back what they
    throw away; `shifts[earlier]`: the sequences that shifted values come from.
    """

    steps: Steps
    timeline: Timeline
    dtype: torch.dtype
    sequences: Mapping[str, Tensor]
    matrices: Mapping[str, Tensor]
    indices: Mapping[str, Tensor]
    rings: Mapping[str, tuple[Tensor, Tensor]]
    shifts: Mapping[Earlier, Shifts]
    clock: Tensor | None
    resets: Tensor | None
    collect: bool = False
    forward: Timeline | None = None  # of the run that wrote the shifted sequences, where it was another
    results: Sequence[tuple[int, ...]] = ()


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
        self.low = ready.lowered
        self.data = data
        self.alive: list[Tensor] = []  # the core holds addresses only

    def _address(self, value: Tensor | None) -> int:
        if value is None:
            return 0
        self.alive.append(value)
        return value.data_ptr()

    def run(self) -> Given:
        given = Given()
        buffers = self._buffers(given)
        rings = self._rings(given)
        matrices, tables = self._matrices()
        given.results = [torch.empty(shape, dtype=self.data.dtype) for shape in self.data.results]
        entry = _native.run_float if self.data.dtype == torch.float32 else _native.run_double
        entry(
            self.ready.handle,
            buffers,
            rings,
            matrices,
            tables,
            [self._address(self.data.indices[name]) for name in self.low.lookups],
            self._histories(given),
            [value.data_ptr() for value in given.results],
            list(self.data.steps.counts),
            self.data.steps.rows,
            self.data.steps.reverse,
            self._address(self.data.clock),
            self._address(self.data.resets),
            torch.get_num_threads(),
        )
        return given

    def _buffers(self, given: Given) -> list[int]:
        addresses = [0] * len(self.low.program.buffers)
        for name, buffer in self.low.external.items():
            addresses[buffer] = self._address(self.data.sequences[name])
        for position, buffer in self.low.exported.items():
            shape = self.low.program.buffers[buffer]
            if not shape.inside:
                # Room for whole vectors to be read beyond the last row.
                rows = torch.empty(
                    self.data.steps.total * whole_vectors(shape.width) + LANES * 4, dtype=self.data.dtype
                )
                size = self.data.steps.total * whole_vectors(shape.width)
                given.sequences[position] = rows[:size].view(
                    self.data.steps.total, whole_vectors(shape.width)
                )
                addresses[buffer] = self._address(rows)
        return addresses

    def _rings(self, given: Given) -> list[int]:
        found = [0] * (4 * len(self.low.program.buffers))
        for name, buffer in self.low.rings.items():
            initial, start = self.data.rings[name]
            final = torch.empty_like(initial)
            given.rings[name] = final
            collect = torch.zeros_like(start) if self.data.collect else None
            if collect is not None:
                given.collected[name] = collect
            places = [self._address(value) for value in (initial, final, start, collect)]
            found[4 * buffer : 4 * buffer + 4] = places
        return found

    def _matrices(self) -> tuple[list[int], list[int]]:
        looked_up = {f.matrix for g in self.low.program.groups for s in g for gate in s.gates for f in gate.factors
                     if f.lookup >= 0}  # fmt: skip
        found, tables = [], []
        for i, (name, turned) in enumerate(self.low.matrices):
            matrix = self.data.matrices[name]
            self.alive.append(matrix)
            row, column = matrix.stride()
            if turned:
                row, column = column, row
            table = padded(matrix if turned else matrix.t()) if i in looked_up else None
            found += [0 if table is not None else matrix.data_ptr(), row, column]
            tables.append(self._address(table))
        return found, tables

    def _histories(self, given: Given) -> list[int]:
        found = []
        for earlier in self.low.histories:
            shifts = self.data.shifts.get(earlier)
            if shifts is None:  # a sequence this very run writes
                own = given.sequences[int(earlier.source.removeprefix("own:").removeprefix("v"))]
                before, start = self.data.rings[earlier.state]
                shifts = Shifts(own, before, start)
                timeline = self.data.timeline
            else:
                timeline = self.forward_timeline
            index = timeline.shift(earlier.delay, len(shifts.before))
            step = whole_vectors(shifts.start.shape[-1])
            found += [
                *map(self._address, (shifts.values, shifts.before, shifts.start, index)),
                step,
                len(shifts.before),
            ]
        return found

    @property
    def forward_timeline(self) -> Timeline:
        """The timeline of sequences that an earlier run wrote."""
        return self.data.forward or self.data.timeline
