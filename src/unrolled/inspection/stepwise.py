"""A layer run one step at a time, so that all it carries from step to step can be seen and differentiated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.engines.engine import Engine, Job
from unrolled.equations import Schedule
from unrolled.inspection.reading import Call
from unrolled.layers.packing import Packing
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import CellState

Carried = Mapping[str, Tensor]
"""The last K values of every state (K, B, n) by name, newest first."""


@dataclass(frozen=True)
class Chain:
    """One layer in one direction.

    `inputs` (T, B, I) or (T, B); `outputs` (T, B, n); `carried[t]` is what is handed over between the steps t - 1 and
    t, forward or, in a reverse chain, backward; `clocks[t]` (B,) goes with it. T + 1 of each, the ends included.
    """

    index: int
    name: str
    reverse: bool
    inputs: Tensor
    outputs: Tensor
    carried: tuple[Carried, ...]
    clocks: tuple[Tensor, ...]

    def lag(self, border: int, position: int) -> int:
        """How many steps lie between what is carried over a border and the output at a position."""
        return border - position if self.reverse else position - border + 1


@dataclass(frozen=True)
class Chains:
    """All layers and directions of a run, in PyTorch's order, and the output (T, B, n) of the last layer."""

    chains: tuple[Chain, ...]
    output: Tensor


def run_stepwise(call: Call) -> Chains:
    """Run a layer step by step; differentiable, also by what is carried over each border."""
    layer = call.layer
    schedule = layer.running_cell.schedule()
    engine = layer._engine(schedule, layer._like())
    values, stack, found = call.x, list[Tensor](), list[Chain]()
    for depth in range(layer.num_layers):
        indices = range(depth * layer.directions, (depth + 1) * layer.directions)
        chains = [_chain(call, schedule, engine, index, values) for index in indices]
        values = layer.depth.joined(depth, values, [chain.outputs for chain in chains])
        stack.append(values)
        found += chains
    output = layer.depth.directions(layer.depth.output(stack), layer.directions)
    return Chains(tuple(found), output)


def _chain(call: Call, schedule: Schedule, engine: Engine, index: int, x: Tensor) -> Chain:
    layer, steps = call.layer, call.steps
    reverse = index % layer.directions == 1
    start = (layer._start_state(call.rows) if call.state is None else call.state).cells[index]
    cuts = _cuts(call, reverse)
    # A leaf of its own, so that gradients by the first state can be asked for like all others.
    states: dict[str, Tensor] = {n: v.detach().clone() for n, v in start.values.items()}
    if torch.is_grad_enabled():
        states = {name: value.requires_grad_() for name, value in states.items()}
    clock = start.clock
    carried: list[Carried] = [states]
    clocks, outputs = [clock], list[Tensor]()
    for t in reversed(range(steps)) if reverse else range(steps):
        job = one_step(layer, schedule, index, x[t], CellState(states, clock), call.static)
        job.resets = None if cuts is None else cuts[t]
        outcome = engine.run(job)
        states, clock = dict(outcome.states), outcome.clock
        carried.append(states)
        clocks.append(clock)
        outputs.append(outcome.output)
    if reverse:
        carried, clocks, outputs = carried[::-1], clocks[::-1], outputs[::-1]
    return Chain(
        index,
        layer._names()[index],
        reverse,
        x,
        torch.stack(outputs),
        tuple(carried),
        tuple(clocks),
    )


def one_step(
    layer: Recurrent,
    schedule: Schedule,
    index: int,
    x: Tensor,
    state: CellState,
    static: Mapping[str, Tensor],
) -> Job:
    """The job of one step of one layer and direction: `x` (B, I) or (B,)."""
    rows = len(state.clock)
    return Job(
        schedule=schedule,
        letters=layer._letters[index // layer.directions],
        parameters=layer.cell_weights(layer._names()[index]),
        steps=Packing.dense(1, rows).direction(index % layer.directions == 1),
        x=x,
        states=state.values,
        start=layer._start(index, rows, layer._like()),
        clock=state.clock,
        static=static,
    )


def _cuts(call: Call, reverse: bool) -> Tensor | None:
    """Where each step begins anew (T, B), in the direction of the run."""
    if call.resets is None:
        return None
    return Packing.dense(call.steps, call.rows).resets(call.resets, reverse).reshape(call.steps, call.rows)
