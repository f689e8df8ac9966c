"""Typeset equations whose names are understood, run on symbols: the graph of a cell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any, NoReturn

from unrolled.equations.graph import Graph, Signature
from unrolled.equations.latex_meaning import Definition, Meaning, identifier, number_of, understand
from unrolled.equations.latex_parser import parse
from unrolled.equations.latex_roles import matrices
from unrolled.equations.latex_source import Source
from unrolled.equations.latex_tree import Tree
from unrolled.equations.notation import SPELLINGS
from unrolled.equations.operations import WORDS, concat, delayed, relu, split
from unrolled.equations.signature import make_signature
from unrolled.equations.sizes import HIDDEN, INPUT
from unrolled.equations.trace import Builder, Symbol, trace
from unrolled.errors import EquationError

OUTPUT_SIZE = "output"


def graph_of(text: str, filename: str, activations: Mapping[str, object]) -> Graph:
    """The graph of the one cell that typeset equations describe.

    Raises EquationError with file, line and column, and the piece marked.
    """
    source = Source.of(text, filename)
    meaning = understand(source, parse(source), activations)
    signature = _signature(meaning)
    refusal: EquationError | None = None
    for sizes in _attempts(meaning, dict(signature.sizes)):
        run = Evaluation(meaning)
        try:
            return trace(replace(signature, sizes=tuple(sorted(sizes.items()))), run.body, filename)
        except EquationError as error:
            refusal = refusal or run.marked(error)
    assert refusal is not None
    raise refusal


def _attempts(meaning: Meaning, sizes: dict[str, str]) -> list[dict[str, str]]:
    """Sizes to try, the most general last tried for the error: as said; an output of its own size; I = H."""
    own: dict[str, str] = {}
    if meaning.output not in meaning.states and meaning.output not in meaning.declared:
        own = {identifier(meaning.output): OUTPUT_SIZE}
    equal = {identifier(meaning.input): HIDDEN}
    found = [{**sizes, **own}, sizes, {**equal, **sizes, **own}, {**equal, **sizes}]
    return found if own else found[1::2]


def _signature(meaning: Meaning) -> Signature:
    sizes = {identifier(key): size for key, size in _sizes(meaning).items()}
    statics = [identifier(key) for key in meaning.statics]
    return make_signature(
        _name(meaning.source.filename),
        [identifier(meaning.input), *(identifier(key) for key in meaning.states), *statics],
        [identifier(key) for key in meaning.learned],
        [(identifier(key), value) for key, value in meaning.constants.items()],
        sizes,
        statics,
        meaning.source.filename,
    )


def _name(filename: str) -> str:
    """A cell is called after its file."""
    stem = re.sub(r"\W+", "_", PurePath(filename).stem).strip("_").lower()
    name = stem if stem and not stem[0].isdigit() else f"cell_{stem}".rstrip("_")
    return name if filename[:1] != "<" else "typeset"


def _sizes(meaning: Meaning) -> dict[str, str]:
    """The sizes that differ from what they would be anyway.

    A source has its own letters: the input's letter is I, and a single letter of a state is H.
    """
    vectors = {key: sizes[0] for key, sizes in meaning.declared.items() if len(sizes) == 1}
    letters = {letter: HIDDEN for key in meaning.states if len(letter := vectors.get(key, "")) == 1}
    letters.setdefault(vectors.get(meaning.input, INPUT), INPUT)
    usual = {meaning.input: INPUT, **{key: key for key in meaning.statics}}
    known = (meaning.input, *meaning.statics, *meaning.definitions)
    renamed = {key: letters.get(size, size) for key, size in vectors.items() if key in known}
    return {
        key: size for key, size in renamed.items() if size.isidentifier() and size != usual.get(key, HIDDEN)
    }


class Evaluation:
    """Evaluates definitions on symbols, each when it is first needed."""

    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.source = meaning.source
        self.matrices = matrices(meaning)
        self.values: dict[str, Any] = {}
        self.pending: list[str] = []
        self.spans: dict[tuple[int, int], tuple[int, int]] = {}
        self.builder: Builder
        self.leaves: Mapping[str, Symbol]

    def body(self, builder: Builder, leaves: Mapping[str, Symbol]) -> tuple[Any, Mapping[str, Any]]:
        """The results of one step, and the local names."""
        self.builder, self.leaves = builder, leaves
        meaning = self.meaning
        for key in meaning.definitions:
            self.defined(key)
        results = [self.values[key] for key in meaning.states]
        if meaning.output not in meaning.states:
            results.insert(0, self.values[meaning.output])
        return tuple(results), {identifier(key): value for key, value in self.values.items()}

    def marked(self, error: EquationError) -> EquationError:
        """The error of a traced operation, with the piece it is about."""
        found = re.match(re.escape(self.source.filename) + r":(\d+):(\d+): ", str(error))
        if found is None or " Here: " in str(error):
            return error
        start, end = self.spans.get((int(found[1]), int(found[2])), (0, 0))
        return EquationError(f"{error} Here: {self.source.marked(start, end)}")

    # --- names -----------------------------------------------------------------------------------

    def defined(self, key: str) -> Any:
        """The value of step t that an equation defines."""
        if key not in self.values:
            definition = self.meaning.definitions[key]
            if key in self.pending:
                circle = " needs ".join([*self.pending[self.pending.index(key) :], key])
                self.meaning.refuse(definition.left, f"within one step {circle}", "Read one of them at t-1.")
            self.pending.append(key)
            self.values[key] = self._row(definition)
            self.pending.pop()
        return self.values[key]

    def _row(self, definition: Definition) -> Any:
        value = self.value(definition.right)
        if definition.count > 1:
            self._at(definition.right, definition.right.start)
            value = split(value, definition.count)[definition.index]
        if definition.function:
            value = WORDS[definition.function](value)
        return value

    def _name(self, tree: Tree) -> Any:
        key = self.meaning.of(tree.key)
        if self.meaning.is_past(tree):
            return self._past(tree, self.leaves[identifier(key)])
        if key in self.meaning.definitions:
            return self.defined(key)
        if key in self.meaning.functions:
            self.meaning.refuse(
                tree, f"{self.meaning.written(tree)} is a function", "Give it operands in brackets."
            )
        return self.leaves[identifier(key)]

    def _past(self, tree: Tree, state: Symbol) -> Any:
        self._at(tree, tree.start)
        if tree.time is None or not tree.time.back:
            return delayed(state, -self.meaning.steps(tree))
        if tree.time.back not in self.meaning.constants:
            back = tree.time.back
            self.meaning.refuse(
                tree, f"the delay {back} has no value", f"Write {back} = 4 beside the equations."
            )
        return delayed(state, self.leaves[identifier(tree.time.back)])

    # --- pieces ----------------------------------------------------------------------------------

    def value(self, tree: Tree) -> Any:
        """The value of a piece."""
        rule = getattr(self, f"_{tree.kind}", self._no_value)
        return rule(tree)

    def _at(self, tree: Tree, offset: int) -> None:
        """The next operation stands at `offset`, which is where the sign of `tree` is."""
        line, column = self.source.place(offset)
        self.spans[line, column] = (tree.start, tree.end)
        self.builder.at = (self.source.filename, line, column)

    def _sign(self, left: Tree, right: Tree) -> int:
        """Where the sign between two pieces stands."""
        between = self.source.text[left.end : right.start]
        return left.end + len(between) - len(between.lstrip(" \t\n&\\,;"))

    def _no_value(self, tree: Tree) -> NoReturn:
        self.meaning.refuse(tree, f"{self.meaning.written(tree)} is no value", "Give it an operand.")

    def _number(self, tree: Tree) -> Any:
        return tree.value

    def _group(self, tree: Tree) -> Any:
        return self.value(tree.parts[0])

    def _sum(self, tree: Tree) -> Any:
        total: Any = None
        for i, (sign, part) in enumerate(zip(tree.value, tree.parts, strict=True)):  # type: ignore[arg-type]
            value = self.value(part)
            self._at(tree, self._sign(tree.parts[i - 1], part) if i else tree.start)
            if total is None:
                total = -value if sign == "-" else value
            else:
                total = total - value if sign == "-" else total + value
        return total

    def _fraction(self, tree: Tree) -> Any:
        upper, lower = (self.value(part) for part in tree.parts)
        return self._divided(tree, tree.start, upper, lower)

    def _divided(self, tree: Tree, offset: int, upper: Any, lower: Any) -> Any:
        if lower == 0.0 if isinstance(lower, float) else False:
            self.meaning.refuse(tree, "division by zero", "Change the number.")
        self._at(tree, offset)
        return upper / lower

    def _power(self, tree: Tree) -> Any:
        base = result = self.value(tree.parts[0])
        for _ in range(int(tree.value) - 1):  # type: ignore[arg-type]
            self._at(tree, tree.start)
            result = result * base
        return result

    def _transpose(self, tree: Tree) -> Any:
        value = self.value(tree.parts[0])
        self._at(tree, tree.start)
        return value.T

    def _list(self, tree: Tree) -> Any:
        parts = [self.value(part) for part in tree.parts]
        self._at(tree, tree.start)
        return parts[0] if len(parts) == 1 else concat(*parts)

    def _cases(self, tree: Tree) -> Any:
        operands = [self.value(part) for part in tree.parts]
        self._at(tree, tree.start)
        return WORDS["where"](*operands)

    def _compare(self, tree: Tree) -> Any:
        left, right = (self.value(part) for part in tree.parts)
        self._at(tree, self._sign(*tree.parts))
        signs = {">": lambda: left > right, "<": lambda: left < right, ">=": lambda: left >= right}
        return signs.get(str(tree.value), lambda: left <= right)()

    def _call(self, tree: Tree) -> Any:
        word = SPELLINGS.get(str(tree.value), str(tree.value))
        if word not in WORDS:
            known = ", ".join(WORDS)
            self.meaning.refuse(tree, f"{word} is no function we know", f"Known are {known}.")
        tuples = word in ("every", "upper_blocks")
        operands = [
            number_of(part) if tuples and number_of(part) else self.value(part) for part in tree.parts
        ]
        self._at(tree, tree.start)
        if tree.value == "max" and 0.0 in [operand for operand in operands if isinstance(operand, float)]:
            (other,) = (operand for operand in operands if not isinstance(operand, float))
            return relu(other)
        try:
            return WORDS[word](*operands)
        except TypeError:
            self.meaning.refuse(tree, f"{word} cannot take {len(operands)} operands", "Check the brackets.")

    # --- products --------------------------------------------------------------------------------

    def _chain(self, tree: Tree) -> Any:
        parts = self._applied(tree.parts)
        return self._multiplied(tree, parts, ("",) * (len(parts) - 1))

    def _product(self, tree: Tree) -> Any:
        return self._multiplied(tree, tree.parts, tree.value)  # type: ignore[arg-type]

    def _applied(self, parts: tuple[Tree, ...]) -> tuple[Tree, ...]:
        """Factors with bound functions put together with their operands."""
        found: list[Tree] = []
        for part in parts:
            word = self.meaning.function(found[-1]) if found else None
            if word is None:
                found.append(part)
            else:
                inside = part.parts if part.value == "(" else (part,)
                found[-1] = Tree("call", found[-1].start, part.end, inside, word)
        return tuple(found)

    def is_matrix(self, tree: Tree) -> bool:
        """Whether a piece is a matrix: a learned one, one changed, or a product of them."""
        if tree.kind == "name":
            return not tree.time and self.meaning.of(tree.key) in self.matrices
        if tree.kind == "call":
            return tree.value == "upper_blocks"
        if tree.kind in ("transpose", "group"):
            return self.is_matrix(tree.parts[0])
        return tree.kind in ("chain", "product") and all(self.is_matrix(part) for part in tree.parts)

    def _multiplied(self, tree: Tree, parts: tuple[Tree, ...], signs: tuple[str, ...]) -> Any:
        """A matrix multiplies what follows it; everything else is multiplied entry by entry, left to right."""
        total, place = None, 0
        while place < len(parts):
            first = place
            value, is_matrix, place = self._factor(tree, parts, signs, place)
            if total is None:
                total, matrix = value, is_matrix
                continue
            offset = self._sign(parts[first - 1], parts[first])
            if signs[first - 1] == "/":
                total = self._divided(tree, offset, total, value)
                continue
            self._at(tree, offset)
            # Where vectors are rows, x W is what columns write as the transposed W times x.
            total = value.T @ total if is_matrix and not matrix else total * value
        return total

    def _factor(
        self, tree: Tree, parts: tuple[Tree, ...], signs: tuple[str, ...], i: int
    ) -> tuple[Any, bool, int]:
        """The factor at `i`, whether it is a matrix, and where the next one stands."""
        matrix = self.is_matrix(parts[i])
        value = self.value(parts[i])
        if not matrix or i + 1 == len(parts) or signs[i] == "/":
            return value, matrix, i + 1
        right, also_matrix, after = self._factor(tree, parts, signs, i + 1)
        whole = Tree("product", parts[i].start, parts[after - 1].end)
        self._at(whole, parts[i].start)
        return value @ right, also_matrix, after
