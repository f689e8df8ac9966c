"""Dtypes and autocast: engines run in the dtype of the parameters."""

import pytest
import torch

from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.errors import ShapeError
from unrolled.layers import Recurrent

CLOSE = {torch.float32: 2e-5, torch.bfloat16: 0.2, torch.float16: 0.03}


def made(name, dtype, hidden=8):
    torch.manual_seed(0)
    cell = catalogue()[name]
    return Recurrent(cell, 5, hidden, sizes=dict.fromkeys(cell.named_sizes, 3), dtype=dtype)


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("name", catalogue())
def test_every_dtype_follows_float64(name, dtype):
    exact = made(name, torch.float64)
    layer = made(name, dtype)
    layer.load_state_dict(exact.state_dict())
    exact.load_state_dict(layer.state_dict())  # the rounded weights, exactly
    x = torch.randn(5, 3, 5).to(dtype)
    output, state = layer(x)
    assert output.dtype == dtype
    assert all(value.dtype == dtype for value in state)
    expected, _ = exact(x.double())
    torch.testing.assert_close(output.double(), expected, rtol=CLOSE[dtype], atol=CLOSE[dtype])
    output.float().sum().backward()
    assert all(value.grad is None or value.grad.dtype == dtype for value in layer.parameters())


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("where(h > 2, 0.1, 0.7) * tanh(W @ x)", 0.7),
        ("(1 - leak) * tanh(W @ x)", 1 - 0.1),
        ("sqrt(2) * tanh(W @ x)", 2**0.5),
        ("maximum(leak, 0.3) * tanh(W @ x)", 0.3),
        ("where(leak > 0.05, tanh(W @ x), h) * 1", 1.0),
        ("where(every(2) > 0.5, 0.1, 0.7) * tanh(W @ x)", 0.1),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_numbers_are_rounded_once_to_the_dtype_of_the_run(equation, expected, dtype):
    constant = ", leak=0.1" if "leak" in equation else ""
    cell = Cell.from_text(f"def c(x, h, *, W{constant}):\n    return {equation}\n")
    layer = Recurrent(cell, 3, 4, dtype=dtype, engine="reference")
    x = torch.randn(1, 2, 3).to(dtype)
    candidate = torch.tanh(x @ layer.cell_weights()["W"].T)
    torch.testing.assert_close(
        layer(x)[0], torch.tensor(expected, dtype=dtype) * candidate, rtol=1e-15, atol=0
    )


def test_autocast_casts_the_input_and_leaves_the_engine_alone():
    layer = made("gru", torch.float32)
    x = torch.randn(5, 3, 5).bfloat16()
    expected, _ = layer(x.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, state = layer(x)
        again, _ = layer(x, state, resets=torch.zeros(5, 3, dtype=torch.bool))
        with_state, _ = layer(x, state.to(dtype=torch.bfloat16))
    assert output.dtype == again.dtype == with_state.dtype == torch.float32
    assert torch.equal(output, expected)
    output.sum().backward()


def test_without_autocast_another_dtype_is_refused_in_torchs_words():
    layer = made("gru", torch.float32)
    with pytest.raises(
        ShapeError, match=r"same dtype as the parameters, but got: torch.bfloat16 != torch.float32"
    ):
        layer(torch.randn(5, 3, 5).bfloat16())
    with pytest.raises(ShapeError, match="expected forced h to have the same dtype"):
        layer(torch.randn(5, 3, 5), forced={"h": torch.randn(5, 3, 8).double()})
