"""Initial states that depend on a vector, as a caption's on its image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.errors import ShapeError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import CellState, State


class Conditioned(nn.Module):
    """The initial state of a layer as a projection of a vector.

    Computes s_0 = P_s v + q_s for every state s of every layer and direction; values before the first step are all
    s_0, as those of a given state. The projections are `nn.Linear`s of this module.

    Args:
        layer: the `Recurrent` whose states are wanted.
        condition_size: C, the size of the vector.

    Example:
        >>> layer = Recurrent("lstm", 3, 5)
        >>> start = Conditioned(layer, 7)
        >>> output, state = layer(torch.zeros(4, 2, 3), start(torch.zeros(2, 7)))
        >>> output.shape
        torch.Size([4, 2, 5])

    Paper: Vinyals et al. 2015 (arXiv:1411.4555).
    """

    def __init__(self, layer: Recurrent, condition_size: int) -> None:
        super().__init__()
        like = layer._like()
        blank = layer._start_state(1)
        self.condition_size = condition_size
        self.depths = [{name: len(value) for name, value in cell.values.items()} for cell in blank.cells]
        self.projections = nn.ModuleList(
            [
                nn.ModuleList(
                    [
                        nn.Linear(condition_size, value.shape[-1], device=like.device, dtype=like.dtype)
                        for value in cell.values.values()
                    ]
                )
                for cell in blank.cells
            ]
        )

    def forward(self, condition: Tensor) -> State:
        """The state for a batch of vectors (B, C)."""
        if condition.dim() != 2 or condition.shape[1] != self.condition_size:
            raise ShapeError(
                f"the condition must be (B, {self.condition_size}), got {tuple(condition.shape)}. Reshape it."
            )
        clock = torch.zeros(len(condition), dtype=torch.int64, device=condition.device)
        cells = []
        for depths, projections in zip(self.depths, self.projections, strict=True):
            assert isinstance(projections, nn.ModuleList)
            values = (project(condition) for project in projections)
            cells.append(
                CellState(
                    {
                        name: value.expand(depth, *value.shape)
                        for (name, depth), value in zip(depths.items(), values, strict=True)
                    },
                    clock,
                )
            )
        return State(cells)
