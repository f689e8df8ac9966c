"""Rules that any forecaster has to beat: the last value, the same place of the last season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unrolled.data.scaling import Numbers, Scaling
from unrolled.data.windows import Windows


@dataclass(frozen=True)
class Errors:
    """Forecasts beside what came, (R, n, K) each."""

    forecast: Numbers
    truth: Numbers

    @property
    def rmse(self) -> Numbers:
        """Root mean square error of each target, (K,)."""
        found: Numbers = np.sqrt(np.square(self.forecast - self.truth).mean((0, 1)))
        return found

    @property
    def mae(self) -> Numbers:
        """Mean absolute error of each target, (K,)."""
        found: Numbers = np.abs(self.forecast - self.truth).mean((0, 1))
        return found

    def at(self, step: int) -> Errors:
        """Those of one step of the horizon, from 0."""
        return Errors(self.forecast[:, step : step + 1], self.truth[:, step : step + 1])


def floor_errors(windows: Windows) -> dict[str, Errors]:
    """The errors of each rule that applies, by its name.

    Example:
        >>> from unrolled.data.panel import Panel
    >>> from unrolled.data.windows import Frames
        >>> frames = Frames.of(Panel.of([[1.0, 2.0, 4.0]]), Scaling())
        >>> floor_errors(Windows(frames, 1, 1, [(0, 3)]))["last value"].mae.tolist()  # (1 + 2) / 2
        [1.5]
    """
    frames, places, horizon = windows.frames, windows.places, windows.horizon
    season = frames.scaling.season
    rules = {"last value": Scaling(relative="last")}
    begins = frames.starts[windows.series]
    if season is not None and bool((places - begins >= season - 1).all()):
        rules[f"same step of the last season ({season})"] = Scaling(relative="season", season=season)
    truth = frames.u[places[:, None] + np.arange(1, horizon + 1)]
    levels = frames.levels
    back = frames.scaling.values
    return {
        name: Errors(back(rule.base(frames.u, places, horizon, levels)), back(truth))
        for name, rule in rules.items()
    }
