"""Values of static inputs, computed once a row: right, and with the same bits whatever stands beside a row."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.engines.native.runs import bits, row_of, same
from unrolled.equations import Cell
from unrolled.layers import Recurrent

# All words that may stand between a static input and the step.
EVERY_WORD = Cell.from_text(
    '@cell(static=("context",))\n'
    "def c(x, h, context, *, W, C, E, g, b):\n"
    "    a = tanh(C @ context) * g + softplus(E @ concat(context, sigmoid(context)))\n"
    "    m = layer_norm(a) / sqrt(abs(b) + 1) - softmax(minimum(a, exp(b)))\n"
    "    u, v = split(maximum(log(abs(a) + 2), relu(-m)), 2)\n"
    "    return tanh(W @ x + concat(v, u) + where(a > m, a * m, b) + 0.5 * h)\n"
)


def made(dtype: torch.dtype, engine: str = "native") -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(EVERY_WORD, 3, 36, sizes={"context": 21}, dtype=dtype, engine=engine)


def batch(rows: int, dtype: torch.dtype) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(1)
    x, context = torch.randn(4, rows, 3), torch.randn(rows, 21)
    return x.to(dtype), {"context": context.to(dtype).requires_grad_()}


@pytest.mark.parametrize("rows", [0, 1, 13])
def test_values_and_gradients_equal_the_reference(rows: int) -> None:
    found = []
    for engine in ("native", "reference"):
        layer = made(torch.float64, engine)
        x, static = batch(rows, torch.float64)
        output, _ = layer(x, static=static)
        leaves = [static["context"], *layer.parameters()]
        loss = output.square().sum()
        gradients = torch.autograd.grad(loss, leaves, materialize_grads=True, create_graph=rows == 13)
        found.append([output, *gradients])
        if rows == 13:
            twice = sum(gradient.square().sum() for gradient in gradients)
            found[-1] += torch.autograd.grad(twice, leaves)
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_alone_has_the_bits_it_has_in_a_batch(dtype: torch.dtype) -> None:
    layer = made(dtype)
    x, static = batch(33, dtype)
    whole, _ = bits(layer, x, static=static)
    (of_context,) = torch.autograd.grad(layer(x, static=static)[0].sum(), static["context"])
    for row in range(33):
        rows = slice(row, row + 1)
        one = {"context": static["context"].detach()[rows].requires_grad_()}
        same(bits(layer, x[:, rows], static=one)[0], row_of(whole, rows, 1))
        (alone,) = torch.autograd.grad(layer(x[:, rows], static=one)[0].sum(), one["context"])
        assert torch.equal(alone, of_context[rows])
