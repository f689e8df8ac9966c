"""What is worked out once, what a run of the core leaves to torch, and how much the core multiplies."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.engines.native.runs import case_named, layer
from unrolled import _native
from unrolled.engines.engine import Steps
from unrolled.engines.native import plan as plans
from unrolled.engines.native.lowering import Lowered

COUNTED = ["elman", "lstm", "gru", "gru_reset_after", "mingru", "skip_in_time", "lstm_layer_norm"]


def operations(name: str, time: int, gradients: bool) -> int:
    """How many torch operations a run takes."""
    made = layer(case_named(name), torch.float32)
    x = torch.randn(time, 3, made.input_size, requires_grad=gradients)
    made(x)[0].sum().backward() if gradients else made(x)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        output, _ = made(x)
        if gradients:
            output.sum().backward()
    return sum(event.name.startswith("aten::") for event in seen.events())


@pytest.mark.parametrize("name", ["lstm", "gru_reset_after", "mingru", "skip_in_time"])
@pytest.mark.parametrize("gradients", [False, True], ids=["forward", "backward"])
def test_torch_operations_do_not_grow_with_time(name: str, gradients: bool) -> None:
    with torch.set_grad_enabled(gradients):
        few, many = operations(name, 4, gradients), operations(name, 64, gradients)
    assert 0 < few == many


def test_torch_operations_of_the_reference_do_grow() -> None:
    """What the test above would see if a step took torch operations."""
    made = layer(case_named("gru"), torch.float32)
    made._engine_name = "reference"
    seen = []
    for time in (4, 64):
        with profile(activities=[ProfilerActivity.CPU]) as events, torch.no_grad():
            made(torch.randn(time, 3, made.input_size))
        seen.append(len(events.events()))
    assert seen[1] > 5 * seen[0]


def multiply_adds(lowered: Lowered, steps: Steps) -> int:
    """Multiply-adds of a run: every product has one row for each real step."""
    program = lowered.program
    gates = [gate for group in program.groups for stage in group for gate in stage.gates]
    factors = [factor for gate in gates for factor in gate.factors]
    rows, columns = zip(*(program.matrices[factor.matrix][:2] for factor in factors), strict=True)
    return sum(m * n for m, n in zip(rows, columns, strict=True)) * steps.total


@pytest.mark.parametrize("name", COUNTED)
def test_only_real_steps_are_multiplied(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The core is told how many rows run at each step: the sum of the lengths, not T times B."""
    told = []
    real = _native.run_float

    def run(program: _native.Program, *given: object) -> None:
        told.append(given[7])
        real(program, *given)

    monkeypatch.setattr(_native, "run_float", run)
    made = layer(case_named(name), torch.float32)
    lengths = [9, 0, 2, 5, 1]
    made(torch.randn(12, 5, made.input_size), lengths=lengths)[0].sum().backward()
    assert told == [[4, 3, 2, 2, 2, 1, 1, 1, 1]] * 2  # forward and backward
    found = plans.plan_for(made.schedule, made._letters[0], False).inference.lowered
    entries = sum(value.numel() for value in made.cell_weights().values() if value.dim() == 2)
    assert multiply_adds(found, Steps(tuple(told[0]), 5)) == entries * sum(lengths)


def test_a_plan_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    real = plans.Ready.of.__func__

    def of(kind: type[plans.Ready], lowered: Lowered) -> plans.Ready:
        made.append(lowered)
        return real(kind, lowered)

    monkeypatch.setattr(plans.Ready, "of", classmethod(of))
    both = layer(case_named("gru"), torch.float32, 23, 11, bidirectional=True)
    x = torch.randn(4, 3, 11)
    for _ in range(3):
        both(x)[0].sum().backward()
    assert len(made) == 2  # what keeps for the backward run, and the backward run; both directions
    with torch.no_grad():
        both(x)
        both(x[:2, :1])
        layer(case_named("gru"), torch.float32, 23, 11)(x)
    assert len(made) == 3
    both.double()(x.double())[0].sum().backward()
    assert len(made) == 3


def test_layers_of_one_cell_and_different_sizes_do_not_mix() -> None:
    sizes = [(5, 12), (7, 12), (5, 33), (12, 5)]
    layers = [layer(case_named("lstm"), torch.float64, hidden, size) for size, hidden in sizes]
    batches = [torch.randn(3, 2, size, dtype=torch.float64) for size, _ in sizes]
    for _ in range(2):
        for made, x in zip(layers, batches, strict=True):
            made._engine_name = "native"
            found = made(x)[0]
            made._engine_name = "reference"
            torch.testing.assert_close(found, made(x)[0])
