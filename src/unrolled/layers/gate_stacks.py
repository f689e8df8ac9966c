"""How frameworks keep the weights of gated cells: all gates stacked in one matrix, in an order of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stack:
    """The gates of a cell in the order in which a framework stacks them: (W, U, b) of each.

    `second` is the bias that the last gate adds to its recurrent product, where it has one; `projection` the matrix
    that the output is multiplied with, where there is one.
    """

    gates: tuple[tuple[str, str, str], ...]
    second: str | None = None
    projection: str | None = None

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

    def summed(self, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Two biases of every gate (G,) as `part` takes them: their sum, but for a gate that keeps both."""
        if self.second is None:
            return b + c, c
        rest = len(b) - len(b) // len(self.gates)
        return torch.cat([b[:rest] + c[:rest], b[rest:]]), c


def gates(names: str) -> tuple[tuple[str, str, str], ...]:
    """(W_i, U_i, b_i), ... for "i ..."; "-" is the candidate that is written without an index: (W, U, b)."""
    return tuple(
        ("W", "U", "b") if name == "-" else (f"W_{name}", f"U_{name}", f"b_{name}") for name in names.split()
    )


TORCH = {
    "elman": Stack(gates("-")),
    "elman_relu": Stack(gates("-")),
    "lstm": Stack(gates("i f c o")),
    "lstm_projected": Stack(gates("i f c o"), projection="V"),
    "gru_reset_after": Stack(gates("r z -"), second="c"),
}
"""torch.nn's order, by the cell of the catalogue that equals the network."""
