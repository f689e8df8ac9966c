"""The same bits alone and in a batch, ragged and one by one, in pieces and whole, on any number of threads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.contract.cases import Case
from tests.engines.native.runs import (
    CATALOGUED,
    bits,
    case_named,
    layer,
    row_of,
    same,
    statics,
    threads,
    warm_state,
)
from unrolled.engines import ENGINES
from unrolled.engines.engine import Job
from unrolled.layers.packing import Packing

CELLS = [*CATALOGUED, *map(case_named, ("random_2", "random_5", "random_10"))]
FEW = [
    case_named(n)
    for n in ("elman", "lstm_layer_norm", "gru_reset_after", "clockwork", "skip_in_time", "random_10")
]


def _both_types() -> Any:
    """Every cell in float, a few in double; the others in double are slow tests."""
    for dtype, name in ((torch.float32, "float"), (torch.float64, "double")):
        for case in CELLS:
            slow = dtype == torch.float64 and case not in FEW
            marks = pytest.mark.slow if slow else ()
            yield pytest.param(case, dtype, id=f"{name}-{case.name}", marks=marks)


BY_CELL = pytest.mark.parametrize(("case", "dtype"), list(_both_types()))
# Fewer than 6 rows a thread: units are shared out; more: rows are.
LENGTHS = {
    1: [4],
    5: [3, 0, 4, 2, 4],
    13: [3, 4, 1, 0, 2, 3, 4, 4, 1, 2, 3, 4, 0],
    37: [(7 * b) % 5 for b in range(37)],
}


class Drawn:
    """A layer with two directions and a random batch for it, with random weights of a loss."""

    def __init__(self, case: Case, dtype: torch.dtype, time: int, rows: int, **options: Any) -> None:
        self.layer = layer(case, dtype, **{"bidirectional": True, "hidden_size": 68, **options})
        self.x = torch.randn(time, rows, self.layer.input_size, dtype=dtype)
        self.state = warm_state(self.layer, rows)
        self.static = statics(self.layer, rows)
        self.weights = [torch.randn(time, rows, self.layer.output_size, dtype=dtype)]
        self.weights += [torch.randn_like(value) for value in self.state.values()]

    def bits(self, **options: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return bits(self.layer, self.x, self.state, weights=self.weights, static=self.static, **options)

    def alone(self, row: int, length: int) -> dict[str, Tensor]:
        rows = slice(row, row + 1)
        weights = [self.weights[0][:length, rows], *(weight[:, rows] for weight in self.weights[1:])]
        state, static = row_of(self.state, rows, 1), row_of(self.static, rows, 0)
        return bits(self.layer, self.x[:length, rows], state, weights=weights, static=static)[0]


def cut(together: dict[str, Tensor], row: int, length: int) -> dict[str, Tensor]:
    """One row of what a batch gave, without its padding."""
    by_step = ("output", "gradient of x")
    return {n: v[: length if n in by_step else None, row : row + 1] for n, v in together.items()}


@BY_CELL
def test_a_row_alone_is_the_row_in_a_ragged_batch(case: Case, dtype: torch.dtype) -> None:
    for rows in (5, 13, 37):
        lengths = LENGTHS[rows]
        drawn = Drawn(case, dtype, 4, rows)
        together, _ = drawn.bits(lengths=lengths)
        for row in {0, rows // 2, rows - 1}:
            same(cut(together, row, lengths[row]), drawn.alone(row, lengths[row]))


@BY_CELL
def test_a_row_alone_is_the_row_in_a_dense_batch(case: Case, dtype: torch.dtype) -> None:
    drawn = Drawn(case, dtype, 3, 37)
    together, _ = drawn.bits()
    for row in (17, 36):
        same(cut(together, row, 3), drawn.alone(row, 3))


def same_on_threads(drawn: Drawn, lengths: list[int]) -> None:
    one = drawn.bits(lengths=lengths)
    for count in (2, 3, 4):
        with threads(count):
            several = drawn.bits(lengths=lengths)
        for ours, theirs in zip(one, several, strict=True):
            same(ours, theirs)


@BY_CELL
def test_any_number_of_threads_gives_the_same_bits(case: Case, dtype: torch.dtype) -> None:
    same_on_threads(Drawn(case, dtype, 4, 13), LENGTHS[13])


@pytest.mark.parametrize("case", FEW, ids=[case.name for case in FEW])
@pytest.mark.parametrize("rows", [1, 5, 37])
def test_few_and_many_rows_on_threads(case: Case, rows: int) -> None:
    same_on_threads(Drawn(case, torch.float32, 4, rows), LENGTHS[rows])


@BY_CELL
def test_pieces_with_carried_state_are_the_whole(case: Case, dtype: torch.dtype) -> None:
    drawn = Drawn(case, dtype, 9, 7, bidirectional=False)
    whole, _ = drawn.bits()
    x = drawn.x.clone().requires_grad_()
    start = {name: value.clone().requires_grad_() for name, value in drawn.state.items()}
    outputs, state = [], start
    for piece in x.split([1, 3, 0, 2, 3]):
        output, state = drawn.layer(piece, state, static=drawn.static)
        outputs.append(output)
    output = torch.cat(outputs)
    given = [output, *state]
    loss = sum((value * weight).sum() for value, weight in zip(given, drawn.weights, strict=True))
    found = torch.autograd.grad(loss, [x, *start.values()], materialize_grads=True)
    same(dict(zip(whole, [output, *state, *found], strict=True)), whole)


@BY_CELL
def test_padding_changes_no_bit_of_any_gradient(case: Case, dtype: torch.dtype) -> None:
    lengths = LENGTHS[13]
    drawn = Drawn(case, dtype, 4, 13)
    short, parameters = drawn.bits(lengths=lengths)
    filler = torch.full_like(drawn.x[:4], float("nan"))
    drawn.x = torch.cat([drawn.x, filler])
    drawn.weights[0] = torch.cat([drawn.weights[0], filler.new_zeros(4, 13, drawn.layer.output_size)])
    long, same_parameters = drawn.bits(lengths=lengths)
    same(parameters, same_parameters)
    for name in ("output", "gradient of x"):
        assert (long[name][4:] == 0).all()
        long[name] = long[name][:4]
    same(short, long)


@BY_CELL
def test_what_is_kept_for_the_backward_run_changes_no_bit(case: Case, dtype: torch.dtype) -> None:
    drawn = Drawn(case, dtype, 5, 13)
    with_gradients, _ = drawn.bits()
    with torch.no_grad():
        output, state = drawn.layer(drawn.x, drawn.state, static=drawn.static)
    same({"output": output}, {"output": with_gradients["output"]})
    same({n: state[n] for n in state.names}, {n: with_gradients[f"state {n}"] for n in state.names})


def recorded(drawn: Drawn, rows: slice, records: tuple[str, ...]) -> dict[str, Tensor]:
    """Output and recorded values (T, B, n) of the forward direction, over some rows of a dense batch."""
    own, time = drawn.layer, len(drawn.x)
    start = own._start_state(rows.stop - rows.start).cells[0]
    steps = Packing.dense(time, rows.stop - rows.start).direction(False)
    job = Job(
        schedule=own.cell.schedule(records=records),
        letters=own._letters[0],
        parameters=own.cell_weights(),
        steps=steps,
        x=drawn.x[:, rows].flatten(0, 1),
        states=start.values,
        start={name: value[0] for name, value in start.values.items()},
        clock=start.clock,
        static=row_of(drawn.static, rows, 0),
    )
    outcome = ENGINES["native"].run(job)
    found = {"output": outcome.output, **outcome.records}
    return {name: value.detach().unflatten(0, (time, -1)) for name, value in found.items()}


@pytest.mark.parametrize("case", FEW, ids=[case.name for case in FEW])
def test_records_have_the_same_bits_and_change_none(case: Case) -> None:
    drawn = Drawn(case, torch.float32, 4, 13)
    graph = case.cell.graph
    records = tuple(name for name, i in graph.named.items() if len(graph.shapes[i]) == 1)
    together = recorded(drawn, slice(0, 13), records)
    assert set(together) == {"output", *records}
    for row in (0, 5, 12):
        rows = slice(row, row + 1)
        same(recorded(drawn, rows, records), row_of(together, rows, 1))
    with threads(4):
        same(recorded(drawn, slice(0, 13), records), together)
    same(recorded(drawn, slice(0, 13), ()), {"output": together["output"]})
