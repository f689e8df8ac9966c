"""One phase of a group: tiles, then work on whole rows, then the tiles that read it, and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.engines.native.program import BUFFER, Home, Operand, Stage, Work
from unrolled.engines.native.tiles import Tiles
from unrolled.equations.graph import Node
from unrolled.equations.operations import OPERATIONS

if TYPE_CHECKING:
    from unrolled.engines.native.groups import Group

ROW_WORK = {
    "layer_norm": Work.LAYER_NORM,
    "dlayer_norm": Work.DLAYER_NORM,
    "softmax": Work.SOFTMAX,
    "dsoftmax": Work.DSOFTMAX,
}


class PhaseWriter:
    """Writes one phase: tiles, then work on whole rows, then the tiles that read it, and so on."""

    def __init__(self, group: Group, number: int, values: list[int], products: list[int]) -> None:
        self.group = group
        self.low = group.low
        self.nodes = group.nodes
        self.number = number
        self.values = self._ordered(values)
        self.products = products
        self.tiles: dict[tuple[int, int], Tiles] = {}
        self.level: dict[int, int] = {}
        self.rows: dict[int, list[int]] = {}

    def _ordered(self, values: list[int]) -> list[int]:
        inside = set(values)
        order: list[int] = []
        seen: set[int] = set()

        def visit(i: int) -> None:
            if i in inside and i not in seen:
                seen.add(i)
                for operand in self._depends(i):
                    visit(operand)
                order.append(i)

        for i in values:
            visit(i)
        return order

    def _depends(self, position: int) -> tuple[int, ...]:
        """What must be computed before a value: its operands, or the sequence it is shifted from."""
        earlier = self.low.earlier.get(position)
        if earlier is not None and earlier.state in self.low.next and position in self.low.group_of:
            # What is forced stands there before anything is computed.
            return () if earlier.state in self.low.schedule.forced else (self.low.next[earlier.state],)
        return self.nodes[position].operands

    def write(self) -> None:
        self._assign_levels()
        last = max([*(level for level, _ in self.tiles), *self.rows], default=-1)
        for level in range(last + 1):
            for (at, _), tiles in sorted(self.tiles.items()):
                if at == level:
                    self.group.made.append(tiles.stage())
            for i in self.rows.get(level, []):
                self.group.made.extend(self._row_work(i))

    def is_row_work(self, position: int) -> bool:
        node = self.nodes[position]
        return OPERATIONS[node.operation].kind in ("row", "structure") or position in self.low.earlier

    def _assign_levels(self) -> None:
        for i in self.products:
            self._tile(0, i).product(i)
            self.level[i] = 0
        for total, level in self._partial_sums():
            self._tile(level, total).partial(total)
        for i in self.values:
            if not self.low.graph.shapes[i]:
                continue  # numbers by row are computed where they are used
            level = 0
            for operand in self._operands(i):
                if operand in self.level:
                    level = max(
                        level, self.level[operand] + (self.is_row_work(operand) and not self.is_row_work(i))
                    )
            self.level[i] = level
            if self.is_row_work(i):
                self.rows.setdefault(level, []).append(i)
            else:
                self._tile(level, i).value(i)

    def _partial_sums(self) -> list[tuple[int, int]]:
        """Accumulators that get products in this phase but are finished by entrywise work, or later."""
        found = []
        for total, chain in self.low.chains.items():
            mine = [p for p in chain if self.group.phase_of.get(p) == self.number]
            if mine and self.low.group_of[total] == self.group.name and total not in self.values:
                found.append((total, 0))
        return found

    def _operands(self, position: int) -> list[int]:
        """What a value reads, through numbers by row."""
        found: list[int] = []
        for operand in self._depends(position):
            found.extend([operand] if self.low.graph.shapes[operand] else self._operands(operand))
        return found

    def _tile(self, level: int, position: int) -> Tiles:
        width = self.low.sizes[position]
        return self.tiles.setdefault((level, width), Tiles(self, width))

    def _row_work(self, position: int) -> list[Stage]:
        node, size, to = self.nodes[position], self.low.sizes[position], self.group.home(position)
        if position in self.low.earlier:
            stage = Stage(Work.GATHER, size, to=to)
            stage.history = self.low.history(self.low.earlier[position])
            return [stage]
        operands = [self.group.home(o) for o in node.operands]
        if node.operation in ROW_WORK:
            pair = [*operands, None]
            return [self._by_row(Stage(ROW_WORK[node.operation], size, to=to, a=pair[0], b=pair[1]))]
        if node.operation == "concat":
            return self._concat(node, to)
        return [self._by_row(Stage(Work.COPY, size, to=to, a=_shifted(operands[0], self._offset(node))))]

    def _offset(self, node: Node) -> int:
        """The first entry that a part or a piece of a vector takes."""
        if node.operation == "part":
            index, count = node.value
            return int(self.low.sizes[node.operands[0]] // count * index)
        return int(node.value[0].value(self.low.letters))

    def _concat(self, node: Node, to: Operand) -> list[Stage]:
        made, column = [], 0
        for operand in node.operands:
            size = self.low.sizes[operand]
            made.append(self._by_row(self.group.copy(operand, _shifted(to, column))))
            column += size
        return made

    def _by_row(self, stage: Stage) -> Stage:
        stage.by_row = self.group.name != "step" and any(
            operand is not None
            and operand.source == BUFFER
            and self.low.out.program.buffers[operand.index].home is Home.ROW
            for operand in (stage.to, stage.a, stage.b)
        )
        return stage


def _shifted(operand: Operand, column: int) -> Operand:
    return Operand(operand.source, operand.index, operand.column + column, operand.delay)
