"""Shape inference by unification: what multiplies `x` has I columns, a state has H rows, and so on.

Kinds come first (what stands left of `@` is a matrix, everything else a vector or a number), then the sizes.
A contradiction is refused where it stands: place, the value as written, the sizes found, and the cure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from unrolled.equations.graph import Node, Shape, Signature
from unrolled.equations.operations import MOST_PARTS, OPERATIONS
from unrolled.equations.sizes import HIDDEN, INPUT, Size, Unifier
from unrolled.equations.source import brief
from unrolled.errors import EquationError

Place = Callable[[int], str]
READ_MATRICES = ("matmul", "transpose", "upper_blocks")  # their first operand is a matrix


class Inference:
    """The shapes of one cell's raw nodes; `place(i)` says where node i was written."""

    def __init__(self, signature: Signature, nodes: list[Node], place: Place) -> None:
        self.signature = signature
        self.nodes = nodes
        self.place = place
        self.unifier = Unifier()
        self.matrices = self._matrices()
        self.declared = dict(signature.sizes)
        self.shapes: list[Shape] = []
        self.numbers: dict[int, float] = {}
        self.parts: dict[int, int] = {}

    def run(self, results: Mapping[str, int], labels: Mapping[str, int]) -> list[Shape]:
        """Infer every shape; `results` are the new states by name."""
        for position in range(len(self.nodes)):
            self.shapes.append(self._shape(position))
        for name, position in labels.items():
            if name in self.declared and name not in self.signature.states:
                self._local_size(name, position)
        for name, position in results.items():
            self._state_size(name, position)
        settled = [tuple(self.unifier.settle(size) for size in shape) for shape in self.shapes]
        for position, shape in enumerate(settled):
            self._positive(position, shape)
        return settled

    # --- kinds -----------------------------------------------------------------------------------

    def _matrices(self) -> set[int]:
        readers: dict[int, int] = {}
        for position, node in enumerate(self.nodes):
            if node.operation in READ_MATRICES:
                readers.setdefault(node.operands[0], position)
        for matrix, reader in readers.items():
            if self.nodes[matrix].operation not in ("parameter", "transpose", "upper_blocks"):
                self._refuse(
                    reader,
                    f"what stands left of @ must be a learned matrix, got {self._text(matrix)}",
                    "Multiply the vector instead, or add two products: (A - B) @ h is A @ h - B @ h.",
                )
        found = set(readers)
        for position, node in enumerate(self.nodes):
            self._one_kind(position, node, found)
        return found

    def _one_kind(self, position: int, node: Node, matrices: set[int]) -> None:
        reads_matrix = node.operation in READ_MATRICES
        for operand in node.operands[1 if reads_matrix else 0 :]:
            if operand in matrices or self.nodes[operand].operation in ("transpose", "upper_blocks"):
                name = self._text(operand)
                self._refuse(
                    position,
                    f"{name} is used both as a matrix and as a vector, here in {self._text(position)}",
                    "Give each use its own name.",
                )

    # --- sizes -----------------------------------------------------------------------------------

    def _shape(self, position: int) -> Shape:
        node = self.nodes[position]
        kind = OPERATIONS[node.operation].kind
        if kind == "leaf":
            return self._leaf(position, node)
        for operand in node.operands[1 if node.operation == "where" else 0 :]:
            if OPERATIONS[self.nodes[operand].operation].kind == "condition":
                self._refuse(
                    position, f"a comparison stands in {self._text(position)}", "Use where(a > b, u, v)."
                )
        rule = getattr(self, f"_{node.operation}", None) or getattr(self, f"_{kind}")
        return rule(position, node)  # type: ignore[no-any-return]

    def _leaf(self, position: int, node: Node) -> Shape:
        if node.operation in ("number", "constant"):
            value = self._value(node)
            if not isinstance(value, tuple):
                self.numbers[position] = value
            return ()
        if node.operation == "input":
            return (Size.of(self.declared.get(node.value, INPUT)),)
        if node.operation == "state":
            return (Size.of(self.declared.get(node.value, HIDDEN)),)
        if node.operation == "static":
            return (Size.of(self.declared.get(node.value, node.value)),)
        if position in self.matrices:
            return (self.unifier.unknown(), self.unifier.unknown())
        return (self.unifier.unknown(),)

    def _elementwise(self, position: int, node: Node) -> Shape:
        size: Size | None = None
        for operand in node.operands:
            self._no_tuple(position, operand)
            size = self._agree(position, size, operand)
        if all(operand in self.numbers for operand in node.operands):
            self._fold(position, node)
        return () if size is None else (size,)

    _condition = _elementwise

    def _fold(self, position: int, node: Node) -> None:
        """Refuse what is no number, as sqrt(-1): at the run it would be NaN in silence."""
        compute = OPERATIONS[node.operation].numpy
        if node.operation == "where" or compute is None:
            return
        with np.errstate(all="ignore"):
            value = float(compute(*(self.numbers[i] for i in node.operands)))
        if not math.isfinite(value):
            self._refuse(
                position, f"{self._text(position)} is {value}, not a finite number", "Change the number."
            )
        self.numbers[position] = value

    def _where(self, position: int, node: Node) -> Shape:
        if OPERATIONS[self.nodes[node.operands[0]].operation].kind != "condition":
            self._refuse(
                position,
                f"where() chooses by a comparison, got {self._text(node.operands[0])}",
                "Write where(a > b, u, v).",
            )
        return self._elementwise(position, node)

    def _agree(self, position: int, size: Size | None, operand: int) -> Size | None:
        shape = self.shapes[operand]
        if not shape:
            return size
        if size is not None and not self.unifier.equal(size, shape[0]):
            self._mismatch(position, size, operand, shape[0])
        return shape[0]

    def _row(self, position: int, node: Node) -> Shape:
        (operand,) = node.operands
        word = "split" if node.operation == "part" else node.operation
        if not self.shapes[operand]:
            self._refuse(position, f"{word}() needs a vector, got the number {self._text(operand)}",
                         "Give it a vector.")  # fmt: skip
        return self.shapes[operand]

    def _concat(self, position: int, node: Node) -> Shape:
        if not node.operands:
            self._refuse(position, "concat() joins vectors, got none", "Give it the vectors.")
        total = Size(())
        for operand in node.operands:
            if not self.shapes[operand]:
                self._refuse(position, f"concat() joins vectors, got the number {self._text(operand)}",
                             "Leave it out.")  # fmt: skip
            total = total + self.unifier.resolve(self.shapes[operand][0])
        self.parts[position] = sum(self.parts.get(operand, 1) for operand in node.operands)
        if self.parts[position] > MOST_PARTS:
            self._refuse(position, f"concat() joins at most {MOST_PARTS} vectors, got {self.parts[position]}",
                         "Use fewer.")  # fmt: skip
        return (total,)

    def _part(self, position: int, node: Node) -> Shape:
        shape = self._row(position, node)
        _, count = node.value
        size = self.unifier.resolve(shape[0])
        if len(size.unknowns) == 1 == len(size.terms):
            # `split(W @ x, 4)`: the parts are the unknown, so that no fraction appears.
            part = self.unifier.unknown()
            self.unifier.equal(size, part.times(count))
            return (part,)
        return (size.times(Fraction(1, count)),)

    def _matmul(self, position: int, node: Node) -> Shape:
        matrix, vector = node.operands
        rows, columns = self.shapes[matrix]
        if not self.shapes[vector]:
            self._refuse(position, f"{self._text(position)} multiplies a matrix with a number",
                         "Use * with numbers, @ with vectors.")  # fmt: skip
        if not self.unifier.equal(columns, self.shapes[vector][0]):
            self._mismatch(position, columns, vector, self.shapes[vector][0])
        return (rows,)

    def _transpose(self, position: int, node: Node) -> Shape:
        rows, columns = self.shapes[node.operands[0]]
        return (columns, rows)

    def _upper_blocks(self, position: int, node: Node) -> Shape:
        self._plain_number(position, node.operands[1], tuples=True)
        rows, columns = self.shapes[node.operands[0]]
        if not self.unifier.equal(rows, columns):
            self._mismatch(position, rows, node.operands[0], columns)
        return (rows, columns)

    def _delayed(self, position: int, node: Node) -> Shape:
        state, steps = node.operands
        if self.nodes[state].operation != "state":
            self._refuse(
                position,
                f"delayed(h, k) takes a state of the cell, got {self._text(state)}",
                "Make the value a state, then delay that.",
            )
        self._plain_number(position, steps, tuples=False)
        return self.shapes[state]

    def _every(self, position: int, node: Node) -> Shape:
        periods = self._plain_number(position, node.operands[0], tuples=True)
        return (Size.of(HIDDEN),) if isinstance(periods, tuple) else ()

    def _plain_number(self, position: int, operand: int, tuples: bool) -> float | tuple[float, ...]:
        node = self.nodes[operand]
        if node.operation not in ("number", "constant"):
            self._refuse(position, f"{self._text(position)} needs a number, got {self._text(operand)}",
                         "Write a whole number or a named constant.")  # fmt: skip
        value = self._value(node)
        entries = value if isinstance(value, tuple) else (value,)
        if isinstance(value, tuple) and not tuples:
            self._refuse(
                position, f"{self._text(position)} needs one number, got {value}", "Give one number."
            )
        if any(entry != int(entry) or entry < 1 for entry in entries):
            self._refuse(position, f"{self._text(position)} needs whole numbers >= 1, got {value}",
                         "Change the number.")  # fmt: skip
        return value

    def _value(self, node: Node) -> float | tuple[float, ...]:
        """The value of a number or of a named constant."""
        value = dict(self.signature.constants)[node.value] if node.operation == "constant" else node.value
        return value

    # --- results ---------------------------------------------------------------------------------

    def _local_size(self, name: str, position: int) -> None:
        wanted = Size.of(self.declared[name])
        shape = self.shapes[position]
        if len(shape) != 1 or not self.unifier.equal(shape[0], wanted):
            found = f"has size {self._size(shape[0])}" if len(shape) == 1 else f"is {self._kind(position)}"
            self._refuse(position, f"{name} was declared to have size {wanted}, but it {found}",
                         "Change sizes= or the equation.")  # fmt: skip

    def _state_size(self, name: str, position: int) -> None:
        wanted = Size.of(self.declared.get(name, HIDDEN))
        shape = self.shapes[position]
        if len(shape) != 1:
            self._refuse(
                position,
                f"the new value of the state {name} must be a vector of size {wanted}, "
                f"got {self._kind(position)} {self._text(position)}",
                "Return a vector.",
            )
        if not self.unifier.equal(shape[0], wanted):
            self._refuse(
                position,
                f"the state {name} has size {wanted}, but its new value {self._text(position)} has "
                f"size {self._size(shape[0])}",
                f'Return the states in the order of the parameters, or name its size: sizes={{"{name}": ...}}.',
            )

    def _positive(self, position: int, shape: Shape) -> None:
        for size in shape:
            if not size.terms or any(count <= 0 for _, count in size.terms):
                self._refuse(position, f"{self._text(position)} would have size {size}",
                             "Name the sizes with sizes=.")  # fmt: skip

    # --- refusals --------------------------------------------------------------------------------

    def _no_tuple(self, position: int, operand: int) -> None:
        node = self.nodes[operand]
        if node.operation in ("constant", "number") and isinstance(self._value(node), tuple):
            self._refuse(
                position,
                f"the tuple {self._text(operand)} stands in {self._text(position)}",
                "A tuple can be given to every() and upper_blocks() only; learn a vector instead.",
            )

    def _mismatch(self, position: int, size: Size, operand: int, other: Size) -> None:
        self._refuse(
            position,
            f"in {self._text(position)} the sizes {self._size(size)} and {self._size(other)} "
            f"(of {self._text(operand)}) must be equal",
            "Put a matrix between them, or name the sizes with @cell(sizes=...).",
        )

    def _kind(self, position: int) -> str:
        return "the matrix" if self.shapes[position] else "the number"

    def _size(self, size: Size) -> str:
        return str(self.unifier.resolve(size))

    def _text(self, position: int) -> str:
        return brief(self.nodes, position)

    def _refuse(self, position: int, what: str, cure: str) -> None:
        raise EquationError(f"{self.place(position)}: {what}. {cure}")
