"""Sound as frames: the energies of mel bands, and the cepstrum of these."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from unrolled.errors import DataError, SettingError

WINDOW = 0.025
HOP = 0.010
"""Seconds that a frame takes in, and from the start of one frame to that of the next."""
LOWEST_RATE = 1000
"""Hz; below, a window holds too few samples for bands."""
COEFFICIENTS = 13

_LOWEST = 20.0
_FLOOR = 1e-10
_AT_ONCE = 4096


def log_mel(signal: Tensor, sample_rate: int, bands: int) -> Tensor:
    """The logarithm of the energy in mel bands: windows of 25 ms every 10 ms.

    With the Hann window w of W samples, zeros behind it up to N samples, and triangles F_b:

        X_t[k] = sum_n w[n] x[t hop + n] exp(-2 pi i k n / N)
        y_t[b] = log max(sum_k F_b[k] |X_t[k]|^2, 1e-10)

    Only whole windows count: a signal of S samples has T = 1 + (S - W) // hop frames. The triangles have their
    corners at equal distances on HTK's mel scale, 2595 log10(1 + f / 700), from 20 Hz to half the sample rate, are
    straight in Hz and reach 1 at their middle.

    Args:
        signal: (S,), from -1 to 1.
        sample_rate: Hz.
        bands: I.

    Returns:
        (T, I).

    Raises:
        DataError: a signal shorter than a window.
        SettingError: a sample rate below 1,000 Hz.

    Reference: Davis and Mermelstein 1980, doi:10.1109/TASSP.1980.1163420; S. Young et al., The HTK Book, 2006.

    Example:
        >>> tone = torch.sin(2 * math.pi * 440 * torch.arange(8000) / 8000)
        >>> log_mel(tone, 8000, 20).argmax(1).unique().tolist(), log_mel(tone, 8000, 20).shape
        ([4], torch.Size([98, 20]))
    """
    window, hop = _samples(sample_rate)
    if len(signal) < window:
        raise DataError(
            f"sound must last at least {1000 * WINDOW:g} ms, got {1000 * len(signal) / sample_rate:.3g} ms; remove it"
        )
    filters = mel_filters(sample_rate, bands)
    size = 2 * (len(filters) - 1)
    weights = torch.hann_window(window, dtype=signal.dtype)
    pieces = signal.unfold(0, window, hop).split(_AT_ONCE)
    spectra = (torch.fft.rfft(piece * weights, size).abs().square() for piece in pieces)
    energies = torch.cat([spectrum @ filters.to(signal.dtype) for spectrum in spectra])
    return energies.clamp(min=_FLOOR).log()


def mfcc(signal: Tensor, sample_rate: int, bands: int) -> Tensor:
    """Mel frequency cepstral coefficients: the first 13 of the DCT-II of `log_mel`, orthonormal.

        c_t[j] = s_j sqrt(2 / I) sum_b y_t[b] cos(pi j (b + 1/2) / I),   s_0 = 1 / sqrt(2), else 1

    Shapes, errors and paper as in `log_mel`; the result is (T, min(13, I)).
    """
    return log_mel(signal, sample_rate, bands) @ cosines(bands).to(signal.dtype)


@lru_cache(maxsize=8)
def mel_filters(sample_rate: int, bands: int) -> Tensor:
    """The triangles F at the frequencies k sample_rate / N, (N / 2 + 1, bands).

    N is the smallest power of two that holds a window and leaves no triangle without a frequency inside.
    """
    size = 1 << (_samples(sample_rate)[0] - 1).bit_length()
    top = _mel(sample_rate / 2)
    corners = 700 * (10 ** (torch.linspace(_mel(_LOWEST), top, bands + 2, dtype=torch.float64) / 2595) - 1)
    while not (filters := _triangles(corners, sample_rate, size)).any(0).all():
        size *= 2
    return filters


def _triangles(corners: Tensor, sample_rate: int, size: int) -> Tensor:
    frequency = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None] * sample_rate / size
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    return torch.minimum(rising, falling).clamp(min=0)


@lru_cache(maxsize=8)
def cosines(bands: int) -> Tensor:
    """The first columns of the orthonormal DCT-II, (bands, min(13, bands))."""
    place = torch.arange(bands, dtype=torch.float64)[:, None] + 0.5
    order = torch.arange(min(COEFFICIENTS, bands), dtype=torch.float64)
    scale = torch.where(order == 0, math.sqrt(1 / bands), math.sqrt(2 / bands))
    return torch.cos(math.pi * order * place / bands) * scale


def _samples(sample_rate: int) -> tuple[int, int]:
    if sample_rate < LOWEST_RATE:
        raise SettingError(
            f"a sample rate must be at least {LOWEST_RATE} Hz to hear bands, got {sample_rate}; read such signals "
            "as series"
        )
    return round(WINDOW * sample_rate), round(HOP * sample_rate)


def _mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700)
