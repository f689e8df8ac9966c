"""The part of a simplified graph that changes from step to step.

What depends on parameters only, or on static inputs only, is computed once, outside: here it appears as a
parameter or a static input of its own. Constants have become numbers. What remains is what an engine of its own
has to run, forward and backward.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from unrolled.equations.graph import Graph, Node, Shape, Signature, reachable
from unrolled.equations.groups import BEFORE, ONCE, ROW, ranks, state_kinds
from unrolled.equations.operations import OPERATIONS
from unrolled.equations.schedule import Schedule


@dataclass(frozen=True)
class Interior:
    """`graph` and, for each of its parameters and static inputs, the node of the whole graph it stands for.

    `records` are positions in `graph` by name.
    """

    graph: Graph
    parameters: tuple[tuple[str, int], ...]
    statics: tuple[tuple[str, int], ...]
    records: tuple[tuple[str, int], ...]


def interior(schedule: Schedule) -> Interior:
    """Cut the interior out of a schedule's graph."""
    return _Cutter(schedule).cut()


class _Cutter:
    def __init__(self, schedule: Schedule) -> None:
        self.whole = schedule.graph
        self.schedule = schedule
        self.rank = ranks(self.whole, state_kinds(self.whole, frozenset(schedule.forced)))
        results = [self.whole.output, *self.whole.next_states, *(i for _, i in schedule.records)]
        self.needed = reachable(self.whole.nodes, results)
        self.nodes: list[Node] = []
        self.shapes: list[Shape] = []
        self.moved: dict[int, int] = {}
        self.known: dict[Node, int] = {}

    def cut(self) -> Interior:
        whole = self.whole
        border = self._border()
        taken = {whole.signature.input, *whole.signature.states}
        parameters = tuple((_free(f"p{i}", taken), i) for i in border if self.rank[i] == ONCE)
        statics = tuple((_free(f"s{i}", taken), i) for i in border if self.rank[i] == ROW)
        signature = Signature(
            whole.signature.name,
            whole.signature.input,
            whole.signature.states,
            tuple(name for name, _ in statics),
            tuple(name for name, _ in parameters),
        )
        outside = dict((*parameters, *statics))
        for node in signature.leaves():
            source = outside.get(str(node.value), whole.leaf.get(str(node.value)))
            assert source is not None
            self._keep(source, node)
        for i in sorted(self.needed):
            if i not in self.moved and self.rank[i] >= BEFORE:
                node = whole.nodes[i]
                self._keep(i, replace(node, operands=tuple(self._operand(o) for o in node.operands)))
        graph = Graph(
            signature=signature,
            nodes=tuple(self.nodes),
            shapes=tuple(self.shapes),
            output=self.moved[whole.output],
            next_states=tuple(self.moved[i] for i in whole.next_states),
            labels=tuple((name, self.moved[i]) for name, i in whole.labels if i in self.moved),
        )
        records = tuple((name, self.moved[i]) for name, i in self.schedule.records)
        return Interior(graph, parameters, statics, records)

    def _border(self) -> list[int]:
        """The vectors and matrices from outside that the interior reads or returns, in order."""
        read = {o for i in self.needed if self.rank[i] >= BEFORE for o in self.whole.nodes[i].operands}
        read |= {self.whole.output, *self.whole.next_states, *(i for _, i in self.schedule.records)}
        return sorted(i for i in read if self.rank[i] < BEFORE and self.whole.shapes[i])

    def _keep(self, position: int, node: Node) -> int:
        """The place of a node; constants have become numbers, so nodes that differed may now be one."""
        if node not in self.known:
            self.known[node] = len(self.nodes)
            self.nodes.append(node)
            self.shapes.append(self.whole.shapes[position])
        self.moved[position] = self.known[node]
        return self.moved[position]

    def _operand(self, position: int) -> int:
        """The new place of an operand; numbers that depend on constants only are computed now."""
        if position not in self.moved:
            self._keep(position, Node("number", (), self._number(position)))
        return self.moved[position]

    def _number(self, position: int) -> float | tuple[float, ...]:
        node = self.whole.nodes[position]
        if node.operation in ("number", "constant"):
            return self.whole.number(position)
        operands = [self._number(o) for o in node.operands]
        if node.operation == "sum":
            return float(sum(sign * o for sign, o in zip(node.value, operands, strict=True)))
        compute = OPERATIONS[node.operation].numpy
        assert compute is not None
        return float(compute(*operands))


def _free(name: str, taken: set[str]) -> str:
    """A name that the cell does not use."""
    return _free(name + "_", taken) if name in taken else name
