"""The words an equation may use.

Each word works on two kinds of operands: NumPy arrays, where it computes, and traced values, where it
writes itself into the graph. The table at the end names every operation of the graph language, what kind
of thing it is and how NumPy computes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import EquationError

Vector: TypeAlias = NDArray[np.floating[Any]]
Value: TypeAlias = Any  # a NumPy vector or a traced value: one function serves both


class Traced:
    """A value that records what is done to it instead of computing."""

    def record(self, operation: str, operands: tuple[Any, ...]) -> Any:
        """Write `operation(*operands)` into the graph this value belongs to."""
        raise NotImplementedError

    def refuse(self, what: str, cure: str) -> NoReturn:
        """Raise EquationError at the place that is being written down."""
        raise NotImplementedError


# --- what a step of the NumPy run knows beyond its arguments ------------------------------------


@dataclass
class Moment:
    """Clock, hidden size and past states of the step that NumPy is computing."""

    clock: int
    hidden_size: int
    past: Sequence[tuple[Vector, Sequence[Vector]]]  # (the state as handed to the cell, newest first)


_moment: ContextVar[Moment] = ContextVar("moment")


@contextmanager
def at_moment(moment: Moment) -> Iterator[None]:
    """Let `delayed` and `every` see `moment` while one step is computed."""
    token = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(token)


# Set while a cell is being traced: `every(3)` and `sqrt(2)` have no traced operand to say so.
_tracing: ContextVar[Traced | None] = ContextVar("tracing", default=None)


@contextmanager
def while_tracing(value: Traced) -> Iterator[None]:
    """Let words of plain numbers write into the graph that `value` belongs to."""
    token = _tracing.set(value)
    try:
        yield
    finally:
        _tracing.reset(token)


def _now(word: str) -> Moment:
    try:
        return _moment.get()
    except LookupError:
        raise EquationError(
            f"{word}() needs the run of a sequence, which knows the clock and the past. "
            "Use cell.run(sequence, parameters) instead of calling the cell."
        ) from None


# --- NumPy meaning -------------------------------------------------------------------------------


def _sigmoid(v: Vector) -> Vector:
    e = np.exp(-np.abs(v))
    value: Vector = np.where(v >= 0, 1 / (1 + e), e / (1 + e))
    return value


def _layer_norm(v: Vector) -> Vector:
    normed: Vector = (v - v.mean()) / np.sqrt(v.var() + LAYER_NORM_EPSILON)
    return normed


def _softmax(v: Vector) -> Vector:
    e = np.exp(v - v.max())
    shares: Vector = e / e.sum()
    return shares


def _delayed(state: Vector, steps: int) -> Vector:
    steps = whole(steps, "delayed(h, k)", "k")
    for handed, history in _now("delayed").past:
        if handed is state:
            return history[steps - 1]
    raise EquationError(
        "delayed(h, k) takes a state of the cell as it came in, got a computed value. "
        "Make the value a state, then delay that."
    )


def _every(periods: float | Sequence[float]) -> Vector:
    moment = _now("every")
    if not isinstance(periods, Sequence):
        return np.float64(moment.clock % whole(periods, "every(n)", "n") == 0)  # type: ignore[return-value]
    ticks = [moment.clock % whole(n, "every(n)", "n") == 0 for n in periods]
    return np.repeat(np.array(ticks, dtype=np.float64), _block(moment.hidden_size, len(ticks), "every"))


def _upper_blocks(matrix: Vector, groups: float | Sequence[float]) -> Vector:
    number = group_count(groups)
    rows = np.arange(matrix.shape[0]) // _block(matrix.shape[0], number, "upper_blocks")
    columns = np.arange(matrix.shape[1]) // _block(matrix.shape[1], number, "upper_blocks")
    return np.where(rows[:, None] <= columns[None, :], matrix, 0.0)


def _part(v: Vector, index: int, count: int) -> Vector:
    return np.split(v, count)[index]


def _block(size: int, groups: int, word: str) -> int:
    if size % groups:
        raise EquationError(
            f"{word} cuts {size} rows into {groups} equal blocks, which does not come out even. "
            f"Use a size that is a multiple of {groups}."
        )
    return size // groups


def group_count(groups: float | Sequence[float]) -> int:
    """The number of blocks meant by `groups`: itself, or as many as a tuple has entries."""
    return len(groups) if isinstance(groups, Sequence) else whole(groups, "upper_blocks(U, groups)", "groups")


def whole(number: Any, call: str, letter: str) -> int:
    """`number` as an int >= 1, or the refusal every word shares."""
    if is_finite_number(number) and number == int(number) and number >= 1:
        return int(number)
    what, cure = f"{call}: {letter} must be a whole number >= 1, got {number!r}", "Write the number out."
    tracing = _tracing.get()
    if tracing is not None:
        tracing.refuse(what, cure)
    raise EquationError(f"{what}. {cure}")


LAYER_NORM_EPSILON = 1e-5
MOST_PARTS = 1000  # more parts of one vector than this are a slip, or a text that means harm


@dataclass(frozen=True)
class Operation:
    """One entry of the graph language.

    `kind`: "elementwise"; "condition" (a comparison, first operand of `where`); "row" (needs the whole
    vector); "matrix" (makes a matrix); "product"; "structure" (moves entries); "memory" (past states);
    "clock"; "leaf".
    """

    name: str
    kind: str
    arity: int | None
    numpy: Callable[..., Any] | None = None


LEAF_OPERATIONS = ("input", "state", "static", "parameter", "constant", "number", "saved", "zeros")

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        *(Operation(leaf, "leaf", 0) for leaf in LEAF_OPERATIONS),
        Operation("add", "elementwise", 2, np.add),
        Operation("subtract", "elementwise", 2, np.subtract),
        Operation("multiply", "elementwise", 2, np.multiply),
        Operation("divide", "elementwise", 2, np.divide),
        Operation("negative", "elementwise", 1, np.negative),
        Operation("sigmoid", "elementwise", 1, _sigmoid),
        Operation("tanh", "elementwise", 1, np.tanh),
        Operation("relu", "elementwise", 1, lambda v: np.maximum(v, 0.0)),
        Operation("exp", "elementwise", 1, np.exp),
        Operation("log", "elementwise", 1, np.log),
        Operation("softplus", "elementwise", 1, lambda v: np.logaddexp(v, 0.0)),
        Operation("sqrt", "elementwise", 1, np.sqrt),
        Operation("abs", "elementwise", 1, np.abs),
        Operation("maximum", "elementwise", 2, np.maximum),
        Operation("minimum", "elementwise", 2, np.minimum),
        Operation("greater", "condition", 2, np.greater),
        Operation("greater_equal", "condition", 2, np.greater_equal),
        Operation("where", "elementwise", 3, np.where),
        Operation("layer_norm", "row", 1, _layer_norm),
        Operation("softmax", "row", 1, _softmax),
        Operation("concat", "structure", None, lambda *parts: np.concatenate(parts)),
        Operation("part", "structure", 1, _part),
        Operation("matmul", "product", 2, np.matmul),
        Operation("transpose", "matrix", 1, np.transpose),
        Operation("upper_blocks", "matrix", 2, _upper_blocks),
        Operation("delayed", "memory", 2, _delayed),
        Operation("every", "clock", 1, _every),
        # Only in simplified graphs: an n-ary sum with signs, and a block of a matrix's columns.
        Operation("sum", "elementwise", None),
        Operation("columns", "matrix", 1),
        Operation("rows", "matrix", 1),
        # Only in backward graphs: derivatives times what comes from above, and a piece of a vector.
        Operation("dsigmoid", "elementwise", 2, lambda y, g: g * (y * (1 - y))),
        Operation("dtanh", "elementwise", 2, lambda y, g: g * (1 - y * y)),
        Operation("drelu", "elementwise", 2, lambda y, g: np.where(y > 0, g, 0.0)),
        Operation("dabs", "elementwise", 2, lambda v, g: np.sign(v) * g),
        Operation("dmaximum", "elementwise", 3, lambda a, b, g: g * (0.5 * (a > b) + 0.5 * (a >= b))),
        Operation("dminimum", "elementwise", 3, lambda a, b, g: g * (0.5 * (a < b) + 0.5 * (a <= b))),
        Operation("dlayer_norm", "row", 2),
        Operation("dsoftmax", "row", 2, lambda y, g: y * (g - (g * y).sum())),
        Operation("piece", "structure", 1),
    )
}


# --- the words -----------------------------------------------------------------------------------


def _call(name: str, *operands: Any) -> Any:
    traced = next((operand for operand in operands if isinstance(operand, Traced)), _tracing.get())
    if traced is not None:
        return traced.record(name, operands)
    compute = OPERATIONS[name].numpy
    assert compute is not None
    return compute(*operands)


def sigmoid(v: Value) -> Value:
    """1 / (1 + exp(-v)), entry by entry."""
    return _call("sigmoid", v)


def tanh(v: Value) -> Value:
    """Hyperbolic tangent, entry by entry."""
    return _call("tanh", v)


def relu(v: Value) -> Value:
    """max(0, v), entry by entry; the derivative at 0 is 0."""
    return _call("relu", v)


def exp(v: Value) -> Value:
    """e to the power v, entry by entry."""
    return _call("exp", v)


def log(v: Value) -> Value:
    """Natural logarithm, entry by entry."""
    return _call("log", v)


def softplus(v: Value) -> Value:
    """log(1 + exp(v)), entry by entry."""
    return _call("softplus", v)


def sqrt(v: Value) -> Value:
    """Square root, entry by entry."""
    return _call("sqrt", v)


def absolute(v: Value) -> Value:
    """|v|, entry by entry; the derivative at 0 is 0. Written `abs` in equations."""
    return _call("abs", v)


def maximum(a: Value, b: Value) -> Value:
    """The larger of a and b, entry by entry; a tie shares its gradient half and half."""
    return _call("maximum", a, b)


def minimum(a: Value, b: Value) -> Value:
    """The smaller of a and b, entry by entry; a tie shares its gradient half and half."""
    return _call("minimum", a, b)


def where(condition: Value, chosen: Value, otherwise: Value) -> Value:
    """`chosen` where the comparison holds, `otherwise` elsewhere; no gradient through the comparison."""
    return _call("where", condition, chosen, otherwise)


def layer_norm(v: Value) -> Value:
    """(v - mean) / sqrt(variance + 1e-5), biased variance, no gain or bias: write those."""
    return _call("layer_norm", v)


def softmax(v: Value) -> Value:
    """exp(v) / sum(exp(v)) over the whole vector."""
    return _call("softmax", v)


def concat(*parts: Value) -> Value:
    """The vectors one after the other: `W_a @ concat(a, x)` is the textbook's W_a [a, x]."""
    return _call("concat", *parts)


def split(v: Value, n: int) -> tuple[Value, ...]:
    """`n` equal parts of a stacked vector: `i, f, o, g = split(W @ x + U @ h + b, 4)`."""
    count = whole(n, "split(v, n)", "n")
    traced = v if isinstance(v, Traced) else _tracing.get()
    if traced is not None:
        if count > MOST_PARTS:
            traced.refuse(f"split(v, n) makes at most {MOST_PARTS} parts, got n = {count}", "Use fewer.")
        return tuple(traced.record("part", (v, index, count)) for index in range(count))
    _block(len(v), count, "split")
    return tuple(np.split(v, count))


def delayed(state: Value, k: Value) -> Value:
    """The state k steps ago; `delayed(h, 1)` is `h` itself."""
    return _call("delayed", state, k)


def every(n: Value) -> Value:
    """1 on steps 0, n, 2n, ... of the row's own clock, else 0; a tuple gives equal blocks over H."""
    return _call("every", n)


def upper_blocks(matrix: Value, groups: Value) -> Value:
    """`matrix` with the blocks below the diagonal zero; a tuple means as many groups as it has entries."""
    return _call("upper_blocks", matrix, groups)


WORDS: dict[str, Callable[..., Any]] = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "exp": exp,
    "log": log,
    "softplus": softplus,
    "sqrt": sqrt,
    "abs": absolute,
    "maximum": maximum,
    "minimum": minimum,
    "where": where,
    "layer_norm": layer_norm,
    "softmax": softmax,
    "concat": concat,
    "split": split,
    "delayed": delayed,
    "every": every,
    "upper_blocks": upper_blocks,
}


def is_number(value: object) -> bool:
    """Whether `value` is a plain real number (not a bool), Python's or NumPy's."""
    return isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool)


def is_finite_number(value: object) -> bool:
    """Whether `value` is a plain number that is neither infinite nor NaN."""
    try:
        return is_number(value) and math.isfinite(float(value))  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond the largest float
        return False
