"""From the outputs at all steps to one vector for each sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.ragged import Ragged

POOLINGS = ("last", "mean", "max", "attention")


class Pooling(nn.Module):
    """Outputs (N, n) of all steps of B rows to (B, n).

    last: the output after a row's last step; of a reversed direction, after its own last, which is the row's first
    step. mean, max: over the steps. attention: sum_t a_t h_t with a = softmax over the row's steps of q . tanh(K h_t),
    where q and K are learned.

    Args:
        kind: one of the four.
        size: n, both directions together.
        directions: D; with two the second half of a vector belongs to the reversed one.

    Raises:
        SettingError: another kind.
        ShapeError: in a call, a row without steps.

    Paper: Yang et al. 2016, Hierarchical attention networks for document classification (attention).
    """

    def __init__(self, kind: str, size: int, directions: int = 1) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise SettingError(f"pooling must be {', '.join(POOLINGS)}, got {kind!r}; use one of these")
        self.kind, self.directions = kind, directions
        self.keys = nn.Linear(size, size) if kind == "attention" else None
        self.query = nn.Parameter(torch.zeros(size)) if kind == "attention" else None

    def forward(self, outputs: Ragged) -> Tensor:
        if bool((outputs.lengths == 0).any()):
            raise ShapeError("a row must have at least one step to be pooled, got one without; leave it out")
        if self.kind == "last":
            return self._last(outputs)
        lengths = outputs.lengths.to(outputs.device)
        if self.kind == "attention":
            weights = self.weights(outputs).values
            return torch.segment_reduce(outputs.values * weights[:, None], "sum", lengths=lengths, axis=0)
        return torch.segment_reduce(outputs.values, self.kind, lengths=lengths, axis=0)

    def _last(self, outputs: Ragged) -> Tensor:
        ends = outputs.lengths.cumsum(0).to(outputs.device)
        last = outputs.values[ends - 1]
        if self.directions == 1:
            return last
        first = outputs.values[ends - outputs.lengths.to(outputs.device)]
        half = last.shape[1] // 2
        return torch.cat([last[:, :half], first[:, half:]], 1)

    def weights(self, outputs: Ragged) -> Ragged:
        """The share a_t of every step in its row, (N,)."""
        assert self.keys is not None and self.query is not None
        scores = self.keys(outputs.values).tanh() @ self.query
        lengths = outputs.lengths.to(outputs.device)
        row = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
        largest = torch.segment_reduce(scores.detach(), "max", lengths=lengths)
        raised = (scores - largest[row]).exp()
        total = torch.zeros_like(largest).index_add(0, row, raised)
        return outputs.with_values(raised / total[row])
