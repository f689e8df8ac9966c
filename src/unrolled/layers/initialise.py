"""Good starts: every parameter by the role it plays in the equations, never by its spelling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.equations.graph import reachable
from unrolled.equations.groups import states_read
from unrolled.equations.operations import is_finite_number
from unrolled.equations.simplify import simplify
from unrolled.errors import SettingError

Start: TypeAlias = str | float | Tensor | Callable[[Tensor], object]
SMALL = 0.1


class Roles:
    """What each parameter does in a cell's simplified graph."""

    def __init__(self, cell: Cell) -> None:
        # Without labels: a name for part of a sum must not change what the sum is.
        self.graph: Graph = simplify(replace(cell.graph, labels=()))
        self.reads = states_read(self.graph)
        self.next = dict(zip(self.graph.signature.states, self.graph.next_states, strict=True))
        self.readers: dict[int, list[int]] = {}
        for i, node in enumerate(self.graph.nodes):
            for operand in node.operands:
                self.readers.setdefault(operand, []).append(i)
        self.forget_given: set[int] = set()

    def fill(self, name: str, value: Tensor, letters: Mapping[str, int]) -> None:
        """Draw the start of parameter `name` into `value`."""
        leaf = self.graph.leaf[name]
        if value.dim() == 2:
            self._matrix(leaf, value, letters)
        else:
            self._vector(leaf, value)

    def is_recurrent(self, name: str) -> bool:
        """Whether a parameter is a matrix between a state and the next, and nothing else."""
        products = self._products(self.graph.leaf[name])
        return bool(products) and all(map(self._recurrent, products))

    # --- matrices --------------------------------------------------------------------------------

    def _matrix(self, position: int, block: Tensor, letters: Mapping[str, int]) -> None:
        """Column blocks by the vector they multiply: a state's are orthogonal, the input's Glorot."""
        blocks = [
            i for i in self.readers.get(position, []) if self.graph.nodes[i].operation in ("columns", "rows")
        ]
        if blocks:
            nn.init.xavier_uniform_(block)  # for blocks that nothing reads
            for i in blocks:
                self._matrix(i, self._block(i, block, letters), letters)
            return
        products = self._products(position)
        if any(self._into_rectified_state(i) for i in products) and block.shape[0] == block.shape[1]:
            nn.init.eye_(block)
        elif any(self._recurrent(i) for i in products):
            orthogonal(block)
        else:
            nn.init.xavier_uniform_(block)

    def _block(self, position: int, matrix: Tensor, letters: Mapping[str, int]) -> Tensor:
        """The block of a matrix that a "columns" or "rows" node takes."""
        node = self.graph.nodes[position]
        if node.operation == "rows":
            index, count = node.value
            rows: Tensor = matrix.chunk(count)[index]
            return rows
        start, stop = (size.value(letters) for size in node.value)
        return matrix[:, start:stop]

    def _products(self, position: int) -> list[int]:
        found = []
        for i in self.readers.get(position, []):
            operation = self.graph.nodes[i].operation
            if operation == "matmul":
                found.append(i)
            elif operation in ("transpose", "upper_blocks"):
                found.extend(self._products(i))
        return found

    def _recurrent(self, product: int) -> bool:
        """Whether a product reads a state and is read by the next step."""
        return bool(self.reads[product]) and product in self._feeding()

    def _feeding(self) -> set[int]:
        return reachable(self.graph.nodes, list(self.graph.next_states))

    def _into_rectified_state(self, product: int) -> bool:
        """h = relu(... + U @ h + ...): the network that starts well from the identity (IRNN)."""
        vector = self.graph.nodes[self.graph.nodes[product].operands[1]]
        if vector.operation != "state":
            return False
        total = self._through_sums(product)
        rectified = [i for i in self.readers.get(total, []) if self.graph.nodes[i].operation == "relu"]
        return self.next[vector.value] in rectified

    def _through_sums(self, position: int) -> int:
        readers = [i for i in self.readers.get(position, []) if self.graph.nodes[i].operation == "sum"]
        return self._through_sums(readers[0]) if len(readers) == 1 else position

    # --- vectors ---------------------------------------------------------------------------------

    def _vector(self, position: int, value: Tensor) -> None:
        parts = [i for i in self.readers.get(position, []) if self.graph.nodes[i].operation == "part"]
        if parts:
            nn.init.zeros_(value)  # for parts that nothing reads
            for i in parts:
                index, count = self.graph.nodes[i].value
                self._vector(i, value.chunk(count)[index])
            return
        factors = [
            other for i in self.readers.get(position, []) for other in self._multiplied_with(i, position)
        ]
        if any(self._is_norm(i) for i in factors):
            nn.init.ones_(value)
        elif factors or any(
            self.graph.nodes[i].operation == "matmul" for i in self.readers.get(position, [])
        ):
            nn.init.uniform_(value, -SMALL, SMALL)
        else:
            nn.init.zeros_(value)
            self._open_forget_gate(position, value)

    def _is_norm(self, position: int) -> bool:
        """Whether a value is a layer norm, or a part of one."""
        node = self.graph.nodes[position]
        return node.operation == "layer_norm" or (
            node.operation == "part" and self._is_norm(node.operands[0])
        )

    def _multiplied_with(self, product: int, position: int) -> list[int]:
        node = self.graph.nodes[product]
        return [i for i in node.operands if i != position] if node.operation in ("multiply", "divide") else []

    def _open_forget_gate(self, position: int, value: Tensor) -> None:
        """1 for the bias of the gate that multiplies its own previous state; one bias of a sum is enough."""
        total = self._through_sums(position)
        if total == position or total in self.forget_given:
            return
        if self._keeps_a_state(total):
            self.forget_given.add(total)
            nn.init.ones_(value)

    def _keeps_a_state(self, position: int) -> bool:
        gates = [i for i in self.readers.get(position, []) if self.graph.nodes[i].operation == "sigmoid"]
        return any(
            self._keeps(gate, name, next_state) for gate in gates for name, next_state in self.next.items()
        )

    def _keeps(self, gate: int, name: str, next_state: int) -> bool:
        """Whether `gate * state` is a term of the state's next value."""
        new = self.graph.nodes[next_state]
        kept = {
            i for i in self.readers.get(gate, []) if self.graph.leaf[name] in self._multiplied_with(i, gate)
        }
        return new.operation == "sum" and bool(kept & set(new.operands))


def orthogonal(block: Tensor) -> None:
    """Each square block of rows orthogonal, so that stacked and separate matrices start alike."""
    if block.dtype in (torch.float16, torch.bfloat16):  # the factorization wants full precision
        full = torch.empty_like(block, dtype=torch.float32)
        orthogonal(full)
        block.copy_(full)
        return
    rows, columns = block.shape
    if rows > columns > 0 and rows % columns == 0:
        for part in block.split(columns):
            nn.init.orthogonal_(part)
    elif block.numel():
        nn.init.orthogonal_(block)


NAMED: Mapping[str, Callable[[Tensor], object]] = {
    "identity": nn.init.eye_,
    "orthogonal": orthogonal,
    "glorot": nn.init.xavier_uniform_,
    "zero": nn.init.zeros_,
    "one": nn.init.ones_,
}


@torch.no_grad()
def initialise(
    cell: Cell, values: Mapping[str, Tensor], letters: Mapping[str, int], how: str, start: Mapping[str, Start]
) -> None:
    """Fill the parameters of one layer: by role, or "uniform" as in PyTorch; `start` overrides by name."""
    for name in start:
        if name not in values:
            raise SettingError(
                f"start= names {name}, but {cell.name} has the parameters {', '.join(values)}. Use one of these."
            )
    roles = Roles(cell)
    bound = 1 / math.sqrt(letters["H"]) if letters["H"] else 0.0
    for name, value in values.items():
        if name in start:
            _override(name, value, start[name])
        elif how == "uniform":
            nn.init.uniform_(value, -bound, bound)
        else:
            roles.fill(name, value, letters)


def _override(name: str, value: Tensor, start: Start) -> None:
    if isinstance(start, str):
        if start not in NAMED or (value.dim() != 2 and start in ("identity", "orthogonal", "glorot")):
            kind = "matrix" if value.dim() == 2 else "vector"
            raise SettingError(
                f"start= of the {kind} {name} must be one of {', '.join(NAMED)}, got {start!r}."
            )
        NAMED[start](value)
    elif isinstance(start, Tensor):
        if start.shape != value.shape:
            raise SettingError(
                f"start= of {name} must have shape {tuple(value.shape)}, got {tuple(start.shape)}."
            )
        value.copy_(start)
    elif callable(start):
        start(value)
    elif is_finite_number(start):
        value.fill_(start)
    else:
        raise SettingError(
            f"start= of {name} must be a name, a number, a tensor or a function that fills one, got {start!r}."
        )
