"""What calls share: no call changes it, and the kind of call that came first does not matter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from tests.contract.cases import Case
from tests.engines.native.runs import bits, case_named, layer, same, statics, warm_state
from unrolled import cell
from unrolled.engines.zeros import read_only_zeros
from unrolled.equations import tanh
from unrolled.layers import Recurrent

NAMES = ["lstm", "gru", "skip_in_time", "clockwork", "mingru", "shifted"]


@cell
def shifted(x, h, p, *, W, U, V):
    """The loop does not carry p: its earlier values are looked up in a sequence."""
    return tanh(U @ h + V @ p), W @ x


def made_of(name: str, **options: Any) -> Recurrent:
    case = Case(name, shifted) if name == "shifted" else case_named(name)
    return layer(case, torch.float32, **options)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lengths", [None, [2, 0, 5]], ids=["dense", "ragged"])
def test_a_call_in_inference_mode_spoils_nothing_for_training(name: str, lengths: list[int] | None) -> None:
    made = made_of(name, hidden_size=28)
    x = torch.randn(11, 3, made.input_size)  # a shape that no other test has
    with torch.inference_mode():
        output, _ = made(x, lengths=lengths)
    ours, _ = bits(made, x, lengths=lengths)
    same({"output": output.clone()}, {"output": ours["output"]})


@pytest.mark.parametrize("name", NAMES)
def test_the_zeros_that_calls_share_stay_zero(name: str) -> None:
    """Also where the caller writes to everything a call gives."""
    made = made_of(name)
    x, rows = torch.randn(4, 3, made.input_size), 3
    for time in (4, 0):
        begin = {name: value.requires_grad_() for name, value in warm_state(made, rows).items()}
        output, state = made(x[:time], begin, resets=torch.rand(time, rows) < 0.5)
        (output.sum() + sum(value.sum() for value in state)).backward()
        with torch.no_grad():
            for one in state.cells:
                for value in (*one.values.values(), one.clock):
                    value.add_(1)
            output.add_(1)
            for parameter in made.parameters():
                parameter.grad.add_(1)
        start = made._start_state(rows).cells
        shared = [value for one in start for value in (*one.values.values(), one.clock)]
        assert all((value == 0).all() for value in shared)
        for width in (20, 32):
            for shape in ((rows, width), (1, rows, width), (2, rows, width)):
                assert (read_only_zeros(shape, torch.float32, x.device) == 0).all()


def test_calls_of_changing_kinds_give_the_bits_of_calls_alone() -> None:
    """Shapes, directions, states and gradients in turn: what is kept from one call must not reach the next."""
    made = layer(case_named("skip_in_time"), torch.float32, bidirectional=True)
    torch.manual_seed(3)
    problems = []
    for time, rows, lengths in (
        (5, 3, None),
        (2, 3, None),
        (5, 3, [5, 1, 0]),
        (5, 1, None),
        (5, 3, [1, 5, 5]),
    ):
        x = torch.randn(time, rows, made.input_size)
        for state in (None, warm_state(made, rows)):
            problems.append((x, state, {"lengths": lengths, "static": statics(made, rows)}))
    first = [bits(made, x, state, **options) for x, state, options in problems]
    for _ in range(2):
        for (x, state, options), expected in zip(problems[::-1], first[::-1], strict=True):
            with torch.no_grad():
                made(x, state, **options)
            for ours, theirs in zip(bits(made, x, state, **options), expected, strict=True):
                same(ours, theirs)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_small_call_takes_few_operations_of_torch(name: str) -> None:
    """Each costs as much as a step of a small network; more than these would be waste."""
    made = layer(case_named(name), torch.float32, hidden_size=32, input_size=32)
    x = torch.randn(3, 2, 32)

    def count(gradients: bool) -> int:
        with torch.set_grad_enabled(gradients), profile(activities=[ProfilerActivity.CPU]) as seen:
            output, _ = made(x)
            if gradients:
                output.sum().backward()
        return sum(event.name.startswith("aten::") for event in seen.events())

    made(x)[0].sum().backward()
    made.zero_grad()
    parameters = len(list(made.parameters()))
    assert count(gradients=False) <= 12
    assert count(gradients=True) <= 40 + 2 * parameters
