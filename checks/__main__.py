"""Runs every check of the tree and prints one line for each: `python -m checks`."""

import sys
from collections.abc import Callable
from pathlib import Path

from checks import layers, names, readme_tree, sizes

CHECKS: dict[str, Callable[[Path], list[str]]] = {
    "layer order: every import goes left": layers.violations,
    "sizes: no file or function is too long": sizes.violations,
    "names: no drawers": names.violations,
    "README tree: equals the disk": readme_tree.violations,
}


def main(root: Path) -> int:
    """Print a line for each passed check and each violation; 1 if there was one."""
    failed = 0
    for passed, violations in CHECKS.items():
        found = violations(root)
        print("\n".join(found) if found else passed)
        failed += bool(found)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent.parent))
