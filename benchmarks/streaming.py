"""One step at a time, B 1, I 64, H 128, one thread, called from Python: what a person waits for on a live signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.agreement import TOLERANCE, Disagreement, difference
from benchmarks.competitors import OURS
from benchmarks.workloads import Shape, Workload, layer_of, make_case
from unrolled.inspection.speed import Samples, interleaved, median
from unrolled.inspection.torch_networks import network

Step = Callable[[Tensor], Tensor]
CELLS = {"lstm": nn.LSTMCell, "gru_reset_after": nn.GRUCell}
SHAPE = Shape(T=1, B=1, I=64, H=128)
STEPS = 8  # compared before any is timed


def measure(rounds: int) -> dict[str, Any]:
    """Seconds of one step by cell and competitor."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            return {cell: _cell(cell, rounds) for cell in CELLS}
    finally:
        torch.set_num_threads(threads)


def _cell(cell: str, rounds: int) -> dict[str, Any]:
    frames = torch.randn(STEPS, 1, SHAPE.I)
    ways = steppers(cell)
    answers = {
        name: torch.cat([step(frame).reshape(1, -1).clone() for frame in frames])
        for name, step in ways.items()
    }
    true = answers["torch.nn"].numpy()
    for name, answer in answers.items():
        if not (off := difference(answer.numpy(), true)) <= TOLERANCE["output"]:
            raise Disagreement(f"{name}, streamed: off by {off:.1e} of the largest value")
    calls = {name: lambda step=step: step(frames[0]) for name, step in ways.items()}
    samples: Samples = interleaved(calls, rounds)
    return {name: {"seconds": median(values), "samples": values} for name, values in samples.items()}


def steppers(cell: str) -> dict[str, Step]:
    """Functions from a frame (1, I) to the output, each carrying its own state."""
    case = make_case(Workload(cell, SHAPE))
    layer = layer_of(case.workload)
    for name, value in layer.cell_weights().items():
        value.copy_(case.weights[name])
    module = network(cell, case.weights)
    single = CELLS[cell](SHAPE.I, SHAPE.H)
    for mine, theirs in zip(single.parameters(), module.parameters(), strict=True):
        mine.copy_(theirs)
    return {
        f"{OURS} stream": layer.stream().step,
        f"{OURS} layer": _carry_sequence(layer),
        "torch.nn": _carry_sequence(module),
        CELLS[cell].__name__: _carry_cell(single),
    }


def _carry_sequence(layer: nn.Module) -> Step:
    """A layer over sequences, called with one step."""
    state: Any = None

    def step(frame: Tensor) -> Tensor:
        nonlocal state
        output, state = layer(frame[None], state)
        return output

    return step


def _carry_cell(single: nn.Module) -> Step:
    state: Any = None

    def step(frame: Tensor) -> Tensor:
        nonlocal state
        state = single(frame, state)
        return state[0] if isinstance(state, tuple) else state

    return step
