"""Every import inside the package goes to the left in one written order."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Pieces in one group do not import each other.
ORDER = (
    ("errors",),
    ("equations",),
    ("cells",),
    ("_native",),
    ("engines",),
    ("layers",),
    ("data",),
    ("models",),
    ("generation",),
    ("inspection",),
    ("training",),
    ("estimators", "export"),
    ("serving", "studio"),
    ("cli",),
    ("__main__",),
)
RANK = {piece: rank for rank, group in enumerate(ORDER) for piece in group}
WITHOUT_TORCH = {"errors", "equations", "cells"}


def imports(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, `if TYPE_CHECKING` and functions included."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[: len(package) - level + 1] if level else ()
                parts = (*above, module) if module else above
                yield from ((node.lineno, ".".join((*parts, alias.name))) for alias in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def problem(piece: str, name: str) -> str | None:
    """What is wrong with `piece` importing `name`; None when nothing is."""
    top, _, rest = name.partition(".")
    if top == "torch" and piece in WITHOUT_TORCH:
        return f"{piece} imports {name}: {', '.join(sorted(WITHOUT_TORCH))} start without torch"
    if top != "unrolled" or rest == "__version__":
        return None
    target = rest.partition(".")[0]
    if target not in RANK:
        return f"{piece} imports {name}: import it from the module that defines it"
    if target == piece or RANK[target] < RANK[piece]:
        return None
    return f"{piece} imports {name}: {target} does not stand left of {piece} in the order of checks/layers.py"


def violations(root: Path) -> list[str]:
    """One line for each import below `root`/src/unrolled that does not go left."""
    source = root / "src" / "unrolled"
    found = []
    for path in sorted(source.rglob("*.py")):
        inner = path.relative_to(source)
        piece = inner.parts[0].removesuffix(".py")
        if piece == "__init__":
            continue
        place = path.relative_to(root)
        if piece not in RANK:
            found.append(f"{place}: {piece} has no place in the order of checks/layers.py; give it one")
            continue
        package = ("unrolled", *inner.parent.parts)
        for line, name in imports(ast.parse(path.read_text(), str(path)), package):
            if wrong := problem(piece, name):
                found.append(f"{place}:{line}: {wrong}")
    return found
