"""What is kept for the backward run: counted by hand for known cells, and by brute force on small graphs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.random_cells import random_cell
from unrolled.cells import catalogue
from unrolled.equations import Cell, Graph
from unrolled.equations.groups import weight
from unrolled.equations.interior import interior
from unrolled.equations.operations import OPERATIONS
from unrolled.equations.saving import CHEAP, MOVED, PRICES, WHOLE_ROW, choose_saved, is_at_hand
from unrolled.equations.schedule import make_schedule
from unrolled.equations.show_backward import Backward

# By step and row, beside the input and the output.
FLOATS = {
    "elman": "0",
    "elman_relu": "0",
    "indrnn": "0",
    "skip_in_time": "0",
    "lstm": "5H",
    "lstm_peephole": "5H",
    "lstm_layer_norm": "9H",
    "gru": "3H",
    "gru_reset_after": "4H",
    "gru_update_only": "2H",
    "mingru": "2H",
    "minlstm": "3H",
    "jordan": "H",
}
SMALL = {
    **{
        name: catalogue()[name]
        for name in ("elman", "jordan", "mingru", "indrnn", "leaky", "gru_update_only")
    },
    "recomputed": Cell.from_text(
        "def a(x, h, *, U, W):\n    s = U @ h + W @ x\n    return tanh(s) * sigmoid(s)\n"
    ),
    "shared": Cell.from_text(
        "def shared(x, h, *, U, b):\n    s = exp(U @ h)\n    return s * relu(b) + s / abs(h)\n"
    ),
    "normed": Cell.from_text("def c(x, h, *, U, W, g):\n    return tanh(g * layer_norm(U @ h) + W @ x)\n"),
    "stacked": Cell.from_text(
        "def e(x, h, *, U, W, g):\n"
        "    a, b = split(layer_norm(U @ h) * g, 2)\n    return tanh(W @ x) * a + relu(b)\n"
    ),
    "delays": Cell.from_text("def d(x, h, *, U, W):\n    return tanh(U @ delayed(h, 2)) * h + W @ x\n"),
    **{f"random_{seed}": Cell.from_text(random_cell(seed).text) for seed in range(30)},
}
MOST = 12  # values that may be saved or not: two to that power sets are tried


@pytest.mark.parametrize("name", FLOATS)
def test_floats_saved_by_step_and_row(name):
    backward = Backward(make_schedule(catalogue()[name].graph))
    assert str(backward.floats() if backward.saved() else 0) == FLOATS[name]


def test_a_known_state_is_not_saved():
    forced = Backward(make_schedule(catalogue()["jordan"].graph, ("y",)))
    assert [forced.value(i) for i in forced.saved()] == ["h_t"]


def inner(cell: Cell) -> Graph:
    return interior(make_schedule(cell.graph)).graph


def source(graph: Graph, position: int) -> int | None:
    """The value whose sequence a state's leaf is read from."""
    node = graph.nodes[position]
    leaf = graph.nodes[node.operands[0]] if node.operation == "delayed" else node
    next_of = dict(zip(graph.signature.states, graph.next_states, strict=True))
    return next_of[str(leaf.value)] if leaf.operation == "state" else None


def must_be_saved(graph: Graph, position: int) -> bool:
    """Products, and sums with one: no product is computed again, and one in a sum is never there by itself."""
    node = graph.nodes[position]
    products = [o for o in node.operands if graph.nodes[o].operation == "matmul"]
    return node.operation == "matmul" or (node.operation == "sum" and bool(products))


def price(operation: str) -> float:
    """By float: what moves entries costs next to nothing, and a whole row is dearest."""
    kind = OPERATIONS[operation].kind
    if kind == "structure":
        return MOVED
    return WHOLE_ROW if kind == "row" else PRICES.get(operation, CHEAP)


def cost(graph: Graph, needed: set[int], saved: set[int]) -> float:
    """Floats and recomputation with these values saved; infinite where a needed value cannot be had."""
    total, done = 0.0, set()
    waiting = [i for i in needed if not is_at_hand(graph, i)]
    while waiting:
        i = waiting.pop()
        if i in done or is_at_hand(graph, i):
            continue
        done.add(i)
        sequence = source(graph, i)
        if sequence is not None:
            if sequence not in saved and not is_at_hand(graph, sequence) and source(graph, sequence) is None:
                return np.inf
            waiting.append(sequence)
        elif i in saved:
            total += 0.001 if i == graph.output else max(weight(graph, i), 0.001)
        elif must_be_saved(graph, i):
            return np.inf
        else:
            total += price(graph.nodes[i].operation) * weight(graph, i)
            waiting.extend(graph.nodes[i].operands)
    return total


def choices(graph: Graph) -> list[int]:
    return [i for i in range(len(graph.nodes)) if not is_at_hand(graph, i) and source(graph, i) is None]


FEW = [name for name, cell in SMALL.items() if len(choices(inner(cell))) <= MOST]


def test_there_are_graphs_to_try():
    assert {"elman", "recomputed", "shared", "normed", "stacked", "delays"} <= set(FEW)
    assert len(FEW) >= 12


@pytest.mark.parametrize("name", FEW)
def test_no_other_set_is_cheaper(name):
    graph = inner(SMALL[name])
    rng = np.random.default_rng(len(graph.nodes))
    values = [i for i in range(len(graph.nodes)) if graph.shapes[i] and len(graph.shapes[i]) == 1]
    for _ in range(4):
        needed = {i for i in values if rng.random() < 0.4}
        cheapest = min(
            cost(graph, needed, set(chosen))
            for count in range(len(choices(graph)) + 1)
            for chosen in itertools.combinations(choices(graph), count)
        )
        assert cost(graph, needed, choose_saved(graph, needed)) == pytest.approx(cheapest)
