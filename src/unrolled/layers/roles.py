"""What every parameter does in a cell, found in its graph, and the start that suits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from unrolled.equations import Cell, Graph
from unrolled.equations.graph import reachable
from unrolled.equations.groups import states_read
from unrolled.equations.operations import group_count
from unrolled.equations.simplify import simplify

SMALL = 0.1


@dataclass(frozen=True)
class Block:
    """A part of a matrix, as a view of its values.

    `recurrent`: it multiplies what comes from a state and leads to the next one; `driven`: it multiplies the input or
    what is computed from it; `rectified`: h = relu(... + U @ h + ...); `groups`: those of `upper_blocks`; `whole`: it
    is cut further.
    """

    values: Tensor
    recurrent: bool = False
    driven: bool = False
    rectified: bool = False
    groups: int | None = None
    whole: bool = False


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
        if value.dim() != 2:
            self._vector(self.graph.leaf[name], value)
            return
        for block in self.blocks(name, value, letters):
            square = block.values.shape[0] == block.values.shape[1]
            if block.rectified and square:
                nn.init.eye_(block.values)
            elif block.recurrent:
                orthogonal(block.values)
            else:
                nn.init.xavier_uniform_(block.values)

    def blocks(self, name: str, matrix: Tensor, letters: Mapping[str, int]) -> Iterator[Block]:
        """What a matrix consists of, by the vector that each column block multiplies.

        Where there are several, the whole comes first, for the columns that nothing reads.
        """
        yield from self._blocks(self.graph.leaf[name], matrix, letters)

    def is_recurrent(self, name: str) -> bool:
        """Whether a parameter is a matrix between a state and the next, and nothing else."""
        products = self._products(self.graph.leaf[name])
        return bool(products) and all(map(self._recurrent, products))

    def is_bias(self, name: str) -> bool:
        """Whether a vector is only ever added to something."""
        return self._is_added(self.graph.leaf[name])

    def _is_added(self, position: int) -> bool:
        for i in self.readers.get(position, []):
            operation = self.graph.nodes[i].operation
            if operation in ("multiply", "divide", "matmul") or (
                operation == "part" and not self._is_added(i)
            ):
                return False
        return True

    # --- matrices --------------------------------------------------------------------------------

    def _blocks(self, position: int, matrix: Tensor, letters: Mapping[str, int]) -> Iterator[Block]:
        inner = [
            i for i in self.readers.get(position, []) if self.graph.nodes[i].operation in ("columns", "rows")
        ]
        if inner:
            yield Block(matrix, whole=True)
            for i in inner:
                yield from self._blocks(i, self._block(i, matrix, letters), letters)
            return
        products = self._products(position)
        yield Block(
            matrix,
            recurrent=any(map(self._recurrent, products)),
            driven=any(not self.reads[i] for i in products),
            rectified=any(map(self._into_rectified_state, products)),
            groups=self._groups(position),
        )

    def _groups(self, position: int) -> int | None:
        """Into how many groups `upper_blocks` cuts a matrix, of which it keeps those on and above the diagonal."""
        for i in self.readers.get(position, []):
            node = self.graph.nodes[i]
            if node.operation == "upper_blocks":
                return group_count(self.graph.number(node.operands[1]))
        return None

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
