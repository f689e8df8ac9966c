"""Sound at another sample rate."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_CROSSINGS = 32
_CUTOFF = 0.91
_BETA = 8.96
"""Zero crossings on either side, share of the band that passes, shape of Kaiser's window: 90 dB from there on."""


def resample(signal: NDArray[np.float32], old: int, new: int) -> NDArray[np.float32]:
    """A signal of `old` samples a second, with `new` samples a second.

    Each new sample is a sum of old ones, weighted by a sinc under a Kaiser window around its place,

        y[m] = sum_n x[n] h(n - m old / new),   h(t) = s sinc(s t) kaiser(t),   s = 0.91 min(1, new / old)

    so that what lies above 91 % of the lower of the two half rates fades out: nothing is mirrored into the band.
    Places repeat every `new` samples (after both are divided by what they share), and so do the weights.

    Args:
        signal: (S,).
        old, new: Hz.

    Returns:
        (ceil(S new / old),).

    Reference: J. O. Smith, Digital Audio Resampling, ccrma.stanford.edu/~jos/resample; Kaiser 1974.

    Example:
        >>> len(resample(np.ones(1000, np.float32), 44100, 16000))
        363
    """
    shared = math.gcd(old, new)
    old, new = old // shared, new // shared
    if old == new:
        return signal
    weights = _weights(old, new)
    reach = weights.shape[1] // 2
    padded = np.pad(signal, (reach - 1, reach))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    resampled = np.empty(-(-len(signal) * new // old), np.float32)
    for phase in range(min(new, len(resampled))):
        part = resampled[phase::new]
        part[:] = windows[phase * old // new :: old][: len(part)] @ weights[phase]
    return resampled


@lru_cache(maxsize=4)
def _weights(old: int, new: int) -> NDArray[np.float32]:
    """For each place between two old samples the weights of those around, (new, 2 reach); each row sums to 1."""
    scale = min(1.0, new / old)
    reach = math.ceil(_CROSSINGS / scale)
    between = (np.arange(new) * old % new / new)[:, None]
    distance = np.arange(1 - reach, reach + 1) - between
    inside = np.sqrt(np.clip(1 - np.square(distance / reach), 0, None))
    weights = np.sinc(_CUTOFF * scale * distance) * np.i0(_BETA * inside)
    rows: NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return rows
