"""The cheapest cut through a small directed graph (maximum flow by shortest augmenting paths)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from typing import TypeVar

Vertex = TypeVar("Vertex", bound=Hashable)
Capacities = Mapping[tuple[Vertex, Vertex], float]
TINY = 1e-12


def minimum_cut(
    capacities: Capacities[Vertex], source: Vertex, sink: Vertex, late: bool = False
) -> set[Vertex]:
    """The vertices on the source's side of a cheapest cut; of equal cuts the nearest to the source, or `late`.

    Edges that must not be cut have capacity `float("inf")`; some cut must be finite.
    """
    residual: dict[Vertex, dict[Vertex, float]] = {source: {}, sink: {}}
    for (tail, head), capacity in capacities.items():
        forward = residual.setdefault(tail, {})
        forward[head] = forward.get(head, 0.0) + capacity
        residual.setdefault(head, {}).setdefault(tail, 0.0)
    while (path := _path(residual, source, sink)) is not None:
        flow = min(residual[tail][head] for tail, head in path)
        for tail, head in path:
            residual[tail][head] -= flow
            residual[head][tail] += flow
    if not late:
        return _reached(residual, source)
    backward: dict[Vertex, dict[Vertex, float]] = {vertex: {} for vertex in residual}
    for tail, heads in residual.items():
        for head, capacity in heads.items():
            backward[head][tail] = capacity
    beyond = _reached(backward, sink)
    return set(residual) - beyond


def _path(
    residual: dict[Vertex, dict[Vertex, float]], source: Vertex, sink: Vertex
) -> list[tuple[Vertex, Vertex]] | None:
    came: dict[Vertex, Vertex] = {source: source}
    waiting = deque([source])
    while waiting and sink not in came:
        tail = waiting.popleft()
        for head, capacity in residual[tail].items():
            if capacity > TINY and head not in came:
                came[head] = tail
                waiting.append(head)
    if sink not in came:
        return None
    path, vertex = [], sink
    while vertex != source:
        path.append((came[vertex], vertex))
        vertex = came[vertex]
    return path


def _reached(residual: Mapping[Vertex, Mapping[Vertex, float]], start: Vertex) -> set[Vertex]:
    found, waiting = {start}, [start]
    while waiting:
        for head, capacity in residual[waiting.pop()].items():
            if capacity > TINY and head not in found:
                found.add(head)
                waiting.append(head)
    return found
