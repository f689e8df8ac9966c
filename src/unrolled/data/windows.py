"""What a forecaster reads and is to find: windows of a series, or whole series as streams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.panel import Panel
from unrolled.data.scaling import Levels, Numbers, Scaling
from unrolled.errors import DataError

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """A panel as a network sees it: all series end to end, each with what is known of its next steps behind it.

    `u` (N, K), NaN behind the end of a series; `inputs` (N, X); series s begins at `starts[s]`, has `lengths[s]`
    steps and `rooms[s]` with what is known of the next.
    """

    panel: Panel
    scaling: Scaling
    u: Numbers
    inputs: Numbers
    starts: Index
    lengths: Index
    rooms: Index
    levels: Levels

    @classmethod
    def of(cls, panel: Panel, scaling: Scaling, only: bool | None = None) -> Frames:
        """Scale what was read.

        `only`: a single series is scaled as the single one trained on, whatever their names.

        Raises:
            DataError: values that have no logarithm.
        """
        pieces, inputs, levels = [], [], []
        for one in panel:
            u = scaling.transformed(one.values, one.place)
            levels.append(scaling.levels(one.name, u, len(panel) == 1 if only is None else only))
            pieces += [u, np.full((len(one.ahead), u.shape[1]), np.nan)]
            inputs.append(scaling.scaled_inputs(np.concatenate([one.inputs, one.ahead])))
        lengths = np.array([len(one) for one in panel], np.int64)
        rooms = np.array([len(one) for one in inputs], np.int64)
        starts = np.cumsum(rooms) - rooms
        together = Levels(*(np.stack(part) for part in zip(*map(_parts, levels), strict=True)))
        return cls(
            panel, scaling, np.concatenate(pieces), np.concatenate(inputs), starts, lengths, rooms, together
        )

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        return np.array(self.panel.known, np.bool_)

    def read(self, places: Index, levels: Levels) -> Tensor:
        """What a network reads at `places` (T, B): (T, B, I)."""
        features = self.scaling.features(self.u, places, levels)
        return _tensor(np.concatenate([features, self.inputs[places]], -1))

    def ahead(self, places: Index, series: Index, horizon: int) -> Tensor | None:
        """What is known in advance of the n steps after `places` (..., B): (..., B, n, Kn); the last where it ends."""
        if not self.known.any():
            return None
        last = (self.starts + self.rooms)[series] - 1
        steps = np.minimum(places[..., None] + np.arange(1, horizon + 1), last[:, None])
        return _tensor(self.inputs[steps][..., self.known])

    def extended(self, u: Numbers) -> Frames:
        """The same single series, further on: its steps are `u` (T, K) now, some of them forecast."""
        more = max(0, len(u) - len(self.inputs))
        rest = np.full((max(0, len(self.inputs) - len(u)), u.shape[1]), np.nan)
        inputs = np.concatenate([self.inputs, np.repeat(self.inputs[-1:], more, 0)])
        rooms = np.array([len(inputs)])
        return replace(
            self, u=np.concatenate([u, rest]), inputs=inputs, lengths=np.array([len(u)]), rooms=rooms
        )

    def origin(self, window: int) -> int:
        """The first step of a series that can be forecast from, from 0, with so many steps to read."""
        return max(self.scaling.lag + window, self.scaling.back) - 1


def _parts(levels: Levels) -> tuple[Numbers, Numbers, Numbers]:
    return levels.mean, levels.deviation, levels.spread


def _tensor(array: Numbers) -> Tensor:
    return torch.from_numpy(array).to(torch.get_default_dtype())


@dataclass(frozen=True)
class Batch:
    """What is read, and what is to be found.

    x (T, B, I); ahead (..., B, n, Kn), known in advance, if anything is; targets (..., B, n, K); weights
    (..., B, n), 1 where a target counts; lengths (B,) of the rows; `begins` where states start anew. In data units a
    forecast is `base + spread * output`. Leading dimensions are T where a forecast is made at every step.
    """

    x: Tensor
    ahead: Tensor | None
    targets: Tensor
    weights: Tensor
    lengths: Tensor | None
    begins: bool
    base: Numbers
    spread: Numbers
    places: Index
    series: Index


Part = tuple[int, int]
"""Which steps of a series are to be forecast: from, to (not included)."""


class Windows:
    """Every place whose next n steps lie within the part of its series that is to be forecast.

    Example:
        >>> frames = Frames.of(Panel.of([[1.0, 2.0, 4.0, 8.0, 16.0]]), Scaling("window", "last", "levels"))
        >>> windows = Windows(frames, 2, 1, [(0, 5)])
        >>> len(windows), windows.batch(np.array([0])).targets  # (4 - 2) / (2 - 1)
        (3, tensor([[[2.]]]))
    """

    def __init__(self, frames: Frames, window: int, horizon: int, parts: Sequence[Part]) -> None:
        self.frames, self.window, self.horizon = frames, window, horizon
        self.first = first = frames.origin(window)
        spans = [np.arange(max(first, a - 1), b - horizon) for a, b in parts]
        self.series = np.repeat(np.arange(len(spans)), [len(span) for span in spans])
        self.places: Index = np.concatenate(
            [span + start for span, start in zip(spans, frames.starts, strict=True)]
        ).astype(np.int64)

        self.count = len(self.places)

    def __len__(self) -> int:
        return self.count

    def batch(self, index: Index) -> Batch:
        """Some of them."""
        return window_batch(
            self.frames, self.places[index], self.series[index], self.window, self.horizon, targets=True
        )


def window_batch(
    frames: Frames, places: Index, series: Index, window: int, horizon: int, targets: bool = False
) -> Batch:
    """The windows that end at `places` (B,) of `series` (B,)."""
    scaling = frames.scaling
    back = places + np.arange(1 - window - scaling.lag, 1)[:, None]
    levels = scaling.levels_in(frames.u[back], frames.levels.at(series))
    base = scaling.base(frames.u, places, horizon, levels)
    spread = levels.spread[:, None]
    shape = (len(places), horizon, frames.u.shape[1])
    wanted = np.zeros(shape)
    if targets:
        wanted = (frames.u[places[:, None] + np.arange(1, horizon + 1)] - base) / spread
    return Batch(
        frames.read(back[scaling.lag :], levels),
        frames.ahead(places, series, horizon),
        _tensor(wanted),
        torch.ones(shape[:2]),
        None,
        True,
        base,
        spread,
        places,
        series,
    )


def stream_batch(frames: Frames, places: Index, series: Index, horizon: int) -> Batch:
    """A forecast at every place (T, B) of `series` (B,); targets are not looked up."""
    scaling, levels = frames.scaling, frames.levels.at(series)
    shape = (*places.shape, horizon)
    return Batch(
        frames.read(places, levels),
        frames.ahead(places, series, horizon),
        torch.zeros(*shape, frames.u.shape[1]),
        torch.ones(shape),
        None,
        True,
        scaling.base(frames.u, places, horizon, levels),
        levels.spread[:, None],
        places,
        series,
    )


class Streams:
    """Whole series side by side, a forecast at every step; states are carried from one batch to the next.

    Series are read from their start, whatever part of them is to be forecast.

    Args:
        rows: B, series or pieces of them that run side by side; the longest come first.
        steps: T of a batch.
        parts: what is to be forecast.
        whole: count only places whose next n steps all lie within the part; else every step that does.
    """

    def __init__(
        self, frames: Frames, horizon: int, parts: Sequence[Part], rows: int, steps: int, whole: bool = False
    ) -> None:
        if frames.scaling.scale == "window":
            raise DataError("whole series have no windows to scale by; set the scale to series or panel")
        self.frames, self.horizon, self.steps, self.whole = frames, horizon, steps, whole
        first = frames.origin(1)
        self.parts = parts
        self.count = sum(max(0, b - horizon - max(first, a - 1)) for a, b in parts)
        """Places whose next n steps all lie within their part."""
        spans = [(s, first, b - 1) for s, (_, b) in enumerate(parts) if b - 1 > first]
        if not whole:
            spans = list(_cut(spans, rows, steps))
        spans.sort(key=lambda span: span[1] - span[2])
        self.groups = [spans[i : i + rows] for i in range(0, len(spans), rows)]

    def __len__(self) -> int:
        """Batches."""
        return sum(-(-_longest(group) // self.steps) for group in self.groups)

    def batches(self) -> Iterator[Batch]:
        """Group after group, window after window."""
        for group in self.groups:
            for start in range(0, _longest(group), self.steps):
                yield self._batch(group, start)

    def _batch(self, group: Sequence[tuple[int, int, int]], start: int) -> Batch:
        frames = self.frames
        series = np.array([s for s, _, _ in group])
        first, stop = (frames.starts[series] + [span[k] for span in group] for k in (1, 2))
        steps = min(self.steps, _longest(group) - start)
        places = np.minimum(first + start + np.arange(steps)[:, None], stop - 1)
        batch = stream_batch(frames, places, series, self.horizon)
        ends = frames.starts[series] + frames.lengths[series] - 1
        after = places[..., None] + np.arange(1, self.horizon + 1)
        targets = (frames.u[np.minimum(after, ends[:, None])] - batch.base) / batch.spread
        lengths = np.clip(stop - first - start, 0, steps)
        return replace(
            batch,
            targets=_tensor(targets),
            weights=_tensor(self._weights(places, after, series, lengths)),
            lengths=torch.from_numpy(lengths),
            begins=start == 0,
        )

    def _weights(self, places: Index, after: Index, series: Index, lengths: Index) -> Numbers:
        begin, end = (
            self.frames.starts[series] + np.array([part[k] for part in self.parts])[series] for k in (0, 1)
        )
        within = (places >= begin - 1)[..., None] & (after < end[:, None])
        if self.whole:
            within &= within.all(-1, keepdims=True)
        real = np.arange(len(places))[:, None] < lengths
        found: Numbers = (within & real[..., None]).astype(np.float64)
        return found


def _cut(spans: Sequence[tuple[int, int, int]], rows: int, steps: int) -> Iterator[tuple[int, int, int]]:
    """Fewer series than rows are cut into pieces of at least 16 windows, so that rows run side by side."""
    pieces = max(1, rows // max(1, len(spans)))
    for series, first, stop in spans:
        number = max(1, min(pieces, (stop - first) // (16 * steps)))
        borders = np.linspace(first, stop, number + 1).astype(int).tolist()
        yield from ((series, a, b) for a, b in pairwise(borders))


def _longest(group: Sequence[tuple[int, int, int]]) -> int:
    return max(stop - first for _, first, stop in group)
