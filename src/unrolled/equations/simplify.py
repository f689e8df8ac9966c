"""Rewriting a graph into the form that is scheduled, without changing what it computes.

A matrix times a concatenation becomes one product a column block; chains of + and - whose inner values are
used once become n-ary sums; numbers fold in float64. Names of local values stay recordable.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import lru_cache

from unrolled.equations.check import check
from unrolled.equations.graph import Graph, Node, Shape, canonical
from unrolled.equations.operations import OPERATIONS
from unrolled.equations.sizes import Size

ADDITIVE = ("add", "subtract", "negative")


class Rewriter:
    """A graph under construction; equal nodes are one node."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.shapes: list[Shape] = []
        self._known: dict[Node, int] = {}

    def add(self, node: Node, shape: Shape) -> int:
        """The position of `node`, new or known."""
        position = self._known.get(node)
        if position is None:
            position = self._known[node] = len(self.nodes)
            self.nodes.append(node)
            self.shapes.append(shape)
        return position

    def finish(self, like: Graph, moved: dict[int, int]) -> Graph:
        """The new graph with the results and labels of `like`, whose nodes have `moved`."""
        return canonical(
            like.signature,
            self.nodes,
            self.shapes,
            moved[like.output],
            tuple(moved[i] for i in like.next_states),
            {name: moved[i] for name, i in like.labels},
        )


@lru_cache(maxsize=512)
def simplify(graph: Graph) -> Graph:
    """The simplified graph; nodes that only a label needs are kept for recording."""
    simple = _sums(_parts(_products(graph)))
    check(simple, simplified=True)
    return simple


# --- products of concatenations, numbers, delays of one step -------------------------------------


def _products(graph: Graph) -> Graph:
    rewriter = Rewriter()
    moved: dict[int, int] = {}
    for position, node in enumerate(graph.nodes):
        moved[position] = _rewrite(rewriter, graph, position, Node(node.operation, tuple(
            moved[i] for i in node.operands), node.value))  # fmt: skip
    return rewriter.finish(graph, moved)


def _rewrite(rewriter: Rewriter, graph: Graph, position: int, node: Node) -> int:
    shape = graph.shapes[position]
    if node.operation == "matmul" and rewriter.nodes[node.operands[1]].operation == "concat":
        return _split_product(rewriter, node, shape)
    if node.operation == "concat":
        node = Node("concat", _flat(rewriter, node))
    if node.operation == "delayed" and graph.delay(graph.nodes[position]) == 1:
        return node.operands[0]
    if _is_number(rewriter, node):
        return rewriter.add(Node("number", (), _folded(rewriter, node)), ())
    return rewriter.add(node, shape)


def _flat(rewriter: Rewriter, node: Node) -> tuple[int, ...]:
    """The parts of a concatenation, those of concatenations in it included."""
    parts: list[int] = []
    for operand in node.operands:
        inner = rewriter.nodes[operand]
        parts.extend(inner.operands if inner.operation == "concat" else (operand,))
    return tuple(parts)


def _split_product(rewriter: Rewriter, node: Node, shape: Shape) -> int:
    """W @ concat(a, b) as columns(W) @ a + columns(W) @ b."""
    matrix, vector = node.operands
    start = Size(())
    total: int | None = None
    for part in rewriter.nodes[vector].operands:
        stop = start + rewriter.shapes[part][0]
        block = rewriter.add(Node("columns", (matrix,), (start, stop)), (shape[0], rewriter.shapes[part][0]))
        product = rewriter.add(Node("matmul", (block, part)), shape)
        total = product if total is None else rewriter.add(Node("add", (total, product)), shape)
        start = stop
    assert total is not None
    return total


def _is_number(rewriter: Rewriter, node: Node) -> bool:
    foldable = OPERATIONS[node.operation].kind == "elementwise" and node.operation != "where"
    return foldable and all(rewriter.nodes[i].operation == "number" for i in node.operands)


def _folded(rewriter: Rewriter, node: Node) -> float:
    compute = OPERATIONS[node.operation].numpy
    assert compute is not None
    return float(compute(*(rewriter.nodes[i].value for i in node.operands)))


# --- parts of stacked vectors ---------------------------------------------------------------------


def _parts(graph: Graph) -> Graph:
    """Stacked gates as separate ones: a part of a sum is the sum of parts, a part of W @ x is a block of W's rows.

    Only where nothing but the parts is read, so that no work is done twice.
    """
    divided = _divided(graph)
    if not divided:
        return graph
    rewriter = Rewriter()
    moved: dict[int, int] = {}

    def part(position: int, index: int, count: int) -> int:
        node = graph.nodes[position]
        if not graph.shapes[position]:
            return moved[position]
        shape = (graph.shapes[position][0].times(Fraction(1, count)),)
        if position not in divided:
            return rewriter.add(Node("part", (moved[position],), (index, count)), shape)
        if node.operation == "matmul":
            rows, columns = graph.shapes[node.operands[0]]
            matrix = Node("rows", (moved[node.operands[0]],), (index, count))
            block = rewriter.add(matrix, (rows.times(Fraction(1, count)), columns))
            return rewriter.add(Node("matmul", (block, moved[node.operands[1]])), shape)
        operands = tuple(part(operand, index, count) for operand in node.operands)
        return rewriter.add(Node(node.operation, operands, node.value), shape)

    for position, node in enumerate(graph.nodes):
        if node.operation == "part" and node.operands[0] in divided:
            moved[position] = part(node.operands[0], *node.value)
        else:  # a divided value is also kept whole, for its label; without one it is dropped
            operands = tuple(moved[i] for i in node.operands)
            moved[position] = rewriter.add(Node(node.operation, operands, node.value), graph.shapes[position])
    return rewriter.finish(graph, moved)


def _roots(graph: Graph) -> set[int]:
    return {graph.output, *graph.next_states}


def _divided(graph: Graph) -> set[int]:
    """The products and entrywise values of which only parts, all of one count, are read."""
    readers: dict[int, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        for operand in node.operands:
            readers.setdefault(operand, []).append(i)
    counts: dict[int, int] = {}
    for i in reversed(range(len(graph.nodes))):
        kind = OPERATIONS[graph.nodes[i].operation].kind
        found = {_count(graph, reader, counts) for reader in readers.get(i, [])}
        if kind in ("product", "elementwise", "condition") and graph.shapes[i] and len(found) == 1:
            (count,) = found
            if count and i not in _roots(graph):
                counts[i] = count
    return set(counts)


def _count(graph: Graph, reader: int, counts: dict[int, int]) -> int:
    """How many parts a reader takes of what it reads; 0 when it reads the whole."""
    node = graph.nodes[reader]
    if node.operation == "part":
        return int(node.value[1])
    return 0 if node.operation == "matmul" else counts.get(reader, 0)


# --- n-ary sums ----------------------------------------------------------------------------------


def _sums(graph: Graph) -> Graph:
    uses = Counter(i for node in graph.nodes for i in node.operands)
    uses.update({graph.output, *graph.next_states})
    dissolved = {
        i
        for node in graph.nodes
        if node.operation in ADDITIVE
        for i in node.operands
        if graph.nodes[i].operation in ADDITIVE and uses[i] == 1
    }
    rewriter = Rewriter()
    moved: dict[int, int] = {}
    for position, node in enumerate(graph.nodes):
        if node.operation in ("add", "subtract"):
            terms = _terms(graph, position, dissolved, 1)
            new = Node("sum", tuple(moved[i] for i, _ in terms), tuple(sign for _, sign in terms))
        else:
            new = Node(node.operation, tuple(moved[i] for i in node.operands), node.value)
        moved[position] = rewriter.add(new, graph.shapes[position])
    return rewriter.finish(graph, moved)


def _terms(graph: Graph, position: int, dissolved: set[int], sign: int) -> list[tuple[int, int]]:
    """The terms of a chain of additions with their signs, left to right."""
    node = graph.nodes[position]
    signs = {"add": (1, 1), "subtract": (1, -1), "negative": (-1,)}[node.operation]
    found: list[tuple[int, int]] = []
    for operand, own in zip(node.operands, signs, strict=True):
        if operand in dissolved:
            found.extend(_terms(graph, operand, dissolved, sign * own))
        else:
            found.append((operand, sign * own))
    return found
