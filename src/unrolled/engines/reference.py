"""The reference engine: plain torch operations, one step at a time, differentiated by autograd.

It runs every schedule on every device and dtype, twice differentiable and under `torch.func.vmap`, and is the
truth the other engines are compared with. It hoists what the schedule hoists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.engines.engine import Job, Outcome
from unrolled.engines.past import Timeline
from unrolled.engines.reference_loop import Loop
from unrolled.engines.torch_operations import apply, every
from unrolled.equations import Schedule
from unrolled.equations.schedule import Phase, Product


class Reference:
    """Plain torch operations, one step at a time."""

    name = "reference"
    runs = "any cell, on any device, in any floating dtype: plain torch operations, one step at a time"

    def accepts(self, schedule: Schedule, device: torch.device, dtype: torch.dtype) -> str | None:
        """It runs every schedule in every floating dtype."""
        return None if dtype.is_floating_point else f"cells compute in floating point, got {dtype}"

    def run(self, job: Job) -> Outcome:
        """Run one layer in one direction."""
        return _Run(job).outcome()


class _Run:
    """The values of one job while it is computed, by node."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.schedule = job.schedule
        self.graph = job.schedule.graph
        self.kinds = job.schedule.kinds
        self.steps = job.steps
        self.dtype = next(iter(job.states.values())).dtype
        self.next = dict(zip(self.graph.signature.states, self.graph.next_states, strict=True))
        self.timeline = Timeline(job.steps, job.resets, job.clock.device)
        self.values: dict[int, Any] = {}
        self.stacked: dict[Product, Tensor] = {}
        self.final: dict[str, Tensor] = {}
        self._once()

    def outcome(self) -> Outcome:
        self._all_at_once(self.schedule.before)
        if self.kinds.looped:
            self._loop()
        self._all_at_once(self.schedule.after)
        at_end = self.timeline.end
        return Outcome(
            output=self._sequence(self.graph.output),
            states={name: self._final(name) for name in self.graph.signature.states},
            clock=self.timeline.clock(self.job.clock, at_end),
            records={name: self._sequence(i) for name, i in self.schedule.records},
        )

    # --- parameters only -------------------------------------------------------------------------

    def _once(self) -> None:
        given = {**self.job.parameters, **self.job.static}
        for i, node in enumerate(self.graph.nodes):
            if node.operation in ("number", "constant"):
                self.values[i] = self.graph.number(i)
            elif node.operation in ("parameter", "static"):
                self.values[i] = given[node.value]
            elif node.operation == "input":
                self.values[i] = self.job.x
        for i in self.schedule.once:
            self.values[i] = self._apply(i, [self.values[o] for o in self.graph.nodes[i].operands])
        for phase in (*self.schedule.before, *self.schedule.step, *self.schedule.after):
            for product in phase.products:
                matrices = [self.values[i] for i in product.matrices]
                self.stacked[product] = matrices[0] if len(matrices) == 1 else torch.cat(matrices)

    def _apply(self, position: int, operands: Sequence[Any]) -> Any:
        node = self.graph.nodes[position]
        return apply(self.graph, node, operands, self.job.letters, self.dtype)

    def multiply(self, product: Product, vector: Tensor) -> list[Tensor]:
        """The stacked product, cut into its results; indices gather columns instead of multiplying."""
        matrix = self.stacked[product]
        if vector.is_floating_point():
            result = functional.linear(vector, matrix)
        else:
            result = functional.embedding(vector, matrix.t())
        sizes = [self.graph.size(i).value(self.job.letters) for i in product.results]
        return [result] if len(sizes) == 1 else list(result.split(sizes, -1))

    # --- all steps at once -----------------------------------------------------------------------

    def _all_at_once(self, phases: Sequence[Phase]) -> None:
        for phase in phases:
            for product in phase.products:
                vector = self.values[product.vector]
                self.values.update(zip(product.results, self.multiply(product, vector), strict=True))
            for i in phase.values:
                self.values[i] = self._sequence_value(i)

    def _sequence_value(self, position: int) -> Any:
        node = self.graph.nodes[position]
        if node.operation in ("state", "delayed"):
            return self._shifted(position)
        if node.operation == "every":
            clock = self.timeline.clock(self.job.clock, self.timeline.moments)
            return every(self.graph.number(node.operands[0]), clock, self.job.letters["H"], self.dtype)
        operands = [self.values[i] for i in node.operands]
        if position not in self.schedule.rows:
            operands = [self._by_step(i, value) for i, value in zip(node.operands, operands, strict=True)]
        return self._apply(position, operands)

    def _by_step(self, position: int, value: Any) -> Any:
        """A value that changes by row only, repeated for the real steps of its row."""
        return value[self.timeline.moments.row] if position in self.schedule.rows else value

    def _shifted(self, position: int) -> Tensor:
        """The earlier values of a state whose sequence is known."""
        node = self.graph.nodes[position]
        name, delay = str(node.value), 1
        if node.operation == "delayed":
            name, delay = str(self.graph.nodes[node.operands[0]].value), self.graph.delay(node)
        return self.timeline.earlier(
            self._known_sequence(name),
            self.job.states[name],
            self.job.start[name],
            delay,
            self.timeline.moments,
        )

    def _known_sequence(self, name: str) -> Tensor:
        return self.job.forced[name] if name in self.job.forced else self._sequence(self.next[name])

    def _sequence(self, position: int) -> Tensor:
        """A value of every real step, (N, n), whatever it depends on."""
        size = self.graph.size(position).value(self.job.letters)
        value = self._by_step(position, self.values[position])
        return value.expand(self.steps.total, size)  # type: ignore[no-any-return]

    def _final(self, name: str) -> Tensor:
        """The last K values of a state, newest first: (K, B, n)."""
        if name in self.final:
            return self.final[name]
        before, start = self.job.states[name], self.job.start[name]
        values = self._known_sequence(name)
        kept = range(1, len(before) + 1)
        return torch.stack([self.timeline.earlier(values, before, start, k, self.timeline.end) for k in kept])

    # --- step by step ----------------------------------------------------------------------------

    def _loop(self) -> None:
        loop = Loop(self.job, self.values, self.multiply)
        loop.run()
        self.final = {name: torch.stack(slots) for name, slots in loop.past.items()}
        for i, rows in loop.kept.items():
            self.values[i] = self._joined(i, rows)

    def _joined(self, position: int, rows: list[Tensor]) -> Tensor:
        if not rows:
            size = self.graph.size(position).value(self.job.letters)
            empty = next(iter(self.job.states.values())).new_zeros(0, size)
            # So that the backward of an empty batch gives zeros instead of an error.
            return sum((value.flatten()[:0].sum() for value in self.job.parameters.values()), empty)
        return torch.cat(rows[::-1] if self.steps.reverse else rows)
