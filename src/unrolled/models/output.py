"""The output layer over the symbols of a vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class Output(nn.Linear):
    """From a layer's output (..., H) to logits (..., V)."""

    def __init__(
        self,
        input_size: int,
        size: int,
        *,
        projection: int | None = None,
        tied: nn.Parameter | None = None,
        adaptive: Sequence[int] = (),
    ) -> None:
        if projection is not None or tied is not None or adaptive:
            raise NotImplementedError
        super().__init__(input_size, size)

    def logits(self, output: Tensor) -> Tensor:
        return self(output)  # type: ignore[no-any-return]

    def loss(self, output: Tensor, targets: Tensor, ignored: int = -1) -> Tensor:
        return cross_entropy(self(output), targets, ignore_index=ignored)

    def log_probabilities(self, output: Tensor, targets: Tensor) -> Tensor:
        return torch.log_softmax(self(output), -1).gather(1, targets[:, None])[:, 0]
