"""Numbers in cells, with a decimal point or a decimal comma."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from unrolled.data.dialects import dialect_of
from unrolled.data.lines import text_lines
from unrolled.data.settings import ReadSettings

MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}
"""What a cell says that holds no number, without capitals."""
COMMAS = "numbers are read with decimal commas"

_COMMA = re.compile(r"[-+]?(\d{1,3}(\.\d{3})+|\d+),\d+")
_SAMPLE = 300


def has_decimal_commas(path: Path, cells: Iterable[str], settings: ReadSettings) -> bool:
    """Whether 3,14 is a number: some cells are written so, and the comma does not separate the columns."""
    if not any(_COMMA.fullmatch(cell.strip()) for cell in cells):
        return False
    if path.suffix.lower() in (".jsonl", ".ndjson", ".parquet"):
        return True
    lines = list(islice(text_lines(path, settings.encoding), _SAMPLE))
    return dialect_of(lines, settings.delimiter).delimiter != ","


def number(cell: str, comma: bool = False) -> float | None:
    """A cell as a finite number; NaN where it says that there is none, None where it is something else.

    Example:
        >>> number("1.234,5", comma=True), number("12"), number("n/a"), number("many"), number("inf")
        (1234.5, 12.0, nan, None, None)
    """
    cell = cell.strip()
    if cell.casefold() in MISSING:
        return float("nan")
    if comma and "," in cell:
        cell = cell.replace(".", "").replace(",", ".")
    try:
        found = float(cell)
    except ValueError:
        return None
    return found if math.isfinite(found) and "_" not in cell else None
