"""Cells from source text: as a Python function in a file of a known name, and as a text that is never executed."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np

from unrolled.equations import Cell, cell
from unrolled.equations.operations import WORDS

FILE = "mine.py"


def python_cell(source: str, **names: Any) -> Cell:
    """The cell `c` that `source` defines when it is run as the file `mine.py`; no such file exists."""
    known = {**WORDS, "cell": cell, "np": np, "math": math, **names}
    exec(compile(textwrap.dedent(source), FILE, "exec"), known)
    return known["c"]


def text_cell(body: str, signature: str = "x, h, *, W, U, b", decorator: str = "@cell") -> Cell:
    """The cell `c` with these lines, read as text; the body begins in line 3, column 5."""
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return Cell.from_text(f"{decorator}\ndef c({signature}):\n{lines}\n")


def draw(cell: Cell, seed: int = 0, input_size: int = 3, hidden_size: int = 8) -> dict[str, Any]:
    """Arguments of `cell.run`: six steps, every parameter, the first state and the static inputs."""
    generator = np.random.default_rng(seed)
    sizes = {name: 5 + i for i, name in enumerate(cell.named_sizes)}
    shapes = cell.parameter_shapes(input_size, hidden_size, **sizes)
    states = cell.state_sizes(input_size, hidden_size, **sizes)
    letters = cell.letters(input_size, hidden_size, **sizes)
    static = {name: cell.graph.size(cell.graph.leaf[name]).value(letters) for name in cell.signature.statics}
    return {
        "sequence": generator.normal(0, 1, (6, input_size)),
        "parameters": {name: generator.normal(0, 0.5, shape) for name, shape in shapes.items()},
        "state": {name: generator.normal(0, 0.5, size) for name, size in states.items()},
        "static": {name: generator.normal(0, 1, size) for name, size in static.items()},
    }
