"""One group of a program: its phases as stages, and the rows that values are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.engines.native.phases import PhaseWriter
from unrolled.engines.native.program import BUFFER, Home, Operand, Stage, Work
from unrolled.equations.schedule import Phase

if TYPE_CHECKING:
    from unrolled.engines.native.lowering import Lowering


class Group:
    """The stages of one group."""

    def __init__(self, lowering: Lowering, name: str) -> None:
        self.low = lowering
        self.name = name
        self.nodes = lowering.nodes
        self.made: list[Stage] = []
        self.homes: dict[int, Operand] = {}
        self.looped: dict[int, list[str]] = {}
        for state in sorted(lowering.schedule.kinds.looped) if name == "step" else ():
            self.looped.setdefault(lowering.next[state], []).append(state)
        self.copied: set[str] = set()

    def stages(self, phases: tuple[Phase, ...]) -> list[Stage]:
        self.phase_of = {i: n for n, phase in enumerate(phases) for p in phase.products for i in p.results}
        plans = [self._moved_early(n, phase) for n, phase in enumerate(phases)]
        computed = {i for values, _ in plans for i in values} | set(self.phase_of)
        self._gather_leaves(computed)
        for number, (values, products) in enumerate(plans):
            PhaseWriter(self, number, values, products).write()
        self._finish_states()
        self._export_leaves()
        return self.made

    def _moved_early(self, number: int, phase: Phase) -> tuple[list[int], list[int]]:
        """The values and free products of a phase; sums that are one accumulator are taken with their last product."""
        early = {s for s, fused in self.low.chains.items() if self.is_whole(s) and s in self.low.group_of}
        last = {s: max(self.phase_of.get(p, -1) for p in self.low.chains[s]) for s in early}
        values = [i for i in phase.values if i not in early]
        sums = [s for s in sorted(early) if last[s] == number and self.low.group_of[s] == self.name]
        fused = {p for chain in self.low.chains.values() for p in chain}
        free = [i for product in phase.products for i in product.results if i not in fused]
        return sums + values, free

    def is_whole(self, total: int) -> bool:
        """Whether a sum is its accumulator: nothing is added but what it starts with and the products."""
        others = [o for o in self.nodes[total].operands if o not in self.low.chains[total]]
        return not others or (len(others) == 1 and self.start_of(total) == others[0])

    def start_of(self, total: int) -> int | None:
        """The term an accumulator begins with: the first, if it is added and known before the products."""
        node = self.nodes[total]
        first, sign = node.operands[0], node.value[0]
        if sign < 0 or first in self.low.chains[total] or not self.low.graph.shapes[first]:
            return None
        known = self.low.group_of.get(first) != self.name and self.nodes[first].operation not in (
            "state",
            "delayed",
        )
        return first if known else None

    def _gather_leaves(self, computed: set[int]) -> None:
        """Earlier values of sequences that this group reads entry by entry or multiplies."""
        read = {o for i in computed for o in self.nodes[i].operands} | set(self.looped)
        for i in sorted(read):
            if i in self.low.earlier and i not in self.low.group_of:
                self._gather(i)

    def _gather(self, position: int) -> None:
        to = self.home(position)
        stage = Stage(Work.GATHER, self.low.sizes[position], to=to)
        stage.history = self.low.history(self.low.earlier[position])
        self.made.append(stage)

    def home(self, position: int) -> Operand:
        """The rows a value is kept in, for stages that read it later."""
        if self.name != "step" and self.low.is_carried(position):
            return self.low.sequence(position)
        known = self.homes.get(position) or self.low.leaf(position)
        if known is not None:
            return known
        if self.low.group_of.get(position, self.name) != self.name:
            return self.low.sequence(position)
        if self.low.is_sequence(position):
            return self.low.sequence(position)
        if position in self.looped:
            self.homes[position] = Operand(BUFFER, self.low.ring(self.looped[position][0]))
        else:
            kind = Home.SCRATCH if self.name == "step" else Home.SEQUENCE
            self.homes[position] = Operand(BUFFER, self.low.buffer(kind, True, self.low.sizes[position]))
        return self.homes[position]

    def rings_of(self, position: int) -> list[Operand]:
        """The rings that a new value must also be written to."""
        home, found = self.home(position), []
        for name in self.looped.get(position, []):
            ring = Operand(BUFFER, self.low.ring(name))
            self.copied.add(name)
            if ring != home:
                found.append(ring)
        return found

    def _finish_states(self) -> None:
        """New states that no tile has written: another state, an input, a result of work on whole rows."""
        for position, states in self.looped.items():
            if not self.copied.issuperset(states):
                copies = self.rings_of(position)
                self.made.extend(self.copy(position, ring) for ring in copies)

    def copy(self, position: int, to: Operand) -> Stage:
        """Whole rows of a value, written somewhere else."""
        size = self.low.sizes[position]
        if self.nodes[position].operation == "zeros":
            return Stage(Work.ZEROS, size, to=to)
        return Stage(Work.COPY, size, to=to, a=self.home(position))

    def _export_leaves(self) -> None:
        """Sequences of values that nothing computes: what stands still, and what a step begins with."""
        for i in sorted(self.low.exported | self.low.inside):
            node = self.nodes[i]
            looped = self.low.is_carried(i)
            group = "step" if looped else "before" if node.operation == "zeros" else "after"
            if i in self.low.group_of or self.name != group:
                continue
            to = self.low.sequence(i)
            if i in self.low.earlier:
                self.made.append(
                    Stage(
                        Work.GATHER, self.low.sizes[i], to=to, history=self.low.history(self.low.earlier[i])
                    )
                )
            else:
                stage = self.copy(i, to)
                stage.by_row = not looped
                self.made.insert(0 if node.operation == "zeros" else len(self.made), stage)
