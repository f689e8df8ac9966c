"""The catalogue of cells: equations only, one function each.

Every `Cell` in a module of this package is in the catalogue under its name, and is `unrolled.cells.NAME`.
To add one, write one function in one of the files (or a new file) and nothing else.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
from functools import cache
from pathlib import Path

from unrolled.equations import Cell
from unrolled.errors import DataError, SettingError

__all__ = ["catalogue", "find"]


def catalogue() -> dict[str, Cell]:
    """Every cell of the package by name, the simple ones first.

    >>> catalogue()["gru"].states
    ('h',)
    """
    return dict(_discovered())


def find(name: str | os.PathLike[str]) -> Cell:
    """The cell called `name` in the catalogue, or the one whose equations are in the file at the path `name`.

    A file holds the function of a cell, or equations as they are typeset: LaTeX, Markdown, plain text.

    Raises SettingError for a name that is neither, DataError for a file that cannot be read, EquationError
    for equations that do not fit together.

    >>> find("lstm").states
    ('h', 'c')
    """
    name = os.fspath(name)
    if name in _discovered():
        return _discovered()[name]
    if _looks_like_a_path(name):
        return Cell.from_file(_read(name), name)
    raise SettingError(
        f"a cell must be a name of the catalogue or a file of equations, got {name!r}. "
        f"Nearest: {', '.join(_nearest(name))}. `unrolled cells` lists all."
    )


_FIRST = ("simple", "gated")
"""The files whose cells come first; the others follow by name, and within a file cells as they are written."""


@cache
def _discovered() -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    files = sorted(found.name for found in pkgutil.iter_modules(__path__))
    for file in sorted(files, key=lambda file: _FIRST.index(file) if file in _FIRST else len(_FIRST)):
        module = importlib.import_module(f"{__name__}.{file}")
        cells |= {name: value for name, value in vars(module).items() if isinstance(value, Cell)}
    return cells


def _looks_like_a_path(name: str) -> bool:
    path = Path(name)
    return path.name != name or bool(path.suffix) or path.is_file()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"a file of equations must be UTF-8 text, got byte {error.object[error.start]:#04x} at offset "
            f"{error.start} of {path}. Save it as UTF-8."
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"expected a file of equations at {path!r}, which cannot be read ({reason}). "
            "Check the path; `unrolled cells` lists the names of the catalogue."
        ) from None


def _nearest(name: str) -> list[str]:
    plain = name.lower().replace("-", "_")
    return difflib.get_close_matches(plain, _discovered(), n=3, cutoff=0.4) or ["elman", "gru", "lstm"]


def __getattr__(name: str) -> Cell:
    if not name.startswith("_") and name in _discovered():
        return _discovered()[name]
    raise AttributeError(f"module {__name__!r} has no cell {name!r}. `unrolled cells` lists all.")


def __dir__() -> list[str]:
    return sorted([*globals(), *_discovered()])
