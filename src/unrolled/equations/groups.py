"""Which values must wait for time: the group of every node, as a fixpoint over the states."""

from __future__ import annotations

from dataclasses import dataclass

from unrolled.equations.cut import minimum_cut
from unrolled.equations.graph import Graph, Node
from unrolled.equations.operations import OPERATIONS

ONCE, ROW, BEFORE, UNKNOWN = 0, 1, 2, 3  # how often a value changes: never, by row, by step, with the state
NEVER_CUT = float("inf")


@dataclass(frozen=True)
class StateKinds:
    """`known`: computable for all steps at once; `looped`: on or feeding a cycle; `trailing`: after the loop."""

    known: frozenset[str]
    looped: frozenset[str]
    trailing: frozenset[str]


def states_read(graph: Graph) -> list[frozenset[str]]:
    """For every node the states it depends on within a step."""
    found: list[frozenset[str]] = []
    for node in graph.nodes:
        own = {str(node.value)} if node.operation == "state" else set()
        found.append(frozenset(own.union(*(found[i] for i in node.operands))))
    return found


def state_kinds(graph: Graph, forced: frozenset[str]) -> StateKinds:
    """Sort the states: a forced one is known, and so is one whose next value needs no unknown state."""
    reads = states_read(graph)
    needs = {
        name: reads[position]
        for name, position in zip(graph.signature.states, graph.next_states, strict=True)
    }
    known = set(forced)
    while more := {name for name in needs if name not in known and needs[name] <= known}:
        known |= more
    unknown = set(needs) - known
    reach = {name: _reach(name, needs, unknown) for name in unknown}
    cyclic = {name for name in unknown if name in reach[name]}
    feeding = {name for name in unknown if any(name in reach[other] for other in cyclic)}
    looped = cyclic | feeding
    return StateKinds(frozenset(known), frozenset(looped), frozenset(unknown - looped))


def _reach(name: str, needs: dict[str, frozenset[str]], unknown: set[str]) -> set[str]:
    """The unknown states that the next values of `name` come to depend on."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in needs[waiting.pop()] & unknown:
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def ranks(graph: Graph, kinds: StateKinds) -> list[int]:
    """For every node how often it changes: ONCE, ROW, BEFORE or UNKNOWN."""
    found: list[int] = []
    own = {"input": BEFORE, "saved": BEFORE, "static": ROW, "every": BEFORE}
    for node in graph.nodes:
        rank = own.get(node.operation, ONCE)
        if node.operation == "state":
            rank = BEFORE if node.value in kinds.known else UNKNOWN
        found.append(max([rank, *(found[i] for i in node.operands)]))
    return found


def weight(graph: Graph, position: int) -> float:
    """The floats of a value by step and row, with every size counted as one; a bit by row is nearly free."""
    shape = graph.shapes[position]
    return float(sum(count for _, count in shape[0].terms)) if shape else 0.001


def movable(node: Node) -> bool:
    """Whether a node may stand on either side of the loop's border."""
    return OPERATIONS[node.operation].kind in ("elementwise", "condition", "structure")


def sink_before(
    graph: Graph, rank: list[int], step: set[int], needed: set[int], results: set[int]
) -> set[int]:
    """The known nodes that are better computed inside the loop: where the fewest floats cross.

    A node computed before the loop and read inside costs its floats once; what a product before the loop
    reads must stay before it. `step` are the nodes of the loop, `needed` all nodes of the run.
    """
    candidates = {
        i for i in needed if rank[i] == BEFORE and movable(graph.nodes[i]) and not _starts(graph, i)
    }
    capacities: dict[tuple[object, object], float] = {("before", ("value", i)): NEVER_CUT for i in results}
    for i in needed:
        for operand in graph.nodes[i].operands:
            if rank[operand] != BEFORE or graph.nodes[operand].operation == "every":
                continue
            capacities[("value", operand), ("read", operand)] = weight(graph, operand)
            if i in step:
                capacities[("read", operand), "loop"] = NEVER_CUT
            elif i in candidates:
                capacities[("read", operand), ("value", i)] = NEVER_CUT
                capacities[("value", i), ("value", operand)] = NEVER_CUT
            else:
                capacities["before", ("value", operand)] = NEVER_CUT
            if operand not in candidates:
                capacities["before", ("value", operand)] = NEVER_CUT
    stays = minimum_cut(capacities, "before", "loop")
    read_in_loop = _feeds(graph, step, candidates)
    return {i for i in candidates & read_in_loop if ("value", i) not in stays}


def lift_after(graph: Graph, step: set[int], after: set[int], results: set[int]) -> set[int]:
    """The nodes after the loop that are better computed inside it, because fewer floats then cross."""
    candidates = {i for i in after if movable(graph.nodes[i])}
    capacities: dict[tuple[object, object], float] = {}
    for i in step | candidates:
        capacities[("value", i), ("read", i)] = weight(graph, i)
        if i in step:
            capacities["loop", ("value", i)] = NEVER_CUT
        if i in results:
            capacities[("read", i), "after"] = NEVER_CUT
    for i in after:
        for operand in graph.nodes[i].operands:
            if operand in step or operand in candidates:
                head = ("value", i) if i in candidates else "after"
                capacities[("read", operand), head] = NEVER_CUT
                if i in candidates:
                    capacities[("value", i), ("value", operand)] = NEVER_CUT
            elif operand in after and i in candidates:
                capacities[("value", i), "after"] = NEVER_CUT
    inside = minimum_cut(capacities, "loop", "after", late=True)
    return {i for i in candidates if ("value", i) in inside}


def _starts(graph: Graph, position: int) -> bool:
    """Whether a node is a sum with a product in it: the product's accumulator, which stays with it."""
    node = graph.nodes[position]
    return node.operation == "sum" and any(graph.nodes[i].operation == "matmul" for i in node.operands)


def _feeds(graph: Graph, step: set[int], candidates: set[int]) -> set[int]:
    """The candidates that the loop reads, directly or through other candidates."""
    found: set[int] = set()
    waiting = list(step)
    while waiting:
        for operand in graph.nodes[waiting.pop()].operands:
            if operand in candidates and operand not in found:
                found.add(operand)
                waiting.append(operand)
    return found
