"""What must wait for time and what need not: the schedule of a graph.

Every value belongs to one of four groups: `once` (parameters only), `before` (known for all steps at once),
`step` (inside the time loop) and `after` (depends on the state but does not feed it). A group but the first is
a list of phases: products with matrices, those of one vector stacked into one, then entrywise work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from unrolled.equations.graph import Graph, Node, reachable
from unrolled.equations.groups import (
    BEFORE,
    ONCE,
    ROW,
    UNKNOWN,
    StateKinds,
    lift_after,
    ranks,
    sink_before,
    state_kinds,
)
from unrolled.equations.operations import OPERATIONS
from unrolled.equations.simplify import Rewriter, simplify
from unrolled.errors import EquationError


@dataclass(frozen=True)
class Product:
    """Matrices that multiply the same vector, stacked into one: `results[j] = matrices[j] @ vector`."""

    vector: int
    matrices: tuple[int, ...]
    results: tuple[int, ...]


@dataclass(frozen=True)
class Phase:
    """Products, then the values computed from them entry by entry (or by whole rows), in order.

    A state among `values` is one whose sequence is known by then: it is that sequence, shifted.
    """

    products: tuple[Product, ...]
    values: tuple[int, ...]


@dataclass(frozen=True)
class Schedule:
    """How a graph is run. Positions refer to `graph`, which is the cell's graph simplified.

    `rows` are the values that change by row but not by step; they stand in `before`.
    """

    graph: Graph
    forced: tuple[str, ...]
    records: tuple[tuple[str, int], ...]
    kinds: StateKinds
    once: tuple[int, ...]
    rows: frozenset[int]
    before: tuple[Phase, ...]
    step: tuple[Phase, ...]
    after: tuple[Phase, ...]

    @cached_property
    def plans(self) -> dict[object, object]:
        """Where engines keep what they have worked out for this schedule."""
        return {}

    @cached_property
    def group_of(self) -> Mapping[int, str]:
        """The group of every scheduled node."""
        groups = dict.fromkeys(self.once, "once")
        for name, phases in (("before", self.before), ("step", self.step), ("after", self.after)):
            for phase in phases:
                groups.update(dict.fromkeys(phase.values, name))
                for product in phase.products:
                    groups.update(dict.fromkeys(product.results, name))
        return groups

    def into(self, group: str) -> tuple[int, ...]:
        """The values of earlier groups that `group` reads: what crosses its border, by step and row."""
        inside = [i for i, name in self.group_of.items() if name == group]
        read = {operand for i in inside for operand in self.graph.nodes[i].operands}
        order = {"before": 0, "step": 1, "after": 2}
        return tuple(sorted(i for i in read if i not in self.rows and self._place(i) < order[group]))

    def _place(self, position: int) -> int:
        """When a value is there: as input and in `before` 0, in `step` 1; later or never for what is no sequence."""
        if self.graph.nodes[position].operation == "input":
            return -1
        return {"before": 0, "step": 1}.get(self.group_of.get(position, ""), 3)

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        from unrolled.equations.show import schedule_text

        return schedule_text(self)


def make_schedule(graph: Graph, forced: Iterable[str] = (), records: Iterable[str] = ()) -> Schedule:
    """The schedule of a cell's graph; `forced` states are given from outside, `records` are also returned."""
    forced, records = tuple(forced), tuple(records)
    for name in forced:
        if name not in graph.signature.states:
            listed = ", ".join(graph.signature.states)
            raise EquationError(
                f"{graph.signature.name} has no state {name}, its states: {listed}. Force one of these."
            )
    for name in records:
        vectors = [known for known, i in graph.named.items() if len(graph.shapes[i]) == 1]
        if name not in vectors:
            listed = ", ".join(vectors)
            raise EquationError(
                f"{graph.signature.name} has no value {name}, its values: {listed}. Record one of these."
            )
    return _schedule(graph, forced, records)


@lru_cache(maxsize=512)
def _schedule(graph: Graph, forced: tuple[str, ...], records: tuple[str, ...]) -> Schedule:
    simple = simplify(graph)
    kinds = state_kinds(simple, frozenset(forced))
    ordered = order_sums(simple, ranks(simple, kinds))
    return plan(ordered, forced, tuple((name, ordered.named[name]) for name in records))


def plan(
    graph: Graph, forced: tuple[str, ...], records: tuple[tuple[str, int], ...], output: bool = True
) -> Schedule:
    """The schedule of a graph whose sums are in order; `output=False` when only states and records are wanted."""
    return _Planner(graph, state_kinds(graph, frozenset(forced)), forced, records, output).plan()


# --- the order inside sums -----------------------------------------------------------------------


def order_sums(graph: Graph, rank: list[int]) -> Graph:
    """Terms in the order once, by row, before, then the others as written; each known prefix is its own sum.

    Adding from left to right, a prefix computed apart gives the same bits.
    """
    rewriter = Rewriter()
    moved: dict[int, int] = {}
    for position, node in enumerate(graph.nodes):
        if node.operation != "sum":
            new = Node(node.operation, tuple(moved[i] for i in node.operands), node.value)
            moved[position] = rewriter.add(new, graph.shapes[position])
            continue
        terms = sorted(zip(node.operands, node.value, strict=True), key=lambda term: rank[term[0]])
        moved[position] = _nested(rewriter, graph, position, terms, [rank[i] for i, _ in terms], moved)
    return rewriter.finish(graph, moved)


def _nested(
    rewriter: Rewriter,
    graph: Graph,
    position: int,
    terms: list[tuple[int, int]],
    term_ranks: list[int],
    moved: dict[int, int],
) -> int:
    """A sum whose prefixes of lower rank are sums of their own."""
    pending = [(moved[i], sign) for i, sign in terms]
    for level in sorted(set(term_ranks)):
        count = sum(rank <= level for rank in term_ranks) - (len(terms) - len(pending))
        if count >= 2:
            operands, signs = zip(*pending[:count], strict=True)
            joined = rewriter.add(Node("sum", operands, signs), graph.shapes[position])
            pending = [(joined, 1), *pending[count:]]
    return pending[0][0]


# --- groups and phases ---------------------------------------------------------------------------


class _Planner:
    """Assigns every needed node of a simplified graph to a group and a phase."""

    def __init__(
        self,
        graph: Graph,
        kinds: StateKinds,
        forced: tuple[str, ...],
        records: tuple[tuple[str, int], ...],
        output: bool,
    ) -> None:
        self.graph = graph
        self.kinds = kinds
        self.forced = forced
        self.records = records
        self.rank = ranks(graph, kinds)
        self.next = dict(zip(graph.signature.states, graph.next_states, strict=True))
        carried = (i for name, i in self.next.items() if name not in forced)
        self.results = {*carried, *(i for _, i in self.records), *([graph.output] if output else [])}
        self.edges = [self._depends(i) for i in range(len(graph.nodes))]

    def _depends(self, position: int) -> tuple[int, ...]:
        """What must be computed first: the operands, and the sequence behind a state that is not looped."""
        node = self.graph.nodes[position]
        name = str(node.value)
        if node.operation == "state" and name not in self.kinds.looped and name not in self.forced:
            return (self.next[name],)
        return node.operands

    def plan(self) -> Schedule:
        needed = self._needed(self.results)
        looped = [self.next[name] for name in self.kinds.looped]
        step = {i for i in self._needed(looped) if self.rank[i] == UNKNOWN and not self._is_given(i)}
        after = {i for i in needed if self.rank[i] == UNKNOWN and not self._is_given(i)} - step
        if step:
            lifted = lift_after(self.graph, step, after, self.results)
            step, after = step | lifted, after - lifted
        known = {i for i in needed if self.rank[i] in (ROW, BEFORE) and not self._is_given(i)}
        if step:
            sunk = sink_before(self.graph, self.rank, step, needed, self.results)
            step, known = step | sunk, known - sunk
        known, step, after = self._with_clock(known, step, after)
        once = {i for i in needed if self.rank[i] == ONCE and self.graph.nodes[i].operands}
        return Schedule(
            graph=self.graph,
            forced=self.forced,
            records=self.records,
            kinds=self.kinds,
            once=tuple(sorted(once)),
            rows=frozenset(i for i in needed if self.rank[i] == ROW),
            before=self._phases(known),
            step=self._phases(step),
            after=self._phases(after),
        )

    def _needed(self, roots: Iterable[int]) -> set[int]:
        nodes = [replace(node, operands=self.edges[i]) for i, node in enumerate(self.graph.nodes)]
        return reachable(nodes, list(roots))

    def _is_given(self, position: int) -> bool:
        """Whether a node is there when its group begins: the input, static inputs and looped states."""
        node = self.graph.nodes[position]
        if node.operation == "state":
            return node.value in self.kinds.looped
        if node.operation == "delayed":
            return self.graph.nodes[node.operands[0]].value in self.kinds.looped
        return node.operation in ("input", "static", "saved")

    def _with_clock(self, *groups: set[int]) -> tuple[set[int], ...]:
        """`every` costs nothing, so each group that reads one computes it, and none stores it."""
        ticks = {i for i, node in enumerate(self.graph.nodes) if node.operation == "every"}
        mended = []
        for group in groups:
            read = {operand for i in group - ticks for operand in self.graph.nodes[i].operands} & ticks
            mended.append((group - ticks) | read)
        return tuple(mended)

    def _phases(self, group: set[int]) -> tuple[Phase, ...]:
        order = self._order(group)
        early = self._earliest(order, group)
        last = max(early.values(), default=0)
        late = self._latest(order, group, early, last)
        phases = []
        for number in range(last + 1):
            products = [i for i in order if self._is_product(i) and early[i] == number]
            values = tuple(i for i in order if not self._is_product(i) and late[i] == number)
            if products or values:
                phases.append(Phase(self._stacked(products), values))
        return tuple(phases)

    def _is_product(self, position: int) -> bool:
        return OPERATIONS[self.graph.nodes[position].operation].kind == "product"

    def _order(self, group: set[int]) -> list[int]:
        """The group's nodes, each after what it depends on."""
        order: list[int] = []
        seen: set[int] = set()

        def visit(position: int) -> None:
            if position in group and position not in seen:
                seen.add(position)
                for other in self.edges[position]:
                    visit(other)
                order.append(position)

        for position in sorted(group):
            visit(position)
        return order

    def _earliest(self, order: list[int], group: set[int]) -> dict[int, int]:
        early: dict[int, int] = {}
        for i in order:
            level = max((early[other] for other in self.edges[i] if other in group), default=0)
            early[i] = level + 1 if self._is_product(i) else level
        return early

    def _latest(self, order: list[int], group: set[int], early: dict[int, int], last: int) -> dict[int, int]:
        """Entrywise work is done as late as possible: just before the first product that needs it."""
        late = dict.fromkeys(order, last)
        for i in reversed(order):
            mine = early[i] - 1 if self._is_product(i) else late[i]
            for other in self.edges[i]:
                if other in group:
                    late[other] = min(late[other], mine)
        return late

    def _stacked(self, products: list[int]) -> tuple[Product, ...]:
        by_vector: dict[int, list[int]] = {}
        for i in products:
            by_vector.setdefault(self.graph.nodes[i].operands[1], []).append(i)
        return tuple(
            Product(vector, tuple(self.graph.nodes[i].operands[0] for i in results), tuple(results))
            for vector, results in by_vector.items()
        )
