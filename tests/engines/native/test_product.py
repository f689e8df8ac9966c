"""Products by the core's kernel: values against NumPy in float64, and bits that depend on no other entry."""

from __future__ import annotations

import pytest
import torch

from tests.engines.native.runs import threads
from unrolled.engines.native.product import product

SHAPES = [(1, 1, 1), (3, 17, 5), (37, 130, 129), (64, 256, 64), (5, 0, 3), (0, 4, 2), (2, 4, 0)]
CLOSE = {torch.float32: 1e-5, torch.float64: 1e-14}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("shape", SHAPES)
def test_values_equal_numpy(shape: tuple[int, int, int], dtype: torch.dtype) -> None:
    m, k, n = shape
    a, b = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype).t()
    expected = torch.from_numpy(a.double().numpy() @ b.double().numpy()).to(dtype)
    torch.testing.assert_close(product(a, b), expected, rtol=CLOSE[dtype], atol=CLOSE[dtype] * k)


@pytest.mark.parametrize("dtype", CLOSE)
def test_a_column_alone_has_the_bits_it_has_beside_others(dtype: torch.dtype) -> None:
    a, b = torch.randn(70, 61, dtype=dtype), torch.randn(61, 131, dtype=dtype)
    whole = product(a, b)
    for column in range(131):
        assert torch.equal(product(a, b[:, column : column + 1])[:, 0], whole[:, column])
    assert torch.equal(product(b.t(), a.t()).t(), whole)
    with threads(3):
        assert torch.equal(product(a, b), whole)


def test_it_is_differentiable_twice() -> None:
    a, b = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((3, 4), (4, 5)))
    assert torch.autograd.gradcheck(product, (a, b))
    assert torch.autograd.gradgradcheck(product, (a, b))
    assert torch.autograd.gradcheck(product, (a.detach(), b))
    assert torch.autograd.gradcheck(product, (a, b.detach()))
