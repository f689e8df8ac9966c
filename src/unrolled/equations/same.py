"""Whether two cells are the same equations up to names.

Names of parameters, states and local values may differ, and so may the order in which they are listed; a matrix
may stand for its blocks, as W in W [x, h] stands for the two matrices of W x + U h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from unrolled.equations.graph import Graph, Node
from unrolled.equations.simplify import simplify

BLOCKS = ("columns", "rows", "part")


def same(a: Graph, b: Graph) -> bool:
    """Whether `a` and `b` compute the same, operation by operation.

    Terms of a sum may stand in another order only as far as products and the rest keep theirs.
    """
    if len(a.next_states) != len(b.next_states):
        return False
    return _Matcher(simplify(a), simplify(b)).match()


class _Matcher:
    """Walks two graphs side by side and pairs their names."""

    def __init__(self, a: Graph, b: Graph) -> None:
        self.a, self.b = a, b
        self.paired: set[tuple[int, int]] = set()
        self.partner: dict[int, int] = {}
        self.partner_back: dict[int, int] = {}

    def match(self) -> bool:
        """Start at the outputs; every state that is met brings its next value along."""
        if not self.pair(self.a.output, self.b.output):
            return False
        rest = [
            self._unmet(graph, met) for graph, met in ((self.a, self.partner), (self.b, self.partner_back))
        ]
        return len(rest[0]) == len(rest[1]) and all(self.pair(i, j) for i, j in zip(*rest, strict=True))

    def _unmet(self, graph: Graph, met: dict[int, int]) -> list[int]:
        """The next values of states that the output does not depend on."""
        states = zip(graph.signature.states, graph.next_states, strict=True)
        return [new for name, new in states if graph.leaf[name] not in met]

    def pair(self, i: int, j: int) -> bool:
        """Whether two values are the same."""
        if (i, j) in self.paired:
            return True
        self.paired.add((i, j))
        left, right = self.a.nodes[i], self.b.nodes[j]
        if self.a.shapes[i] != self.b.shapes[j]:
            return False
        if self._is_name(self.a, left) or self._is_name(self.b, right):
            return self._pair_names(i, j)
        if left.operation != right.operation or len(left.operands) != len(right.operands):
            return False
        if left.operation == "sum":
            return self._pair_sums(left, right)
        return left.value == right.value and all(map(self.pair, left.operands, right.operands))

    def _is_name(self, graph: Graph, node: Node) -> bool:
        """A leaf with a name, or a block of a parameter, which might have been a parameter of its own."""
        while node.operation in BLOCKS:
            node = graph.nodes[node.operands[0]]
        return node.operation in ("input", "state", "static", "parameter", "constant")

    def _kind(self, graph: Graph, position: int) -> tuple[str, object]:
        node = graph.nodes[position]
        while node.operation in BLOCKS:
            node = graph.nodes[node.operands[0]]
        is_block = node is not graph.nodes[position]
        if is_block and node.operation != "parameter":  # parts of a state or of the input stay what they are
            return "block", (graph.nodes[position].operation, graph.nodes[position].value)
        return node.operation, graph.constants[node.value] if node.operation == "constant" else None

    def _pair_names(self, i: int, j: int) -> bool:
        kind = self._kind(self.a, i)
        if kind != self._kind(self.b, j) or self.partner.get(i, j) != j or self.partner_back.get(j, i) != i:
            return False
        self.partner[i], self.partner_back[j] = j, i
        if kind[0] == "block":
            return self.pair(self.a.nodes[i].operands[0], self.b.nodes[j].operands[0])
        if kind[0] != "state":
            return True
        return self.pair(self._next(self.a, i), self._next(self.b, j))

    def _next(self, graph: Graph, state: int) -> int:
        """Where the next value of a state stands."""
        return graph.next_states[graph.signature.states.index(str(graph.nodes[state].value))]

    def _pair_sums(self, left: Node, right: Node) -> bool:
        mine, yours = self._terms(self.a, left), self._terms(self.b, right)
        return all(
            sign == other and self.pair(i, j) for (sign, i), (other, j) in zip(mine, yours, strict=True)
        )

    def _terms(self, graph: Graph, node: Node) -> list[tuple[int, int]]:
        """The terms of a sum, products first, otherwise in order."""
        terms = list(zip(node.value, node.operands, strict=True))
        return sorted(terms, key=lambda term: graph.nodes[term[1]].operation != "matmul")


@dataclass(frozen=True)
class Pairing:
    """Two cells that are the same: by each name of the second, the node of `graph`, the first one, that it is.

    A node is a leaf, or a block of a parameter.
    """

    graph: Graph
    partner: Mapping[str, int]


def pairing(a: Graph, b: Graph) -> Pairing | None:
    """Which names of `a` are which of `b`; None when they are not the same. Names of local values play no part."""
    matcher = _Matcher(simplify(replace(a, labels=())), simplify(replace(b, labels=())))
    if len(a.next_states) != len(b.next_states) or not matcher.match():
        return None
    leaves = matcher.b.leaf.items()
    met = {name: matcher.partner_back[i] for name, i in leaves if i in matcher.partner_back}
    return Pairing(matcher.a, met)
