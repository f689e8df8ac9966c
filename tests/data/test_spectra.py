import math

import numpy as np
import pytest
import torch

from unrolled.data import spectra
from unrolled.data.spectra import log_mel, mel_filters, mfcc
from unrolled.errors import DataError, SettingError


def by_hand(signal, rate, bands, size):
    """Log energies of mel bands with the DFT as a sum over samples, in float64."""
    window, hop = round(0.025 * rate), round(0.010 * rate)
    n = np.arange(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * n / window)
    k = np.arange(size // 2 + 1)
    transform = np.exp(-2j * np.pi * np.outer(n, k) / size)
    mel = lambda f: 1127.01048 * np.log(1 + f / 700)  # noqa: E731 - the same scale in natural logarithms
    corners = 700 * np.expm1(np.linspace(mel(20), mel(rate / 2), bands + 2) / 1127.01048)
    frames = []
    for start in range(0, len(signal) - window + 1, hop):
        power = abs((signal[start : start + window] * hann) @ transform) ** 2
        frame = []
        for b in range(bands):
            triangle = np.interp(k * rate / size, corners[b : b + 3], [0, 1, 0])
            frame.append(np.log(max(triangle @ power, 1e-10)))
        frames.append(frame)
    return np.array(frames)


@pytest.fixture
def signal():
    return np.random.default_rng(5).uniform(-0.5, 0.5, 1237)


@pytest.mark.parametrize(
    ("rate", "bands", "size"), [(8000, 13, 256), (16000, 20, 512), (11025, 37, 512), (16000, 128, 1024)]
)
def test_log_mel_is_that_of_a_plain_sum(signal, rate, bands, size):
    found = log_mel(torch.from_numpy(signal), rate, bands)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, by_hand(signal, rate, bands, size), rtol=0, atol=1e-6)


def test_single_precision_is_close(signal):
    found = log_mel(torch.from_numpy(signal).float(), 8000, 13)
    np.testing.assert_allclose(found, by_hand(signal, 8000, 13, 256), rtol=0, atol=1e-4)


def test_only_whole_windows_count():
    lengths = [len(log_mel(torch.zeros(n), 8000, 8)) for n in (200, 279, 280, 360)]
    assert lengths == [1, 1, 2, 3]


def test_silence_is_the_floor():
    assert log_mel(torch.zeros(400), 8000, 8).unique().tolist() == pytest.approx([math.log(1e-10)])


def test_long_sound_is_the_same_in_pieces(signal, monkeypatch):
    whole = log_mel(torch.from_numpy(signal), 8000, 13)
    monkeypatch.setattr(spectra, "_AT_ONCE", 3)
    assert torch.equal(log_mel(torch.from_numpy(signal), 8000, 13), whole)


@pytest.mark.parametrize("rate", [1000, 8000, 44100])
@pytest.mark.parametrize("bands", [4, 40, 256])
def test_every_band_hears_something(rate, bands):
    filters = mel_filters(rate, bands)
    assert filters.shape[1] == bands and bool((filters.amax(0) > 0).all()) and float(filters.max()) <= 1


@pytest.mark.parametrize(("bands", "kept"), [(20, 13), (5, 5)])
def test_mfcc_is_the_discrete_cosine_transform_of_log_mel(signal, bands, kept):
    logs = by_hand(signal, 8000, bands, 256)
    b = np.arange(bands) + 0.5
    expected = np.zeros((len(logs), kept))
    for j in range(kept):
        scale = math.sqrt((1 if j == 0 else 2) / bands)
        expected[:, j] = scale * (logs * np.cos(np.pi * j * b / bands)).sum(1)
    np.testing.assert_allclose(mfcc(torch.from_numpy(signal), 8000, bands), expected, rtol=0, atol=1e-5)


def test_all_cosines_are_orthonormal():
    square = spectra.cosines(13)
    torch.testing.assert_close(square.T @ square, torch.eye(13, dtype=torch.float64))


def test_too_short_and_too_slow_are_refused():
    with pytest.raises(DataError, match=r"at least 25 ms, got 24\.9 ms"):
        log_mel(torch.zeros(199), 8000, 8)
    with pytest.raises(SettingError, match="at least 1000 Hz to hear bands, got 999"):
        log_mel(torch.zeros(4000), 999, 8)
