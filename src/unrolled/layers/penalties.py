"""Penalties on what a layer gives, to be added to a loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.errors import ShapeError
from unrolled.layers.ragged import Ragged


def activation_penalty(output: Tensor | Ragged) -> Tensor:
    """The mean of h_t^2 over all entries: AR of Merity et al. 2017 (arXiv:1708.01009), without its factor.

    Args:
        output: (T, B, n) without padding, or a `Ragged`.

    Example:
        >>> activation_penalty(torch.full((4, 2, 3), 2.0))
        tensor(4.)
    """
    values = output.values if isinstance(output, Ragged) else output
    return values.square().mean() if values.numel() else values.sum()


def temporal_penalty(output: Tensor | Ragged, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
    """The mean of (h_{t+1} - h_t)^2 over all steps that have a next one: TAR of the same paper, without its factor.

    Args:
        output: (T, B, n), or a `Ragged`.
        lengths: (B,) the steps of each row where the rest is padding.

    Example:
        >>> temporal_penalty(torch.arange(4.0)[:, None, None])
        tensor(1.)
    """
    if isinstance(output, Ragged):
        lengths = output.lengths
        output = output.padded()
    if output.dim() != 3:
        raise ShapeError(f"the output must be (T, B, n), got {tuple(output.shape)}. Reshape it.")
    moves = (output[1:] - output[:-1]).square()
    if lengths is None:
        return moves.mean() if moves.numel() else moves.sum()
    known = torch.as_tensor(lengths, device=output.device)
    real = torch.arange(1, len(output), device=output.device)[:, None] < known
    count = real.sum() * output.shape[-1]
    return torch.where(real[..., None], moves, 0).sum() / count.clamp(min=1)
