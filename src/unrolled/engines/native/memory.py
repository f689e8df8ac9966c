"""Tensors on memory that the core keeps from run to run."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from unrolled import _native

LARGE = 1 << 20  # bytes; smaller tensors are torch's own


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A tensor with unspecified entries."""
    size = prod(shape) * dtype.itemsize
    if size < LARGE:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(_native.Block(size), dtype=dtype).view(shape)
