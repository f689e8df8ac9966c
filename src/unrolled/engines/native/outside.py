"""What is computed once a call, outside the core: values of parameters only, or of static inputs only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.engines.torch_operations import apply
from unrolled.equations import Graph


class Outside:
    """Values of a schedule's graph that change neither with the step nor with the state, by torch and autograd.

    Those of static inputs are computed row by row: torch's bits depend on how many rows a product has, and on where
    in a tensor an entry stands.
    """

    def __init__(
        self, graph: Graph, letters: Mapping[str, int], given: Mapping[str, Tensor], dtype: torch.dtype
    ) -> None:
        self.graph = graph
        self.letters = letters
        self.given = given
        self.known: dict[int, Any] = {}
        self.dtype = dtype
        self.static = self._static()

    def value(self, position: int) -> Any:
        """The value of a node, computed on first use."""
        if position not in self.known:
            if position in self.static and self.graph.nodes[position].operation != "static":
                self._compute_rows(position)
            else:
                self.known[position] = self._compute(position)
        return self.known[position]

    def _static(self) -> set[int]:
        """The nodes that depend on static inputs."""
        found: set[int] = set()
        for position, node in enumerate(self.graph.nodes if self.graph.signature.statics else ()):
            if node.operation == "static" or not found.isdisjoint(node.operands):
                found.add(position)
        return found

    def _compute_rows(self, position: int) -> None:
        """The value of every row, from its operands in memory of its own."""
        operands = self.graph.nodes[position].operands
        values = {o: self.value(o) for o in operands}
        rows = next(value.shape[0] for o, value in values.items() if o in self.static)
        found = []
        for row in range(max(rows, 1)):
            one = {o: v[row : row + 1].clone() if o in self.static else v for o, v in values.items()}
            found.append(self._apply(position, [one[o] for o in operands]))
        self.known[position] = found[0] if rows == 1 else torch.cat(found)

    def _compute(self, position: int) -> Any:
        node = self.graph.nodes[position]
        if node.operation in ("number", "constant"):
            return self.graph.number(position)
        if node.operation in ("parameter", "static"):
            return self.given[str(node.value)]
        return self._apply(position, [self.value(operand) for operand in node.operands])

    def _apply(self, position: int, operands: list[Any]) -> Any:
        node = self.graph.nodes[position]
        if node.operation == "matmul":
            return functional.linear(operands[1], operands[0])
        return apply(self.graph, node, operands, self.letters, self.dtype)
