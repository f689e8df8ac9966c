"""Programs of the native core: plain data, written out as a flat list of whole numbers.

The C++ side reads the same list (`native/program.h` says what each entry means) and trusts none of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

TEMPORARY, BUFFER, NUMBER = 0, 1, 2  # where an operand stands
EVERY = 100  # the instruction beside the kernels' operations: the bit of the clock


class Home(IntEnum):
    """Where a buffer's rows stand."""

    SEQUENCE = 0
    ROW = 1
    VECTOR = 2
    RING = 3
    SCRATCH = 4


class Work(IntEnum):
    """What a stage does."""

    TILES = 0
    LAYER_NORM = 1
    DLAYER_NORM = 2
    SOFTMAX = 3
    DSOFTMAX = 4
    COPY = 5
    ZEROS = 6
    GATHER = 7


OPS = (
    "copy", "add", "subtract", "multiply", "divide", "negative", "sigmoid", "tanh", "relu", "exp", "log", "softplus",
    "sqrt", "abs", "maximum", "minimum", "greater", "greater_equal", "where", "multiply_add", "dsigmoid", "dtanh",
    "drelu", "dabs", "dmaximum", "dminimum", "spread",
)  # fmt: skip
OP = {name: number for number, name in enumerate(OPS)}


@dataclass(frozen=True)
class Operand:
    """A place values are read from or written to."""

    source: int
    index: int
    column: int = 0
    delay: int = 0


@dataclass
class Buffer:
    """Rows of `width` entries; `inside` ones are allocated by the core."""

    home: Home
    inside: bool
    width: int
    slots: int = 0


@dataclass
class Factor:
    """A matrix and what it multiplies: an operand, or the one-hot vectors of an index list."""

    matrix: int
    vector: Operand | None
    lookup: int = -1


@dataclass
class Gate:
    """`to = start + sum of products`."""

    to: Operand
    start: Operand | None
    factors: list[Factor]


@dataclass
class Instruction:
    """`to = op(a, b, c)`; for EVERY `a` is the number of a period table."""

    op: int
    to: Operand
    a: Operand | int | None = None
    b: Operand | None = None
    c: Operand | None = None


@dataclass
class Stage:
    """Tiles of products and instructions, or one piece of work on whole rows."""

    work: Work
    width: int
    gates: list[Gate] = field(default_factory=list)
    instructions: list[Instruction] = field(default_factory=list)
    to: Operand | None = None
    a: Operand | None = None
    b: Operand | None = None
    history: int = -1
    by_row: bool = False


@dataclass
class Delta:
    """A gradient whose outer product with the vector goes to result `out`."""

    operand: Operand
    rows: int
    out: int


@dataclass
class Outer:
    """Sums over steps of outer products with one vector."""

    vector: Operand | None
    history: int
    lookup: int
    columns: int
    deltas: list[Delta]


@dataclass
class Total:
    """The sum over steps of a sequence."""

    operand: Operand
    width: int
    out: int


@dataclass
class Program:
    """Everything the core needs beside the data of a call."""

    buffers: list[Buffer] = field(default_factory=list)
    matrices: list[tuple[int, int, bool]] = field(default_factory=list)  # rows, columns, negative
    periods: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    groups: tuple[list[Stage], list[Stage], list[Stage]] = field(default_factory=lambda: ([], [], []))
    outers: list[Outer] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    temporaries: int = 0

    def encode(self) -> list[int]:
        """The program as the list of numbers that the core reads."""
        return _Encoder(self).code()


class _Encoder:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.operands: dict[Operand, int] = {}

    def code(self) -> list[int]:
        program = self.program
        groups = [
            entry for group in program.groups for entry in self._listed([self._stage(s) for s in group])
        ]
        outers = self._listed([self._outer(outer) for outer in program.outers])
        totals = self._listed([[self._at(t.operand), t.width, t.out] for t in program.totals])
        buffers = [[b.home, int(b.inside), b.width, b.slots] for b in program.buffers]
        operands = [[o.source, o.index, o.column, o.delay] for o in self.operands]
        matrices = [[rows, columns, int(negative)] for rows, columns, negative in program.matrices]
        periods = [[block, len(entries), *entries] for block, entries in program.periods]
        head = [program.temporaries, *self._listed(buffers), *self._listed(operands)]
        return [*head, *self._listed(matrices), *self._listed(periods), *groups, *outers, *totals]

    def _listed(self, entries: list[list[int]]) -> list[int]:
        return [len(entries), *(number for entry in entries for number in entry)]

    def _at(self, operand: Operand | None) -> int:
        return -1 if operand is None else self.operands.setdefault(operand, len(self.operands))

    def _stage(self, stage: Stage) -> list[int]:
        head = [int(stage.work), stage.width, int(stage.by_row)]
        if stage.work is not Work.TILES:
            return [*head, self._at(stage.to), self._at(stage.a), self._at(stage.b), stage.history]
        gates = self._listed([self._gate(gate) for gate in stage.gates])
        return [*head, *gates, *self._listed([self._instruction(i) for i in stage.instructions])]

    def _gate(self, gate: Gate) -> list[int]:
        factors = [[f.matrix, self._at(f.vector), f.lookup] for f in gate.factors]
        return [self._at(gate.to), self._at(gate.start), *self._listed(factors)]

    def _instruction(self, one: Instruction) -> list[int]:
        first = one.a if isinstance(one.a, int) else self._at(one.a)
        return [one.op, self._at(one.to), first, self._at(one.b), self._at(one.c)]

    def _outer(self, outer: Outer) -> list[int]:
        deltas = self._listed([[self._at(d.operand), d.rows, d.out] for d in outer.deltas])
        return [self._at(outer.vector), outer.history, outer.lookup, outer.columns, *deltas]
