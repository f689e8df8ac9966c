"""The written grammar catches a broken graph: each rule is broken once."""

from dataclasses import replace

import pytest

from tests.equations.sources import text_cell
from unrolled.cells import catalogue
from unrolled.equations.check import check
from unrolled.equations.graph import Node
from unrolled.equations.simplify import simplify
from unrolled.equations.sizes import Size

GRAPH = text_cell("return tanh(W @ concat(x, h) + b) * where(h > 0, h, b) + delayed(h, 2) * layer_norm(h)",
                  "x, h, *, W, b").graph  # fmt: skip


def broken(which, /, **changes):
    """The graph with one node changed."""
    position = next(i for i, node in enumerate(GRAPH.nodes) if node.operation == which)
    nodes = list(GRAPH.nodes)
    nodes[position] = replace(nodes[position], **changes)
    return replace(GRAPH, nodes=tuple(nodes))


def leaf(name):
    return GRAPH.leaf[name]


@pytest.mark.parametrize(
    ("graph", "rule"),
    [
        (broken("tanh", operation="cosh"), "the operation is known"),
        (broken("tanh", operands=(len(GRAPH.nodes) - 1,)), "operands come before"),
        (broken("tanh", operands=(leaf("h"), leaf("h"))), "the number of operands"),
        (broken("tanh", operation="sum", value=(1,)), "sums and blocks only when simplified"),
        (broken("tanh", operation="columns", value=(Size(()), Size.of("H"))), "only when simplified"),
        (broken("greater", operands=(leaf("x"), leaf("h"))), "elementwise operands share one size"),
        (broken("tanh", operands=(leaf("W"),)), "elementwise operands share one size"),
        (broken("matmul", operands=(leaf("b"), leaf("h"))), "a matrix times a vector"),
        (broken("matmul", operands=(leaf("W"), leaf("W"))), "a matrix times a vector"),
        (broken("layer_norm", operands=(leaf("W"),)), "row and structure operations take vectors"),
        (broken("concat", operands=(leaf("W"), leaf("h"))), "row and structure operations take vectors"),
        (
            broken("delayed", operands=(leaf("b"), GRAPH.nodes.index(Node("number", (), 2.0)))),
            "only states are delayed",
        ),
        (replace(GRAPH, next_states=()), "one new value for every state"),
        (replace(GRAPH, next_states=(leaf("x"),)), "state h keeps its size"),
        (replace(GRAPH, output=leaf("W")), "the output is a vector"),
    ],
)
def test_a_broken_rule_is_named(graph, rule):
    with pytest.raises(AssertionError, match=rule):
        check(graph)


def test_the_sum_of_a_simplified_graph_has_a_sign_for_every_term():
    simple = simplify(GRAPH)
    position = next(i for i, node in enumerate(simple.nodes) if node.operation == "sum")
    nodes = list(simple.nodes)
    nodes[position] = replace(nodes[position], value=(1,))
    with pytest.raises(AssertionError, match="a sum has a sign for every term"):
        check(replace(simple, nodes=tuple(nodes)), simplified=True)


@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_obeys_before_and_after_simplification(name):
    check(catalogue()[name].graph)
    check(simplify(catalogue()[name].graph), simplified=True)
