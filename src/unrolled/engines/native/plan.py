"""What the native engine works out once for a schedule, sizes and a kind of input: its programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from unrolled import _native
from unrolled.engines.native.layout import Layout, Tape, whole_vectors
from unrolled.engines.native.lowering import Earlier, Lowered, Lowering
from unrolled.engines.native.program import BUFFER, Delta, Operand, Outer, Total
from unrolled.equations import Graph, Schedule
from unrolled.equations.adjoint import Adjoint, adjoint
from unrolled.equations.interior import Interior, interior
from unrolled.equations.schedule import plan

OWN = ("parameter", "static")  # the operations of values that a cell is given


@dataclass(frozen=True)
class Ready:
    """A lowered program and the core's handle for it."""

    lowered: Lowered
    handle: _native.Program

    @cached_property
    def layout(self) -> Layout:
        """What every call of it hands over."""
        return Layout.of(self.lowered)

    @classmethod
    def of(cls, lowered: Lowered) -> Ready:
        """Hand the program to the core."""
        return cls(lowered, _native.Program(lowered.program.encode(), lowered.program.numbers))


class Plan:
    """The forward programs (with and without what the backward needs) and the backward program of one schedule.

    Sequences have names: "x", "forced:h", and "v12" for the value of the interior's node 12.
    """

    def __init__(self, schedule: Schedule, letters: Mapping[str, int], indices: bool) -> None:
        self.whole = schedule
        self.letters = letters
        self.inside: Interior = interior(schedule)
        self.graph: Graph = self.inside.graph
        self.forced = schedule.forced
        self.input = self.graph.signature.input
        self.indices = frozenset({self.input}) if indices else frozenset()
        self.next = dict(zip(self.graph.signature.states, self.graph.next_states, strict=True))
        self.schedule = plan(self.graph, self.forced, self.inside.records)
        self.looped = self.schedule.kinds.looped
        self.carried = sorted(self.looped)
        self._backward: dict[bool, Backward] = {}

    # --- forward ---------------------------------------------------------------------------------

    @cached_property
    def results(self) -> set[int]:
        """The sequences a run gives, or that final states are taken from."""
        unlooped = {i for name, i in self.next.items() if name not in self.looped and name not in self.forced}
        return {self.graph.output, *(i for _, i in self.inside.records), *unlooped}

    @cached_property
    def further(self) -> list[int]:
        """The sequences beside the output that a run gives, in order."""
        return sorted(self.results - {self.graph.output})

    @cached_property
    def given(self) -> list[tuple[int, int]]:
        """The sequences that a run gives, with their sizes: the output, then the further ones."""
        sizes = self.graph.size
        return [(i, sizes(i).value(self.letters)) for i in (self.graph.output, *self.further)]

    @cached_property
    def taken(self) -> list[tuple[str, str]]:
        """The parameters and static inputs of the interior that are the cell's own: (name here, name there)."""
        nodes = self.whole.graph.nodes
        return [(name, str(nodes[i].value)) for name, i in self._outside() if nodes[i].operation in OWN]

    @cached_property
    def derived(self) -> list[tuple[str, int]]:
        """The others, which are computed once a call: (name here, node of the whole graph)."""
        nodes = self.whole.graph.nodes
        return [(name, i) for name, i in self._outside() if nodes[i].operation not in OWN]

    def _outside(self) -> tuple[tuple[str, int], ...]:
        return (*self.inside.parameters, *self.inside.statics)

    @cached_property
    def has_clock(self) -> bool:
        """Whether anything depends on the clock."""
        return any(node.operation == "every" for node in self.graph.nodes)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The further sequences that the backward run reads."""
        wanted = set()
        for _, i in self.adjoint.saved:
            node = self.graph.nodes[i]
            if node.operation in ("state", "delayed"):
                state = node if node.operation == "state" else self.graph.nodes[node.operands[0]]
                wanted |= set() if state.value in self.forced else {self.next[state.value]}
            elif node.operation != "input":
                wanted.add(i)
        return tuple(sorted(wanted - self.results))

    @cached_property
    def tape(self) -> Tape:
        """Where the backward run finds them."""
        return Tape({i: whole_vectors(self.graph.size(i).value(self.letters)) for i in self.kept})

    def source_of(self, state: str) -> str:
        """The name of a state's sequence."""
        return f"forced:{state}" if state in self.forced else f"v{self.next[state]}"

    def _earlier(self) -> dict[int, Earlier]:
        """The states that are not carried by the loop: shifted sequences."""
        found = {}
        for i, node in enumerate(self.graph.nodes):
            name, delay = str(node.value), 1
            if node.operation == "delayed":
                name, delay = str(self.graph.nodes[node.operands[0]].value), self.graph.delay(node)
            if node.operation in ("state", "delayed") and name not in self.looped:
                found[i] = Earlier(name, self.source_of(name), delay)
        return found

    @cached_property
    def inference(self) -> Ready:
        """The forward program that keeps nothing."""
        return self._forward(self.results)

    @cached_property
    def training(self) -> Ready:
        """The forward program that keeps what the backward run reads."""
        return self._forward(self.results | set(self.kept))

    def recording(self, positions: tuple[int, ...]) -> Schedule:
        """The schedule that also gives the sequences of `positions`, by their number."""
        return plan(self.graph, self.forced, tuple((str(i), i) for i in positions))

    def _forward(self, exported: set[int]) -> Ready:
        lowering = Lowering(self.schedule, self.letters, exported, self._earlier(), self.indices)
        return Ready.of(lowering.lower())

    # --- backward --------------------------------------------------------------------------------

    @cached_property
    def adjoint(self) -> Adjoint:
        """The backward cell."""
        further = tuple((str(i), i) for i in sorted(self.results - {self.graph.output}))
        return adjoint(self.graph, self.forced, further)

    def backward(self, of_input: bool) -> Backward:
        """The backward program, with or without the gradient of the input."""
        if of_input not in self._backward:
            self._backward[of_input] = Backward(self, of_input)
        return self._backward[of_input]


class Backward:
    """The backward program, and which of its results belongs to what: first `matrices`, then `vectors`.

    Both hold (parameter, node of the backward graph): the vector of an outer product, the sequence of a sum.
    """

    def __init__(self, plan: Plan, of_input: bool) -> None:
        self.plan = plan
        self.adjoint = plan.adjoint if of_input else plan.adjoint.without_input()
        self.schedule = self.adjoint.schedule
        self.graph = self.schedule.graph
        self.next = dict(zip(self.graph.signature.states, self.graph.next_states, strict=True))
        self.looped = self.schedule.kinds.looped
        self.saved = dict(self.adjoint.saved)
        self.earlier = self._earlier()
        given = {i for i, _ in self._wanted()}
        self.lowering = Lowering(
            self.schedule,
            plan.letters,
            given,
            self.earlier,
            frozenset(f"v{plan.graph.leaf[plan.input]}" for _ in plan.indices),
            self._summed() - given,
        )
        self.lowered = self.lowering.lower()
        self.matrices: list[tuple[str, int]] = []
        self.vectors: list[tuple[str, int]] = []
        self._outers()
        self._totals()
        self.ready = Ready.of(self.lowered)

    def _wanted(self) -> list[tuple[int, str]]:
        """The sequences the caller reads."""
        unlooped = [(i, name) for name, i in self.next.items() if name not in self.looped]
        found = [(i, name) for name, i in self.adjoint.forced] + unlooped
        found += [(i, "static") for _, i in self.adjoint.statics]
        return found + ([(self.adjoint.input, "dx")] if self.adjoint.input is not None else [])

    def _summed(self) -> set[int]:
        """The sequences that matrix and vector gradients are sums of."""
        found = {i for _, i in self.adjoint.vectors}
        for _, delta, vector in self.adjoint.matrices:
            found |= {delta} | ({vector} if self._is_computed(vector) else set())
        return {i for i in found if i not in self.earlier}

    def _is_computed(self, position: int) -> bool:
        return self.graph.nodes[position].operation != "saved"

    def _earlier(self) -> dict[int, Earlier]:
        """Forward states that are read as shifted sequences, and backward states that no loop carries."""
        forward = self.plan.graph
        found = {}
        for i, node in enumerate(self.graph.nodes):
            if node.operation == "saved" and node.value in self.saved:
                source = forward.nodes[self.saved[node.value]]
                if source.operation == "state":
                    found[i] = Earlier(source.value, self.plan.source_of(source.value), 1)
                elif source.operation == "delayed":
                    state = forward.nodes[source.operands[0]].value
                    found[i] = Earlier(state, self.plan.source_of(state), forward.delay(source))
            elif node.operation in ("state", "delayed"):
                name, delay = str(node.value), 1
                if node.operation == "delayed":
                    name, delay = str(self.graph.nodes[node.operands[0]].value), self.graph.delay(node)
                if name not in self.looped:
                    found[i] = Earlier(name, f"own:{self.next[name]}", delay)
        return found

    # --- what every call of it asks ----------------------------------------------------------------

    @cached_property
    def rings(self) -> list[tuple[str, str, int, int, bool]]:
        """(name, forward state, slots, row step, whether it takes the gradient of the final state) of each state."""
        deepest, kept = self.plan.graph.delays(), self.graph.delays()
        carried = zip(self.graph.signature.states, self.adjoint.carried, strict=True)
        return [
            (name, state, kept[name], self._step(state), delay == deepest[state])
            for name, (state, delay) in carried
        ]

    def _step(self, state: str) -> int:
        graph = self.plan.graph
        return whole_vectors(graph.size(graph.leaf[state]).value(self.plan.letters))

    @cached_property
    def outer_results(self) -> list[tuple[str, bool]]:
        """Of each matrix result: the parameter, and whether the result comes turned, as lookups give it."""
        indices = self.lowering.indices
        return [(name, str(self.graph.nodes[vector].value) in indices) for name, vector in self.matrices]

    @cached_property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the results."""
        found: dict[int, tuple[int, ...]] = {}
        for outer in self.lowered.program.outers:
            for delta in outer.deltas:
                rows, columns = delta.rows, outer.columns
                turned = (columns, whole_vectors(rows))
                found[delta.out] = (rows, whole_vectors(columns)) if outer.lookup < 0 else turned
        for total in self.lowered.program.totals:
            found[total.out] = (whole_vectors(total.width),)
        return [found[i] for i in range(len(found))]

    # --- sums over all steps -----------------------------------------------------------------------

    def _outers(self) -> None:
        by_vector: dict[int, Outer] = {}
        for leaf, delta, vector in self.adjoint.matrices:
            if vector not in by_vector:
                by_vector[vector] = self._outer(vector)
                self.lowered.program.outers.append(by_vector[vector])
            rows = self.lowering.sizes[delta]
            by_vector[vector].deltas.append(Delta(self._sequence(delta), rows, self._result()))
            self.matrices.append((str(self.plan.graph.nodes[leaf].value), vector))

    def _outer(self, vector: int) -> Outer:
        node, size = self.graph.nodes[vector], self.lowering.sizes[vector]
        if str(node.value) in self.lowering.indices:
            return Outer(None, -1, self.lowering.lookup(str(node.value)), size, [])
        if vector in self.earlier:
            return Outer(None, self.lowering.history(self.earlier[vector]), -1, size, [])
        return Outer(self._sequence(vector), -1, -1, size, [])

    def _totals(self) -> None:
        for leaf, position in self.adjoint.vectors:
            out = self._result()
            self.lowered.program.totals.append(
                Total(self._sequence(position), self.lowering.sizes[position], out)
            )
            self.vectors.append((str(self.plan.graph.nodes[leaf].value), position))

    def _sequence(self, position: int) -> Operand:
        """Where the sequence of a value stands: brought by the call, or computed."""
        node = self.graph.nodes[position]
        if node.operation in ("input", "saved") and position not in self.earlier:
            place = self.lowering.leaf(position)
            assert place is not None
            return place
        return Operand(BUFFER, self.lowered.exported[position])

    def _result(self) -> int:
        count = len(self.matrices) + len(self.vectors)
        return count


def plan_for(schedule: Schedule, letters: Mapping[str, int], indices: bool) -> Plan:
    """The plan of a schedule, made on first use and kept with it."""
    key = ("native", tuple(letters.items()), indices)
    found = schedule.plans.get(key)
    if found is None:
        found = schedule.plans[key] = Plan(schedule, letters, indices)
    assert isinstance(found, Plan)
    return found
