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
    """Values of a schedule's graph that change neither with the step nor with the state, by torch and autograd."""

    def __init__(
        self, graph: Graph, letters: Mapping[str, int], given: Mapping[str, Tensor], dtype: torch.dtype
    ) -> None:
        self.graph = graph
        self.letters = letters
        self.given = given
        self.known: dict[int, Any] = {}
        self.dtype = dtype

    def value(self, position: int) -> Any:
        """The value of a node, computed on first use."""
        if position not in self.known:
            self.known[position] = self._compute(position)
        return self.known[position]

    def _compute(self, position: int) -> Any:
        node = self.graph.nodes[position]
        if node.operation in ("number", "constant"):
            return self.graph.number(position)
        if node.operation in ("parameter", "static"):
            return self.given[str(node.value)]
        operands = [self.value(operand) for operand in node.operands]
        if node.operation == "matmul":
            return functional.linear(operands[1], operands[0])
        return apply(self.graph, node, operands, self.letters, self.dtype)
