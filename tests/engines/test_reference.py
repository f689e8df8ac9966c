"""The reference engine hoists what the schedule hoists, computes nothing on padding, and records what is asked."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.contract.cases import Case, cases, layer_of, random_static
from unrolled.cells import catalogue
from unrolled.engines import ENGINES, Job
from unrolled.equations import Cell
from unrolled.layers import Recurrent
from unrolled.layers.packing import Packing

F64 = torch.float64


class Products(TorchDispatchMode):
    """The rows of every matrix product, in order."""

    def __init__(self):
        super().__init__()
        self.rows: list[int] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm, torch.ops.aten.bmm):
            self.rows.append(result.shape[0])
        return result


def products(layer, *given, **named):
    with torch.no_grad(), Products() as counted:
        layer(*given, **named)
    return counted.rows


def reference(cell, *sizes, **options):
    return Recurrent(cell, *sizes, engine="reference", dtype=F64, **options)


T, B = 6, 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("elman", [T * B] + [B] * T),
        ("lstm", [T * B] + [B] * T),
        ("gru", [T * B] + [B, B] * T),
        ("gru_reset_after", [T * B] + [B] * T),
        ("mingru", [T * B]),
        ("indrnn", [T * B]),
    ],
)
def test_products_that_need_no_state_are_done_for_all_steps_at_once(name, expected):
    assert products(reference(name, 3, 8), torch.randn(T, B, 3, dtype=F64)) == expected


def test_an_output_layer_runs_once_after_the_loop():
    cell = Cell.from_text("def c(x, h, *, W, U, V):\n    h = tanh(W @ x + U @ h)\n    return V @ h, h\n")
    assert products(reference(cell, 3, 8), torch.randn(T, B, 3, dtype=F64)) == [T * B] + [B] * T + [T * B]


def test_a_forced_jordan_network_runs_without_a_loop():
    layer = reference("jordan", 3, 8, sizes={"output": 2})
    forced = {"y": torch.randn(T, B, 2, dtype=F64)}
    assert products(layer, torch.randn(T, B, 3, dtype=F64), forced=forced) == [T * B] * 3


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_is_never_multiplied(bidirectional):
    layer = reference("elman", 3, 8, bidirectional=bidirectional)
    lengths = [6, 0, 2, 5]
    rows = products(layer, torch.randn(T, B, 3, dtype=F64), lengths=lengths)
    assert sum(rows) == 2 * sum(lengths) * (2 if bidirectional else 1)


def job(layer: Recurrent, x: torch.Tensor, static: dict[str, torch.Tensor], records: tuple[str, ...]) -> Job:
    packing = Packing.dense(*x.shape[:2])
    start = layer._start_state(x.shape[1]).cells[0]
    return Job(
        schedule=layer.cell.schedule(records=records),
        letters=layer._letters[0],
        parameters=layer.cell_weights(),
        steps=packing.direction(False),
        x=packing.pack(x),
        states=start.values,
        start={name: value[0] for name, value in start.values.items()},
        clock=start.clock,
        static=static,
    )


@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_records_are_the_values_of_the_equations_and_change_nothing(case: Case) -> None:
    layer = layer_of(case)
    x, static = torch.randn(5, 2, layer.input_size, dtype=F64), random_static(layer, 2)
    graph = case.cell.graph
    names = tuple(name for name, i in graph.named.items() if len(graph.shapes[i]) == 1)
    plain = ENGINES["reference"].run(job(layer, x, static, ()))
    recorded = ENGINES["reference"].run(job(layer, x, static, names))
    assert set(recorded.records) == set(names)
    # Not to the bit in this engine: one more matrix in a stack, and torch's product rounds the others otherwise.
    torch.testing.assert_close(plain.output, recorded.output, rtol=0, atol=1e-12)
    for name in case.cell.states:
        torch.testing.assert_close(plain.states[name], recorded.states[name], rtol=0, atol=1e-12)
    for name, position in graph.named.items():
        if position == graph.output:
            assert torch.equal(recorded.records[name], recorded.output)
        if name in recorded.records:
            assert recorded.records[name].shape[0] == 10


def test_recorded_gates_are_computed_from_the_recorded_states():
    layer = reference("gru", 3, 8)
    x = torch.randn(T, B, 3, dtype=F64)
    found = ENGINES["reference"].run(job(layer, x, {}, ("z", "r", "candidate", "h")))
    weights = layer.cell_weights()
    h = torch.cat([torch.zeros(B, 8, dtype=F64), found.records["h"][:-B]])
    z = torch.sigmoid(x.flatten(0, 1) @ weights["W_z"].T + h @ weights["U_z"].T + weights["b_z"])
    torch.testing.assert_close(found.records["z"], z, rtol=0, atol=1e-12)
    new = (1 - z) * h + z * found.records["candidate"]
    torch.testing.assert_close(found.records["h"], new, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", catalogue())
def test_an_empty_batch_and_no_steps(name):
    cell = catalogue()[name]
    layer = reference(cell, 3, 8, sizes=dict.fromkeys(cell.named_sizes, 2), num_layers=2, bidirectional=True)
    for time, rows in ((0, 3), (3, 0), (0, 0)):
        output, state = layer(torch.zeros(time, rows, 3, dtype=F64, requires_grad=True))
        assert output.shape == (time, rows, layer.output_size)
        assert state[cell.states[0]].shape[1] == rows
        assert (state.clock == time).all()
        (output.sum() + sum(value.sum() for value in state)).backward()
    start = {s: torch.randn_like(layer._start_state(3)[s]) for s in cell.states}
    _, state = layer(torch.zeros(0, 3, 3, dtype=F64), start)
    for s in cell.states:
        assert torch.equal(state[s], start[s])
