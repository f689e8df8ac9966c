"""Files and functions stay small enough to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

LONGEST_FILE = 500
LONGEST_FUNCTION = 80
FOLDERS = ("src", "native", "tests", "benchmarks", "checks", "examples")
SUFFIXES = {".py", ".cpp", ".h", ".js", ".css"}


def sources(root: Path) -> Iterator[Path]:
    """Every file of code that people write."""
    for folder in FOLDERS:
        yield from sorted(path for path in (root / folder).rglob("*") if path.suffix in SUFFIXES)


def long_functions(text: str) -> Iterator[tuple[int, str, int]]:
    """Line, name and length of every function that is too long."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield node.lineno, node.name, length


def violations(root: Path) -> list[str]:
    """One line for each file or function that is too long; functions of tests are not counted."""
    found = []
    for path in sources(root):
        text, place = path.read_text(), path.relative_to(root)
        length = len(text.splitlines())
        if length > LONGEST_FILE:
            found.append(f"{place}: {length} lines, at most {LONGEST_FILE}; split it by what it does")
        if path.suffix == ".py" and place.parts[0] != "tests":
            for line, name, long in long_functions(text):
                found.append(f"{place}:{line}: {name} has {long} lines, at most {LONGEST_FUNCTION}; split it")
    return found
