"""Pictures read row by row: PNG and JPEG files, and IDX files such as MNIST's."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.file_list import LabelledFile, decoded, left_out, listed_files
from unrolled.data.idx import IdxPictures, is_idx, open_idx
from unrolled.data.records import Place, Record
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra

_SIDES = range(8, 513)
"""What `ReadSettings.picture` allows."""
_ORIENTATION = 0x0112
_ON_ITS_SIDE = 5
"""EXIF: from this orientation on the camera was held upright, and width and height change places."""


class ImageReader:
    """Pictures as frames (T, I) float32: a row of grey values from 0 (black) to 1 at each step.

    A picture of side x side pixels has T = I = side. If all pictures are squares of one size, that is the side
    unless `picture` is set; else they are scaled to `picture`. Transparent pixels are white. Labels come from
    folders, names, a table (see `listed_files`), or the labels file beside an IDX file.
    """

    kind = "images"

    def __init__(self, files: Sequence[Path], settings: ReadSettings, labelled: bool = True) -> None:
        self._idx: list[IdxPictures] = []
        self._files: list[LabelledFile] = []
        self._workers = settings.workers
        idx = [path for path in files if is_idx(path)]
        if idx:
            settings.refuse_for_tables(str(idx[0]))
            self._idx, read = open_idx(idx, labelled)
            self.notes = left_out(files, read)
            sizes = {pictures.size for pictures in self._idx}
        else:
            self._pillow = _pillow()
            self._files, self.notes = listed_files(files, settings, labelled, "images", "PNG, JPEG or IDX")
            sizes = {self._size(file.path) for file in self._files}
        self._side = _side(sizes, settings)
        if sizes != {(self._side, self._side)}:
            self._pillow = _pillow()
            self.notes.append(
                f"pictures of {_listed(sizes)} pixels are scaled to {self._side} x {self._side}"
            )
        self.facts: dict[str, Any] = {"picture": self._side}

    def __iter__(self) -> Iterator[Record]:
        for file, picture in decoded(self._files, self._picture, self._workers):
            yield Record(picture, file.label, file.place, file.columns)
        for source in self._idx:
            for number, (pixels, label) in enumerate(source, 1):
                grey = self._scaled(pixels.astype(np.float32)) / np.float32(255)
                yield Record(grey, label, Place(source.file), {"picture": str(number)})

    def _scaled(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        if pixels.shape == (self._side, self._side):
            return pixels
        image = self._pillow.fromarray(pixels).resize(
            (self._side, self._side), self._pillow.Resampling.BILINEAR
        )
        return np.asarray(image)

    def _size(self, path: Path) -> tuple[int, int]:
        """Height and width as shown; only the beginning of the file is read."""
        with self._opened(path) as image:
            # In PNG it may stand behind the pixels; such a picture is scaled when it turns out to be turned.
            turned = image.format == "JPEG" and image.getexif().get(_ORIENTATION, 1) >= _ON_ITS_SIDE
            width, height = image.size
            return (width, height) if turned else (height, width)

    def _opened(self, path: Path) -> Any:
        try:
            return self._pillow.open(path)
        except _BROKEN as error:
            raise _unreadable(path, error) from error
        except self._pillow.DecompressionBombError as error:
            raise DataError(f"{path}: the picture has too many pixels to be read; scale it down") from error

    def _picture(self, path: Path) -> NDArray[np.float32]:
        with self._opened(path) as image:
            try:
                pixels, white = _grey(image, self._pillow)
            except _BROKEN as error:
                raise _unreadable(path, error) from error
        grey: NDArray[np.float32] = np.clip(self._scaled(pixels) / np.float32(white), 0, 1)
        return grey


_BROKEN = (OSError, SyntaxError, ValueError, struct.error)
"""What pillow raises for files that are broken: SyntaxError for a broken PNG."""


def _grey(image: Any, pillow: Any) -> tuple[NDArray[np.float32], int]:
    """The grey values of a picture as it is shown, and the value of white."""
    image = import_module("PIL.ImageOps").exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits a pixel, which pillow would cut off at 255
        return np.asarray(image, np.float32), 65535
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("L"), np.float32), 255


def _side(sizes: set[tuple[int, int]], settings: ReadSettings) -> int:
    height, width = next(iter(sizes))
    as_it_is = len(sizes) == 1 and height == width and height in _SIDES
    return height if as_it_is and "picture" not in settings.model_fields_set else settings.picture


def _listed(sizes: set[tuple[int, int]]) -> str:
    if len(sizes) > 3:
        return f"{len(sizes)} sizes"
    return ", ".join(f"{height} x {width}" for height, width in sorted(sizes))


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = str(error).partition("\n")[0].replace(f"'{path}'", "").strip() or type(error).__name__
    return DataError(f"{path}: cannot be read as a picture ({reason}); replace the file or remove it")


def _pillow() -> Any:
    try:
        return import_module("PIL.Image")
    except ImportError as error:
        raise MissingExtra(
            'pillow, which reads pictures, is not installed: pip install "unrolled[images]"'
        ) from error
