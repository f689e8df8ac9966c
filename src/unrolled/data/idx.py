"""IDX files: pictures of one byte a pixel in one file, their labels in another, as MNIST has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from unrolled.data.lines import UNREADABLE, beginning, open_bytes, unreadable
from unrolled.errors import DataError

_PICTURES = bytes([0, 0, 8, 3])
_LABELS = bytes([0, 0, 8, 1])
"""The magic numbers: bytes in three dimensions, bytes in one."""


class IdxPictures:
    """The pictures of one IDX file, one at a time, with the labels of the file beside it.

    Raises:
        DataError: another magic number, a file that is too short or too long, or not as many labels as pictures.
    """

    def __init__(self, path: Path, labels: Path | None) -> None:
        self.file = str(path)
        self._path = path
        (self.count, height, width), _ = _header(path, _PICTURES, 3)
        self.size = (height, width)
        self._labels = None if labels is None else _labels(labels, self.count, path)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], str | None]]:
        """Pixels (height, width) and the label."""
        height, width = self.size
        with open_bytes(self._path) as file:
            _read(file, self._path, 16)
            for number in range(self.count):
                pixels = _read(file, self._path, height * width)
                if len(pixels) < height * width:
                    raise DataError(
                        f"{self.file}: must hold {self.count} pictures, ends after {number}; copy it again"
                    )
                label = None if self._labels is None else str(self._labels[number])
                yield np.frombuffer(pixels, np.uint8).reshape(height, width), label
            _check_end(file, self._path)


def is_idx(path: Path) -> bool:
    """Whether a file is called as IDX files are: `.idx`, or `idx3-ubyte` in its name."""
    name = path.name.lower()
    return ".idx" in name or "idx3-ubyte" in name or "idx1-ubyte" in name


def open_idx(files: Sequence[Path], labelled: bool) -> tuple[list[IdxPictures], list[Path]]:
    """The files of pictures among IDX files, each with the labels beside it, and all files that are read.

    The labels are found by name: `train-labels-idx1-ubyte` beside `train-images-idx3-ubyte`, either compressed or not.

    Raises:
        DataError: no pictures, or no labels where they are needed.
    """
    found: list[IdxPictures] = []
    read: list[Path] = []
    for path in files:
        if beginning(path, 4) == _LABELS:
            continue
        labels = _beside(path)
        if labels is None and labelled:
            raise DataError(
                f"{path}: no file with the labels beside it; its name must be the same with labels for images "
                "and idx1 for idx3"
            )
        found.append(IdxPictures(path, labels))
        read += [path] if labels is None else [path, labels]
    if not found:
        raise DataError(f"{files[0]}: labels without pictures; name the file with the pictures")
    return found, read


def _beside(path: Path) -> Path | None:
    name = path.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    candidates = [path.with_name(name), path.with_name(name + ".gz")]
    return next((file for file in candidates if file != path and file.is_file()), None)


def _header(path: Path, magic: bytes, dimensions: int) -> tuple[tuple[int, ...], int]:
    """The sizes that a file declares, and how many bytes this takes."""
    length = 4 + 4 * dimensions
    start = beginning(path, length)
    if start[:4] != magic or len(start) < length:
        raise DataError(
            f"{path}: must begin with {magic.hex()}, the mark of IDX files of {dimensions} dimensions of bytes, got "
            f"{start[:4].hex() or 'an empty file'}; name another file"
        )
    sizes = struct.unpack(f">{dimensions}I", start[4:])
    if 0 in sizes:
        raise DataError(
            f"{path}: holds nothing, its sizes are {' x '.join(map(str, sizes))}; name another file"
        )
    return sizes, length


def _labels(path: Path, count: int, pictures: Path) -> NDArray[np.uint8]:
    (declared,), length = _header(path, _LABELS, 1)
    if declared != count:
        raise DataError(
            f"{path}: must hold a label for each of the {count} pictures of {pictures.name}, got {declared}"
        )
    with open_bytes(path) as file:
        _read(file, path, length)
        labels = _read(file, path, count)
        if len(labels) < count:
            raise DataError(f"{path}: must hold {count} labels, ends after {len(labels)}; copy it again")
        _check_end(file, path)
    return np.frombuffer(labels, np.uint8)


def _read(file: BinaryIO, path: Path, size: int) -> bytes:
    try:
        return file.read(size)
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def _check_end(file: BinaryIO, path: Path) -> None:
    if _read(file, path, 1):
        raise DataError(f"{path}: longer than it says in its header; copy it again")
