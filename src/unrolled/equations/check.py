"""The written grammar of graphs, checked after every stage.

A graph that breaks a rule is a defect of ours, not of the user's equations, so it raises AssertionError
with the rule and the node.
"""

from __future__ import annotations

from unrolled.equations.graph import Graph, Node
from unrolled.equations.operations import OPERATIONS

MATRIX_MAKERS = ("parameter", "transpose", "upper_blocks", "columns", "rows")


def check(graph: Graph, simplified: bool = False) -> None:
    """Raise AssertionError where `graph` breaks the grammar; `simplified` allows "sum" and "columns"."""
    for position, node in enumerate(graph.nodes):
        broken = next((rule for rule, holds in _rules(graph, position, node, simplified) if not holds), None)
        assert broken is None, f"{graph.signature.name}: node {position} {node} breaks the rule: {broken}"
    assert len(graph.next_states) == len(graph.signature.states), "one new value for every state"
    for name, position in zip(graph.signature.states, graph.next_states, strict=True):
        leaf = graph.leaf[name]
        assert graph.shapes[leaf] == graph.shapes[position], f"state {name} keeps its size"
    assert len(graph.shapes[graph.output]) == 1, "the output is a vector"


def _rules(graph: Graph, position: int, node: Node, simplified: bool) -> list[tuple[str, bool]]:
    operation = OPERATIONS.get(node.operation)
    if operation is None:
        return [("the operation is known", False)]
    ranks = [len(graph.shapes[i]) for i in node.operands]
    rules = [
        ("operands come before", all(i < position for i in node.operands)),
        ("the number of operands", operation.arity is None or len(node.operands) == operation.arity),
        (
            "sums and blocks only when simplified",
            simplified or node.operation not in ("sum", "columns", "rows"),
        ),
    ]
    if operation.kind in ("elementwise", "condition"):
        sizes = {graph.shapes[i] for i in node.operands if graph.shapes[i]}
        rules += [("elementwise operands share one size", len(sizes) <= 1 and max(ranks) <= 1)]
    if operation.kind == "product":
        maker = graph.nodes[node.operands[0]].operation if node.operands else ""
        rules += [("a matrix times a vector", ranks == [2, 1] and maker in MATRIX_MAKERS)]
    if operation.kind in ("row", "structure"):
        rules += [("row and structure operations take vectors", set(ranks) == {1})]
    if node.operation == "sum":
        rules += [("a sum has a sign for every term", len(node.value) == len(node.operands) >= 2)]
    if node.operation == "delayed":
        rules += [("only states are delayed", graph.nodes[node.operands[0]].operation == "state")]
    return rules
