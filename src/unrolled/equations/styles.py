"""The same equations in other notations: as a graph whose matrices are joined.

`stacked` writes W [x, h] for W x + U h. `gates` joins the matrices of all gates that read the same vectors, and
splits the result: (i, f, o, g) = ... Either graph computes what the first one does, entry by entry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from typing import Any

from unrolled.equations.graph import LEAVES, Graph
from unrolled.equations.operations import concat, split
from unrolled.equations.source import expression
from unrolled.equations.trace import Builder, Symbol, trace
from unrolled.errors import EquationError, SettingError

STYLES = ("separate", "stacked", "gates")
SQUASHING = ("sigmoid", "tanh", "relu", "softplus", "exp")


def restyled(graph: Graph, style: str) -> Graph:
    """The graph of the same equations written in another style.

    Raises EquationError where a style cannot express the equations, with the reason.
    """
    if style not in STYLES:
        raise SettingError(f"style must be one of {', '.join(STYLES)}, got {style!r}. Choose one of these.")
    if style == "separate":
        return graph
    return _stacked(graph) if style == "stacked" else _gates(graph)


@dataclass(frozen=True)
class Affine:
    """A sum of products, each with a matrix of its own, and of other terms, in order."""

    position: int
    products: tuple[int, ...]
    others: tuple[int, ...]


class Restyler:
    """Writes a graph anew, with some of its values computed in another way."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.uses = Counter(i for node in graph.nodes for i in node.operands)
        self.uses.update([graph.output, *graph.next_states])
        self.labelled = {i for _, i in graph.labels}
        self.replaced: dict[int, Callable[[], Any]] = {}
        self.removed: set[str] = set()
        self.added: dict[str, str] = {}  # new name -> the old one it takes the place of
        self.leaves: Mapping[str, Symbol]
        self.values: dict[int, Any] = {}

    # --- what there is to join -------------------------------------------------------------------

    def is_own(self, position: int) -> bool:
        """Whether a value is read once and has no name."""
        return self.uses[position] == 1 and position not in self.labelled

    def is_product(self, position: int) -> bool:
        """Whether a value is a matrix of its own times a vector."""
        node = self.graph.nodes[position]
        return (
            node.operation == "matmul"
            and self.is_own(position)
            and self.graph.nodes[node.operands[0]].operation == "parameter"
            and self.uses[node.operands[0]] == 1
        )

    def terms(self, position: int) -> list[int]:
        """The terms of a chain of additions."""
        node = self.graph.nodes[position]
        if node.operation != "add":
            return [position]
        inner = [(i, self.is_own(i) and self.graph.nodes[i].operation == "add") for i in node.operands]
        return [term for i, chained in inner for term in (self.terms(i) if chained else [i])]

    def affine(self, position: int) -> Affine:
        """A value as a sum of products and the rest."""
        terms = self.terms(position) if self.graph.nodes[position].operation == "add" else [position]
        products = tuple(i for i in terms if self.is_product(i))
        return Affine(position, products, tuple(i for i in terms if i not in products))

    def vectors(self, affine: Affine) -> tuple[int, ...]:
        """What the matrices of a sum multiply, concatenations taken apart."""
        return tuple(part for i in affine.products for part in self._parts(self.graph.nodes[i].operands[1]))

    def _parts(self, vector: int) -> list[int]:
        node = self.graph.nodes[vector]
        apart = node.operation == "concat"
        return [part for i in node.operands for part in self._parts(i)] if apart else [vector]

    def sums(self) -> Iterator[Affine]:
        """Every chain of additions that is not part of a longer one."""
        inner = {
            i
            for node in self.graph.nodes
            if node.operation == "add"
            for i in node.operands
            if self.is_own(i) and self.graph.nodes[i].operation == "add"
        }
        for position, node in enumerate(self.graph.nodes):
            if node.operation == "add" and position not in inner:
                yield self.affine(position)

    # --- joining ---------------------------------------------------------------------------------

    def join(self, affines: list[Affine], matrix: str, bias: str | None) -> Callable[[], Any]:
        """The sums of `affines` on top of each other: one matrix, and one vector if `bias` has a name."""
        names = [self.matrix_of(i) for affine in affines for i in affine.products]
        biases = [str(self.graph.nodes[i].value) for affine in affines for i in affine.others] if bias else []
        self.removed |= {*names, *biases}
        self.added[matrix] = names[0]
        if bias:
            self.added[bias] = biases[0]
        vectors = self.vectors(affines[0])

        def joined() -> Any:
            parts = [self.value(i) for i in vectors]
            product = self.leaves[matrix] @ (parts[0] if len(parts) == 1 else concat(*parts))
            return product + self.leaves[bias] if bias else product

        return joined

    def matrix_of(self, product: int) -> str:
        """The name of the matrix of a product."""
        return str(self.graph.nodes[self.graph.nodes[product].operands[0]].value)

    def free(self, wanted: tuple[str, str], gone: set[str]) -> str:
        """One of two names, or a longer one, that nothing but what is `gone` has."""
        taken = {*self.graph.signature.names, *(label for label, _ in self.graph.labels)} - gone
        taken |= {*self.added}
        longer = (f"{wanted[1]}_{number}" for number in count(2))
        return next(name for name in chain(wanted, longer) if name not in taken)

    # --- writing ---------------------------------------------------------------------------------

    def graph_again(self) -> Graph:
        """The new graph."""
        signature = self.graph.signature
        old = {before: name for name, before in self.added.items()}
        learned = tuple(
            old.get(name, name) for name in signature.parameters if name not in self.removed or name in old
        )
        return trace(replace(signature, parameters=learned), self._body, signature.name)

    def _body(self, builder: Builder, leaves: Mapping[str, Symbol]) -> tuple[Any, Mapping[str, Any]]:
        self.leaves = leaves
        named = {name: self.value(i) for name, i in sorted(self.graph.labels, key=lambda label: label[1])}
        results = [self.value(i) for i in self.graph.next_states]
        if self.graph.output != self.graph.next_states[0]:
            results.insert(0, self.value(self.graph.output))
        return tuple(results), named

    def value(self, position: int) -> Any:
        """The value at a position of the old graph."""
        if position not in self.values:
            self.values[position] = self._value(position)
        return self.values[position]

    def _value(self, position: int) -> Any:
        node = self.graph.nodes[position]
        if position in self.replaced:
            return self.replaced[position]()
        if node.operation in LEAVES:
            return self.leaves[str(node.value)]
        if node.operation == "number":
            return node.value
        operands = tuple(self.value(i) for i in node.operands)
        operands += node.value if node.operation == "part" else ()
        return self.leaves[self.graph.signature.input].record(node.operation, operands)


# --- W [x, h] ------------------------------------------------------------------------------------


def _stacked(graph: Graph) -> Graph:
    restyler = Restyler(graph)
    for affine in restyler.sums():
        run = _run(restyler, affine)
        if len(run.products) > 1:
            _stack(restyler, run)
    if not restyler.replaced:
        raise EquationError(
            f"{graph.signature.name} has no sum of two products, each with a matrix of its own, so that nothing "
            "can be written as W [x, h]. Use the style separate."
        )
    return restyler.graph_again()


def _run(restyler: Restyler, affine: Affine) -> Affine:
    """The products of a sum up to one with a shared matrix, so that joining them keeps their order."""
    run: list[int] = []
    for term in restyler.terms(affine.position):
        if term in affine.products:
            run.append(term)
        elif run and restyler.graph.nodes[term].operation == "matmul":
            break
    return replace(affine, products=tuple(run))


def _stack(restyler: Restyler, affine: Affine) -> None:
    """The products of one sum as one, in the place of the first of them."""
    terms = restyler.terms(affine.position)
    first = restyler.graph.nodes[restyler.graph.nodes[affine.products[0]].operands[0]]
    joined = restyler.join([affine], str(first.value), None)

    def summed() -> Any:
        kept = [i for i in terms if i not in affine.products[1:]]
        values = [joined() if i == affine.products[0] else restyler.value(i) for i in kept]
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total

    restyler.replaced[affine.position] = summed


# --- one matrix for all gates --------------------------------------------------------------------


def _gates(graph: Graph) -> Graph:
    if any(node.operation == "part" for node in graph.nodes):
        return graph  # written so already
    restyler = Restyler(graph)
    groups: dict[Any, list[tuple[int, Affine]]] = {}
    for gate, affine in _squashed(restyler):
        if _fits(restyler, affine):
            key = (restyler.vectors(affine), len(affine.others), graph.shapes[gate])
            groups.setdefault(key, []).append((gate, affine))
    for members in groups.values():
        if len(members) > 1:
            _join_gates(restyler, members)
    if not restyler.replaced:
        raise EquationError(f"{graph.signature.name} has no two gates to stack: {_reason(restyler)}. "
                            "Use the style separate or stacked.")  # fmt: skip
    return restyler.graph_again()


def _squashed(restyler: Restyler) -> Iterator[tuple[int, Affine]]:
    """Values that are a squashed sum with a product in it, and that sum."""
    for position, node in enumerate(restyler.graph.nodes):
        if node.operation in SQUASHING and restyler.is_own(node.operands[0]):
            affine = restyler.affine(node.operands[0])
            if affine.products:
                yield position, affine


def _fits(restyler: Restyler, affine: Affine) -> bool:
    """Whether a sum is products and at most one bias of its own."""
    nodes = restyler.graph.nodes
    own = all(nodes[i].operation == "parameter" and restyler.uses[i] == 1 for i in affine.others)
    return own and len(affine.others) <= 1


def _join_gates(restyler: Restyler, members: list[tuple[int, Affine]]) -> None:
    graph, affines = restyler.graph, [affine for _, affine in members]
    gone = {restyler.matrix_of(i) for affine in affines for i in affine.products}
    gone |= {str(graph.nodes[i].value) for affine in affines for i in affine.others}
    labels = {i: name for name, i in graph.labels}
    called = "".join(labels.get(gate, "")[:1] for gate, _ in members)
    matrix = restyler.free(("W", f"W_{called}"), gone)
    bias = restyler.free(("b", f"b_{called}"), gone) if affines[0].others else None
    joined = restyler.join(affines, matrix, bias)
    parts: list[Any] = []

    def part(index: int, operation: str) -> Any:
        if not parts:
            parts.extend(split(joined(), len(members)))
        return parts[index].record(operation, (parts[index],))

    for index, (gate, _) in enumerate(members):
        operation = graph.nodes[gate].operation
        restyler.replaced[gate] = partial(part, index, operation)


def _reason(restyler: Restyler) -> str:
    graph = restyler.graph
    found = list(_squashed(restyler))
    if len(found) < 2:
        return "fewer than two values are squashed sums of products with matrices of their own"
    for gate, affine in found:
        extra = [i for i in affine.others if graph.nodes[i].operation != "parameter"]
        if extra:
            names = [name for name, i in graph.labels if i == gate]
            return f"{names[0] if names else 'a gate'} also adds {expression(graph.nodes, extra[0])}"
    return "they multiply different vectors"
