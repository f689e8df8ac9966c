"""The graph of a cell: frozen nodes in the order they are computed, and what their names mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from unrolled.equations.sizes import HIDDEN, INPUT, Size

Shape: TypeAlias = tuple[Size, ...]  # () a number, (n,) a vector, (rows, columns) a matrix

LEAVES = ("input", "state", "static", "parameter", "constant", "saved")


@dataclass(frozen=True)
class Node:
    """One operation: its operands are positions of earlier nodes.

    `value` is the name of a leaf, the number (or tuple) of a "number", `(index, count)` of a "part", the
    signs of a "sum", and `(start, stop)` of "columns".
    """

    operation: str
    operands: tuple[int, ...] = ()
    value: Any = None


@dataclass(frozen=True)
class Signature:
    """What a cell takes: the input, the states, the static inputs, the learned names and the constants."""

    name: str
    input: str
    states: tuple[str, ...]
    statics: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    constants: tuple[tuple[str, float | tuple[float, ...]], ...] = ()
    sizes: tuple[tuple[str, str], ...] = ()
    saved: tuple[str, ...] = ()  # values of the forward run; in backward graphs only

    def leaves(self) -> Iterator[Node]:
        """A leaf node for every name, in the order of the signature."""
        yield Node("input", (), self.input)
        for operation, names in (
            ("state", self.states),
            ("static", self.statics),
            ("parameter", self.parameters),
            ("constant", tuple(name for name, _ in self.constants)),
            ("saved", self.saved),
        ):
            for name in names:
                yield Node(operation, (), name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of the signature, in order."""
        return tuple(str(node.value) for node in self.leaves())

    @property
    def size_names(self) -> tuple[str, ...]:
        """The named sizes beyond I and H, static inputs included, each once."""
        declared = dict(self.sizes)
        names = [*declared.values(), *(name for name in self.statics if name not in declared)]
        return tuple(name for name in dict.fromkeys(names) if name not in (INPUT, HIDDEN))


@dataclass(frozen=True)
class Graph:
    """A cell's equations as data: `str(graph)` is its canonical text, which parses to an equal graph.

    `output` and `next_states` are positions in `nodes`; `labels` name the local values of the equations.
    """

    signature: Signature
    nodes: tuple[Node, ...]
    shapes: tuple[Shape, ...]
    output: int
    next_states: tuple[int, ...]
    labels: tuple[tuple[str, int], ...] = ()

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Computed once: every call of a layer looks its schedule up by the graph."""
        return hash((self.signature, self.nodes, self.output, self.next_states, self.labels))

    def __str__(self) -> str:
        from unrolled.equations.source import graph_text

        return graph_text(self)

    @cached_property
    def leaf(self) -> Mapping[str, int]:
        """Position of the leaf of each name in the signature."""
        return {str(node.value): i for i, node in enumerate(self.nodes) if node.operation in LEAVES}

    @cached_property
    def constants(self) -> Mapping[str, float | tuple[float, ...]]:
        """The named constants and their values."""
        return dict(self.signature.constants)

    @cached_property
    def named(self) -> Mapping[str, int]:
        """Every recordable name: local values, and each state's new value under the state's name."""
        states = dict(zip(self.signature.states, self.next_states, strict=True))
        return {**states, **dict(self.labels)}

    def size(self, position: int) -> Size:
        """The size of a vector node."""
        return self.shapes[position][0]

    def number(self, position: int) -> float | tuple[float, ...]:
        """The value of a "number" or "constant" node."""
        node = self.nodes[position]
        value = self.constants[node.value] if node.operation == "constant" else node.value
        return value

    def delays(self) -> Mapping[str, int]:
        """How many steps back each state is read: 1, or the largest k of `delayed(state, k)`."""
        deepest = dict.fromkeys(self.signature.states, 1)
        for node in self.nodes:
            if node.operation == "delayed":
                name = self.nodes[node.operands[0]].value
                deepest[name] = max(deepest[name], self.delay(node))
        return deepest

    def delay(self, node: Node) -> int:
        """The k of a "delayed" node."""
        steps = self.number(node.operands[1])
        assert not isinstance(steps, tuple)
        return int(steps)

    def with_constants(self, constants: Mapping[str, float | tuple[float, ...]]) -> Graph:
        """The same equations with other values for named constants."""
        changed = tuple((name, constants.get(name, value)) for name, value in self.signature.constants)
        return replace(self, signature=replace(self.signature, constants=changed))


def reachable(nodes: tuple[Node, ...] | list[Node], roots: list[int]) -> set[int]:
    """The positions that `roots` depend on, themselves included."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        position = waiting.pop()
        if position not in found:
            found.add(position)
            waiting.extend(nodes[position].operands)
    return found


def canonical(
    signature: Signature,
    nodes: list[Node],
    shapes: list[Shape],
    output: int,
    next_states: tuple[int, ...],
    labels: Mapping[str, int],
) -> Graph:
    """A graph whose nodes stand in one order: leaves as in the signature, then what names and results need.

    Equal equations give equal graphs however they were written down, which is what makes
    `parse(print(graph)) == graph` hold.
    """
    order: dict[int, int] = {}
    kept: list[Node] = []
    kept_shapes: list[Shape] = []

    def keep(position: int) -> int:
        if position not in order:
            node = nodes[position]
            operands = tuple(keep(operand) for operand in node.operands)
            order[position] = len(kept)
            kept.append(replace(node, operands=operands))
            kept_shapes.append(shapes[position])
        return order[position]

    for position in range(len(signature.names)):  # the builder puts the leaves first
        keep(position)
    named = sorted(((keep(i), name) for name, i in sorted(labels.items(), key=lambda item: item[1])))
    return Graph(
        signature=signature,
        output=keep(output),
        next_states=tuple(keep(i) for i in next_states),
        nodes=tuple(kept),
        shapes=tuple(kept_shapes),
        labels=tuple((name, i) for i, name in named),
    )
