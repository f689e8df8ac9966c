"""Layers prepared for a few steps at a time: programs and packed matrices stay in the core between calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled import _native
from unrolled.engines.native.call import padded
from unrolled.engines.native.outside import Outside
from unrolled.engines.native.plan import Plan, Ready, plan_for
from unrolled.equations import Schedule

# So many multiply-adds a step are worth a second thread.
SHARED = 2_000_000


@dataclass(frozen=True)
class Layer:
    """One layer: what runs, its parameters and static inputs by name, and where its state is kept.

    `states[name]` (K, B, n) with rows of whole vectors, and `clock` (B,): both are changed by every step.
    """

    schedule: Schedule
    letters: Mapping[str, int]
    given: Mapping[str, Tensor]
    states: Mapping[str, Tensor]
    clock: Tensor


def refusal(schedule: Schedule) -> str | None:
    """Why the core cannot keep this schedule's state between calls, or None."""
    unlooped = [name for name in schedule.graph.signature.states if name not in schedule.kinds.looped]
    if not unlooped:
        return None
    return f"its state {unlooped[0]} is no part of the loop, so a step needs the sequence of earlier steps"


class Prepared:
    """Layers packed in the core, each reading what the one below gives."""

    def __init__(self, layers: Sequence[Layer], rows: int, indices: bool) -> None:
        self.alive: list[Tensor] = []  # the core holds addresses only
        self.dtype = next(iter(layers[0].states.values())).dtype
        self.rows = rows
        kind = _native.StreamFloat if self.dtype == torch.float32 else _native.StreamDouble
        plans = [
            plan_for(layer.schedule, layer.letters, indices and n == 0) for n, layer in enumerate(layers)
        ]
        self.core = kind(rows, self._threads(plans))
        for layer, plan in zip(layers, plans, strict=True):
            self._add(layer, plan)
        self.run = self.core.run

    def _threads(self, plans: Sequence[Plan]) -> int:
        matrices = [shape for plan in plans for shape in plan.inference.lowered.program.matrices]
        work = self.rows * sum(rows * columns for rows, columns, _ in matrices)
        return torch.get_num_threads() if work >= SHARED else 1

    def _address(self, value: Tensor) -> int:
        self.alive.append(value)
        return value.data_ptr()

    def _add(self, layer: Layer, plan: Plan) -> None:
        ready = plan.inference
        lowered = ready.lowered
        outside = Outside(plan.whole.graph, layer.letters, layer.given, self.dtype)
        inside = (*plan.inside.parameters, *plan.inside.statics)
        values = {name: outside.value(i).detach() for name, i in inside}
        matrices, tables = self._matrices(ready, values)
        self.core.add(
            ready.handle,
            self._buffers(ready, plan, values),
            self._rings(ready, layer),
            matrices,
            tables,
            len(lowered.lookups),
            lowered.external.get(plan.input, -1),
            lowered.exported[plan.graph.output],
            layer.clock.data_ptr(),
        )
        self.alive += [*layer.states.values(), layer.clock]

    def _buffers(self, ready: Ready, plan: Plan, values: Mapping[str, Tensor]) -> list[int]:
        """Addresses of vectors, as they are now; sequences are the core's own."""
        found = [0] * len(ready.lowered.program.buffers)
        for name, buffer in ready.lowered.external.items():
            if name != plan.input:
                found[buffer] = self._address(padded(values[name]).clone())
        return found

    def _rings(self, ready: Ready, layer: Layer) -> list[int]:
        found = [0] * (4 * len(ready.lowered.program.buffers))
        for name, buffer in ready.lowered.rings.items():
            place = layer.states[name].data_ptr()
            found[4 * buffer : 4 * buffer + 3] = [place, place, place]
        return found

    def _matrices(self, ready: Ready, values: Mapping[str, Tensor]) -> tuple[list[int], list[int]]:
        """What is packed at once, and the tables of matrices that are looked up in."""
        lowered = ready.lowered
        looked_up = {f.matrix for g in lowered.program.groups for s in g for gate in s.gates for f in gate.factors
                     if f.lookup >= 0}  # fmt: skip
        found, tables = [], []
        for i, (name, _) in enumerate(lowered.matrices):
            table = i in looked_up
            found += [0 if table else values[name].data_ptr(), *values[name].stride()]
            tables.append(self._address(padded(values[name].t()).clone()) if table else 0)
        return found, tables
