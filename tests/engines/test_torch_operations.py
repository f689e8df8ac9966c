"""Every word in torch equals the same word in NumPy, and kinks have the slopes that were agreed."""

import re

import numpy as np
import pytest
import torch

from unrolled.engines.torch_operations import signed_sum
from unrolled.equations import Cell
from unrolled.layers import Recurrent

F64 = torch.float64


def layer(equation, learned="", hidden=6):
    cell = Cell.from_text(f"def c(x, h, *, W{learned}):\n    v = W @ x\n    return {equation}\n")
    return Recurrent(cell, 3, hidden, dtype=F64)


EQUATIONS = [
    "sigmoid(v)", "tanh(v)", "relu(v)", "exp(v)", "log(exp(v) + 1)", "softplus(v)", "sqrt(v * v + 1)", "abs(v)",
    "maximum(v, h)", "minimum(v, h)", "maximum(v, 0.25)", "minimum(0.25, v)", "where(v > h, v, 2 * h)",
    "where(v >= 0, v, 0.5) + h", "where(v < h, 0.5, 0.25) * h", "layer_norm(v + h)", "softmax(v - h)",
    "-v + h", "v / (1 + h * h)", "sigmoid(50 * v) - softplus(-80 * h)",
    "split(layer_norm(concat(v, h)), 2)[0]", "U @ layer_norm(concat(b, v))",
    "maximum(every(2), 0.5) * v", "tanh(b) * v + b - h", "concat(split(v + b, 2)[1], split(h, 2)[0])",
    "U @ concat(b, h, v)", "v + W @ W.T @ h", "upper_blocks(U, 3) @ h + upper_blocks(U, (1, 2)).T @ b + v",
]  # fmt: skip


@pytest.mark.parametrize("equation", EQUATIONS)
def test_a_word_means_the_same_in_torch(equation):
    torch.manual_seed(0)
    learned = "".join(f", {name}" for name in ("U", "b") if re.search(rf"\b{name}\b", equation))
    made = layer(equation, learned)
    with torch.no_grad():
        for value in made.parameters():
            value.uniform_(-1, 1)
    x, h = torch.randn(4, 5, 3, dtype=F64), torch.randn(1, 5, 6, dtype=F64)
    output, _ = made(x, h)
    weights = {name: value.detach().numpy() for name, value in made.cell_weights().items()}
    for b in range(5):
        expected = made.cell.run(x[:, b].numpy(), weights, {"h": h[0, b].numpy()})
        np.testing.assert_allclose(output[:, b].detach(), expected.outputs, rtol=1e-11, atol=1e-12)


def slope(equation, v, h=0.0):
    """d/dv of the sum of an equation in v = W x with W the identity, at equal entries."""
    made = Recurrent(Cell.from_text(f"def c(x, h, *, W):\n    v = W @ x\n    return {equation}\n"), 2, 2,
                     start={"W": "identity"}, dtype=F64)  # fmt: skip
    x = torch.full((1, 1, 2), float(v), dtype=F64, requires_grad=True)
    output, _ = made(x, torch.full((1, 1, 2), float(h), dtype=F64))
    return torch.autograd.grad(output.sum() + 0 * x.sum(), x)[0].flatten().tolist()


@pytest.mark.parametrize(
    ("equation", "v", "h", "expected"),
    [
        ("relu(v)", 0, 0, 0),
        ("relu(v)", 1e-30, 0, 1),
        ("abs(v)", 0, 0, 0),
        ("abs(v)", -2, 0, -1),
        ("maximum(v, h)", 1, 1, 0.5),
        ("minimum(v, h)", 1, 1, 0.5),
        ("maximum(v, h)", 2, 1, 1),
        ("minimum(v, h)", 2, 1, 0),
        ("maximum(v, 1)", 1, 0, 0.5),
        ("where(v > h, 3 * h, h)", 2, 1, 0),
        ("where(v > 1, 3 * v, v)", 2, 0, 3),
        ("where(v > 1, 3 * v, v)", 1, 0, 1),
        ("where(v >= 1, 3 * v, v)", 1, 0, 3),
        ("softplus(v)", 0, 0, 0.5),
        ("softplus(v)", 800, 0, 1),
        ("sigmoid(v)", -800, 0, 0),
    ],
)
def test_slopes_at_kinks_and_far_out(equation, v, h, expected):
    assert slope(equation, v, h) == [pytest.approx(expected)] * 2


def test_sums_run_from_left_to_right():
    terms = [torch.tensor(value, dtype=F64) for value in (1e20, 1.0, 1e20)]
    assert signed_sum(terms, (1, 1, -1)).item() == 0.0
    assert signed_sum([terms[0], terms[2], terms[1]], (1, -1, 1)).item() == 1.0
    assert signed_sum(terms[:1] + terms[1:2], (-1, 1)).item() == -1e20
