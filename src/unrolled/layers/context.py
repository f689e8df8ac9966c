"""Cells that read a context: a vector of the row, the same at every step."""

from __future__ import annotations

import ast
from functools import lru_cache

from unrolled.equations import Cell
from unrolled.errors import SettingError

CONTEXT = "context"  # the static input, and the name of its size


@lru_cache(maxsize=64)
def with_context(cell: Cell) -> Cell:
    """The cell with a static input `context` beside its input: wherever a matrix reads x, another reads the context.

        W @ x    becomes    W @ x + context_W @ context

    As a static input the context is multiplied once for each row, and nothing of it is copied over the steps.

    Raises:
        SettingError: a cell with static inputs of its own, or in which no matrix reads the input.

    Example:
        >>> from unrolled.cells import find
        >>> print(with_context(find("elman")).text)
        @cell(sizes={"context": "context"}, static=("context",))
        def elman_with_context(x, h, context, *, W, U, b, context_W):
            return tanh(W @ x + context_W @ context + U @ h + b)
        <BLANKLINE>

    Paper: Cho et al. 2014, Learning phrase representations using RNN encoder-decoder (arXiv:1406.1078).
    """
    if cell.signature.statics:
        raise SettingError(
            f"{cell.name} has the static input {cell.signature.statics[0]} already; use a cell without static inputs"
        )
    tree = ast.parse(cell.text)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    if CONTEXT in _names(function):
        raise SettingError(f"{cell.name} has a value named {CONTEXT} already; give it another name")
    reads = _Reads(function.args.args[0].arg)
    # What the docstring says holds for the cell without the context.
    body = [statement for statement in function.body if not isinstance(statement, ast.Expr)]
    function.body = [reads.visit(statement) for statement in body]
    if not reads.found:
        raise SettingError(
            f"no matrix of {cell.name} reads its input, so none can read a context; use another cell"
        )
    function.name = f"{cell.name}_with_context"
    function.args.args.append(ast.arg(arg=CONTEXT))
    for name in reads.found:
        function.args.kwonlyargs.append(ast.arg(arg=f"{CONTEXT}_{name}"))
        function.args.kw_defaults.append(None)
    sizes = dict(cell.signature.sizes) | {CONTEXT: CONTEXT}
    decorator = ast.parse(f"cell(static=({CONTEXT!r},), sizes={sizes!r})", mode="eval").body
    function.decorator_list = [decorator]
    return Cell.from_text(ast.unparse(ast.fix_missing_locations(tree)), function.name)


def _names(function: ast.FunctionDef) -> set[str]:
    parts = list(ast.walk(function))
    return {p.id for p in parts if isinstance(p, ast.Name)} | {p.arg for p in parts if isinstance(p, ast.arg)}


class _Reads(ast.NodeTransformer):
    """Adds a product with the context to every product whose vector has the input in it."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.found: dict[str, None] = {}

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if not isinstance(node.op, ast.MatMult) or not self._reads_input(node.right):
            found = self.generic_visit(node)
            assert isinstance(found, ast.expr)
            return found
        name = next(part.id for part in ast.walk(node.left) if isinstance(part, ast.Name))
        self.found[name] = None
        matrix = ast.Name(f"{CONTEXT}_{name}", ast.Load())
        return ast.BinOp(node, ast.Add(), ast.BinOp(matrix, ast.MatMult(), ast.Name(CONTEXT, ast.Load())))

    def _reads_input(self, node: ast.expr) -> bool:
        return any(isinstance(part, ast.Name) and part.id == self.source for part in ast.walk(node))
