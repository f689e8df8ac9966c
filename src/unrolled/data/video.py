"""Video files as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.file_list import decoded, listed_files
from unrolled.data.records import Record
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra

_MISSING_FRAMES = 3
"""So many frames may be missing at the end of a file: what is declared is not always exact."""


@dataclass(frozen=True)
class _Clip:
    pictures: NDArray[np.uint8]
    rate: float
    """Frames a second in the file, 0 where it does not say."""


class VideoReader:
    """Video files as pictures (T, side, side, 3) uint8, red, green and blue.

    Pictures are turned the way they are shown, and squeezed to a square of `picture` pixels: nothing is cut off.
    With `frames_per_second` the first frame of each such part of a second is kept, never one twice. Sound is left
    out. Labels come from folders, names or a table: see `listed_files`.
    """

    kind = "video"

    def __init__(self, files: Sequence[Path], settings: ReadSettings, labelled: bool = True) -> None:
        self._av = pyav()
        self._files, found = listed_files(files, settings, labelled, "video", "MP4, AVI, MKV, MOV or WebM")
        self._side, self._wanted, self._workers = (
            settings.picture,
            settings.frames_per_second,
            settings.workers,
        )
        self.facts: dict[str, Any] = {"picture": self._side}
        if self._wanted is not None:
            self.facts["frames_per_second"] = self._wanted
        self._found = [*found, f"frames are squeezed to {self._side} x {self._side} pixels"]
        self.notes = list(self._found)

    def __iter__(self) -> Iterator[Record]:
        rates = set()
        for file, clip in decoded(self._files, self._clip, self._workers):
            rates.add(round(clip.rate, 2))
            yield Record(clip.pictures, file.label, file.place, file.columns)
        self.notes[:] = [*self._found, *self._about(rates)]

    def _about(self, rates: set[float]) -> list[str]:
        low, high = min(rates), max(rates)
        if self._wanted is not None and 0 < low < self._wanted:
            return [f"some files have only {low:g} frames a second: all of theirs are kept"]
        if self._wanted is None and low < high:
            return [
                f"files have from {low:g} to {high:g} frames a second; --frames-per-second keeps as many of each"
            ]
        return []

    def _clip(self, path: Path) -> _Clip:
        try:
            with self._av.open(str(path)) as container:
                if not container.streams.video:
                    raise DataError(f"{path}: no video in this file; name files with pictures")
                stream = container.streams.video[0]
                pictures, end = self._pictures(container.decode(stream), path)
                missing = _declared_end(container, stream) - end
                rate = float(stream.average_rate or 0)
        except (self._av.error.FFmpegError, IndexError) as error:  # IndexError: streams named, none found
            reason = getattr(error, "strerror", None) or "no stream that can be read"
            raise DataError(
                f"{path}: cannot be read as video ({reason}); replace the file or remove it"
            ) from error
        if not pictures:
            raise DataError(f"{path}: the video holds no frames; replace the file or remove it")
        if missing * rate > _MISSING_FRAMES:
            raise DataError(f"{path}: the file is cut off, {missing:.2g} s are missing; copy it again")
        return _Clip(np.stack(pictures), rate)

    def _pictures(self, frames: Iterator[Any], path: Path) -> tuple[list[NDArray[np.uint8]], float]:
        """The frames that are kept, and the second at which the last of all ends."""
        kept: list[NDArray[np.uint8]] = []
        first, end, part = None, 0.0, -1
        for frame in frames:
            if frame.is_corrupt:
                raise DataError(
                    f"{path}: the frame after {end:.2f} s is damaged; replace the file or remove it"
                )
            time = float(frame.time or 0)
            first = time if first is None else first
            end = time + float((frame.duration or 0) * (frame.time_base or 0))
            # A hair is added because times are rounded to the clock of the file.
            now = len(kept) if self._wanted is None else int((time - first) * self._wanted + 0.01)
            if now > part or self._wanted is None:
                kept.append(self._picture(frame))
                part = now
        return kept, end

    def _picture(self, frame: Any) -> NDArray[np.uint8]:
        small = frame.reformat(self._side, self._side, "rgb24", interpolation="AREA")
        picture: NDArray[np.uint8] = np.rot90(small.to_ndarray(), round(frame.rotation / 90))
        return picture


def _declared_end(container: Any, stream: Any) -> float:
    """The second at which the pictures end by what the file says, 0 where it says nothing of them."""
    if stream.duration is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if "DURATION" in stream.metadata:  # Matroska: 00:01:02.5
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if len(container.streams) == 1 and container.duration is not None:
        return float(container.duration / 1_000_000)
    return 0.0


def pyav() -> Any:
    """The package av, which reads and writes videos.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module("av")
    except ImportError as error:
        raise MissingExtra(
            'PyAV, which reads and writes videos, is not installed: pip install "unrolled[video]"'
        ) from error
