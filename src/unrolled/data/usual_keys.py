"""What is usual in music, key by key: the rules that a model of music has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.piano_roll import Frames, Piece

Counts = NDArray[np.int64]
Losses = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UsualKeys:
    """How often each key sounds (1) or not (0), after frames in which it does not or does: `counts` (2, K, 2).

    Example:
        >>> usual = UsualKeys.counted([Piece.of([[60], [60], []], low=60, keys=1)])
        >>> usual.counts.tolist()  # first frames come after silence
        [[[0, 1]], [[1, 1]]]
        >>> usual.markov.tolist()  # (n + 1/2) / (N + 1): after silence, after sound
        [[0.75], [0.5]]
    """

    counts: Counts

    @classmethod
    def counted(cls, pieces: Iterable[Piece]) -> Self:
        """Over all frames of pieces; of the first of each the frame before is silent."""
        counts: Any = 0
        for piece in pieces:
            now, before = piece.frames, shifted(piece.frames)
            pairs = ((~before & ~now, ~before & now), (before & ~now, before & now))
            counts = counts + np.array([[pair.sum(0) for pair in row] for row in pairs]).transpose(0, 2, 1)
        return cls(counts)

    @property
    def markov(self) -> Losses:
        """P(key sounds | whether it did in the frame before), (2, K)."""
        found: Losses = (self.counts[..., 1] + 0.5) / (self.counts.sum(-1) + 1)
        return found

    @property
    def mean(self) -> Losses:
        """P(key sounds), (K,)."""
        counts = self.counts.sum(0)
        found: Losses = (counts[:, 1] + 0.5) / (counts.sum(-1) + 1)
        return found

    def markov_losses(self, frames: Frames) -> Losses:
        """-log P of every frame of a piece (T,) by the frame before, in nats."""
        return _losses(frames, np.where(shifted(frames), self.markov[1], self.markov[0]))

    def foretold(self, frames: Frames) -> Frames:
        """The keys with P > 1/2 by the frame before, (T, K)."""
        found: Frames = np.where(shifted(frames), self.markov[1], self.markov[0]) > 0.5
        return found

    def mean_losses(self, frames: Frames) -> Losses:
        """-log P of every frame (T,) by how frequent keys are, in nats."""
        return _losses(frames, np.broadcast_to(self.mean, frames.shape))

    def to_json(self) -> dict[str, Any]:
        """What a model folder holds."""
        return {"counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(np.array(content["counts"], np.int64))


def shifted(frames: Frames) -> Frames:
    """The frame before each, silence before the first."""
    return np.concatenate([np.zeros_like(frames[:1]), frames[:-1]])


def _losses(frames: Frames, probabilities: Losses) -> Losses:
    found: Losses = -np.log(np.where(frames, probabilities, 1 - probabilities)).sum(1)
    return found
