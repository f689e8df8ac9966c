"""Any cell with its parameters called by random words: no engine may go by the spelling of a name."""

from __future__ import annotations

import ast
import keyword
import random
from collections.abc import Iterator

from unrolled.equations.operations import WORDS

# Names that a careless engine or module would trip over, and some that mean something elsewhere.
AWKWARD = (
    *("self", "half", "type", "float", "double", "weight", "bias", "train", "forward", "data", "grad"),
    *("T", "I", "H", "i"),
)
SYLLABLES = ("ba", "do", "fu", "ge", "ki", "lo", "mu", "na", "pe", "ri", "so", "ta", "vu", "wo", "xi", "zu")


def renamed(text: str, seed: int) -> str:
    """The same cell with its learned parameters called by random words, in the same order."""
    tree = ast.parse(text)
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    taken |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | WORDS.keys()
    words = _words(random.Random(seed), taken)
    renaming = {name: next(words) for name in _learned(tree)}
    return ast.unparse(_Renamer(renaming).visit(tree)) + "\n"


def _learned(tree: ast.Module) -> list[str]:
    (definition,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    arguments = definition.args
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [argument.arg for argument, default in pairs if default is None]


def _words(rng: random.Random, taken: set[str]) -> Iterator[str]:
    while True:
        word = (
            rng.choice(AWKWARD)
            if rng.random() < 0.2
            else "".join(rng.choices(SYLLABLES, k=rng.randint(1, 3)))
        )
        if word not in taken and not keyword.iskeyword(word):
            taken.add(word)
            yield word


class _Renamer(ast.NodeTransformer):
    def __init__(self, renaming: dict[str, str]) -> None:
        self.renaming = renaming

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(ast.Name(self.renaming.get(node.id, node.id), node.ctx), node)

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.copy_location(ast.arg(self.renaming.get(node.arg, node.arg)), node)
