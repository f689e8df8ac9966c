"""Files that are either the old version or the new one, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from unrolled.errors import FolderError

_CURES = {
    errno.ENOSPC: "free some space, or choose another folder with",
    errno.EDQUOT: "free some space, or choose another folder with",
    errno.EACCES: "choose a folder you may write to with",
    errno.EROFS: "choose a folder you may write to with",
}


def write_atomically(path: Path, content: bytes, option: str = "--run") -> None:
    """Put `content` at `path`: a temporary file beside it, fsync, rename, fsync of the folder.

    Raises:
        FolderError: it cannot be written (full disk, read-only folder); what was at `path` before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        make_folder(path.parent, option)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error, option) from error
    finally:
        _remove(temporary)


def make_folder(folder: Path, option: str = "--run") -> None:
    """Make a folder and those above it.

    Raises:
        FolderError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error, option) from error


def cannot_write(path: Path, error: OSError, option: str = "--run") -> FolderError:
    """The one line for a failed write; `option` names another place."""
    cure = _CURES.get(error.errno or 0, "check the path, or choose another folder with")
    return FolderError(f"{path}: cannot be written ({error.strerror or error}); {cure} {option}")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        # Only tidying up: the write itself has been reported already.
        return
