"""torch.nn networks that compute the same as a cell: how their weights stand, and which cell is which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.equations.same import same
from unrolled.layers.gate_stacks import TORCH, Stack

NETWORKS: dict[str, tuple[Callable[..., nn.RNNBase], dict[str, Any], Stack]] = {
    "elman": (nn.RNN, {}, TORCH["elman"]),
    "elman_relu": (nn.RNN, {"nonlinearity": "relu"}, TORCH["elman_relu"]),
    "lstm": (nn.LSTM, {}, TORCH["lstm"]),
    "gru_reset_after": (nn.GRU, {}, TORCH["gru_reset_after"]),
}
"""By the cell of the catalogue: the class, its options, and how it stacks the gates."""


def equal_network(cell: Cell) -> str | None:
    """The name of the catalogued cell that is this one and one of torch.nn's, whatever its names; else None."""
    found = catalogue()
    return next((name for name in NETWORKS if same(cell.graph, found[name].graph)), None)


def network(name: str, weights: Mapping[str, Tensor]) -> nn.RNNBase:
    """The torch.nn network of one layer that equals the catalogued cell `name` with these weights."""
    make, options, stack = NETWORKS[name]
    tensors = stack.join(weights)
    hidden_size, input_size = weights[stack.gates[0][0]].shape
    module = make(input_size, hidden_size, dtype=tensors[0].dtype, **options)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), tensors, strict=True):
            parameter.copy_(value)
    return module
