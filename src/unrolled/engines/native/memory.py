"""Tensors on memory that the core keeps from run to run."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from unrolled import _native

LARGE = 1 << 20  # bytes; smaller tensors are torch's own


def empty(shape: tuple[int, ...], dtype: torch.dtype, spare: int = 0) -> Tensor:
    """A tensor with unspecified entries, behind which `spare` further ones may be read."""
    count = prod(shape)
    size = (count + spare) * dtype.itemsize
    if size < LARGE:
        return torch.empty(count + spare, dtype=dtype)[:count].view(shape)
    return torch.frombuffer(_native.Block(size), dtype=dtype, count=count).view(shape)
