"""Sound files as frames of mel bands."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.file_list import decoded, listed_files
from unrolled.data.records import Record
from unrolled.data.resampling import resample
from unrolled.data.settings import ReadSettings
from unrolled.data.spectra import LOWEST_RATE, log_mel, mfcc
from unrolled.errors import DataError, MissingExtra, SettingError

_FEATURES = {"log-mel": log_mel, "mfcc": mfcc}
_UNKNOWN_LENGTH = 0xFFFFFFFF
"""What a WAV file declares that was written to a pipe."""
_LARGEST_PAGE = 27 + 255 + 255 * 255
"""Bytes of a page of an OGG file."""


class AudioReader:
    """WAV, FLAC and OGG files as frames (T, I) float32: `log_mel` or `mfcc`, 100 a second.

    All sound is analysed at one sample rate, that of the first file unless set; other files are resampled. Channels
    are averaged, and all files must have as many. Labels come from folders, names or a table: see `listed_files`.
    """

    kind = "audio"

    def __init__(self, files: Sequence[Path], settings: ReadSettings, labelled: bool = True) -> None:
        self._soundfile = _soundfile()
        self._files, self._found = listed_files(files, settings, labelled, "audio", "WAV, FLAC or OGG")
        self._settings = settings
        self._channels, rate = self._header(self._files[0].path)
        self._rate = settings.sample_rate or rate
        if self._rate < LOWEST_RATE:
            raise SettingError(
                f"sound must have at least {LOWEST_RATE} samples a second, got {self._rate} ({self._files[0].path}); "
                "read such signals as series, or set --sample-rate"
            )
        self.facts: dict[str, Any] = {
            "sample_rate": self._rate,
            "features": settings.features,
            "bands": settings.bands,
        }
        self.notes = [*self._found, *self._averaged()]

    def __iter__(self) -> Iterator[Record]:
        resampled = 0
        for file, (frames, rate) in decoded(self._files, self._frames, self._settings.workers):
            resampled += rate != self._rate
            yield Record(frames, file.label, file.place, file.columns)
        note = [f"resampled to {self._rate} Hz: {resampled} of {len(self._files)} files"] if resampled else []
        self.notes[:] = [*self._found, *self._averaged(), *note]

    def _averaged(self) -> list[str]:
        return [f"{self._channels} channels are averaged"] if self._channels > 1 else []

    def _header(self, path: Path) -> tuple[int, int]:
        try:
            info = self._soundfile.info(str(path))
        except self._soundfile.LibsndfileError as error:
            raise _unreadable(path, error.error_string) from error
        return info.channels, info.samplerate

    def _frames(self, path: Path) -> tuple[NDArray[np.float32], int]:
        """The frames of a file, and its own sample rate."""
        signal, rate = self._signal(path)
        analyse = _FEATURES[self._settings.features]
        whole = torch.from_numpy(resample(signal, rate, self._rate))
        try:
            return analyse(whole, self._rate, self._settings.bands).numpy(), rate
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def _signal(self, path: Path) -> tuple[NDArray[np.float32], int]:
        """The mean of the channels, (S,), and the sample rate."""
        _check_whole(path)
        try:
            with self._soundfile.SoundFile(str(path)) as file:
                samples, rate, frames = (
                    file.read(dtype="float32", always_2d=True),
                    file.samplerate,
                    file.frames,
                )
        except self._soundfile.LibsndfileError as error:
            raise _unreadable(path, error.error_string) from error
        if samples.shape[1] != self._channels:
            raise DataError(
                f"{path}: all files must have as many channels as the first, {self._channels}, got "
                f"{samples.shape[1]}; mix them down to one alike"
            )
        if len(samples) < frames:
            raise DataError(
                f"{path}: the file is cut off after {len(samples)} of {frames} samples; copy it again"
            )
        signal = samples.mean(1)
        if not np.isfinite(signal).all():
            raise DataError(f"{path}: the sound holds samples that are no numbers; write the file again")
        return signal, rate


def _soundfile() -> Any:
    try:
        return import_module("soundfile")
    except (ImportError, OSError) as error:  # OSError: the package is there, its C library is not
        raise MissingExtra(
            'soundfile, which reads sound, is not installed: pip install "unrolled[audio]"'
        ) from error


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path}: cannot be read as sound ({reason.strip().rstrip('.')}); replace the file or remove it"
    )


def _check_whole(path: Path) -> None:
    """Refuse a WAV or OGG file that was cut off: libsndfile may read it as if it ended there."""
    with path.open("rb") as file:
        start = file.read(4)
        if start == b"RIFF":
            whole = _wav_is_whole(file)
        elif start == b"OggS":
            file.seek(max(0, path.stat().st_size - _LARGEST_PAGE))
            whole = _ogg_ends(file.read())
        else:
            return
    if not whole:
        raise DataError(f"{path}: the file is cut off, its end is missing; copy it again")


def _wav_is_whole(file: BinaryIO) -> bool:
    """Whether the samples that the header declares are there."""
    end = file.seek(0, 2)
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"data":
            return bool(length == _UNKNOWN_LENGTH or file.tell() + length <= end)
        file.seek(length + length % 2, 1)
    return True  # no samples at all, which libsndfile refuses


def _ogg_ends(tail: bytes) -> bool:
    """Whether the last page is whole and says that it is the last."""
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27:
        return False
    segments = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(segments)
