"""Zeros that are only read, shared by the calls that need the same ones."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def is_traced() -> bool:
    """Whether something records operations instead of, or beside, running them: then tensors may be made up."""
    return torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0


def read_only_zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros that nobody may write to."""
    if is_traced():
        return torch.zeros(shape, dtype=dtype, device=device)
    return _shared(shape, dtype, device)


@lru_cache(maxsize=16)
def _shared(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # later calls may compute gradients
        return torch.zeros(shape, dtype=dtype, device=device)
