"""Drawn shapes, lengths, resets and delays: the native engine equals the reference and never crashes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.cases import Case, arrays
from tests.engines.native.runs import CATALOGUED, bits, case_named, layer, statics, threads, warm_state
from unrolled import cell
from unrolled.equations import tanh
from unrolled.layers import Recurrent

CELLS = [case for case in CATALOGUED if case.name != "elman_relu"]  # kinks: roundings differ at them
CLOSE = {torch.float32: 1e-4, torch.float64: 1e-11}
BLOCKS = 4  # a hidden size of clockwork is a multiple of this


@st.composite
def problems(draw: Any) -> dict[str, Any]:
    """A cell with its sizes, and a batch."""
    case = draw(st.sampled_from([*CELLS, *map(case_named, ("random_3", "random_8", "random_10"))]))
    time, rows = draw(st.sampled_from([0, 1, 2, 5, 7])), draw(st.sampled_from([0, 1, 3, 7, 29]))
    hidden = draw(st.sampled_from([1, 3, 17, 37, 64, 65, 100, 130]))
    known = case.name == "clockwork" or case.name.startswith("random_")
    return {
        "case": case,
        "hidden_size": -(-hidden // BLOCKS) * BLOCKS if known else hidden,
        "input_size": draw(st.sampled_from([1, 3, 17, 67])),
        "time": time,
        "rows": rows,
        "lengths": draw(st.none() | st.lists(st.integers(0, time), min_size=rows, max_size=rows)),
        "resets": draw(st.booleans()),
        "indices": draw(st.booleans()) and not case.name.startswith("random_"),
        "bidirectional": draw(st.booleans()),
        "threads": draw(st.integers(1, 4)),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64])),
        "seed": draw(st.integers(0, 99)),
    }


def results(problem: dict[str, Any], engine: str) -> dict[str, torch.Tensor]:
    made = layer(
        problem["case"],
        problem["dtype"],
        problem["hidden_size"],
        problem["input_size"],
        bidirectional=problem["bidirectional"],
    )
    made._engine_name = engine
    with torch.no_grad():
        for value in made.parameters():
            value.mul_(2 / max(value.shape[-1], 2) ** 0.5)
    torch.manual_seed(problem["seed"])
    time, rows = problem["time"], problem["rows"]
    x = torch.randn(time, rows, made.input_size, dtype=problem["dtype"])
    options: dict[str, Any] = {"lengths": problem["lengths"], "static": statics(made, rows)}
    options["resets"] = torch.rand(time, rows) < 0.3 if problem["resets"] else None
    state = warm_state(made, rows)
    if problem["indices"]:
        output, end = made(torch.randint(0, made.input_size, (time, rows)), state, **options)
        named = dict(made.named_parameters())
        loss = output.sum() + sum(value.sum() for value in end)
        found = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
        return {"output": output.detach(), **dict(zip(named, found, strict=True))}
    ours, parameters = bits(made, x, state, **options)
    return {**ours, **parameters}


@given(problems())
@settings(max_examples=30)
def test_any_shape_equals_the_reference(problem: dict[str, Any]) -> None:
    with threads(problem["threads"]):
        found = results(problem, "native")
    close = CLOSE[problem["dtype"]]
    for name, value in results(problem, "reference").items():
        scale = max(1.0, float(value.abs().max())) if value.numel() else 1.0
        torch.testing.assert_close(
            found[name], value, rtol=close, atol=close * scale, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("case", CATALOGUED, ids=[case.name for case in CATALOGUED])
def test_two_hundred_steps_in_float_stay_near_the_oracle(case: Case) -> None:
    made = layer(case, torch.float32, 32, 16)
    with torch.no_grad():
        for value in made.parameters():
            value.mul_(2 / max(value.shape[-1], 2) ** 0.5)
    x = torch.randn(200, 3, 16)
    output = made(x)[0].detach().double()
    weights = {name: value.astype("float64") for name, value in arrays(made.cell_weights()).items()}
    oracle = case.cell.run(x[:, 1].double().numpy(), weights).outputs
    torch.testing.assert_close(output[:, 1], torch.from_numpy(oracle), rtol=2e-5, atol=2e-5)


@cell
def passes(x, h):
    """Nothing to learn: the output is the input, h fades."""
    return x, 0.5 * h


@cell
def turns(x, h, c):
    """Nothing to learn and nothing read."""
    return h + 0.25 * c, tanh(c) - 0.5 * h


@pytest.mark.parametrize("made", [passes, turns], ids=["passes", "turns"])
@pytest.mark.parametrize("rows", [0, 1, 13])
def test_a_cell_without_parameters(made: Any, rows: int) -> None:
    x = torch.randn(5, rows, 3, requires_grad=True)
    start = [torch.randn(1, rows, 4, requires_grad=True) for _ in made.states]
    found = []
    for engine in ("native", "reference"):
        output, state = Recurrent(made, 3, 4, engine=engine)(x, start)
        loss = output.sum() + sum(value.square().sum() for value in state)
        gradients = torch.autograd.grad(loss, [x, *start], materialize_grads=True)
        found.append([output, *state, *gradients])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("rows", [1, 7])
def test_a_network_without_input(rows: int) -> None:
    case = case_named("elman")
    found = []
    for engine in ("native", "reference"):
        made = layer(case, torch.float64, 17, 0)
        made._engine_name = engine
        torch.manual_seed(0)
        output, _ = made(None, torch.randn(1, rows, 17, dtype=torch.float64), steps=6)
        found.append(
            [output, *torch.autograd.grad(output.sum(), list(made.parameters()), materialize_grads=True)]
        )
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
