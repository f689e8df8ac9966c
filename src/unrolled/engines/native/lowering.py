"""From a schedule to a program of the native core.

Values that stay within a stage live in temporaries, those another stage or a product reads in scratch rows,
those another group reads or the caller wants in sequences, and new states in rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from unrolled.engines.native.groups import Group
from unrolled.engines.native.program import BUFFER, NUMBER, Buffer, Home, Operand, Program
from unrolled.equations.schedule import Schedule

GROUPS = ("before", "step", "after")


@dataclass(frozen=True)
class Earlier:
    """The value of a sequence `delay` steps ago: of the sequence named `source`, with the history of `state`."""

    state: str
    source: str
    delay: int


@dataclass
class Lowered:
    """A program, and what each of its buffers and lists stands for in a call, by name.

    `external[name]` is a buffer the call brings; `exported[i]` the buffer of node i's sequence; `matrices` the
    parameter (and whether it is turned) of each matrix; `rings[name]` the buffer of a looped state.
    """

    program: Program = field(default_factory=Program)
    external: dict[str, int] = field(default_factory=dict)
    exported: dict[int, int] = field(default_factory=dict)
    matrices: list[tuple[str, bool]] = field(default_factory=list)
    rings: dict[str, int] = field(default_factory=dict)
    histories: list[Earlier] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)


class Lowering:
    """Writes the program of one schedule over an interior graph.

    `exported`: positions whose sequences the call wants. `earlier`: leaves (or non-looped states) that are earlier
    values of a sequence. `indices`: names of leaves that hold whole numbers in place of one-hot vectors.
    """

    def __init__(
        self,
        schedule: Schedule,
        letters: Mapping[str, int],
        exported: Iterable[int],
        earlier: Mapping[int, Earlier],
        indices: frozenset[str] = frozenset(),
        inside: Iterable[int] = (),
    ) -> None:
        self.schedule = schedule
        self.graph = schedule.graph
        self.nodes = schedule.graph.nodes
        self.letters = letters
        self.exported = set(exported)
        self.earlier = earlier
        self.indices = indices
        self.inside = set(inside)
        self.out = Lowered()
        self.group_of = dict(schedule.group_of)
        self.next = dict(zip(self.graph.signature.states, self.graph.next_states, strict=True))
        self.sizes: list[int] = [s[0].value(letters) if len(s) == 1 else 1 for s in self.graph.shapes]
        self.homes: dict[tuple[int, str], Operand] = {}
        self.readers = self._readers()
        self.chains = self._chains()
        outside = {o for i, group in self.group_of.items() if group != "step" for o in self.nodes[i].operands}
        self.inside |= {i for i in outside if self.is_carried(i)}

    # --- who reads what --------------------------------------------------------------------------

    def _readers(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for i in self.group_of:
            for operand in self.nodes[i].operands:
                found.setdefault(operand, []).append(i)
        return found

    def _chains(self) -> dict[int, list[int]]:
        """For every sum the products that are added up in one accumulator, in order."""
        found: dict[int, list[int]] = {}
        wanted = {*self.exported, *self.graph.next_states}
        for i, group in self.group_of.items():
            if self.nodes[i].operation != "sum":
                continue
            fused = [
                o
                for o in self.nodes[i].operands
                if self.nodes[o].operation == "matmul"
                and self.readers[o] == [i]
                and self.group_of.get(o) == group
                and o not in wanted
            ]
            if fused:
                found[i] = fused
        return found

    # --- the program -----------------------------------------------------------------------------

    def lower(self) -> Lowered:
        """Write the three groups."""
        for name in self.schedule.kinds.looped:
            self.ring(name)
        for number, name in enumerate(GROUPS):
            stages = Group(self, name).stages(getattr(self.schedule, name))
            self.out.program.groups[number].extend(stages)
        return self.out

    def ring(self, name: str) -> int:
        """The buffer of a looped state."""
        if name not in self.out.rings:
            size = self.sizes[self.graph.leaf[name]]
            self.out.rings[name] = self.buffer(Home.RING, True, size, self.graph.delays()[name])
        return self.out.rings[name]

    def buffer(self, home: Home, inside: bool, width: int, slots: int = 0) -> int:
        """A new buffer."""
        self.out.program.buffers.append(Buffer(home, inside, width, slots))
        return len(self.out.program.buffers) - 1

    def named(self, name: str, home: Home, width: int) -> Operand:
        """A buffer the call brings under a name."""
        if name not in self.out.external:
            self.out.external[name] = self.buffer(home, False, width)
        return Operand(BUFFER, self.out.external[name])

    def number(self, value: float) -> Operand:
        """A constant."""
        numbers = self.out.program.numbers
        if value not in numbers:
            numbers.append(value)
        return Operand(NUMBER, numbers.index(value))

    def matrix(self, position: int, negative: bool) -> int:
        """The number of a matrix; a turned parameter is packed turned."""
        node, turned = self.nodes[position], False
        if node.operation == "transpose":
            node, turned = self.nodes[node.operands[0]], True
        rows, columns = (size.value(self.letters) for size in self.graph.shapes[position])
        key, shape = (str(node.value), turned), (rows, columns, negative)
        for i, known in enumerate(self.out.matrices):
            if known == key and self.out.program.matrices[i] == shape:
                return i
        self.out.matrices.append(key)
        self.out.program.matrices.append(shape)
        return len(self.out.matrices) - 1

    def lookup(self, name: str) -> int:
        """The number of the index list called `name`."""
        if name not in self.out.lookups:
            self.out.lookups.append(name)
        return self.out.lookups.index(name)

    def periods(self, position: int) -> int:
        """The number of the period table of an "every" node."""
        value = self.graph.number(self.nodes[position].operands[0])
        entries = tuple(int(n) for n in value) if isinstance(value, tuple) else (int(value),)
        block = self.letters["H"] // len(entries) if isinstance(value, tuple) else 0
        tables = self.out.program.periods
        if (block, entries) not in tables:
            tables.append((block, entries))
        return tables.index((block, entries))

    def history(self, earlier: Earlier) -> int:
        """The number of a history."""
        if earlier not in self.out.histories:
            self.out.histories.append(earlier)
        return self.out.histories.index(earlier)

    # --- where values stand ----------------------------------------------------------------------

    def leaf(self, position: int) -> Operand | None:
        """The place of a value that no stage computes, or None."""
        node = self.nodes[position]
        name, size = str(node.value), self.sizes[position]
        if node.operation == "number":
            return self.number(float(node.value))
        if node.operation == "zeros":
            return self.number(0.0)
        if node.operation == "parameter":
            return self.named(name, Home.VECTOR, size)
        if node.operation == "static":
            return self.named(name, Home.ROW, size)
        if position in self.earlier:
            return None
        if node.operation in ("input", "saved"):
            return self.named(name, Home.SEQUENCE, size)
        if node.operation == "state":
            return Operand(BUFFER, self.ring(name), 0, 1)
        if node.operation == "delayed":
            state = str(self.nodes[node.operands[0]].value)
            return Operand(BUFFER, self.ring(state), 0, self.graph.delay(node))
        return None

    def is_carried(self, position: int) -> bool:
        """Whether a value is what a step of the loop begins with: a looped state, or an earlier value of one."""
        return self.nodes[position].operation in ("state", "delayed") and position not in self.earlier

    def sequence(self, position: int) -> Operand:
        """The sequence of a computed value that another group or the caller reads."""
        buffers = self.out.exported
        if position not in buffers:
            inside = position not in self.exported
            buffers[position] = self.buffer(Home.SEQUENCE, inside, self.sizes[position])
        return Operand(BUFFER, buffers[position])

    def is_sequence(self, position: int) -> bool:
        """Whether a computed value is read outside its group."""
        if position in self.exported or position in self.inside:
            return True
        group = self.group_of.get(position)
        return any(self.group_of[r] != group for r in self.readers.get(position, []))
