"""What derivatives a run is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import torch
from torch import Tensor
from torch.autograd import forward_ad

from unrolled.errors import EngineError


def is_differentiated(tensors: Iterable[Tensor]) -> bool:
    """Whether autograd must see a run that reads these tensors, in reverse or in forward mode."""
    reverse = torch.is_grad_enabled() and any(value.requires_grad for value in tensors)
    return reverse or forward_ad._current_level >= 0


def refuse_forward_mode() -> NoReturn:
    """Say that the native engine has no forward mode, and what to do instead."""
    raise EngineError(
        "the native engine has no forward-mode derivatives. Make the layer with engine='reference', or use "
        "reverse mode (torch.func.vjp, grad, jacrev)."
    )
