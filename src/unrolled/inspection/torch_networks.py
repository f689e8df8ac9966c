"""torch.nn networks that compute the same as a cell: how their weights stand, and which cell is which."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.equations.same import same


@dataclass(frozen=True)
class Stack:
    """The gates of a cell in the order in which a framework stacks them: (W, U, b) of each.

    `second` is the bias that the last gate adds to its recurrent product, where it has one.
    """

    gates: tuple[tuple[str, str, str], ...]
    second: str | None = None

    def join(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """W (G, I), U (G, H), b (G,) and the second bias (G,), G being all gates together; zero where none is."""
        W, U, b = (torch.cat([weights[name] for name in names]) for names in zip(*self.gates, strict=True))
        c = torch.zeros_like(b)
        if self.second:
            c[-len(weights[self.second]) :] = weights[self.second]
        return W, U, b, c

    def part(self, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> dict[str, Tensor]:
        """The blocks by the names of the cell; c is left out where the cell has no second bias."""
        count = len(self.gates)
        found: dict[str, Tensor] = {}
        for names, *blocks in zip(self.gates, W.chunk(count), U.chunk(count), b.chunk(count), strict=True):
            found |= dict(zip(names, blocks, strict=True))
        return found | ({self.second: c.chunk(count)[-1]} if self.second else {})


def _gates(names: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((f"W_{name}", f"U_{name}", f"b_{name}") for name in names.split())


CANDIDATE = ("W", "U", "b")
NETWORKS: dict[str, tuple[Callable[..., nn.RNNBase], dict[str, Any], Stack]] = {
    "elman": (nn.RNN, {}, Stack((CANDIDATE,))),
    "elman_relu": (nn.RNN, {"nonlinearity": "relu"}, Stack((CANDIDATE,))),
    "lstm": (nn.LSTM, {}, Stack(_gates("i f c o"))),
    "gru_reset_after": (nn.GRU, {}, Stack((*_gates("r z"), CANDIDATE), second="c")),
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
