"""A graph as a person would print it, in LaTeX or in MathML: one walk over the graph, two ways to write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from unrolled.equations.graph import LEAVES, Graph, Node
from unrolled.equations.notation import Mark, mark_of
from unrolled.equations.operations import OPERATIONS
from unrolled.equations.sizes import HIDDEN, INPUT
from unrolled.equations.typeset_latex import LatexWriter
from unrolled.equations.typeset_mathml import MathmlWriter

Writer = LatexWriter | MathmlWriter

# How tightly a printed piece binds; juxtaposition, `U h`, binds tighter than the sign between two vectors.
COMPARE, SUM, PRODUCT, SIDE_BY_SIDE, TIGHT = 1, 2, 3, 4, 5
SIGNS = {"add": "+", "subtract": "-", "greater": ">", "greater_equal": ">="}
LONG = 80  # an unnamed value used more than once is given a name when it is longer than this
SQUASHING = ("sigmoid", "tanh", "relu", "softplus", "exp")

Piece = tuple[str, int]


def latex(graph: Graph, style: str = "separate") -> str:
    """The equations as a LaTeX `aligned` block, in one of three styles.

    `separate`: W x + U h; `stacked`: W [x, h]; `gates`: one stacked matrix for all gates that read the same.
    Raises EquationError where a style cannot express the equations, with the reason.
    """
    from unrolled.equations.styles import restyled

    return Typesetter(restyled(graph, style), LatexWriter()).block()


def mathml(graph: Graph, style: str = "separate") -> str:
    """The equations as a MathML `<math>` element with one table row an equation; `style` as for `latex`."""
    from unrolled.equations.styles import restyled

    return Typesetter(restyled(graph, style), MathmlWriter()).block()


class Typesetter:
    """Walks one graph and hands what it finds to a writer."""

    def __init__(self, graph: Graph, writer: Writer) -> None:
        self.graph = graph
        self.writer = writer
        self.uses = Counter(i for node in graph.nodes if node.operation != "part" for i in node.operands)
        self.taken: set[str] = set()
        self.marks: dict[int, Mark] = {}
        self.lines: list[str] = []
        self.temporal = self._temporal()
        for name in graph.signature.names:
            self.marks[graph.leaf[name]] = self._free(mark_of(name))
        self.new = self._results()
        self._labels()
        self.stacks = self._stacks()
        self.squashers = self._squashers()

    # --- names -----------------------------------------------------------------------------------

    def _temporal(self) -> list[bool]:
        """Which values change from step to step, and so carry an index t."""
        found: list[bool] = []
        for node in self.graph.nodes:
            found.append(
                node.operation in ("input", "state", "every") or any(found[i] for i in node.operands)
            )
        return found

    def _free(self, mark: Mark) -> Mark:
        """`mark`, or the same with a number, if another value is already called so."""
        chosen, number = mark, 1
        while chosen.key in self.taken:
            number += 1
            chosen = Mark(mark.base, (*mark.subscripts, str(number)), mark.accent)
        self.taken.add(chosen.key)
        return chosen

    def _results(self) -> dict[str, int]:
        """The new value of every state takes the state's name, if nothing else has named it."""
        graph = self.graph
        new = dict(zip(graph.signature.states, graph.next_states, strict=True))
        for name, position in new.items():
            self.marks.setdefault(position, self.marks[graph.leaf[name]])
        return new

    def _labels(self) -> None:
        self.aliases: list[tuple[Mark, int]] = []
        for name, position in self.graph.labels:
            if self.new.get(name) == position:
                continue
            mark = self._free(self._candidate(position) if name == "candidate" else mark_of(name))
            if self.marks.setdefault(position, mark) != mark:
                self.aliases.append((mark, position))
        if self.graph.output not in self.marks:
            self.marks[self.graph.output] = self._free(Mark("y"))

    def _candidate(self, position: int) -> Mark:
        """A candidate is printed as books do: the state it becomes a part of, with a tilde."""
        states = sorted((new, state) for state, new in self.new.items() if new >= position)
        leaf = self.marks[self.graph.leaf[states[0][1]]] if states else Mark("candidate")
        plain = Mark(leaf.base, leaf.subscripts, "tilde")
        return Mark("candidate") if leaf.accent or not states or plain.key in self.taken else plain

    def _stacks(self) -> dict[int, dict[int, int]]:
        """The parts of every vector that is split: position of the vector -> index -> position of the part."""
        found: dict[int, dict[int, int]] = {}
        for position, node in enumerate(self.graph.nodes):
            if node.operation == "part":
                found.setdefault(node.operands[0], {})[node.value[0]] = position
        return found

    # --- lines -----------------------------------------------------------------------------------

    def block(self) -> str:
        """The whole block."""
        for position, node in enumerate(self.graph.nodes):
            if node.operation in LEAVES:
                self._repeat(position)
            elif node.operation != "part":
                self._define_if_named(position)
            if position in self.stacks:
                self._split(position)
        for mark, position in self.aliases:
            if self.graph.nodes[position].operation not in LEAVES:
                self._line(self._name(mark, position), self._value(position))
        self.output = self._output()
        self.lines.extend(self._facts())
        return self.writer.block(self.lines)

    def _repeat(self, position: int) -> None:
        """Lines for results and aliases that are a leaf as it came in: `c_t = h_{t-1}`."""
        names = [mark for mark, aliased in self.aliases if aliased == position]
        names += [self.marks[self.graph.leaf[state]] for state, new in self.new.items() if new == position]
        for mark in names:
            self._line(self._name(mark, position), self.inline(position)[0])

    def _define_if_named(self, position: int) -> None:
        written = self.squashers.values()
        if position not in self.marks:
            if position in written or self.uses[position] < 2 or len(self._plain(position)) < LONG:
                return
            self.marks[position] = self._free(Mark("s"))
        if position not in written:
            self._line(self._value(position), self._expression(position)[0])
            self._other_states(position)

    def _output(self) -> str:
        """The name of the output; a leaf as it came in gets one of its own."""
        position = self.graph.output
        new = [self._of_leaf(state) for state, value in self.new.items() if value == position]
        if new or self.graph.nodes[position].operation not in LEAVES:
            return new[0] if new else self._value(position)
        name = self._name(self._free(Mark("y")), position)
        self._line(name, self.inline(position)[0])
        return name

    def _other_states(self, position: int) -> None:
        """A value that is the next one of two states has two names."""
        for state, new in self.new.items():
            mark = self.marks[self.graph.leaf[state]]
            if new == position and mark != self.marks[position]:
                self._line(self._name(mark, position), self._value(position))

    def _split(self, position: int) -> None:
        """`(i, f, o, g) = ...`, with the squashing functions in front where every part has one."""
        parts = self.stacks[position]
        count = self.graph.nodes[next(iter(parts.values()))].value[1]
        squashed = [self.squashers[parts[k]] for k in range(count) if parts.get(k) in self.squashers]
        right = self.inline(position)[0]
        if squashed:
            words = [self.writer.word(self.graph.nodes[i].operation) for i in squashed]
            left = [self._value(i) for i in squashed]
            right = self.writer.beside(self.writer.column(words), self.writer.round(right))
        else:
            left = [self._part_name(parts.get(k)) for k in range(count)]
        self._line(self.writer.column(left), right)

    def _squashers(self) -> dict[int, int]:
        """For stacks whose every part is only squashed and then named: part -> the named value."""
        found: dict[int, int] = {}
        for parts in self.stacks.values():
            lone = {part: user for part in parts.values() if (user := self._squasher(part)) is not None}
            if len(lone) == self.graph.nodes[next(iter(parts.values()))].value[1]:
                found |= lone
        return found

    def _squasher(self, part: int) -> int | None:
        users = [i for i, node in enumerate(self.graph.nodes) if part in node.operands]
        lone = len(users) == 1 and part not in self.marks and users[0] in self.marks
        return users[0] if lone and self.graph.nodes[users[0]].operation in SQUASHING else None

    def _part_name(self, part: int | None) -> str:
        if part is None:
            return self.writer.name(self._free(Mark("s")), self.writer.ago(0))
        if part not in self.marks:
            self.marks[part] = self._free(Mark("s"))
        return self._value(part)

    def _facts(self) -> Iterator[str]:
        """What equations alone do not say: constants, sizes that have a name, inputs that stay, the output."""
        signature = self.graph.signature
        for name, value in signature.constants:
            yield self.writer.equation(self._of_leaf(name), self.writer.number(value))
        sized = {self._sized(name): size for name, size in signature.sizes if name in self._positions}
        if not self.uses[self.graph.leaf[signature.input]]:
            sized.setdefault(self._of_leaf(signature.input), INPUT)
        for printed, size in sized.items():
            yield self.writer.element(printed, (size,))
        for name in signature.statics:
            size = dict(signature.sizes).get(name, name)
            yield self.writer.given(self.writer.element(self._of_leaf(name), (size,)))
        yield from self._matrices()
        if self.graph.output not in self.graph.next_states and self._output_is_hidden():
            yield self.writer.element(self._value(self.graph.output), (HIDDEN,))
        if not self._output_is_last():
            yield self.writer.output(self.output)

    @property
    def _positions(self) -> dict[str, int]:
        """Where every name that may have a size of its own stands; static inputs are said apart."""
        named = {**dict(self.graph.labels), **self.new, self.graph.signature.input: 0}
        return {name: i for name, i in named.items() if name not in self.graph.signature.statics}

    def _sized(self, name: str) -> str:
        position = self._positions[name]
        return self._of_leaf(name) if name in self.graph.leaf else self._value(position)

    def _matrices(self) -> Iterator[str]:
        """Matrices whose small or long names would be taken for vectors or functions."""
        for name in self.graph.signature.parameters:
            shape = self.graph.shapes[self.graph.leaf[name]]
            if len(shape) == 2 and not mark_of(name).base[:1].isupper():
                yield self.writer.element(self._of_leaf(name), tuple(str(size) for size in shape))

    def _output_is_hidden(self) -> bool:
        """Whether the output has H rows without saying so; a reader would give it a size of its own."""
        declared = dict(self.graph.signature.sizes)
        names = {name for name, i in self.graph.labels if i == self.graph.output}
        return not names & declared.keys() and str(self.graph.size(self.graph.output)) == HIDDEN

    def _output_is_last(self) -> bool:
        """Whether the output is the one named value of this step that no other equation uses."""
        leaves = range(len(self.graph.signature.names))
        named = [i for i in self.marks if i not in leaves and self.temporal[i]]
        read: set[int] = set()
        waiting = [operand for i in named for operand in self.graph.nodes[i].operands]
        while waiting:
            position = waiting.pop()
            if position not in read:
                read.add(position)
                waiting.extend(() if position in self.marks else self.graph.nodes[position].operands)
        shifted = {i for i in self.new.values() if i in leaves}
        return {i for i in named if i not in read} | shifted == {self.graph.output}

    def _line(self, left: str, right: str) -> None:
        self.lines.append(self.writer.equation(left, right))

    # --- expressions -----------------------------------------------------------------------------

    def _name(self, mark: Mark, position: int) -> str:
        return self.writer.name(mark, self.writer.ago(0) if self.temporal[position] else "")

    def _value(self, position: int) -> str:
        """The name of a value of this step."""
        return self._name(self.marks[position], position)

    def _of_leaf(self, name: str) -> str:
        """A name of the signature, seen as a value of this step."""
        position = self.graph.leaf[name]
        return self._name(self.marks[position], position)

    def inline(self, position: int) -> Piece:
        """A value by its name, or written out."""
        node = self.graph.nodes[position]
        if node.operation == "state":
            return self.writer.name(self.marks[position], self.writer.ago(1)), TIGHT
        if position in self.marks:
            return self._value(position), TIGHT
        return self._expression(position)

    def _plain(self, position: int) -> str:
        from unrolled.equations.source import expression

        return expression(self.graph.nodes, position)

    def _expression(self, position: int) -> Piece:
        node = self.graph.nodes[position]
        rule = getattr(self, f"_write_{node.operation}", None)
        return rule(node) if rule else self._write_call(node)

    def _in(self, position: int, needed: int) -> str:
        text, strength = self.inline(position)
        return text if strength >= needed else self.writer.round(text)

    def _infix(self, node: Node, sign: str, strength: int) -> Piece:
        left, right = node.operands
        return self.writer.infix(self._in(left, strength), sign, self._in(right, strength + 1)), strength

    def _write_add(self, node: Node) -> Piece:
        return self._infix(node, "+", SUM)

    def _write_subtract(self, node: Node) -> Piece:
        return self._infix(node, "-", SUM)

    def _write_greater(self, node: Node) -> Piece:
        return self._infix(node, ">", COMPARE)

    def _write_greater_equal(self, node: Node) -> Piece:
        return self._infix(node, ">=", COMPARE)

    def _write_multiply(self, node: Node) -> Piece:
        vectors = all(self.graph.shapes[i] for i in node.operands)
        return self._infix(node, "odot" if vectors else "cdot", PRODUCT)

    def _write_divide(self, node: Node) -> Piece:
        upper, lower = (self.inline(i)[0] for i in node.operands)
        return self.writer.fraction(upper, lower), TIGHT

    def _write_negative(self, node: Node) -> Piece:
        return self.writer.beside(self.writer.sign("-"), self._in(node.operands[0], PRODUCT)), SUM

    def _write_matmul(self, node: Node) -> Piece:
        matrix, vector = node.operands
        return self.writer.beside(self._in(matrix, TIGHT), self._in(vector, SIDE_BY_SIDE)), SIDE_BY_SIDE

    def _write_transpose(self, node: Node) -> Piece:
        return self.writer.transposed(self._in(node.operands[0], TIGHT)), TIGHT

    def _write_concat(self, node: Node) -> Piece:
        return self.writer.square(self.writer.listed([self.inline(i)[0] for i in node.operands])), TIGHT

    def _write_delayed(self, node: Node) -> Piece:
        state, steps = node.operands
        number = self.graph.nodes[steps]
        ago = self.writer.ago(int(number.value) if number.operation == "number" else self.inline(steps)[0])
        return self.writer.name(self.marks[state], ago), TIGHT

    def _write_number(self, node: Node) -> Piece:
        negative = not isinstance(node.value, tuple) and node.value < 0
        return self.writer.number(node.value), SUM if negative else TIGHT

    def _write_sqrt(self, node: Node) -> Piece:
        return self.writer.root(self.inline(node.operands[0])[0]), TIGHT

    def _write_abs(self, node: Node) -> Piece:
        return self.writer.bars(self.inline(node.operands[0])[0]), TIGHT

    def _write_where(self, node: Node) -> Piece:
        condition, chosen, otherwise = (self.inline(i)[0] for i in node.operands)
        return self.writer.cases(chosen, condition, otherwise), TIGHT

    def _write_part(self, node: Node) -> Piece:
        raise AssertionError("the line of the stack names every part before it is used")

    def _write_call(self, node: Node) -> Piece:
        assert OPERATIONS[node.operation].kind in ("elementwise", "row", "matrix", "clock"), node.operation
        # A maximum with the number 0 would be read as a relu, whose gradient at 0 differs.
        zero = any(self.graph.nodes[i].value == 0.0 for i in node.operands)
        word = (
            self.writer.spelt("maximum")
            if node.operation == "maximum" and zero
            else self.writer.word(node.operation)
        )
        inside = self.writer.listed([self.inline(i)[0] for i in node.operands])
        return self.writer.beside(word, self.writer.round(inside)), TIGHT
