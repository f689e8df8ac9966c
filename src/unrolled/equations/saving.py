"""Which values of the forward run are kept for the backward run: the least of floats and recomputation.

A cheapest cut separates what the forward run has from what the backward run needs: a value on the border is
saved, one beyond it is recomputed from saved ones. Products are never recomputed.
"""

from __future__ import annotations

from unrolled.equations.cut import minimum_cut
from unrolled.equations.graph import Graph
from unrolled.equations.groups import NEVER_CUT, weight
from unrolled.equations.operations import OPERATIONS

# The price of computing a float again, when keeping it costs one; structure (`part`, `concat`) only moves it.
MOVED, CHEAP, TRANSCENDENTAL, WHOLE_ROW = 0.001, 0.1, 0.5, 0.9
PRICES = {"sigmoid": TRANSCENDENTAL, "tanh": TRANSCENDENTAL, "exp": TRANSCENDENTAL, "log": TRANSCENDENTAL,
          "softplus": TRANSCENDENTAL}  # fmt: skip


def is_at_hand(graph: Graph, position: int) -> bool:
    """Whether a value needs no saving: the input, what comes from outside, numbers and the clock's bits."""
    return graph.nodes[position].operation in ("input", "static", "parameter", "number", "every", "zeros")


def price(operation: str) -> float:
    """What it costs to compute one float of an operation again."""
    by_kind = {"row": WHOLE_ROW, "structure": MOVED}
    return by_kind.get(OPERATIONS[operation].kind, PRICES.get(operation, CHEAP))


def holds_product(graph: Graph, position: int) -> bool:
    """Whether a value is a product, or a sum that products are added up in, of which nothing else remains."""
    node = graph.nodes[position]
    added = node.operands if node.operation == "sum" else ()
    return node.operation == "matmul" or any(graph.nodes[i].operation == "matmul" for i in added)


def choose_saved(graph: Graph, needed: set[int]) -> set[int]:
    """The positions to save, so that every needed value can be had; state leaves stand for their sequence."""
    capacities: dict[tuple[object, object], float] = {}
    next_of = dict(zip(graph.signature.states, graph.next_states, strict=True))
    waiting, seen = list(needed), set()
    while waiting:
        i = waiting.pop()
        if i in seen or is_at_hand(graph, i):
            continue
        seen.add(i)
        node = graph.nodes[i]
        if i in needed:
            capacities[("out", i), "backward"] = NEVER_CUT
        # What the run gives back anyway is free to save.
        capacities[("in", i), ("out", i)] = 0.001 if i == graph.output else max(weight(graph, i), 0.001)
        state = node.value if node.operation == "state" else None
        if node.operation == "delayed":
            state = graph.nodes[node.operands[0]].value
        if state is not None:
            # An earlier value of a state is there when the state's sequence is.
            source = next_of[state]
            capacities[("in", i), ("out", i)] = 0.0
            capacities["forward", ("in", i)] = NEVER_CUT
            capacities["forward", ("in", source)] = NEVER_CUT
            capacities[("out", source), ("out", i)] = NEVER_CUT
            waiting.append(source)
            continue
        if holds_product(graph, i):
            capacities["forward", ("in", i)] = NEVER_CUT
            continue
        capacities["forward", ("in", i)] = max(
            capacities.get(("forward", ("in", i)), 0.0), price(node.operation) * weight(graph, i)
        )
        for operand in node.operands:
            if not is_at_hand(graph, operand):
                capacities[("out", operand), ("in", i)] = NEVER_CUT
                waiting.append(operand)
    if not capacities:
        return set()
    kept = minimum_cut(capacities, "forward", "backward", late=True)
    return {i for i in seen if ("in", i) in kept and ("out", i) not in kept}
