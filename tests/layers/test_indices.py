"""Indices stand for one-hot vectors, which are never built."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.errors import EquationError
from unrolled.layers import Recurrent

V, H = 7, 4
NAMES = [name for name, cell in catalogue().items() if not cell.named_sizes]


@pytest.mark.parametrize("name", NAMES)
def test_indices_equal_dense_one_hot_vectors(name):
    made = Recurrent(name, V, H, 2, True, dtype=torch.float64)
    symbols = torch.randint(0, V, (5, 3))
    dense = torch.nn.functional.one_hot(symbols, V).double()
    results = []
    for x in (symbols, dense):
        output, state = made(x, lengths=[5, 0, 3])
        loss = output.square().sum() + sum(value.sum() for value in state)
        results.append(
            [output, *state, *torch.autograd.grad(loss, list(made.parameters()), materialize_grads=True)]
        )
    for mine, other in zip(*results, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_any_whole_numbers_and_layouts(dtype):
    made = Recurrent("gru", V, H, batch_first=True)
    symbols = torch.randint(0, V, (3, 5))
    expected, _ = made(symbols)
    torch.testing.assert_close(made(symbols.to(dtype))[0], expected, rtol=0, atol=0)
    torch.testing.assert_close(made(symbols[1])[0], expected[1], rtol=1e-6, atol=1e-7)


def test_padding_may_hold_anything():
    made = Recurrent("gru", V, H)
    symbols = torch.tensor([[1, 2], [3, -1], [4, 10_000]])
    output, _ = made(symbols, lengths=[3, 1])
    torch.testing.assert_close(output[:1, 1], made(symbols[:1, 1])[0], rtol=1e-6, atol=1e-7)


class Largest(TorchDispatchMode):
    """The largest tensor that any operation gives."""

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, torch.Tensor):
                self.numel = max(self.numel, value.numel())
        return result


def test_a_vocabulary_of_fifty_thousand_is_never_made_dense():
    vocabulary, hidden = 50_000, 8
    made = Recurrent("gru", vocabulary, hidden)
    symbols = torch.randint(0, vocabulary, (20, 10))
    with Largest() as largest:
        output, _ = made(symbols)
        output.sum().backward()
    assert largest.numel <= 3 * hidden * vocabulary < symbols.numel() * vocabulary


@pytest.mark.parametrize(
    ("body", "decorator"),
    [
        ("return h + x", "@cell(sizes={'h': 'I'})"),
        ("return x, h", "@cell"),
        ("return x", "@cell(sizes={'h': 'I'})"),
    ],
)
def test_a_cell_that_reads_its_input_outside_a_product_takes_no_indices(body, decorator):
    cell = Cell.from_text(f"{decorator}\ndef c(x, h):\n    {body}\n")
    with pytest.raises(
        EquationError, match="c uses x outside a product, so indices cannot stand for one-hot vectors"
    ):
        Recurrent(cell, V, H)(torch.zeros(3, 2, dtype=torch.long))
