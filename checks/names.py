"""No module is a drawer: what has no home has no name yet."""

from pathlib import Path

from checks.sizes import sources

DRAWERS = {"util", "utils", "common", "helper", "helpers", "misc", "core", "base"}


def violations(root: Path) -> list[str]:
    """One line for each file or folder of code named after nothing in particular."""
    found = []
    for path in sources(root):
        inner = path.relative_to(root)
        if DRAWERS & {part.removeprefix("_") for part in (*inner.parent.parts, inner.stem)}:
            found.append(f"{inner}: a drawer, not a name; call it after what it does")
    return found
