"""Which column of a table is the sequence and which the label: by their names, else by what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unrolled.data.delimited import Row, Table
from unrolled.data.dialects import KNOWN_LABEL, KNOWN_TEXT, folded, is_number
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError

_LONGEST_LABEL = 60
_FEW = 20
"""Rows below which it is enough that one label occurs twice."""


@dataclass(frozen=True)
class Columns:
    """Positions from 0; `label` is None where a table has none, or the label is the name of the folder."""

    text: int
    label: int | None


def are_classes(values: Sequence[str]) -> bool:
    """Whether values look like labels: short, two kinds at least, and each kind seen about twice.

    Example:
        >>> are_classes(["pos", "neg", "pos"]), are_classes(["a", "b", "c"])
        (True, False)
    """
    given = [value for value in values if value]
    kinds = set(given)
    if len(kinds) < 2 or any(len(value) > _LONGEST_LABEL for value in kinds):
        return False
    return len(kinds) * 2 <= len(given) if len(given) >= _FEW else len(kinds) < len(given)


def sequence_and_label(
    table: Table, settings: ReadSettings, labelled: bool, text: int | None = None
) -> Columns:
    """The columns that the settings name, else known names, else the longest texts and the fewest distinct values.

    `text` says which column holds the sequence where the caller knows by other means.

    Raises:
        DataError: a column that is not there; nothing that could be the label, or the text.
    """
    rows = [] if settings.text is not None and settings.label is not None else table.first()
    label = _named_label(table, settings, labelled, rows)
    if settings.text is not None:
        text = table.position(settings.text, "--text")
    elif text is None:
        text = _text(table, rows, label)
    if label is None and settings.label is None and labelled:
        label = _label(table, rows, text)
    if label == text:
        raise DataError(
            f"{table.file}: the column {table.columns[text]!r} cannot be both text and label; name others with "
            f"--text and --label, the columns are {table.described()}"
        )
    return Columns(text, label)


def _named_label(table: Table, settings: ReadSettings, labelled: bool, rows: Sequence[Row]) -> int | None:
    if settings.label == "folder":
        return None
    if settings.label is not None:
        if not labelled and settings.label not in table.columns and not settings.label.isdecimal():
            return None
        if not labelled and settings.label.isdecimal() and int(settings.label) > len(table.columns):
            return None
        return table.position(settings.label, "--label")
    text = None if settings.text is None else table.position(settings.text, "--text")
    for position in _known(table, KNOWN_LABEL):
        few = not labelled or len(rows) < _FEW or are_classes(_values(rows, position))
        if position != text and few:
            return position
    return None


def _known(table: Table, names: Mapping[str, int]) -> list[int]:
    """Columns with a known name, the surest name first."""
    found = [i for i, name in enumerate(table.columns) if folded(name) in names]
    return sorted(found, key=lambda i: names[folded(table.columns[i])])


def _values(rows: Sequence[Row], position: int) -> list[str]:
    return [row.cells[position].strip() for row in rows]


def _text(table: Table, rows: Sequence[Row], label: int | None) -> int:
    for position in _known(table, KNOWN_TEXT):
        if position != label:
            return position
    others = [i for i in range(len(table.columns)) if i != label]
    lengths = {i: sum(map(len, _values(rows, i))) for i in others if not _numbers(_values(rows, i))}
    if not lengths:
        raise DataError(
            f"{table.file}: no column holds text; name one with --text, the columns are {table.described()}"
        )
    return max(lengths, key=lambda i: lengths[i])


def _numbers(values: Sequence[str]) -> bool:
    return all(is_number(value) for value in values if value)


def _label(table: Table, rows: Sequence[Row], text: int) -> int:
    """The column with the fewest distinct values; of several the last."""
    kinds = {
        i: len(set(_values(rows, i)))
        for i in range(len(table.columns))
        if i != text and are_classes(_values(rows, i))
    }
    if not kinds:
        raise DataError(
            f"{table.file}: no column looks like a label, few short values that occur again; name one with "
            f"--label, the columns are {table.described()}"
        )
    return min(kinds, key=lambda i: (kinds[i], -i))
