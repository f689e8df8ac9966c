"""What the names of typeset equations mean: who is defined, who is a state, the input, learned, a constant."""

from __future__ import annotations

import difflib
import keyword
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from unrolled.equations.latex_source import Source
from unrolled.equations.latex_tree import Declaration, Equation, Output, Statement, Tree
from unrolled.equations.notation import SPELLINGS
from unrolled.equations.operations import WORDS

Number = float | tuple[float, ...]


@dataclass(frozen=True)
class Definition:
    """One equation, or one row of a stacked one: the part `index` of `count`, put through `function`."""

    key: str
    left: Tree
    right: Tree
    function: str = ""
    index: int = 0
    count: int = 1


@dataclass
class Meaning:
    """Every name by what it is; names that mean the same value have one representative in `same`."""

    source: Source
    functions: dict[str, str]
    constants: dict[str, Number] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    shift: int = 0
    input: str = ""
    states: list[str] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    statics: list[str] = field(default_factory=list)
    declared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    output: str = ""

    def of(self, key: str) -> str:
        """The representative of a name."""
        while key in self.same:
            key = self.same[key]
        return key

    def steps(self, tree: Tree) -> int:
        """How many steps from now a name is meant; without an index it is now."""
        time = tree.time
        if time is None or time.first or time.back:
            return 0
        # h_{t+1} = f(x_t, h_t) reads the input of its step as x_t.
        is_input = time.steps == 0 and self.of(tree.key) not in self.definitions
        return 0 if is_input else time.steps - self.shift

    def is_past(self, tree: Tree) -> bool:
        """Whether a name is meant at an earlier step."""
        return self.steps(tree) < 0 or (tree.time is not None and bool(tree.time.back))

    def function(self, tree: Tree) -> str | None:
        """The word a name is bound to, if it is a function."""
        return self.functions.get(tree.key) if tree.kind == "name" else None

    def names(self) -> Iterator[Tree]:
        """Every use of a name on a right side, in the order of the source."""
        rights = {id(definition.right): definition.right for definition in self.definitions.values()}
        for right in sorted(rights.values(), key=lambda tree: tree.start):
            yield from (tree for tree in right.walk() if tree.kind == "name" and not self.function(tree))

    def refuse(self, tree: Tree, what: str, cure: str) -> NoReturn:
        """Raise an error about a piece."""
        self.source.refuse(tree.start, tree.end, what, cure)

    def written(self, tree: Tree) -> str:
        """A piece as it stands in the source."""
        return " ".join(self.source.text[tree.start : tree.end].split())


def identifier(key: str) -> str:
    """A name as the language of cells can spell it."""
    return f"{key}_" if key in WORDS or keyword.iskeyword(key) else key


def understand(source: Source, statements: Iterable[Statement], activations: Mapping[str, object]) -> Meaning:
    """What every name means; refuses what is no cell, at the place that shows it."""
    statements = list(statements)
    if not any(isinstance(statement, Equation) for statement in statements):
        source.refuse(0, min(len(source.text), 20), "there is no equation here", "Write h_t = ...")
    meaning = Meaning(source, bound(activations))
    meaning.shift = _now(meaning, statements)
    equations = [statement for statement in statements if isinstance(statement, Equation)]
    aliases = [equation for equation in equations if not _simple(meaning, equation, equations)]
    _merge(meaning, [equation for equation in aliases if _is_alias(meaning, equation)], aliases)
    for statement in statements:
        if isinstance(statement, Declaration):
            _declare(meaning, statement)
    _roles(meaning)
    _choose_output(meaning, [statement for statement in statements if isinstance(statement, Output)])
    return meaning


def bound(activations: Mapping[str, object]) -> dict[str, str]:
    """The caller's functions by the names the equations use, `g_1` or `\\sigma_g`."""
    found = {}
    for name, function in activations.items():
        word = function if isinstance(function, str) else str(getattr(function, "__name__", function))
        key = "_".join(name.replace("\\", "").replace("{", "").replace("}", "").split("_"))
        found[key] = SPELLINGS.get(word, word)
    return found


# --- what the equations define -------------------------------------------------------------------


def _now(meaning: Meaning, statements: list[Statement]) -> int:
    """The step that is defined: t, or t+1 where a source counts so."""
    found: dict[int, Tree] = {}
    for statement in statements:
        if isinstance(statement, Equation):
            for tree in statement.left.walk():
                if (
                    tree.kind == "name"
                    and tree.time is not None
                    and not tree.time.first
                    and not tree.time.back
                ):
                    found.setdefault(tree.time.steps, tree)
    if len(found) > 1:
        late = found[min(found)]
        meaning.refuse(
            late, "equations define values of different steps", "Define all of them at t, or all at t+1."
        )
    return next(iter(found), 0)


def _simple(meaning: Meaning, equation: Equation, equations: list[Equation]) -> bool:
    """Take in an equation that is no alias and no definition of one name: a constant, function, start or stack."""
    left, right = equation.left.plain(), equation.right.plain()
    if left.kind != "name":
        _stack(meaning, left, equation)
        return True
    if _is_start(left, equations):
        if any(tree.kind == "name" or tree.value not in ("", "[", "(", 0.0) for tree in right.walk()):
            meaning.refuse(right, "a start written in the equations is zero", "Give others as initial state.")
        return True
    if right.kind == "word":
        meaning.functions[left.key] = "relu" if right.value == "max" else SPELLINGS[str(right.value)]
        return True
    number = number_of(right)
    if number is None or left.time is not None:
        return False
    if left.key in meaning.constants:
        meaning.refuse(left, f"{meaning.written(left)} is given twice", "Keep one of them.")
    meaning.constants[left.key] = number
    return True


def _is_start(left: Tree, equations: list[Equation]) -> bool:
    """Whether h_0 or a^{<0>} is meant: the value before the first step of something defined at t."""
    if left.time is not None:
        return left.time.first
    base, _, last = left.key.rpartition("_")
    others = (equation.left.plain() for equation in equations)
    return last == "0" and any(other.kind == "name" and other.key == base and other.time for other in others)


def number_of(tree: Tree) -> Number | None:
    """The number, or tuple of numbers, that a piece is."""
    tree = tree.plain()
    if tree.kind == "number" and isinstance(tree.value, float):
        return tree.value
    if tree.kind == "sum" and tree.value == ("-",):
        inner = number_of(tree.parts[0])
        return -inner if isinstance(inner, float) else None
    if tree.kind == "list":
        entries = tuple(number_of(part) for part in tree.parts)
        return (
            tuple(entry for entry in entries if isinstance(entry, float)) if _all_numbers(entries) else None
        )
    return None


def _all_numbers(entries: tuple[Number | None, ...]) -> bool:
    return bool(entries) and all(isinstance(entry, float) for entry in entries)


def _stack(meaning: Meaning, left: Tree, equation: Equation) -> None:
    """`(i, f, o, g) = ...`, with a column of functions in front of the right side or not."""
    names = left.parts if left.kind in ("list", "chain") else ()
    if len(names) < 2 or any(name.kind != "name" for name in names):
        meaning.refuse(equation.left, "left of = stands a name, or names in one bracket", "Define one name.")
    right, functions = _without_functions(meaning, equation.right.plain(), len(names))
    for index, name in enumerate(names):
        _define(meaning, Definition(name.key, name, right, functions[index], index, len(names)))


def _without_functions(meaning: Meaning, right: Tree, count: int) -> tuple[Tree, list[str]]:
    first = right.parts[0] if right.kind == "chain" else right
    words = [_function_of(meaning, part) for part in first.parts] if first.kind == "list" else []
    if right.kind != "chain" or not words or None in words:
        return right, [""] * count
    if len(words) != count:
        meaning.refuse(
            first, f"{len(words)} functions stand before {count} names", "Give each name one function."
        )
    rest = right.parts[1:]
    operand = rest[0] if len(rest) == 1 else Tree("chain", rest[0].start, right.end, rest)
    return operand, [word or "" for word in words]


def _function_of(meaning: Meaning, tree: Tree) -> str | None:
    if tree.kind == "word":
        return SPELLINGS[str(tree.value)]
    return "" if tree.key in ("id", "identity") else meaning.function(tree)


def _define(meaning: Meaning, definition: Definition) -> None:
    key = meaning.of(definition.key)
    if key in meaning.definitions:
        line, _ = meaning.source.place(meaning.definitions[key].left.start)
        name = meaning.written(definition.left)
        meaning.refuse(definition.left, f"{name} is defined twice, first in line {line}", "Keep one of them.")
    if key in meaning.constants:
        meaning.refuse(
            definition.left, f"{meaning.written(definition.left)} is a constant as well", "Rename one."
        )
    meaning.definitions[key] = definition


def _is_alias(meaning: Meaning, equation: Equation) -> bool:
    left, right = equation.left.plain(), equation.right.plain()
    return right.kind == "name" and not meaning.is_past(right) and left.key != right.key


def _merge(meaning: Meaning, aliases: list[Equation], equations: list[Equation]) -> None:
    """`a = b` where either is defined elsewhere makes them one name; otherwise it defines a."""
    rest = [equation for equation in equations if not any(equation is alias for alias in aliases)]
    defined = {*meaning.definitions, *(equation.left.plain().key for equation in rest)}
    while joined := [alias for alias in aliases if _joins(meaning, alias, defined)]:
        aliases = [alias for alias in aliases if not any(alias is one for one in joined)]
    for equation in sorted([*rest, *aliases], key=lambda one: one.start):
        left = equation.left.plain()
        _define(meaning, Definition(left.key, left, equation.right))


def _joins(meaning: Meaning, alias: Equation, defined: set[str]) -> bool:
    left, right = meaning.of(alias.left.plain().key), meaning.of(alias.right.plain().key)
    if left in defined and left != right:
        if right in defined:
            meaning.refuse(alias.left, f"{meaning.written(alias.left)} is defined twice", "Keep one of them.")
        meaning.same[right] = left
    elif right in defined and left != right:
        meaning.same[left] = right
    return left in defined or right in defined


def _declare(meaning: Meaning, declaration: Declaration) -> None:
    for name in declaration.names:
        if name.kind != "name" or len(declaration.sizes) not in (1, 2):
            meaning.refuse(
                name, "sizes are given to names, one for a vector and two for a matrix", "Write x \\in ..."
            )
        key = meaning.of(name.key)
        meaning.declared[key] = declaration.sizes
        if declaration.given:
            meaning.statics.append(key)


# --- who is who ----------------------------------------------------------------------------------


def _roles(meaning: Meaning) -> None:
    """States are read at an earlier step; the input has a time and no definition; the rest is learned."""
    uses = [(meaning.of(tree.key), tree) for tree in meaning.names()]
    _functions_are_known(meaning, uses)
    past = {key: tree for key, tree in reversed(uses) if meaning.is_past(tree)}
    unknown = [(key, tree) for key, tree in uses if not _is_known(meaning, key)]
    for _, tree in uses:
        if meaning.steps(tree) > 0:
            meaning.refuse(tree, "a value of a later step is not known yet", "Use t and earlier steps.")
    now = {key for key, tree in unknown if tree.time is not None and not meaning.is_past(tree)}
    for key, _ in unknown:
        if key in past:
            _never_defined(meaning, key, past[key], key in now)
    meaning.input = _input(meaning, unknown)
    meaning.learned = list(dict.fromkeys(key for key, _ in unknown if key != meaning.input))
    meaning.states = [key for key in meaning.definitions if key in past]
    if not meaning.states:
        first = next(iter(meaning.definitions.values()), None)
        tree = first.left if first else Tree("name", 0, min(len(meaning.source.text), 20))
        meaning.refuse(
            tree, "these equations define no state: nothing is read at t-1", "Use a value of step t-1."
        )
    used = {key for key, _ in uses} | {tree.time.back for _, tree in uses if tree.time is not None}
    meaning.constants = {key: value for key, value in meaning.constants.items() if key in used}


def _is_known(meaning: Meaning, key: str) -> bool:
    return key in meaning.definitions or key in meaning.constants or key in meaning.statics


def _never_defined(meaning: Meaning, key: str, tree: Tree, is_read_now: bool) -> NoReturn:
    cure = f"Add {key}_t = ... to the equations."
    if close := difflib.get_close_matches(key, meaning.definitions, n=1):
        cure = f"Define it at t; did you mean {close[0]}?"
    elif is_read_now:
        cure = f"To read an earlier input, write p_t = {key}_t and use p_{{t-1}}."
    meaning.refuse(tree, f"{meaning.written(tree)} is used, but {key} is never defined at t", cure)


def _input(meaning: Meaning, unknown: list[tuple[str, Tree]]) -> str:
    timed = dict.fromkeys(key for key, tree in unknown if tree.time is not None)
    if not timed and any(key == "x" for key, _ in unknown):
        return "x"
    if not timed and (unused := _declared_only(meaning, {key for key, _ in unknown})):
        return unused
    if len(timed) == 1:
        return _of_one_step(meaning, next(iter(timed)), [tree for _, tree in unknown])
    if not timed:
        first = next(iter(meaning.definitions.values()), None)
        tree = first.left if first else Tree("name", 0, min(len(meaning.source.text), 20))
        meaning.refuse(
            tree, "no input: every name with an index t is defined here", "Read an input such as x_t."
        )
    second = list(timed)[1]
    tree = next(tree for key, tree in unknown if key == second)
    names = " and ".join(timed)
    meaning.refuse(
        tree, f"{names} are read at t but never defined", "Define one, or put them into one input [x, s]."
    )


def _of_one_step(meaning: Meaning, key: str, uses: list[Tree]) -> str:
    times = {tree.time: tree for tree in uses if meaning.of(tree.key) == key and tree.time is not None}
    if len(times) > 1:
        late = list(times.values())[1]
        meaning.refuse(
            late, f"the input {key} is read at two steps", "Read it at one; keep others in a state."
        )
    return key


def _declared_only(meaning: Meaning, used: set[str]) -> str | None:
    """A vector that has a size and nothing else: the input of a network that does not read it."""
    names = (key for key, sizes in meaning.declared.items() if len(sizes) == 1)
    return next((key for key in names if key not in used and not _is_known(meaning, key)), None)


# --- functions -----------------------------------------------------------------------------------


def _functions_are_known(meaning: Meaning, uses: list[tuple[str, Tree]]) -> None:
    """A name that always stands before a bracket and cannot be a matrix is a function somebody must bind."""
    called = {(part.start, part.end) for part, _ in _before_brackets(meaning)}
    for key, tree in uses:
        mine = [use for other, use in uses if other == key]
        always = all((use.start, use.end) in called for use in mine)
        if (
            always
            and _looks_like_a_function(key)
            and not _is_known(meaning, key)
            and key not in meaning.declared
        ):
            _unknown_function(meaning, tree)


def _before_brackets(meaning: Meaning) -> Iterator[tuple[Tree, Tree]]:
    """Names that stand directly before a round bracket."""
    for right in {id(d.right): d.right for d in meaning.definitions.values()}.values():
        for tree in right.walk():
            if tree.kind == "chain":
                for part, after in zip(tree.parts, tree.parts[1:], strict=False):
                    if part.kind == "name" and part.time is None and after.value == "(":
                        yield part, after


def _looks_like_a_function(key: str) -> bool:
    base = key.split("_")[0]
    return base not in ("w", "u", "v") and (base.islower() or len(base) > 2)


def _unknown_function(meaning: Meaning, tree: Tree) -> None:
    name = meaning.written(tree)
    near = difflib.get_close_matches(tree.key, SPELLINGS, n=3, cutoff=0.5) or ["sigmoid", "tanh", "relu"]
    meaning.refuse(
        tree,
        f"{name} is no function we know, nearest: {', '.join(dict.fromkeys(near))}",
        f"Say what it is: write {name} = \\tanh beside the equations, or activations={{'{tree.key}': 'tanh'}}.",
    )


# --- the output ----------------------------------------------------------------------------------


def _choose_output(meaning: Meaning, said: list[Output]) -> None:
    """The output is what was said to be, or the last value that no other equation reads."""
    if said:
        meaning.output = meaning.of(said[-1].name.key)
        if meaning.output not in meaning.definitions:
            meaning.refuse(said[-1].name, "the output is never defined at t", "Name a value that is.")
    else:
        read = {meaning.of(tree.key) for tree in meaning.names() if not meaning.is_past(tree)}
        ends = [key for key, one in meaning.definitions.items() if key not in read]
        timed = [
            key for key in ends if meaning.definitions[key].left.time is not None or key in meaning.states
        ]
        meaning.output = (timed or ends or meaning.states)[-1]
    if meaning.output in meaning.states:
        meaning.states.remove(meaning.output)
        meaning.states.insert(0, meaning.output)
