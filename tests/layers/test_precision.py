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


NUMBERS = [
    ("where(h > 2, 0.1, 0.7) * tanh(W @ x)", 0.7),
    ("(1 - leak) * tanh(W @ x)", 1 - 0.1),
    ("sqrt(2) * tanh(W @ x)", 2**0.5),
    ("maximum(leak, 0.3) * tanh(W @ x)", 0.3),
    ("where(leak > 0.05, tanh(W @ x), h) * 1", 1.0),
    ("where(every(2) > 0.5, 0.1, 0.7) * tanh(W @ x)", 0.1),
]
OF_NATIVE = (torch.float64, torch.float32)


def with_numbers(equation, dtype, engine):
    """A layer of the equation, in which leak is 0.1; W @ x is one product, where nothing cancels."""
    constant = ", leak=0.1" if "leak" in equation else ""
    cell = Cell.from_text(f"def c(x, h, *, W{constant}):\n    return {equation}\n")
    return Recurrent(cell, 1, 4, dtype=dtype, engine=engine)


@pytest.mark.parametrize(("equation", "expected"), NUMBERS)
@pytest.mark.parametrize(
    ("engine", "dtype", "close"),
    [
        ("reference", torch.float64, 1e-15),
        ("reference", torch.float32, 1e-15),
        ("reference", torch.bfloat16, 1e-15),
        # Its tanh is not torch's to the last bit.
        *(("native", dtype, 4 * torch.finfo(dtype).eps) for dtype in OF_NATIVE),
    ],
)
def test_numbers_are_rounded_once_to_the_dtype_of_the_run(equation, expected, engine, dtype, close):
    layer = with_numbers(equation, dtype, engine)
    x = torch.randn(1, 2, 1).to(dtype)
    candidate = torch.tanh(x @ layer.cell_weights()["W"].T)
    torch.testing.assert_close(
        layer(x)[0], torch.tensor(expected, dtype=dtype) * candidate, rtol=close, atol=0
    )


@pytest.mark.parametrize(("equation", "expected"), NUMBERS)
@pytest.mark.parametrize("dtype", OF_NATIVE)
def test_numbers_of_the_native_engine_are_rounded_once_to_the_bit(equation, expected, dtype):
    layer = with_numbers(equation, dtype, "native")
    x = torch.full((1, 2, 1), 100.0, dtype=dtype)
    with torch.no_grad():
        layer.cell_weights()["W"].fill_(1)  # tanh(100) is 1, and what is left is the number
    assert torch.equal(layer(x)[0], torch.tensor(expected, dtype=dtype).expand(1, 2, 4))


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
