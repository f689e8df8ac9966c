"""What is computed once a call, outside the core: values of parameters only, or of static inputs only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.engines.native.product import product
from unrolled.engines.torch_operations import apply
from unrolled.equations import Graph

# Computed row by row: of all others torch rounds an entry once or not at all, so its bits depend on nothing else.
CURVES = ("sigmoid", "tanh", "exp", "log", "softplus", "layer_norm", "softmax")


class Outside:
    """Values of a schedule's graph that change neither with the step nor with the state, by torch and autograd.

    A row of a static input gives the same bits alone and beside others. In torch they depend on how many rows a
    product has, and of curves on where in a tensor an entry stands: products are the core's, curves go row by row.
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
            by_row = position in self.static and self.graph.nodes[position].operation in CURVES
            self.known[position] = self._compute_rows(position) if by_row else self._compute(position)
        return self.known[position]

    def _static(self) -> set[int]:
        """The nodes that depend on static inputs."""
        found: set[int] = set()
        for position, node in enumerate(self.graph.nodes if self.graph.signature.statics else ()):
            if node.operation == "static" or not found.isdisjoint(node.operands):
                found.add(position)
        return found

    def _compute_rows(self, position: int) -> Tensor:
        """The value of every row, from its operand in memory of its own."""
        (operand,) = self.graph.nodes[position].operands
        values: Tensor = self.value(operand)
        found = [self._apply(position, [row[None].clone()]) for row in values]
        return torch.cat(found) if found else self._apply(position, [values])

    def _compute(self, position: int) -> Any:
        node = self.graph.nodes[position]
        if node.operation in ("number", "constant"):
            return self.graph.number(position)
        if node.operation in ("parameter", "static"):
            return self.given[str(node.value)]
        return self._apply(position, [self.value(operand) for operand in node.operands])

    def _apply(self, position: int, operands: list[Any]) -> Any:
        node = self.graph.nodes[position]
        if node.operation == "matmul" and position in self.static:
            return product(operands[0], operands[1].t()).t()
        if node.operation == "matmul":
            return functional.linear(operands[1], operands[0])
        return apply(self.graph, node, operands, self.letters, self.dtype)
