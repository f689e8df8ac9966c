"""The one text file inside a zip archive."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from unrolled.errors import DataError

MARK = b"PK\x03\x04"
"""What an archive that holds something begins with."""

_LISTED = 8


def member(path: Path, name: str | None = None) -> zipfile.ZipInfo:
    """The file inside an archive that is meant: the only one whose name does not begin with `_` or a point.

    `name` is what the archive is called in messages.

    Raises:
        DataError: not a whole archive; none or several such files; one that asks for a password.
    """
    name = name or str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"{name}: not a whole zip archive ({error}); get it again, or unpack it first"
        ) from error
    found = [entry for entry in inside if not entry.is_dir() and not _is_beside(entry)]
    if len(found) != 1:
        raise DataError(
            f"{name}: must hold one file, not counting those that begin with _ or a point, got {_listed(found)}; "
            "unpack it, and name the file"
        )
    if found[0].flag_bits & 1:
        raise DataError(f"{name}: {found[0].filename} asks for a password; unpack it, and name the file")
    return found[0]


def open_member(path: Path) -> IO[bytes]:
    """The bytes of that file.

    Raises:
        DataError: as `member` does.
    """
    entry = member(path)
    with zipfile.ZipFile(path) as archive:
        return archive.open(entry)


def _is_beside(entry: zipfile.ZipInfo) -> bool:
    """Whether it is not the data: a note of those who packed it, or what a system leaves behind."""
    return any(part.startswith(("_", ".")) for part in Path(entry.filename).parts)


def _listed(found: Sequence[zipfile.ZipInfo]) -> str:
    if not found:
        return "none"
    shown = ", ".join(entry.filename for entry in found[:_LISTED])
    return f"{len(found)} ({shown}{', ...' if len(found) > _LISTED else ''})"
