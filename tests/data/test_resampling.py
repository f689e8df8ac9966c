import numpy as np
import pytest

from unrolled.data.resampling import resample

RATES = [
    (8000, 16000),
    (16000, 8000),
    (44100, 16000),
    (11025, 8000),
    (8000, 11025),
    (4001, 4000),
    (48000, 44100),
]


def sine(frequency, rate, seconds=0.3):
    return np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate + 0.3).astype(np.float32)


@pytest.mark.parametrize(("old", "new"), RATES)
@pytest.mark.parametrize("share", [0.03, 0.5, 0.8])
def test_a_sine_below_both_half_rates_stays_that_sine(old, new, share):
    frequency = share * min(old, new) / 2
    found, expected = resample(sine(frequency, old), old, new), sine(frequency, new)
    assert found.dtype == np.float32 and abs(len(found) - len(expected)) <= 1
    inside = slice(len(expected) // 4, -len(expected) // 4)  # nothing is known beyond the ends
    np.testing.assert_allclose(found[: len(expected)][inside], expected[: len(found)][inside], atol=2e-4)


@pytest.mark.parametrize(("old", "new"), [(16000, 8000), (44100, 16000), (11025, 8000)])
def test_what_lies_above_the_new_half_rate_is_gone(old, new):
    found = resample(sine(0.51 * new, old), old, new)
    assert abs(found[len(found) // 4 : -len(found) // 4]).max() < 2e-4


@pytest.mark.parametrize(("old", "new"), [(8000, 16000), (16000, 8000), (44100, 16000), (7, 3)])
@pytest.mark.parametrize("length", [1, 2, 37, 1000])
def test_as_many_samples_as_the_time_takes(old, new, length):
    assert len(resample(np.ones(length, np.float32), old, new)) == -(-length * new // old)


def test_the_same_rate_is_the_same_signal():
    signal = sine(440, 8000)
    assert resample(signal, 8000, 8000) is signal


@pytest.mark.parametrize(("old", "new"), RATES)
def test_a_constant_stays_exactly_that(old, new):
    found = resample(np.full(old // 4, 0.25, np.float32), old, new)
    np.testing.assert_allclose(found[len(found) // 3 : -len(found) // 3], 0.25, rtol=1e-6)
