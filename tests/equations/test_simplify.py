"""Simplification changes no value, and two notations of one network become the same schedule."""

import numpy as np
import pytest

from tests.equations.sources import draw, text_cell
from tests.random_cells import random_cell_text
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.equations.operations import OPERATIONS, Moment, at_moment
from unrolled.equations.schedule import make_schedule
from unrolled.equations.simplify import simplify

CELLS = {**catalogue(), **{f"random_{seed}": Cell.from_text(random_cell_text(seed)) for seed in range(60)}}


def block(node, matrix, letters):
    if node.operation == "rows":
        index, count = node.value
        return np.split(matrix, count)[index]
    start, stop = (size.value(letters) for size in node.value)
    return matrix[:, start:stop]


def evaluate(graph, given, letters):
    """Every node of a simplified graph on NumPy vectors."""
    values = []
    for i, node in enumerate(graph.nodes):
        operands = [values[j] for j in node.operands]
        if node.operation in ("number", "constant"):
            values.append(graph.number(i))
        elif node.operation in ("input", "state", "static", "parameter"):
            values.append(given[node.value])
        elif node.operation == "sum":
            values.append(sum(sign * term for sign, term in zip(node.value, operands, strict=True)))
        elif node.operation in ("columns", "rows"):
            values.append(block(node, operands[0], letters))
        elif node.operation == "part":
            values.append(np.split(operands[0], node.value[1])[node.value[0]])
        else:
            values.append(OPERATIONS[node.operation].numpy(*operands))
    return values


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("ordered", [False, True], ids=["simplified", "scheduled"])
def test_no_value_changes(name, ordered):
    cell = CELLS[name]
    drawn = draw(cell)
    states = drawn["state"]
    letters = cell.letters(3, 8, **{size: 5 + i for i, size in enumerate(cell.named_sizes)})
    generator = np.random.default_rng(5)
    past = [(value, [value, *generator.normal(size=(9, len(value)))]) for value in states.values()]
    given = {cell.signature.input: drawn["sequence"][0], **states, **drawn["static"], **drawn["parameters"]}
    graph = make_schedule(cell.graph).graph if ordered else simplify(cell.graph)
    with at_moment(Moment(4, 8, past)):
        returned = cell(**given)
        values = evaluate(graph, given, letters)
    results = [graph.output, *graph.next_states]
    returned = returned if isinstance(returned, tuple) else (returned,)
    expected = returned if len(returned) == len(results) else (returned[0], *returned)
    for position, value in zip(results, expected, strict=True):
        np.testing.assert_allclose(values[position], value, rtol=1e-12, atol=1e-12)
    assert {label for label, _ in graph.labels} == {label for label, _ in cell.graph.labels}


def outline(cell):
    """A schedule without names: per phase the shapes of its stacked products, and its operations."""
    schedule = cell.schedule()
    graph = schedule.graph

    def phases(group):
        return [
            (
                sorted(
                    (graph.nodes[p.vector].operation, len(p.matrices), str(graph.shapes[p.vector]))
                    for p in phase.products
                ),
                sorted((graph.nodes[i].operation, len(graph.nodes[i].operands)) for i in phase.values),
            )
            for phase in group
        ]

    return [phases(group) for group in (schedule.before, schedule.step, schedule.after)]


GATES = "x, h, c, *, "
PAIRS = {
    "elman": (
        text_cell("return tanh(W @ concat(h, x) + b)", "x, h, *, W, b"),
        text_cell("return tanh(U @ h + W @ x + b)", "x, h, *, U, W, b"),
    ),
    "gru": (
        text_cell(
            "z = sigmoid(W_z @ concat(h, x))\nr = sigmoid(W_r @ concat(h, x))\n"
            "candidate = tanh(W @ concat(r * h, x))\nreturn (1 - z) * h + z * candidate",
            "x, h, *, W_z, W_r, W",
        ),
        text_cell(
            "z = sigmoid(U_z @ h + W_z @ x)\nr = sigmoid(U_r @ h + W_r @ x)\n"
            "candidate = tanh(U @ (r * h) + W @ x)\nreturn (1 - z) * h + z * candidate",
            "x, h, *, U_z, W_z, U_r, W_r, U, W",
        ),
    ),
    "stacked gates": (
        text_cell(
            "i, f, g = split(W @ x + U @ h + b, 3)\nc = sigmoid(f) * c + sigmoid(i) * tanh(g)\nreturn tanh(c), c",
            "x, h, c, *, W, U, b",
        ),
        text_cell(
            "c = sigmoid(W_f @ x + U_f @ h + b_f) * c + sigmoid(W_i @ x + U_i @ h + b_i) * tanh(W @ x + U @ h + b)\n"
            "return tanh(c), c",
            "x, h, c, *, W_f, U_f, b_f, W_i, U_i, b_i, W, U, b",
        ),
    ),
    "nested": (
        text_cell("return tanh(W @ concat(concat(h, c), x)), h", "x, h, c, *, W"),
        text_cell("return tanh(A @ h + B @ c + C @ x), h", "x, h, c, *, A, B, C"),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_notations_of_one_network_are_one_schedule(name):
    stacked, separate = PAIRS[name]
    assert outline(stacked) == outline(separate)


def test_sums_are_flattened_only_where_no_one_else_reads_them():
    graph = simplify(
        text_cell("v = W @ x + U @ h\nreturn tanh(v + b - h) * (v + b)", "x, h, *, W, U, b").graph
    )
    sums = sorted(len(node.operands) for node in graph.nodes if node.operation == "sum")
    assert sums == [2, 2, 3]
    graph = simplify(text_cell("return tanh(W @ x + U @ h - (b - h))").graph)
    (terms,) = [node for node in graph.nodes if node.operation == "sum"]
    assert terms.value == (1, 1, -1, 1)


def test_numbers_fold_in_float64_and_constants_do_not():
    graph = simplify(
        text_cell(
            "return h * (sqrt(2) / 3) * (1 - leak) + x", "x, h, *, leak=0.1", '@cell(sizes={"h": "I"})'
        ).graph
    )
    numbers = [node.value for node in graph.nodes if node.operation == "number"]
    assert np.sqrt(2.0) / 3 in numbers
    assert any(node.operation == "constant" for node in graph.nodes)
