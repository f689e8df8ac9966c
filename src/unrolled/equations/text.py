"""Cells from text: Python's syntax, read through `ast` against a white list, never executed."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from unrolled.equations.graph import Signature
from unrolled.equations.operations import WORDS, is_finite_number
from unrolled.equations.signature import make_signature
from unrolled.equations.trace import Builder
from unrolled.errors import EquationError

LONGEST_TEXT = 100_000

ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.MatMult: operator.matmul,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
}
SIGNS: dict[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}


@dataclass(frozen=True)
class Equations:
    """The statements of one cell, read and ready to be evaluated on NumPy vectors or on symbols."""

    filename: str
    definition: ast.FunctionDef
    docstring: str

    @property
    def place(self) -> str:
        """File, line and column of the definition."""
        return f"{self.filename}:{self.definition.lineno}:{self.definition.col_offset + 1}"

    def __call__(self, /, **values: Any) -> Any:
        """Evaluate on NumPy vectors, given by name."""
        return self.evaluate(values, None)[0]

    def trace(self, builder: Builder, leaves: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Evaluate on symbols; gives what is returned and the local names."""
        return self.evaluate(dict(leaves), builder)

    def evaluate(self, names: dict[str, Any], builder: Builder | None) -> tuple[Any, dict[str, Any]]:
        """Run the statements in order."""
        scope = Scope(self.filename, names, builder)
        for statement in self.definition.body:
            if isinstance(statement, ast.Return):
                return scope.returned(statement), scope.names
            if isinstance(statement, ast.Assign):
                scope.assign(statement)
        raise AssertionError("the reader makes sure that a return statement ends the cell")


class Scope:
    """The names that are known while a cell's statements are evaluated."""

    def __init__(self, filename: str, names: dict[str, Any], builder: Builder | None) -> None:
        self.filename = filename
        self.names = names
        self.builder = builder

    def assign(self, statement: ast.Assign) -> None:
        value = self.value(statement.value)
        for target in statement.targets:
            if isinstance(target, ast.Name):
                self.names[target.id] = value
            else:
                self._unpack(target, value)

    def returned(self, statement: ast.Return) -> Any:
        value = self.value(statement.value)
        self._at(statement)
        return value

    def _unpack(self, target: Any, value: Any) -> None:
        if not isinstance(value, tuple):
            self.refuse(target, "one value is given to several names", "Use split(v, n) for equal parts.")
        if len(target.elts) != len(value):
            self.refuse(
                target, f"{len(value)} parts are given to {len(target.elts)} names", "Name every part."
            )
        self.names.update(zip((name.id for name in target.elts), value, strict=True))

    def value(self, node: Any) -> Any:
        """The value of an expression the reader has let through."""
        rule = getattr(self, f"_{type(node).__name__.lower()}")
        return rule(node)

    def _at(self, node: ast.AST) -> None:
        if self.builder is not None:
            self.builder.at = (self.filename, node.lineno, node.col_offset + 1)  # type: ignore[attr-defined]

    def _constant(self, node: ast.Constant) -> Any:
        return node.value if self.builder is None else float(node.value)  # type: ignore[arg-type]

    def _name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            known = ", ".join(self.names)
            self.refuse(node, f"{node.id} is not known here", f"Known are {known}; parameters come after *.")
        return self.names[node.id]

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.value(element) for element in node.elts)

    def _single(self, node: ast.expr) -> Any:
        value = self.value(node)
        if isinstance(value, tuple):
            self.refuse(node, f"`{_short(node)}` stands for several values here", "Name its parts.")
        return value

    def _binop(self, node: ast.BinOp) -> Any:
        left, right = self._single(node.left), self._single(node.right)
        self._at(node)
        if type(node.op) is ast.Div and isinstance(right, (int, float)) and right == 0:
            self.refuse(node, "division by zero", "Change the number.")
        return ARITHMETIC[type(node.op)](left, right)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        operand = self._single(node.operand)
        self._at(node)
        return SIGNS[type(node.op)](operand)

    def _compare(self, node: ast.Compare) -> Any:
        left, right = self._single(node.left), self._single(node.comparators[0])
        self._at(node)
        return ARITHMETIC[type(node.ops[0])](left, right)

    def _call(self, node: ast.Call) -> Any:
        operands = [self.value(operand) for operand in node.args]
        self._at(node)
        word = node.func.id  # type: ignore[attr-defined]
        try:
            return WORDS[word](*operands)
        except TypeError as error:
            self.refuse(
                node,
                f"{word}() cannot take these operands ({error})",
                "Look the word up in the documentation.",
            )

    def _attribute(self, node: ast.Attribute) -> Any:
        matrix = self._single(node.value)
        self._at(node)
        if isinstance(matrix, float):
            self.refuse(node, f"`{_short(node)}` transposes a number", "Write .T after a matrix.")
        return matrix.T

    def _subscript(self, node: ast.Subscript) -> Any:
        parts = self.value(node.value)
        index = node.slice.value  # type: ignore[attr-defined]
        if not 0 <= index < len(parts):
            self.refuse(
                node, f"part {index} of {len(parts)} parts", f"Parts count from 0 to {len(parts) - 1}."
            )
        return parts[index]

    def refuse(self, node: Any, what: str, cure: str) -> NoReturn:
        raise EquationError(f"{self.filename}:{node.lineno}:{node.col_offset + 1}: {what}. {cure}")


# --- the reader ----------------------------------------------------------------------------------


def read(text: str, filename: str) -> tuple[Signature, Equations]:
    """The signature and the statements of the one cell in `text`; refuses anything but equations."""
    return Reader(filename).read(text)


class Reader:
    """Checks a parsed text against the white list."""

    def __init__(self, filename: str) -> None:
        self.filename = filename

    def read(self, text: str) -> tuple[Signature, Equations]:
        definition = self._definition(self._parse(text))
        sizes, statics = self._decorator(definition)
        signature = self._signature(definition, sizes, statics)
        body = list(definition.body)
        docstring = ast.get_docstring(definition) or ""
        if docstring:
            body = body[1:]
        self._body(definition, body)
        definition.body = body
        return signature, Equations(self.filename, definition, docstring)

    def _parse(self, text: str) -> ast.Module:
        if len(text) > LONGEST_TEXT:
            raise EquationError(f"{self.filename}: a cell has at most {LONGEST_TEXT} characters, got {len(text)}. "
                                "Give the file with the equations.")  # fmt: skip
        try:
            return ast.parse(text)
        except SyntaxError as error:
            raise EquationError(
                f"{self.filename}:{error.lineno or 1}:{error.offset or 1}: {error.msg}. "
                "Write the cell as a Python function."
            ) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise EquationError(
                f"{self.filename}: cannot be read ({error}). Write the cell as a Python function."
            ) from None

    def _definition(self, module: ast.Module) -> ast.FunctionDef:
        found: list[ast.FunctionDef] = []
        for statement in module.body:
            if isinstance(statement, ast.FunctionDef):
                found.append(statement)
            elif not self._harmless(statement):
                self.refuse(statement, "only the function of one cell may stand here", "Remove this line.")
        if len(found) != 1:
            raise EquationError(
                f"{self.filename}: must hold the function of exactly one cell, got {len(found)}. "
                "Write `def name(x, h, *, W, U, b):` and its equations."
            )
        return found[0]

    def _harmless(self, statement: ast.stmt) -> bool:
        """A module docstring, and the imports that a Python file of the same cell needs: neither does anything."""
        if isinstance(statement, ast.ImportFrom):
            return (
                statement.module in ("unrolled", "unrolled.equations", "__future__") and statement.level == 0
            )
        return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)

    def _decorator(self, definition: ast.FunctionDef) -> tuple[dict[str, str], tuple[str, ...]]:
        options: dict[str, Any] = {"sizes": {}, "static": ()}
        for decorator in definition.decorator_list:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            if not (isinstance(call, ast.Name) and call.id == "cell"):
                self.refuse(decorator, "the only decorator is @cell", "Remove this one.")
            if isinstance(decorator, ast.Call):
                self._options(decorator, options)
        return options["sizes"], options["static"]

    def _options(self, decorator: ast.Call, options: dict[str, Any]) -> None:
        if decorator.args or any(keyword.arg not in options for keyword in decorator.keywords):
            self.refuse(decorator, "@cell takes sizes= and static=", 'Write @cell(sizes={"y": "output"}).')
        for keyword in decorator.keywords:
            assert keyword.arg is not None
            try:
                options[keyword.arg] = ast.literal_eval(keyword.value)
            except (ValueError, TypeError):
                self.refuse(keyword.value, f"{keyword.arg}= must be written out", "Write names in quotes.")

    def _signature(
        self, definition: ast.FunctionDef, sizes: dict[str, str], statics: tuple[str, ...]
    ) -> Signature:
        arguments = definition.args
        if arguments.vararg or arguments.kwarg or arguments.defaults or arguments.posonlyargs:
            self.refuse(definition, "the input and the states have no default, and *args and / are not allowed",
                        "Name every state; defaults are for constants after *.")  # fmt: skip
        for argument in (*arguments.args, *arguments.kwonlyargs):
            if argument.annotation is not None:
                self.refuse(
                    argument, f"{argument.arg} has an annotation", "Leave it out: shapes are inferred."
                )
        if definition.returns is not None:
            self.refuse(
                definition.returns, "the cell has an annotation", "Leave it out: shapes are inferred."
            )
        positional = [argument.arg for argument in arguments.args]
        learned: list[str] = []
        constants: list[tuple[str, Any]] = []
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if default is None:
                learned.append(argument.arg)
            else:
                constants.append((argument.arg, self._number(default)))
        place = f"{self.filename}:{definition.lineno}:{definition.col_offset + 1}"
        return make_signature(definition.name, positional, learned, constants, sizes, statics, place)

    def _number(self, node: ast.expr) -> Any:
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            self.refuse(
                node, "a constant's default must be a number or a tuple of numbers", "Write the number out."
            )

    def _body(self, definition: ast.FunctionDef, body: list[ast.stmt]) -> None:
        if not body or not isinstance(body[-1], ast.Return) or body[-1].value is None:
            self.refuse(definition, "a cell ends by returning its states", "Add `return h`.")
        for statement in body[:-1]:
            if not isinstance(statement, ast.Assign):
                what = type(statement).__name__.lower()
                self.refuse(
                    statement,
                    f"a cell is made of lines `name = equation`, got `{what}`",
                    "Rewrite this line.",
                )
            for target in statement.targets:
                self._target(target)
            self._expression(statement.value)
        self._expression(body[-1].value)

    def _target(self, target: ast.expr) -> None:
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        for name in names:
            if not isinstance(name, ast.Name):
                self.refuse(
                    target, "an equation defines a name, or the names of split()", "Write `name = ...`."
                )
            if name.id in WORDS:
                self.refuse(name, f"{name.id} is a word of the equations", "Choose another name.")

    def _expression(self, root: ast.expr) -> None:
        for node in ast.walk(root):
            if isinstance(node, ast.expr):
                self._allowed(node)

    def _allowed(self, node: ast.expr) -> None:
        cure = "Use numbers, the cell's names, + - * / @, comparisons in where(), .T and the words."
        if isinstance(node, ast.Call):
            if not (isinstance(node.func, ast.Name) and node.func.id in WORDS and not node.keywords):
                self.refuse(
                    node,
                    f"`{_short(node)}` is not a word of the equations",
                    f"The words are {', '.join(WORDS)}.",
                )
        elif isinstance(node, ast.Constant):
            if type(node.value) not in (int, float) or not is_finite_number(node.value):
                self.refuse(node, f"`{_short(node)}` is not a finite number", cure)
        elif isinstance(node, ast.Attribute):
            if node.attr != "T":
                self.refuse(
                    node, f"`.{node.attr}` is not a word of the equations", "The only attribute is .T."
                )
        elif isinstance(node, ast.Subscript):
            if not _is_part(node):
                self.refuse(node, "a vector cannot be indexed", "Use split(v, n) for equal parts.")
        elif not self._plain(node):
            self.refuse(node, f"`{_short(node)}` is not an equation", cure)

    def _plain(self, node: ast.expr) -> bool:
        if isinstance(node, ast.BinOp):
            return type(node.op) in ARITHMETIC
        if isinstance(node, ast.UnaryOp):
            return type(node.op) in SIGNS
        if isinstance(node, ast.Compare):
            return len(node.ops) == 1 and type(node.ops[0]) in ARITHMETIC
        return isinstance(node, (ast.Name, ast.Tuple))

    def refuse(self, node: ast.AST, what: str, cure: str) -> NoReturn:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        raise EquationError(f"{self.filename}:{line}:{column + 1}: {what}. {cure}")


def _is_part(node: ast.Subscript) -> bool:
    """Whether this is `split(v, n)[i]`."""
    call, index = node.value, node.slice
    is_split = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "split"
    return is_split and isinstance(index, ast.Constant) and type(index.value) is int


def _short(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 40 else text[:37] + "..."
