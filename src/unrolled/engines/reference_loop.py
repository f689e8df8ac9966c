"""The time loop of the reference engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.engines.engine import Job
from unrolled.engines.torch_operations import apply, every
from unrolled.equations.schedule import Phase, Product

Multiply = Callable[[Product, Tensor], list[Tensor]]


class Loop:
    """The `step` group of a schedule, run over the steps of a job.

    `outside` holds the values of the groups before, by node. After `run`, `past[name]` holds the last K values of
    each looped state, newest first, and `kept[i]` the rows of node i step by step, for those read later.
    """

    def __init__(self, job: Job, outside: Mapping[int, Any], multiply: Multiply) -> None:
        self.job = job
        self.schedule = job.schedule
        self.graph = job.schedule.graph
        self.multiply = multiply
        self.outside = outside
        self.looped = sorted(self.schedule.kinds.looped)
        self.next = dict(zip(self.graph.signature.states, self.graph.next_states, strict=True))
        self.past = {name: list(job.states[name]) for name in self.looped}
        self.dtype = job.states[self.looped[0]].dtype
        # One split has one backward; a slice a step would have T of them, each as large as the whole.
        self.crossing = {i: outside[i].split(list(job.steps.counts)) for i in self.schedule.into("step")}
        self.given = self._given()
        self.ticking = any(
            self.graph.nodes[i].operation == "every" for phase in self.schedule.step for i in phase.values
        )
        self.clock = job.clock
        self.kept: dict[int, list[Tensor]] = {i: [] for i in self._read_later()}

    def _given(self) -> dict[int, tuple[str, int]]:
        """The nodes that are there when a step begins: looped states and their delays, as (state, slot)."""
        found = {self.graph.leaf[name]: (name, 0) for name in self.looped}
        for i, node in enumerate(self.graph.nodes):
            if node.operation == "delayed":
                name = self.graph.nodes[node.operands[0]].value
                if name in self.past:
                    found[i] = (name, self.graph.delay(node) - 1)
        return found

    def _read_later(self) -> set[int]:
        schedule = self.schedule
        after = {i for phase in schedule.after for i in phase.values}
        after |= {i for phase in schedule.after for product in phase.products for i in product.results}
        read = {operand for i in after for operand in self.graph.nodes[i].operands}
        read |= {self.graph.output, *(i for _, i in schedule.records)}
        read |= {self.next[name] for name in schedule.kinds.trailing}
        return {i for i in read if schedule.group_of.get(i) == "step" or i in self.given}

    def run(self) -> None:
        """Run every step in the direction of the job."""
        for t in self.job.steps.order:
            count = self.job.steps.counts[t]
            self._reset(t, count)
            values = self._step(t, count)
            self.past = {
                name: _advance(slots, values[self.next[name]], count) for name, slots in self.past.items()
            }
            if self.ticking:
                self.clock = torch.cat([self.clock[:count] + 1, self.clock[count:]])
            for i, rows in self.kept.items():
                rows.append(values[i])

    def _reset(self, t: int, count: int) -> None:
        """Put the start of the layer in place of everything carried, in the rows that are reset before step t."""
        if self.job.resets is None:
            return
        begin = self.job.steps.offsets[t]
        now = functional.pad(self.job.resets[begin : begin + count], (0, self.job.steps.rows - count))
        self.clock = torch.where(now, 0, self.clock)
        for name, slots in self.past.items():
            self.past[name] = [torch.where(now[:, None], self.job.start[name], slot) for slot in slots]

    def _step(self, t: int, count: int) -> dict[int, Any]:
        values: dict[int, Any] = {i: self.past[name][slot][:count] for i, (name, slot) in self.given.items()}
        values.update((i, pieces[t]) for i, pieces in self.crossing.items())
        for phase in self.schedule.step:
            self._phase(phase, values, count)
        return values

    def _phase(self, phase: Phase, values: dict[int, Any], count: int) -> None:
        for product in phase.products:
            results = self.multiply(product, self._now(product.vector, values, count))
            values.update(zip(product.results, results, strict=True))
        for i in phase.values:
            node = self.graph.nodes[i]
            if node.operation == "every":
                hidden = self.job.letters["H"]
                values[i] = every(self.graph.number(node.operands[0]), self.clock[:count], hidden, self.dtype)
            else:
                operands = [self._now(operand, values, count) for operand in node.operands]
                values[i] = apply(self.graph, node, operands, self.job.letters, self.dtype)

    def _now(self, position: int, values: dict[int, Any], count: int) -> Any:
        if position in values:
            return values[position]
        value = self.outside[position]
        return value[:count] if position in self.schedule.rows else value


def _advance(slots: list[Tensor], new: Tensor, count: int) -> list[Tensor]:
    """The last K values one step later; rows beyond `count` are not running and keep theirs."""
    if count == len(slots[0]):
        return [new, *slots[:-1]]
    newer = [new, *(slot[:count] for slot in slots[:-1])]
    return [torch.cat([now, slot[count:]]) for now, slot in zip(newer, slots, strict=True)]
