"""One stage of tiles: products in accumulators, and entrywise work while the tile is hot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unrolled.engines.native.program import (
    BUFFER,
    EVERY,
    OP,
    TEMPORARY,
    Factor,
    Gate,
    Home,
    Instruction,
    Operand,
    Stage,
    Work,
)
from unrolled.equations.graph import Node

if TYPE_CHECKING:
    from unrolled.engines.native.phases import PhaseWriter


class Tiles:
    """One stage of tiles: gates and instructions over values of one width."""

    def __init__(self, phase: PhaseWriter, width: int) -> None:
        self.phase = phase
        self.group = phase.group
        self.low = phase.low
        self.nodes = phase.low.nodes
        self.width = width
        self.gates: list[Gate] = []
        self.instructions: list[Instruction] = []
        self.here: dict[int, Operand] = {}
        self.temporaries = 0
        self.writes: list[Callable[[], object]] = []

    # --- places ----------------------------------------------------------------------------------

    def temporary(self) -> Operand:
        self.temporaries += 1
        return Operand(TEMPORARY, self.temporaries - 1)

    def place(self, position: int) -> Operand:
        """Where a value is written: kept rows if a later stage reads it, else a temporary."""
        if position not in self.here:
            kept = bool(self.low.graph.shapes[position]) and self._is_kept(position)
            self.here[position] = self.group.home(position) if kept else self.temporary()
        return self.here[position]

    def _is_kept(self, position: int) -> bool:
        if position in self.group.looped or self.low.is_sequence(position):
            return True
        return any(not self._stays(reader) for reader in self.low.readers.get(position, []))

    def _stays(self, reader: int) -> bool:
        """Whether a reader is computed in this very stage."""
        if not self.low.graph.shapes[reader]:
            return True
        same = (
            reader in self.phase.level
            and self.phase.tiles.get((self.phase.level[reader], self.width)) is self
        )
        return same and not self.phase.is_row_work(reader)

    def read(self, position: int) -> Operand:
        """Where a value is read."""
        if position in self.here:
            return self.here[position]
        node = self.nodes[position]
        if not self.low.graph.shapes[position] and node.operation != "number":
            self.value(position)
            return self.here[position]
        return self.group.home(position)

    # --- contents --------------------------------------------------------------------------------

    def product(self, position: int) -> None:
        """A product that is no part of an accumulator."""
        self.pending(lambda: self.gates.append(Gate(self.place(position), None, [self.factor(position, 1)])))

    def partial(self, total: int) -> None:
        self.pending(lambda: self.accumulate(total))

    def value(self, position: int) -> None:
        """A value that is computed entry by entry; a new state also goes to its ring."""
        if not self.low.graph.shapes[position]:
            self.emit(position)
        else:
            self.pending(lambda: self._value(position))

    def _value(self, position: int) -> None:
        self.emit(position)
        if position in self.group.looped:
            place = self.here[position]
            for ring in self.group.rings_of(position):
                self.instructions.append(Instruction(OP["copy"], ring, place))

    def pending(self, write: Callable[[], object]) -> None:
        """Keep for later what can only be written once every value of the phase has its level."""
        self.writes.append(write)

    def stage(self) -> Stage:
        """The stage, once every value of the phase has its level."""
        for write in self.writes:
            write()
        self._reuse_temporaries()
        stage = Stage(Work.TILES, self.width, self.gates, self.instructions)
        operands = [o for i in self.instructions for o in (i.a, i.b, i.c) if isinstance(o, Operand)]
        operands += [g.start for g in self.gates if g.start] + [
            f.vector for g in self.gates for f in g.factors if f.vector
        ]
        homes = {self.low.out.program.buffers[o.index].home for o in operands if o.source == BUFFER}
        stage.by_row = self.group.name != "step" and Home.ROW in homes
        self.low.out.program.temporaries = max(self.low.out.program.temporaries, self.temporaries)
        return stage

    def factor(self, product: int, sign: int) -> Factor:
        matrix, vector = self.nodes[product].operands
        number = self.low.matrix(matrix, sign < 0)
        leaf = self.nodes[vector]
        if leaf.operation in ("input", "saved") and str(leaf.value) in self.low.indices:
            return Factor(number, None, self.low.lookup(str(leaf.value)))
        return Factor(number, self.group.home(vector))

    def accumulator(self, total: int) -> Operand:
        """Where the accumulator of a sum stands between phases: in the sum's own rows."""
        return self.group.home(total)

    def accumulate(self, total: int) -> Operand:
        """Add this phase's products of a sum to its accumulator."""
        chain = self.low.chains[total]
        mine = [p for p in chain if self.group.phase_of[p] == self.phase.number]
        before = [p for p in chain if self.group.phase_of[p] < self.phase.number]
        node = self.nodes[total]
        signs = dict(zip(node.operands, node.value, strict=True))
        if before:
            start: Operand | None = self.accumulator(total)
        else:
            first = self.group.start_of(total)
            start = None if first is None else self.read(first)
        later = any(self.group.phase_of[p] > self.phase.number for p in chain)
        finished = total in self.phase.values and not later
        if not mine:
            assert start is not None
            return start
        to = (
            self.place(total)
            if finished and self.group.is_whole(total)
            else (self.temporary() if finished else self.accumulator(total))
        )
        self.gates.append(Gate(to, start, [self.factor(p, signs[p]) for p in mine]))
        return to

    def emit(self, position: int) -> None:
        """The instructions of one value."""
        if position in self.here and not self.low.graph.shapes[position]:
            return
        node = self.nodes[position]
        if node.operation == "sum":
            self.sum(position, node)
        elif node.operation == "every":
            self.instructions.append(Instruction(EVERY, self.place(position), self.low.periods(position)))
        else:
            operands = [self.read(o) for o in node.operands]
            padded = [*operands, None, None][:3]
            self.instructions.append(Instruction(OP[node.operation], self.place(position), *padded))

    def sum(self, position: int, node: Node) -> None:
        """A sum, left to right; an accumulator first, then the other terms."""
        chain = self.low.chains.get(position, [])
        terms = [(o, s) for o, s in zip(node.operands, node.value, strict=True) if o not in chain]
        total: Operand | None = None
        if chain:
            total = self.accumulate(position)
            started = self.group.start_of(position)
            terms = [(o, s) for o, s in terms if o != started]
            if not terms:
                self.here[position] = total
                return
        to = self.place(position)
        for n, (operand, sign) in enumerate(terms):
            place = to if n == len(terms) - 1 else self.temporary()
            total = self._add(total, self.read(operand), sign, place)
        if total != to:
            assert total is not None
            self.instructions.append(Instruction(OP["copy"], to, total))

    def _add(self, total: Operand | None, term: Operand, sign: int, to: Operand) -> Operand:
        if total is None:
            if sign > 0:
                return term
            self.instructions.append(Instruction(OP["negative"], to, term))
            return to
        self.instructions.append(Instruction(OP["add" if sign > 0 else "subtract"], to, total, term))
        return to

    # --- temporaries -----------------------------------------------------------------------------

    def _reuse_temporaries(self) -> None:
        """Give temporaries that are no longer read to new values: few of them stay in the cache."""
        last: dict[int, int] = {}
        for n, one in enumerate(self.instructions):
            for operand in (one.to, one.a, one.b, one.c):
                if isinstance(operand, Operand) and operand.source == TEMPORARY:
                    last[operand.index] = n
        slots: dict[int, int] = {}
        free: list[int] = []
        count = 0

        def slot(operand: Operand | int | None) -> Operand | int | None:
            nonlocal count
            if not isinstance(operand, Operand) or operand.source != TEMPORARY:
                return operand
            if operand.index not in slots:
                if not free:
                    free.append(count)
                    count += 1
                slots[operand.index] = free.pop()
            return Operand(TEMPORARY, slots[operand.index])

        for gate in self.gates:
            gate.to, gate.start = slot(gate.to), slot(gate.start)  # type: ignore[assignment]
        for n, one in enumerate(self.instructions):
            read = [slot(operand) for operand in (one.a, one.b, one.c)]
            ended = {
                operand.index
                for operand in (one.a, one.b, one.c)
                if isinstance(operand, Operand) and operand.source == TEMPORARY and last[operand.index] == n
            }
            # An operand read for the last time may be overwritten in place.
            free.extend(slots[index] for index in ended)
            one.to = slot(one.to)  # type: ignore[assignment]
            one.a, one.b, one.c = read  # type: ignore[assignment]
        self.temporaries = count
