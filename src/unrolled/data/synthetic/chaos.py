"""Chaotic series, integrated finely in float64."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import SettingError

SCALE, DECAY, POWER = 0.2, 0.1, 10


def mackey_glass(
    steps: int, tau: float = 17.0, *, step: float = 0.1, start: float = 1.2, discard: int = 1000
) -> NDArray[np.float64]:
    """The Mackey-Glass series, a value at every unit of time: (T,) float64.

        dy/dt = 0.2 y(t - tau) / (1 + y(t - tau)^10) - 0.1 y(t)

    Integrated by the classical Runge-Kutta method of order 4; the delayed values between two steps are read from the
    cubic through both values and slopes, of the same order. With tau = 17 the series is mildly chaotic, with 30 more.

    Args:
        steps: T, how many values.
        tau: the delay, a whole number of integration steps.
        step: of the integration; a whole number of them makes a unit of time.
        start: y(t) for t <= 0, > 0: another one gives another part of the same attractor.
        discard: units of time before the first value, for the way to the attractor.

    Raises:
        SettingError: a number outside its range.

    Example:
        >>> series = mackey_glass(500)
        >>> series.shape, bool(0.2 < series.min() and series.max() < 1.4)
        ((500,), True)

    Paper: Mackey & Glass 1977, Oscillation and chaos in physiological control systems, Science 197.
    """
    per_unit, lag = _whole_steps("1", 1.0, step), _whole_steps("tau", tau, step)
    for name, value in (("steps", steps), ("discard", discard)):
        if not isinstance(value, int) or value < 0:
            raise SettingError(f"{name} must be a whole number >= 0, got {value!r}. Correct it.")
    if not (math.isfinite(start) and start > 0):
        raise SettingError(f"start must be a number > 0, got {start!r}. Use 1.2.")
    fine = _integrate((steps + discard) * per_unit, lag, step, start)
    return np.array(fine[lag + per_unit :: per_unit][discard:])


def _integrate(count: int, lag: int, step: float, start: float) -> list[float]:
    """The history, `lag` + 1 values up to time 0, and `count` values after it."""
    y = [start] * (lag + 1)
    slopes = [0.0] * lag + [_growth(start) - DECAY * start]
    for now in range(lag, lag + count):
        before, after = y[now - lag], y[now - lag + 1]
        # The curve has a corner at time 0: what ends there is still flat.
        ending = 0.0 if now + 1 == 2 * lag else slopes[now - lag + 1]
        between = (before + after) / 2 + step / 8 * (slopes[now - lag] - ending)
        begin, middle, end = _growth(before), _growth(between), _growth(after)
        value = y[now]
        k1 = begin - DECAY * value
        k2 = middle - DECAY * (value + step / 2 * k1)
        k3 = middle - DECAY * (value + step / 2 * k2)
        k4 = end - DECAY * (value + step * k3)
        value += step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        y.append(value)
        slopes.append(end - DECAY * value)
    return y


def _growth(delayed: float) -> float:
    return SCALE * delayed / (1 + delayed**POWER)


def _whole_steps(name: str, duration: float, step: float) -> int:
    number = duration / step if step > 0 else math.nan
    if not math.isfinite(number) or round(number) < 1 or abs(number - round(number)) > 1e-6:
        raise SettingError(
            f"{name} must be a whole number of steps of {step!r}, got {duration!r}. Use step=0.1."
        )
    return round(number)
