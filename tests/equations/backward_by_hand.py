"""Graphs of cells and of backward cells evaluated in NumPy, float64, one step at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unrolled.equations.adjoint import Adjoint
from unrolled.equations.graph import Graph
from unrolled.equations.operations import OPERATIONS

EPSILON = 1e-5  # of layer_norm


def value_of(graph: Graph, position: int, operands: list[Any], letters: dict[str, int], clock: int) -> Any:
    """One node that is no leaf of the signature."""
    node = graph.nodes[position]
    operation = node.operation
    if operation in ("number", "constant"):
        return graph.number(position)
    if operation == "zeros":
        return np.zeros(node.value.value(letters))
    if operation == "sum":
        return sum(sign * operand for sign, operand in zip(node.value, operands, strict=True))
    if operation == "every":
        periods = np.atleast_1d(operands[0]).astype(int)
        bits = (clock % periods == 0).astype(float)
        return np.repeat(bits, letters["H"] // len(bits)) if graph.shapes[position] else float(bits[0])
    if operation in ("part", "rows"):
        index, count = node.value
        return np.split(operands[0], count)[index]
    if operation == "columns":
        return operands[0][:, slice(*(size.value(letters) for size in node.value))]
    if operation == "piece":
        return operands[0][slice(*(size.value(letters) for size in node.value))]
    if operation == "dlayer_norm":
        v, g = operands
        sigma = np.sqrt(v.var() + EPSILON)
        y = (v - v.mean()) / sigma
        return (g - g.mean() - y * (g * y).mean()) / sigma
    compute = OPERATIONS[operation].numpy
    assert compute is not None
    return compute(*operands)


def evaluate(graph: Graph, leaves: dict[int, Any], letters: dict[str, int], clock: int = 0) -> list[Any]:
    """Every node of one step; `leaves` has what comes from outside, delayed values included."""
    found: list[Any] = []
    for i, node in enumerate(graph.nodes):
        if i in leaves:
            found.append(leaves[i])
        elif node.operation == "delayed":
            found.append(None)
        else:
            found.append(value_of(graph, i, [found[o] for o in node.operands], letters, clock))
    return found


def outside(whole: Graph, given: dict[str, Any], letters: dict[str, int]) -> list[Any]:
    """What depends on parameters and static inputs only; None elsewhere."""
    found: list[Any] = []
    for i, node in enumerate(whole.nodes):
        operands = [found[o] for o in node.operands]
        if node.operation in ("parameter", "static"):
            found.append(given[str(node.value)])
        elif node.operation in ("input", "state", "delayed", "every") or any(o is None for o in operands):
            found.append(None)
        else:
            found.append(value_of(whole, i, operands, letters, 0))
    return found


def states_of(graph: Graph) -> dict[int, tuple[str, int]]:
    """The leaves that are earlier values of a state, with how many steps earlier."""
    found = {graph.leaf[name]: (name, 1) for name in graph.signature.states}
    for i, node in enumerate(graph.nodes):
        if node.operation == "delayed":
            found[i] = (str(graph.nodes[node.operands[0]].value), graph.delay(node))
    return found


def forward_run(
    graph: Graph, x: np.ndarray, fixed: dict[str, Any], initial: dict[str, Any], letters: dict[str, int]
) -> list[list[Any]]:
    """The values of every node at every step of an interior graph."""
    steps: list[list[Any]] = []
    next_of = dict(zip(graph.signature.states, graph.next_states, strict=True))
    for t, now in enumerate(x):
        leaves: dict[int, Any] = {graph.leaf[name]: value for name, value in fixed.items()}
        leaves[graph.leaf[graph.signature.input]] = now
        for i, (name, ago) in states_of(graph).items():
            leaves[i] = steps[t - ago][next_of[name]] if t >= ago else initial[name]
        steps.append(evaluate(graph, leaves, letters, t))
    return steps


@dataclass
class Gradients:
    """Of the interior's parameters and static inputs by name, of the input (T, I) and of the initial states."""

    fixed: dict[str, Any]
    x: np.ndarray
    initial: dict[str, Any]
    steps: list[list[Any]] = field(default_factory=list)  # every node of the backward cell, last step first


def backward_run(
    adjoint: Adjoint,
    forward: list[list[Any]],
    fixed: dict[str, Any],
    output: np.ndarray,
    final: dict[str, Any],
    letters: dict[str, int],
) -> Gradients:
    """Run the backward cell: `output` (T, n) arrives from the loss, `final` at the states after the last step."""
    graph, inner = adjoint.schedule.graph, adjoint.forward
    source = inner.leaf[inner.signature.input]
    time = len(forward)
    found = Gradients(
        {name: np.zeros_like(value) for name, value in fixed.items()},
        np.zeros((time, *np.shape(forward[0][source]))),
        {name: np.zeros_like(value) for name, value in final.items()},
    )
    carried = dict(zip(graph.signature.states, adjoint.carried, strict=True))
    next_of = dict(zip(graph.signature.states, graph.next_states, strict=True))
    first = {state: next(own for own, (name, _) in carried.items() if name == state) for state in final}
    for tick, t in enumerate(reversed(range(time))):
        leaves: dict[int, Any] = {graph.leaf[name]: value for name, value in fixed.items()}
        leaves[graph.leaf[graph.signature.input]] = output[t]
        for name, i in adjoint.saved:
            leaves[graph.leaf[name]] = forward[t][i]
        for i, (own, ago) in states_of(graph).items():
            state = carried[own][0]
            last = final[state] if tick == 0 and first[state] == own else 0.0 * final[state]
            leaves[i] = found.steps[tick - ago][next_of[own]] if tick >= ago else last
        now = evaluate(graph, leaves, letters, t)
        found.steps.append(now)
        for own, (state, ago) in carried.items():
            if t - ago < 0:
                found.initial[state] = found.initial[state] + now[next_of[own]]
        for leaf, d, v in adjoint.matrices:
            found.fixed[str(inner.nodes[leaf].value)] += np.outer(now[d], now[v])
        for leaf, d in (*adjoint.vectors, *adjoint.statics):
            found.fixed[str(inner.nodes[leaf].value)] += now[d]
        if adjoint.input is not None:
            found.x[t] = now[adjoint.input]
    return found
