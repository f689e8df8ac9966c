"""Running a cell on values that write down what is done to them."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn, TypeAlias

import numpy as np

from unrolled.equations.check import check
from unrolled.equations.graph import Graph, Node, Shape, Signature, canonical, reachable
from unrolled.equations.operations import (
    OPERATIONS,
    WORDS,
    Traced,
    is_finite_number,
    is_number,
    while_tracing,
)
from unrolled.equations.shapes import READ_MATRICES, Inference
from unrolled.equations.source import brief
from unrolled.errors import EquationError

LONGEST_EQUATION = 10_000
HERE = str(Path(__file__).parent) + os.sep
# Where something was written: the file, line and column of a text, or the code object and instruction of a
# Python function, decoded only when an error needs them.
Position: TypeAlias = tuple[str, int, int] | tuple[CodeType, int]
Body: TypeAlias = Callable[["Builder", Mapping[str, "Symbol"]], tuple[Any, Mapping[str, Any]]]


class Builder:
    """Collects the nodes of one cell; equal nodes are one node."""

    def __init__(self, signature: Signature, origin: str) -> None:
        self.signature = signature
        self.origin = origin  # where the cell is defined
        self.nodes: list[Node] = []
        self.places: list[Position | None] = []
        self.at: Position | None = None  # set by the reader of text cells; Python cells ask the frame
        self.code: CodeType | None = None
        self.frame: FrameType | None = None
        self._known: dict[Node, int] = {}
        self.leaves = {str(node.value): Symbol(self, self.add(node, None)) for node in signature.leaves()}

    def add(self, node: Node, place: Position | None) -> int:
        """The position of `node`, new or known."""
        position = self._known.get(node)
        if position is None:
            position = self._known[node] = len(self.nodes)
            self.nodes.append(node)
            self.places.append(place)
        return position

    def symbol(self, operation: str, operands: tuple[Any, ...], value: Any = None) -> Symbol:
        """A new value: `operation` on symbols and plain numbers."""
        positions = tuple(self.operand(operand) for operand in operands)
        return Symbol(self, self.add(Node(operation, positions, value), self.here()))

    def operand(self, operand: Any) -> int:
        """The position of an operand, which may be a plain number or a tuple of numbers."""
        if isinstance(operand, Symbol):
            if operand.builder is not self:
                self.refuse("a value of another cell is used here", "Use only this cell's own names.")
            return operand.position
        if is_finite_number(operand):
            return self.add(Node("number", (), float(operand)), self.here())
        if isinstance(operand, tuple) and operand and all(is_finite_number(entry) for entry in operand):
            return self.add(Node("number", (), tuple(float(entry) for entry in operand)), self.here())
        self.refuse(
            f"equations are made of the cell's own names and finite numbers, got {operand!r}",
            "Make it a parameter (after *), or a named constant with a number as default.",
        )

    def here(self) -> Position | None:
        """Where in the user's file the operation being recorded stands."""
        if self.at is not None:
            return self.at
        frame = _user_frame()
        self._remember(frame)
        return (frame.f_code, frame.f_lasti) if frame is not None else None

    def _remember(self, frame: FrameType | None) -> None:
        """Keep the cell's own frame: after the return it holds the local names."""
        while self.frame is None and frame is not None:
            if frame.f_code is self.code:
                self.frame = frame
            frame = frame.f_back

    def refuse(self, what: str, cure: str) -> NoReturn:
        """Raise an error at the place being recorded."""
        raise EquationError(f"{self.place_text(self.here())}: {what}. {cure}")

    def returned(self) -> None:
        """Note the return of a Python cell as the place being recorded; its frame is no longer needed."""
        if self.frame is not None:
            self.at = (self.frame.f_code, self.frame.f_lasti)
            self.frame = None

    def place_text(self, place: Position | None) -> str:
        """`file:line:column`, or where the cell is defined."""
        return self.origin if place is None else _written(place)


def _written(place: Position) -> str:
    if len(place) == 2:
        code, instruction = place
        line, _, column, _ = list(code.co_positions())[instruction // 2]
        place = (code.co_filename, line or code.co_firstlineno, (column or 0) + 1)
    return ":".join(str(part) for part in place)


def _user_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return frame


class Symbol(Traced):
    """One traced value. Arithmetic on it is written into the graph; anything else is refused with a cure."""

    __slots__ = ("builder", "position")
    __hash__ = object.__hash__

    def __init__(self, builder: Builder, position: int) -> None:
        self.builder = builder
        self.position = position

    def record(self, operation: str, operands: tuple[Any, ...]) -> Symbol:
        """Write a word into the graph; `delayed(h, 1)` is `h` itself."""
        if operation == "part":
            vector, index, count = operands
            return self.builder.symbol("part", (vector,), (index, count))
        arity = OPERATIONS[operation].arity
        assert arity is None or len(operands) == arity, operation
        if (
            operation == "delayed"
            and is_number(operands[1])
            and operands[1] == 1
            and self.node.operation == "state"
        ):
            return self
        return self.builder.symbol(operation, operands)

    @property
    def node(self) -> Node:
        """The node this symbol stands for."""
        return self.builder.nodes[self.position]

    def __repr__(self) -> str:
        return brief(self.builder.nodes, self.position)

    def refuse(self, what: str, cure: str) -> NoReturn:
        """Raise EquationError at the place being recorded."""
        self.builder.refuse(what, cure)

    def __add__(self, other: Any) -> Symbol:
        return self.record("add", (self, other))

    def __radd__(self, other: Any) -> Symbol:
        return self.record("add", (other, self))

    def __sub__(self, other: Any) -> Symbol:
        return self.record("subtract", (self, other))

    def __rsub__(self, other: Any) -> Symbol:
        return self.record("subtract", (other, self))

    def __mul__(self, other: Any) -> Symbol:
        return self.record("multiply", (self, other))

    def __rmul__(self, other: Any) -> Symbol:
        return self.record("multiply", (other, self))

    def __truediv__(self, other: Any) -> Symbol:
        return self.record("divide", (self, other))

    def __rtruediv__(self, other: Any) -> Symbol:
        return self.record("divide", (other, self))

    def __matmul__(self, other: Any) -> Symbol:
        if not isinstance(other, Symbol):
            self.refuse(f"@ multiplies a matrix with a vector, got {other!r}", "Use * with numbers.")
        if self.node.operation == "matmul":  # (A @ B) @ h is read as A @ (B @ h)
            outer, inner = self.node.operands
            return Symbol(self.builder, outer) @ (Symbol(self.builder, inner) @ other)
        return self.record("matmul", (self, other))

    def __rmatmul__(self, other: Any) -> Symbol:
        self.refuse(f"@ multiplies a matrix with a vector, got {other!r} on the left", "Use * with numbers.")

    def __neg__(self) -> Symbol:
        return self.record("negative", (self,))

    def __pos__(self) -> Symbol:
        return self

    def __abs__(self) -> Symbol:
        return self.record("abs", (self,))

    def __gt__(self, other: Any) -> Symbol:
        return self.record("greater", (self, other))

    def __lt__(self, other: Any) -> Symbol:
        return self.record("greater", (other, self))

    def __ge__(self, other: Any) -> Symbol:
        return self.record("greater_equal", (self, other))

    def __le__(self, other: Any) -> Symbol:
        return self.record("greater_equal", (other, self))

    @property
    def T(self) -> Symbol:
        """The transposed matrix."""
        return self.record("transpose", (self,))

    # --- what equations cannot do, each with its cure ---------------------------------------------

    def __eq__(self, other: object) -> bool:
        self.refuse("== has no gradient and no meaning in an equation", "Use where(a > b, u, v).")

    def __ne__(self, other: object) -> bool:
        self.refuse("!= has no gradient and no meaning in an equation", "Use where(a > b, u, v).")

    def __bool__(self) -> bool:
        self.refuse(
            "`if`, `and`, `or` and the builtins max() and min() need one truth value, an equation has a vector",
            "Use where(a > b, u, v), maximum(a, b) or minimum(a, b).",
        )

    def __iter__(self) -> NoReturn:
        self.refuse("a vector cannot be iterated over", "Use split(v, n) for equal parts.")

    def __len__(self) -> int:
        self.refuse("a vector has no length before the sizes are chosen", "Name sizes with @cell(sizes=...).")

    def __getitem__(self, key: object) -> NoReturn:
        self.refuse("a vector cannot be indexed", "Use split(v, n) for equal parts.")

    def __float__(self) -> float:
        self.refuse("a vector is not one number", "Use the words of unrolled.equations, not math or float().")

    __int__ = __index__ = __round__ = __trunc__ = __float__

    def __pow__(self, other: object) -> NoReturn:
        self.refuse("** is not a word of the equations", "Write v * v, or exp(n * log(v)).")

    __rpow__ = __pow__

    def __mod__(self, other: object) -> NoReturn:
        self.refuse("%, //, &, |, ^ and ~ are not words of the equations", "Use + - * / and @.")

    __rmod__ = __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = __mod__
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __mod__
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = __mod__

    def __invert__(self) -> NoReturn:
        self.__mod__(self)

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        self.refuse(f"{self!r} is a value, it cannot be called", "Write * to multiply.")

    def __setitem__(self, key: object, value: object) -> NoReturn:
        self.refuse("an entry of a vector cannot be set", "Use concat(a, b), or where(a > b, u, v).")

    __delitem__ = __getitem__

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **options: Any) -> Symbol:
        sign = NUMPY_SIGNS.get(function.__name__)
        if method == "__call__" and sign is not None and all(_plain(value) for value in inputs):
            return sign(*(value if isinstance(value, Symbol) else float(value) for value in inputs))  # type: ignore[no-any-return]
        self.refuse(
            f"the NumPy function {function.__name__} cannot be traced", "Use the words of unrolled.equations."
        )

    @classmethod
    def __torch_function__(
        cls, function: Any, _: Any, operands: Sequence[Any] = (), __: Any = None
    ) -> NoReturn:
        symbol = next(operand for operand in operands if isinstance(operand, Symbol))
        symbol.refuse(
            f"the torch function {function.__name__} cannot be traced", "Use the words of unrolled.equations."
        )

    def __array_function__(self, function: Any, *_: Any) -> NoReturn:
        self.refuse(
            f"the NumPy function {function.__name__} cannot be traced", "Use the words of unrolled.equations."
        )

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        self.refuse(f".{name} is not a word of the equations", "Use the words of unrolled.equations.")


# What NumPy does when its scalar stands on the left: np.float64(2) * v.
NUMPY_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
}


def _plain(value: object) -> bool:
    # NumPy hands its scalars over as arrays of no dimension when it compares.
    return (
        isinstance(value, Symbol) or is_number(value) or (isinstance(value, np.ndarray) and value.ndim == 0)
    )


def trace(signature: Signature, body: Body, origin: str) -> Graph:
    """The graph of a cell: run `body` on symbols, infer the shapes, put the nodes in canonical order.

    `origin` says where the cell is defined; errors that have no better place begin with it.
    """
    builder = Builder(signature, origin)
    with while_tracing(builder.leaves[signature.input]):
        returned, local_names = body(builder, builder.leaves)
    output, states = _results(builder, returned)
    labels = _labels(builder, local_names)
    _known_sizes(builder, labels)
    return _finish(builder, output, states, labels)


def _known_sizes(builder: Builder, labels: Mapping[str, int]) -> None:
    signature = builder.signature
    for name, size in signature.sizes:
        if name not in (signature.input, *signature.states, *signature.statics, *labels):
            raise EquationError(
                f"{builder.origin}: sizes= gives {name} the size {size}, but no input, state or local "
                f"value has that name. Correct the name in sizes=."
            )


def _results(builder: Builder, returned: Any) -> tuple[int, tuple[int, ...]]:
    """The positions of the output and of the new states."""
    signature = builder.signature
    values = returned if isinstance(returned, tuple) else (returned,)
    count = len(signature.states)
    states = ", ".join(signature.states)
    if len(values) not in (count, count + 1):
        builder.refuse(
            f"{signature.name} must return its states ({states}) in order, with at most one output before them, "
            f"got {len(values)} value{'' if len(values) == 1 else 's'}",
            f"Return {states}; what is learned stands behind a *, as in ({signature.input}, h, *, W, U).",
        )
    for value in values:
        if not isinstance(value, Symbol) or value.builder is not builder:
            builder.refuse(
                f"{signature.name} must return vectors computed from its names, got {value!r}",
                f"Return {states}.",
            )
    positions = [value.position for value in values]
    return positions[0], tuple(positions[-count:])


def _labels(builder: Builder, local_names: Mapping[str, Any]) -> dict[str, int]:
    """Local names and the values they were last bound to; names that start with _ are private."""
    labels = {}
    for name, value in local_names.items():
        if isinstance(value, Symbol) and value.builder is builder and not name.startswith("_"):
            if builder.leaves.get(name) is None or builder.leaves[name].position != value.position:
                labels[name] = value.position
    for name in labels.keys() & WORDS.keys():
        builder.refuse(f"{name} is a word of the equations and cannot name a value", "Choose another name.")
    return labels


def _vectors(builder: Builder, results: list[int], labels: dict[str, int]) -> dict[str, int]:
    """The labels without products of matrices: `M = A @ B` is only half of `A @ (B @ h)`."""
    nodes = builder.nodes
    plain = [i for i in labels.values() if nodes[i].operation != "matmul"]
    matrices = {
        nodes[i].operands[0] for i in reachable(nodes, results + plain) if nodes[i].operation in READ_MATRICES
    }

    def is_matrix(position: int) -> bool:
        node = nodes[position]
        return (
            position in matrices
            or node.operation in ("transpose", "upper_blocks")
            or (node.operation == "matmul" and is_matrix(node.operands[1]))
        )

    return {name: i for name, i in labels.items() if nodes[i].operation != "matmul" or not is_matrix(i)}


def _finish(builder: Builder, output: int, states: tuple[int, ...], labels: dict[str, int]) -> Graph:
    signature = builder.signature
    labels = _vectors(builder, [output, *states], labels)
    used = reachable(builder.nodes, [output, *states, *labels.values()])
    _all_used(builder, used)
    _writable(builder, labels)
    kept = sorted(used | set(range(len(signature.names))))
    renumbered = {old: new for new, old in enumerate(kept)}

    def compact(i: int) -> int:
        return renumbered[i]

    nodes = [
        Node(node.operation, tuple(compact(o) for o in node.operands), node.value)
        for node in (builder.nodes[i] for i in kept)
    ]
    results = tuple(compact(i) for i in states)
    local = {label: compact(i) for label, i in labels.items()}
    inference = Inference(signature, nodes, lambda i: builder.place_text(builder.places[kept[i]]))
    shapes: list[Shape] = inference.run(dict(zip(signature.states, results, strict=True)), local)
    if len(shapes[compact(output)]) != 1:
        builder.refuse(
            f"the output of {signature.name} must be a vector, got {brief(builder.nodes, output)}",
            "Return a vector.",
        )
    graph = canonical(signature, nodes, shapes, compact(output), results, local)
    check(graph)
    return graph


def _writable(builder: Builder, labels: dict[str, int]) -> None:
    """Refuse equations that no page could hold: `v = v + v`, forty times, has no other name to stop at."""
    named = set(labels.values())
    length: list[int] = []
    for position, node in enumerate(builder.nodes):
        length.append(1 + sum(1 if i in named else length[i] for i in node.operands))
        if length[position] > LONGEST_EQUATION:
            builder.refuse(
                f"an equation of {builder.signature.name} has more than {LONGEST_EQUATION} terms when written out",
                "Give each of its values a name of its own.",
            )


def _all_used(builder: Builder, used: set[int]) -> None:
    signature = builder.signature
    for name in (*signature.parameters, *signature.statics, *(name for name, _ in signature.constants)):
        if builder.leaves[name].position not in used:
            raise EquationError(
                f"{builder.origin}: {name} is never used, so it has no shape. Use it in an equation or remove it."
            )
