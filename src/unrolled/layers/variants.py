"""Cells with masks in their equations: recurrent dropout and zoneout, written into the text of any cell."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from unrolled.equations import Cell

KEPT = "kept_"  # a static input: what a state is multiplied with before a matrix reads it
HELD = "held_"  # a state whose values are given: where another state keeps its value of the step before
DROPPED = "dropped_"  # a state whose values are given: what a named value is multiplied with
BEFORE = "before_"


@lru_cache(maxsize=64)
def with_masks(
    cell: Cell,
    kept: tuple[str, ...] = (),
    held: tuple[str, ...] = (),
    rates: tuple[float, ...] = (),
    dropped: tuple[str, ...] = (),
) -> Cell:
    """The cell with masks on its states and values.

    For s in `kept` every matrix reads kept_s * s_{t-1} in place of s_{t-1}, kept_s being a static input (Gal and
    Ghahramani 2016, arXiv:1512.05287). For s in `held`, s_t = held_s * s_{t-1} + (1 - held_s) * (what it was), where
    held_s is a state whose values are to be forced (Krueger et al. 2017, arXiv:1606.01305), or one of `rates`: what
    zoneout expects, for runs that do not train. A value v in `dropped` is dropped_v * (what it was), dropped_v being a
    state to be forced (Semeniuta et al. 2016, arXiv:1603.05118).
    """
    tree = ast.parse(cell.text)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    reads = _Reads(set(kept))
    function.body = reads.statements(function.body)
    kept = tuple(name for name in kept if name in reads.found)  # a state that no matrix reads needs no mask
    _drop(function, dropped)
    _hold(function, cell.signature.states, held, rates)
    _return(function, [HELD + name for name in held if not rates] + [DROPPED + name for name in dropped])
    statics = [*cell.signature.statics, *(KEPT + name for name in kept)]
    masks = [HELD + name for name in held if not rates] + [DROPPED + name for name in dropped]
    _insert(function, [*cell.signature.states, *masks], statics)
    sizes = _sizes(cell, kept, () if rates else held) | {DROPPED + v: size_of(cell, v) for v in dropped}
    function.decorator_list = [_decorator(statics, sizes)]
    return Cell.from_text(ast.unparse(ast.fix_missing_locations(tree)), cell.name)


@lru_cache(maxsize=64)
def with_projection(cell: Cell) -> Cell:
    """The cell whose output is P_projected @ (what it was), of the size "projected"; states are what they were."""
    tree = ast.parse(cell.text)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    last = function.body[-1]
    assert isinstance(last, ast.Return) and last.value is not None
    returned = list(last.value.elts) if isinstance(last.value, ast.Tuple) else [last.value]
    wide = ast.Name("unprojected", ast.Load())
    projected = ast.BinOp(ast.Name("P_projected", ast.Load()), ast.MatMult(), wide)
    function.body[-1:] = [
        ast.Assign([ast.Name("unprojected", ast.Store())], returned[0]),
        ast.Assign([ast.Name("projected", ast.Store())], projected),
        last,
    ]
    states = returned[1:] if len(returned) > len(cell.states) else [wide, *returned[1:]]
    last.value = ast.Tuple([ast.Name("projected", ast.Load()), *states], ast.Load())
    function.args.kwonlyargs.append(ast.arg(arg="P_projected"))
    function.args.kw_defaults.append(None)
    sizes = dict(cell.signature.sizes) | {"projected": "projected"}
    function.decorator_list = [_decorator(list(cell.signature.statics), sizes)]
    return Cell.from_text(ast.unparse(ast.fix_missing_locations(tree)), cell.name)


def _decorator(statics: list[str], sizes: Mapping[str, str | None]) -> ast.expr:
    options = [f"static={tuple(statics)!r}"] * bool(statics) + [f"sizes={sizes!r}"] * bool(sizes)
    return ast.parse(f"cell({', '.join(options)})" if options else "cell", mode="eval").body


def _sizes(cell: Cell, kept: tuple[str, ...], held: tuple[str, ...]) -> dict[str, str | None]:
    """A mask has the size of its state."""
    known: dict[str, str | None] = dict(cell.signature.sizes)
    masks = [(KEPT, name) for name in kept] + [(HELD, name) for name in held]
    return known | {prefix + name: known.get(name, "H") for prefix, name in masks}


def _insert(function: ast.FunctionDef, states: list[str], statics: list[str]) -> None:
    """The positional parameters: the input, the states, the static inputs."""
    first = function.args.args[0]
    function.args.args = [first, *(ast.arg(arg=name) for name in (*states, *statics))]


def _hold(
    function: ast.FunctionDef, states: tuple[str, ...], held: tuple[str, ...], rates: tuple[float, ...]
) -> None:
    """Mixes what the last statement returns with the values of the step before."""
    if not held:
        return
    last = function.body[-1]
    assert isinstance(last, ast.Return) and last.value is not None
    returned = list(last.value.elts) if isinstance(last.value, ast.Tuple) else [last.value]
    carried = len(returned) - len(states)  # an output that is not carried comes first
    for number, name in enumerate(held):
        share = ast.Constant(rates[number]) if rates else ast.Name(HELD + name, ast.Load())
        place = carried + states.index(name)
        returned[place] = _mixed(share, ast.Name(BEFORE + name, ast.Load()), returned[place])
    last.value = ast.Tuple(returned, ast.Load()) if len(returned) > 1 else returned[0]
    begin = 1 if isinstance(function.body[0], ast.Expr) else 0  # after the docstring
    function.body[begin:begin] = [
        ast.Assign([ast.Name(BEFORE + name, ast.Store())], ast.Name(name, ast.Load())) for name in held
    ]


def _drop(function: ast.FunctionDef, names: tuple[str, ...]) -> None:
    """A name stands for the last value it is given."""
    last = {
        target.id: statement
        for statement in function.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    for name in names:
        last[name].value = ast.BinOp(ast.Name(DROPPED + name, ast.Load()), ast.Mult(), last[name].value)


def _return(function: ast.FunctionDef, masks: list[str]) -> None:
    """Masks that are states are returned as they are; their values are forced."""
    last = function.body[-1]
    assert isinstance(last, ast.Return) and last.value is not None
    returned = list(last.value.elts) if isinstance(last.value, ast.Tuple) else [last.value]
    returned += [ast.Name(name, ast.Load()) for name in masks]
    last.value = ast.Tuple(returned, ast.Load()) if len(returned) > 1 else returned[0]


def size_of(cell: Cell, name: str) -> str | None:
    """The letter or name of a named value's size; None where it has none, as 4H, or no equation gives it its name."""
    function = ast.parse(cell.text).body[0]
    assert isinstance(function, ast.FunctionDef)
    assigned = {
        t.id for s in function.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)
    }
    position = cell.graph.named.get(name)
    if position is None or name not in assigned or len(cell.graph.shapes[position]) != 1:
        return None
    terms = cell.graph.shapes[position][0].terms
    return str(terms[0][0]) if len(terms) == 1 and terms[0][1] == 1 else None


def _mixed(share: ast.expr, before: ast.expr, after: ast.expr) -> ast.expr:
    rest = ast.BinOp(ast.Constant(1), ast.Sub(), share)
    return ast.BinOp(ast.BinOp(share, ast.Mult(), before), ast.Add(), ast.BinOp(rest, ast.Mult(), after))


class _Reads(ast.NodeTransformer):
    """Masks a state wherever a matrix multiplies with it, until its name is given to another value."""

    def __init__(self, names: set[str]) -> None:
        self.names = names
        self.found: set[str] = set()
        self.under_matrix = False

    def statements(self, body: list[ast.stmt]) -> list[ast.stmt]:
        found = []
        for statement in body:
            found.append(self.visit(statement))
            if isinstance(statement, ast.Assign):
                self.names = self.names - {t.id for t in statement.targets if isinstance(t, ast.Name)}
        return found

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if not isinstance(node.op, ast.MatMult):
            return self._generic(node)
        before, self.under_matrix = self.under_matrix, True
        node.right = self.visit(node.right)
        self.under_matrix = before
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._masked(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if (
            isinstance(node.func, ast.Name)
            and node.func.id == "delayed"
            and isinstance(node.args[0], ast.Name)
        ):
            return self._masked(node.args[0].id, node)  # what is delayed must be the state itself
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def _masked(self, name: str, node: ast.expr) -> ast.expr:
        if not self.under_matrix or name not in self.names:
            return node
        self.found.add(name)
        return ast.BinOp(ast.Name(KEPT + name, ast.Load()), ast.Mult(), node)

    def _generic(self, node: ast.BinOp) -> ast.expr:
        found = self.generic_visit(node)
        assert isinstance(found, ast.expr)
        return found
