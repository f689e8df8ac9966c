"""Labels that stand in the names of files: the folder around each, or a pattern of their names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from unrolled.errors import DataError, SettingError

_PIECE = re.compile(r"\{(\w+)\}|(\*)")
_FOLDER = "{label}/*"
_GUESSES = (
    (_FOLDER, "the folder around each file"),
    ("{label}_*", "what stands before the first _ in each name"),
)
_LISTED = 8


class NamePattern:
    """A pattern of file names: `{field}` is a part that is kept, `*` one that is not.

    Every part ends at the first place where the text behind it stands; the last one takes the rest. The ending of
    the file (`.wav`) does not belong to its name. With `/` the folders above it do: `{label}/{speaker}_{index}`.

    Raises:
        SettingError: no `{label}`, a field twice, or two parts with nothing between them.

    Example:
        >>> NamePattern("{label}_{speaker}_{index}").fields(Path("digits/7_jackson_32.wav"))
        {'label': '7', 'speaker': 'jackson', 'index': '32'}
    """

    def __init__(self, text: str) -> None:
        pieces = list(_PIECE.finditer(text))
        self.text, self.names = text, [piece[1] for piece in pieces if piece[1]]
        if "label" not in self.names or len(set(self.names)) < len(self.names):
            raise SettingError(
                "--label for files must be folder or a pattern that names {label} once, such as "
                f"{{label}}_{{index}}, got {text!r}"
            )
        if any(first.end() == second.start() for first, second in pairwise(pieces)):
            raise SettingError(f"--label must have some text between two parts of a pattern, got {text!r}")
        self._depth = text.count("/") + 1
        self._expression = re.compile(_expression(text))

    def fields(self, path: Path) -> dict[str, str] | None:
        """What the name of a file says, or None where it does not match."""
        name = "/".join(Path(os.path.abspath(path)).with_suffix("").parts[-self._depth :])
        found = self._expression.fullmatch(name)
        return dict(zip(self.names, found.groups(), strict=True)) if found else None


def _expression(text: str) -> str:
    parts, end = [], 0
    for piece in _PIECE.finditer(text):
        parts += [re.escape(text[end : piece.start()]), "([^/]+?)" if piece[1] else "[^/]+?"]
        end = piece.end()
    return "".join([*parts, re.escape(text[end:])])


def file_labels(
    files: Sequence[Path], label: str | None, labelled: bool
) -> tuple[list[dict[str, str]], list[str]]:
    """What the names of files say: for each its fields, `label` among them, and lines about what was guessed.

    `label` is `folder` or a pattern; without it the label is the name of the folder around each file if there are
    several folders, else what stands before the first `_` if that repeats. Where no label is needed, a name that
    does not match has no fields.

    Raises:
        DataError: a name that does not match, or names that say nothing.
        SettingError: what is neither `folder` nor a pattern.
    """
    if label is None:
        return _guessed(files, labelled)
    if not labelled and label != "folder" and "{label}" not in label:
        return [{} for _ in files], []  # the column of a table, which says nothing about names
    pattern = NamePattern(_FOLDER if label == "folder" else label)
    found = [pattern.fields(path) for path in files]
    for path, fields in zip(files, found, strict=True):
        if fields is None and labelled:
            raise DataError(
                f"{path}: the name must match --label {label}; rename the file, or give another pattern"
            )
    return [fields or {} for fields in found], []


def _guessed(files: Sequence[Path], labelled: bool) -> tuple[list[dict[str, str]], list[str]]:
    for text, said in _GUESSES:
        pattern = NamePattern(text)
        found = [fields for path in files if (fields := pattern.fields(path)) is not None]
        labels = sorted({fields["label"] for fields in found})
        telling = len(labels) > 1 if text == _FOLDER else len(labels) < len(files)
        if len(found) == len(files) and telling:
            return found, [f"label: {said} ({_listed(labels)})"]
    if labelled:
        raise DataError(
            f"{files[0]}: the names of the files must say their labels: put each class into a folder of its own, or "
            "give a pattern such as --label '{label}_{index}'"
        )
    return [{} for _ in files], []


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels[:_LISTED]) + (f", ... {len(labels)} in all" if len(labels) > _LISTED else "")
