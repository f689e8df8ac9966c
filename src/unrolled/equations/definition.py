"""`Cell` and `@cell`: equations as one object, from a Python function or from text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from unrolled.equations import given
from unrolled.equations import run as oracle
from unrolled.equations.graph import Graph, Shape, Signature
from unrolled.equations.operations import Vector
from unrolled.equations.schedule import Schedule, make_schedule
from unrolled.equations.signature import constant, place_of, signature_of
from unrolled.equations.sizes import HIDDEN, INPUT, Size
from unrolled.equations.source import graph_text
from unrolled.equations.text import read
from unrolled.equations.trace import Builder, trace
from unrolled.errors import EquationError, ShapeError

TOO_DEEP = "the equations are nested too deep. Name some of the parts, or write fewer lines."


class Cell:
    """A recurrent cell: its equations, and everything that follows from them.

    Made with `@cell` from a function or with `Cell.from_text`. Two cells are equal when their equations are.
    Sizes are asked for with the input size I, the hidden size H and the named sizes of the cell:

    >>> from unrolled.cells import gru
    >>> gru.parameter_shapes(input_size=3, hidden_size=5)["U_z"]
    (5, 5)
    """

    def __init__(self, graph: Graph, function: Callable[..., Any], doc: str = "") -> None:
        self.graph = graph
        self.doc = doc
        self._function = function
        self.__doc__ = doc or None
        self.__name__ = graph.signature.name

    # --- making cells ----------------------------------------------------------------------------

    @classmethod
    def from_function(
        cls, function: Callable[..., Any], sizes: Mapping[str, str], static: Sequence[str]
    ) -> Cell:
        """The cell of a Python function, traced once now."""
        place = place_of(function)
        signature = signature_of(function, sizes, static, place)
        try:
            graph = trace(signature, lambda *leaves: _call(function, *leaves), place)
        except RecursionError:
            raise EquationError(f"{place}: {TOO_DEEP}") from None
        return cls(graph, function, _clean(function.__doc__))

    @classmethod
    def from_text(cls, text: str, filename: str = "<text>") -> Cell:
        """The cell of a text in the same syntax, read against a white list and never executed.

        Raises EquationError with `filename`, line and column for anything that is not an equation.
        """
        try:
            signature, equations = read(text, filename)
            graph = trace(signature, equations.trace, equations.place)
            return cls(graph, equations, equations.docstring)
        except RecursionError:
            raise EquationError(f"{filename}: {TOO_DEEP}") from None

    @classmethod
    def from_file(cls, text: str, filename: str) -> Cell:
        """The cell of a file's text: typeset equations, or the syntax of `from_text` where a function begins a line."""
        written = filename.endswith((".tex", ".md")) or not re.search(r"^(@cell|def )", text, re.MULTILINE)
        return cls.from_latex(text, filename) if written else cls.from_text(text, filename)

    @classmethod
    def from_latex(
        cls, source: str, filename: str = "<latex>", activations: Mapping[str, object] | None = None
    ) -> Cell:
        r"""The cell of typeset equations: LaTeX, the mathematics in a Markdown file, or plain Unicode text.

        `activations` says what functions such as g_1 are: `{"g_1": "tanh"}`.

        >>> Cell.from_latex(r"h_t = \tanh(W_{hh} h_{t-1} + W_{xh} x_t)").parameter_shapes(3, 5)
        {'W_hh': (5, 5), 'W_xh': (5, 3)}

        Raises EquationError with `filename`, line and column and the piece marked.
        """
        from unrolled.equations.latex_trace import graph_of

        try:
            return cls.from_text(graph_text(graph_of(source, filename, activations or {})), filename)
        except RecursionError:
            raise EquationError(f"{filename}: {TOO_DEEP}") from None

    def set(self, **constants: float | Sequence[float]) -> Cell:
        """The same cell with other values for its named constants: `leaky.set(leak=0.5)`."""
        known = self.graph.constants
        for name in constants:
            if name not in known:
                listed = ", ".join(known) or "none"
                raise EquationError(
                    f"{self.name} has no constant {name}, its constants: {listed}. Set one of these."
                )
        values = {name: constant(name, value, self.name) for name, value in constants.items()}
        if any(isinstance(values[name], tuple) != isinstance(known[name], tuple) for name in values):
            raise EquationError(
                f"{self.name}: a constant keeps its kind, number or tuple, got {constants}. Match it."
            )
        graph = self.graph.with_constants(values)
        return Cell.from_text(graph_text(graph, self.doc), self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Cell.from_text, (self.text, self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and self.graph == other.graph

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"<cell {self.name}: {self.summary}>" if self.doc else f"<cell {self.name}>"

    # --- what it is ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.signature.name

    @property
    def signature(self) -> Signature:
        """Input, states, static inputs, parameters, constants and named sizes."""
        return self.graph.signature

    @property
    def states(self) -> tuple[str, ...]:
        """The names of its states, in order."""
        return self.signature.states

    @property
    def named_sizes(self) -> tuple[str, ...]:
        """The sizes that must be chosen beside I and H."""
        return self.signature.size_names

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return self.doc.split("\n", 1)[0]

    @cached_property
    def text(self) -> str:
        """Its canonical text, docstring included; `Cell.from_text(text)` is an equal cell."""
        return graph_text(self.graph, self.doc)

    def letters(self, input_size: int, hidden_size: int, **sizes: int) -> dict[str, int]:
        """The value of every size letter; refuses unknown and missing names."""
        for name in sizes:
            if name not in self.named_sizes:
                listed = ", ".join(self.named_sizes) or "none"
                raise ShapeError(
                    f"{self.name} has no size named {name}, its named sizes: {listed}. Use one of these."
                )
        missing = [name for name in self.named_sizes if name not in sizes]
        if missing:
            example = ", ".join(f'"{name}": {hidden_size}' for name in missing)
            raise ShapeError(f"{self.name} also needs the size {missing[0]}. Give sizes={{{example}}}.")
        letters = {INPUT: input_size, HIDDEN: hidden_size, **sizes}
        given.input_fits(self.graph, letters)
        self._groups_fit(letters)
        return letters

    def _groups_fit(self, letters: Mapping[str, int]) -> None:
        """Blocks must come out even: refuse sizes that `every((...))` and `upper_blocks` cannot cut."""
        for node in self.graph.nodes:
            if node.operation in ("every", "upper_blocks"):
                groups = self.graph.number(node.operands[-1])
                is_vector = node.operation == "every"
                count = len(groups) if isinstance(groups, tuple) else 1 if is_vector else int(groups)
                size = Size.of(HIDDEN) if is_vector else self.graph.shapes[node.operands[0]][0]
                if size.value(letters) % count:
                    raise ShapeError(
                        f"{self.name} cuts the size {size} = {size.value(letters)} into {count} equal blocks. "
                        f"Use a multiple of {count}."
                    )

    def shape(self, shape: Shape, letters: Mapping[str, int]) -> tuple[int, ...]:
        """A shape in numbers."""
        return tuple(size.value(letters) for size in shape)

    def parameter_shapes(self, input_size: int, hidden_size: int, **sizes: int) -> dict[str, tuple[int, ...]]:
        """The shape of every learned parameter, by its name in the equations."""
        letters = self.letters(input_size, hidden_size, **sizes)
        leaf = self.graph.leaf
        return {
            name: self.shape(self.graph.shapes[leaf[name]], letters) for name in self.signature.parameters
        }

    def state_sizes(self, input_size: int, hidden_size: int, **sizes: int) -> dict[str, int]:
        """The size of every state."""
        letters = self.letters(input_size, hidden_size, **sizes)
        return {name: self.graph.size(self.graph.leaf[name]).value(letters) for name in self.states}

    def output_size(self, input_size: int, hidden_size: int, **sizes: int) -> int:
        """The size of the first returned value, which is what the next layer reads."""
        return self.graph.size(self.graph.output).value(self.letters(input_size, hidden_size, **sizes))

    def parameter_count(self, input_size: int, hidden_size: int, **sizes: int) -> int:
        """P, the number of learned numbers."""
        shapes = self.parameter_shapes(input_size, hidden_size, **sizes)
        return sum(int(np.prod(shape)) for shape in shapes.values())

    def schedule(self, forced: Sequence[str] = (), records: Sequence[str] = ()) -> Schedule:
        """What must wait for time and what need not; `print` it."""
        return make_schedule(self.graph, tuple(forced), tuple(records))

    def backward(self, forced: Sequence[str] = ()) -> str:
        """The backward pass as text: the derivatives of one step, what is saved for them, and what the loop runs.

        >>> from unrolled.cells import elman
        >>> "δ_t = (1 - h_t ⊙ h_t) ⊙ dh_t" in elman.backward()
        True
        """
        from unrolled.equations.show_backward import backward_text

        return backward_text(self.graph, tuple(forced))

    # --- running it in NumPy ---------------------------------------------------------------------

    def __call__(self, /, *values: Any, **named: Any) -> Any:
        """One step on NumPy vectors: `gru(x, h, W_z=..., ...)` gives the new state."""
        positional = (self.signature.input, *self.states, *self.signature.statics)
        if len(values) > len(positional):
            raise ShapeError(
                f"{self.name} takes {', '.join(positional)}, got {len(values)} values. Name the others."
            )
        return self._function(
            **{**self.graph.constants, **dict(zip(positional, values, strict=False)), **named}
        )

    def run(
        self,
        sequence: ArrayLike,
        parameters: Mapping[str, ArrayLike],
        state: Mapping[str, ArrayLike] | oracle.Carried | None = None,
        *,
        initial: Mapping[str, ArrayLike] | None = None,
        static: Mapping[str, ArrayLike] | None = None,
        resets: Sequence[bool] | None = None,
        forced: Mapping[str, ArrayLike] | None = None,
    ) -> oracle.Run:
        """Run one `sequence` (T, I) step by step in float64: the oracle.

        `state`: vectors by name, or what an earlier run carried. `initial`: where `resets` (T,) go back to.
        `forced`: values (T, n) that replace a state after each step.
        """
        values = given.inputs(self.graph, sequence)
        arrays = given.arrays(self.graph, "parameter", self.signature.parameters, parameters)
        arrays |= given.arrays(self.graph, "static input", self.signature.statics, static or {})
        carried, states = _carried(self.graph, state)
        beginnings = given.arrays(self.graph, "state", self.states, initial or {})
        letters = given.letters_of(self.graph, values, {**arrays, **beginnings, **states})
        sizes = {name: self.graph.size(self.graph.leaf[name]).value(letters) for name in self.states}
        start = {name: np.zeros(size) for name, size in sizes.items()} | beginnings
        if carried is None:
            carried = oracle.Carried({name: oracle.Past([states.get(name, start[name])]) for name in start})
        cuts = np.zeros(len(values), dtype=bool) if resets is None else np.asarray(resets, dtype=bool)
        targets = given.arrays(self.graph, "state", self.states, forced or {})
        return oracle.run(
            self._function,
            self.states,
            {**self.graph.constants, **arrays},
            values,
            start,
            carried,
            letters.get(HIDDEN, 0),  # a cell that knows no H asks for none
            oracle.Sequenced(
                given.by_step("resets", cuts, len(values)),
                {n: given.by_step(f"forced {n}", v, len(values), sizes[n]) for n, v in targets.items()},
            ),
            self.signature.input,
            self.graph.size(self.graph.output).value(letters),
        )

    # --- showing it ------------------------------------------------------------------------------

    def equations(self) -> str:
        """Its equations as plain text, one line a value, with time written out."""
        from unrolled.equations.show import pretty

        return pretty(self.graph)

    def latex(self, style: str = "separate") -> str:
        """Its equations as a LaTeX `aligned` block.

        `style`: "separate" writes W x + U h, "stacked" W [x, h], "gates" one stacked matrix for all gates that
        read the same vectors. Raises EquationError where a style cannot express the equations.
        """
        from unrolled.equations.typeset import latex

        return latex(self.graph, style)

    def mathml(self, style: str = "separate") -> str:
        """Its equations as a MathML table, `style` as for `latex`."""
        from unrolled.equations.typeset import mathml

        return mathml(self.graph, style)

    def unfold(self, steps: int) -> str:
        """The network unrolled over `steps` steps, as text."""
        from unrolled.equations.show import unfold

        return unfold(self.graph, steps)


def _carried(graph: Graph, state: Any) -> tuple[oracle.Carried | None, dict[str, Vector]]:
    """The state to begin with, as an earlier run carried it and as vectors by name."""
    if isinstance(state, oracle.Carried):
        return state, {name: state[name] for name in state.past}
    if not isinstance(state, Mapping | None):
        raise ShapeError(f"state= takes vectors by name, got {type(state).__name__}. Write {{name: vector}}.")
    return None, given.arrays(graph, "state", graph.signature.states, state or {})


def _call(
    function: Callable[..., Any], builder: Builder, leaves: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any]]:
    """Run a Python function on symbols; its frame, kept by the first operation in it, has the local names."""
    builder.code = function.__code__
    returned = function(**leaves)
    names = dict(builder.frame.f_locals) if builder.frame is not None else {}
    builder.returned()
    return returned, names


def _clean(doc: str | None) -> str:
    import inspect

    return inspect.cleandoc(doc or "")


@overload
def cell(function: Callable[..., Any]) -> Cell: ...
@overload
def cell(
    *, sizes: Mapping[str, str] | None = None, static: Sequence[str] = ()
) -> Callable[[Callable[..., Any]], Cell]: ...
def cell(
    function: Callable[..., Any] | None = None,
    *,
    sizes: Mapping[str, str] | None = None,
    static: Sequence[str] = (),
) -> Cell | Callable[[Callable[..., Any]], Cell]:
    """Make a cell of a function that computes one step.

    The first parameter is the input, the further positional ones are the states, then come the inputs named
    in `static` (constant over time). Keyword-only parameters are learned; with a number as default they are
    constants. It returns the new states in order, with at most one output before them.

    `sizes` names sizes other than I and H: `@cell(sizes={"y": "output"})`.

    >>> from unrolled.equations import cell, tanh
    >>> @cell
    ... def elman(x, h, *, W, U, b):
    ...     return tanh(W @ x + U @ h + b)
    >>> elman.states
    ('h',)

    Raises EquationError, with file, line and column, where equations do not fit together.
    """
    if function is not None:
        return Cell.from_function(function, {}, ())
    return lambda body: Cell.from_function(body, sizes or {}, static)
