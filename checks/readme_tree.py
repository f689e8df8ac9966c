"""The tree in README.md lists what is on disk: no more, no less.

The tree is the fenced block after the line MARK. Each of its lines is `name  what it is`; the entries below
`src/unrolled/` are indented. A folder ends in a slash.
"""

import re
from fnmatch import fnmatch
from pathlib import Path

MARK = "<!-- tree -->"
PACKAGE = "src/unrolled/"


def written(readme: str) -> tuple[set[str], set[str]]:
    """The names in the block: those at the top, and those below src/unrolled/."""
    block = re.search(re.escape(MARK) + r"\s*```\w*\n(.*?)```", readme, re.DOTALL)
    lines = block[1].splitlines() if block else []
    top, inside = set(), set()
    for line in filter(str.strip, lines):
        (inside if line[0].isspace() else top).add(line.split()[0])
    return {"src/" if name == PACKAGE else name for name in top}, inside


def on_disk(root: Path) -> tuple[set[str], set[str]]:
    """The same two sets as they are: all that git does not ignore; packages and modules of the package."""
    patterns = [line.strip().strip("/") for line in (root / ".gitignore").read_text().splitlines()]
    top = {
        path.name + "/" * path.is_dir()
        for path in root.iterdir()
        if path.name != ".git" and has_files(path) and not any(fnmatch(path.name, one) for one in patterns)
    }
    source = root / "src" / "unrolled"
    modules = {path.name for path in source.glob("*.py")}
    packages = {f"{path.parent.name}/" for path in source.glob("*/__init__.py")}
    return top, modules | packages


def has_files(path: Path) -> bool:
    """Whether git would keep it: what was left behind by a branch or a run is empty, or holds only caches."""
    return path.is_file() or any(one.is_file() and "__pycache__" not in one.parts for one in path.rglob("*"))


def violations(root: Path) -> list[str]:
    """One line for each entry that only the README or only the disk has."""
    readme = (root / "README.md").read_text()
    if MARK not in readme:
        return [f"README.md: the tree is expected in the fenced block after the line {MARK}"]
    found = []
    for place, said, real in zip(("", PACKAGE), written(readme), on_disk(root), strict=True):
        found += [f"README.md: the tree lacks {place}{name}; add it" for name in sorted(real - said)]
        found += [f"README.md: {place}{name} does not exist; remove it" for name in sorted(said - real)]
    return found
