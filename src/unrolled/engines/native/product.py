"""A product of matrices by the core's own kernel, outside a run: no entry's bits depend on what stands beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled import _native

UNITS, PANEL = 16, 64  # columns come in multiples of the one, so many of the other at a time


class Product(torch.autograd.Function):
    """a @ b for (m, k) and (k, n), each entry one chain of multiply-adds over k; differentiable as often as asked."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """Panel by panel, on the calling thread."""
        ctx.save_for_backward(a, b)
        rows, columns = a.shape[0], b.shape[1]
        if not a.numel():  # nothing to add up
            return a.new_zeros(rows, columns)
        to = a.new_empty(rows, -(-columns // UNITS) * UNITS)
        for start in range(0, columns, PANEL):
            _multiply(to[:, start : start + PANEL], a, b[:, start : start + PANEL])
        return to[:, :columns]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Two products of the same kind."""
        a, b = ctx.saved_tensors
        of_a, of_b = ctx.needs_input_grad
        return (product(gradient, b.t()) if of_a else None, product(a.t(), gradient) if of_b else None)


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b."""
    result: Tensor = Product.apply(a, b)  # type: ignore[no-untyped-call]
    return result


def _multiply(to: Tensor, a: Tensor, b: Tensor) -> None:
    panel = a.new_zeros(b.shape[0], to.shape[1])
    panel[:, : b.shape[1]] = b
    kernels = _native.kernels
    kernels.gemm(kernels.chosen(), to.numpy(), None, a.detach().numpy(), panel.numpy())
