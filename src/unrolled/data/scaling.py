"""From the numbers of a series to the numbers a network reads and gives, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError, SettingError

Numbers = NDArray[np.float64]

SCALES = ("series", "panel", "window")
RELATIVES = ("none", "last", "season")
READS = ("levels", "differences", "both")

_ALL = "*"
"""Under this name stand the levels of a panel."""
_FLOOR = 0.01
"""A window's deviation is at least this share of that of its series: a quiet window must not blow up noise."""

_LEAST, _CHANCE = 0.3, 5.0
"""An autocorrelation that makes a season: at least, and in deviations of that of noise."""


@dataclass(frozen=True)
class Levels:
    """Mean, deviation and size of differences of some targets, (..., K) each."""

    mean: Numbers
    deviation: Numbers
    spread: Numbers

    def at(self, index: Any) -> Levels:
        """Those of some series."""
        return Levels(self.mean[index], self.deviation[index], self.spread[index])


class Scaling:
    """How targets become what a network reads and forecasts.

    With u the values (their logarithms with `log`), m and d their mean and deviation, and s the size of differences:

        read      (u_t - m) / d,  and or (u_t - u_{t-lag}) / s
        forecast  (u_{t+k} - base) / s

    where the base is m (`relative` "none"; then s = d), the last value u_t ("last", lag 1), or the value at the same
    place of the last season that is known, u_{t + k - P ceil(k / P)} ("season", lag P).

    Args:
        scale: m, d and s of the training part of each "series", of all together ("panel": where a place or a size
            means the same in all of them), or of each "window" that is read.
        relative: what a forecast is the difference to.
        read: "levels", "differences" (needs a base) or "both".
        season: P, steps.
        log: work with logarithms: differences are ratios then. All values must be above 0.

    Example:
        >>> scaling = Scaling("series", "last", "differences")
        >>> u = np.array([[1.0], [3.0], [7.0]])
        >>> levels = scaling.levels_of(u)
        >>> levels.spread.tolist()  # sqrt((2^2 + 4^2) / 2)
        [3.1622776601683795]
        >>> scaling.features(u, np.array([[1], [2]]), levels.at(None)).round(3).tolist()
        [[[0.632]], [[1.265]]]
    """

    def __init__(
        self,
        scale: str = "series",
        relative: str = "none",
        read: str = "levels",
        season: int | None = None,
        log: bool = False,
        known: Mapping[str, Any] | None = None,
        inputs: Sequence[Sequence[float]] = ((), ()),
    ) -> None:
        for name, value, allowed in (
            ("scale", scale, SCALES),
            ("relative", relative, RELATIVES),
            ("read", read, READS),
        ):
            if value not in allowed:
                raise SettingError(f"{name} must be {', '.join(allowed)}, got {value!r}; use one of these")
        if relative == "season" and (season is None or season < 2):
            raise SettingError(
                f"forecasts relative to a season need its steps, 2 or more, got {season}; give them"
            )
        if relative == "none" and read != "levels":
            raise SettingError(
                f"to read {read} there must be something to take differences to; set relative to last or season"
            )
        self.scale, self.relative, self.read, self.season, self.log = scale, relative, read, season, log
        self.known = {name: tuple(map(tuple, levels)) for name, levels in (known or {}).items()}
        """Mean, deviation and size of differences of the series trained on, by name."""
        self.inputs = np.asarray(inputs, np.float64)
        """Mean and deviation of every further input, (2, X)."""

    @property
    def lag(self) -> int:
        """Steps that must come before the first one that is read."""
        if self.relative == "none" or self.read == "levels":
            return 0
        return 1 if self.relative == "last" else self.season or 0

    @property
    def back(self) -> int:
        """Steps that must be known for a base, the one forecast from included."""
        return self.season or 1 if self.relative == "season" else 1

    @property
    def channels(self) -> int:
        """Numbers read for each target."""
        return 2 if self.read == "both" else 1

    # --- units -----------------------------------------------------------------------------------

    def transformed(self, values: Numbers, place: str = "the series") -> Numbers:
        """Values to u.

        Raises:
            DataError: values that have no logarithm.
        """
        if not self.log:
            return values
        if (values <= 0).any():
            step = int((values <= 0).reshape(len(values), -1).any(1).argmax())
            raise DataError(
                f"{place}: --log needs values above 0, got {values[step].min():g} at step {step + 1}; leave it out"
            )
        return np.log(values)

    def values(self, u: Numbers) -> Numbers:
        """u to values."""
        return np.exp(u) if self.log else u

    # --- levels ----------------------------------------------------------------------------------

    def levels_of(self, u: Numbers) -> Levels:
        """Of u (T, ..., K) over its steps."""
        mean, deviation = u.mean(0), u.std(0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        lag = 1 if self.relative == "last" else (self.season or 0)
        if self.relative == "none" or len(u) <= lag:
            return Levels(mean, deviation, deviation)
        spread = np.sqrt(np.square(u[lag:] - u[:-lag]).mean(0))
        return Levels(mean, deviation, np.where(spread > 0, spread, deviation))

    def levels_in(self, u: Numbers, series: Levels) -> Levels:
        """Of windows u (L, B, K), or of their series (B, K) where windows have none of their own."""
        if self.scale != "window":
            return series
        own = self.levels_of(u)
        return Levels(
            own.mean,
            np.maximum(np.where(u.std(0) > 0, own.deviation, 0), _FLOOR * series.deviation),
            np.maximum(np.where(np.ptp(u, 0) > 0, own.spread, 0), _FLOOR * series.spread),
        )

    def remember(self, parts: Mapping[str, Numbers]) -> None:
        """Fit to the training parts u (T, K) of series, by name."""
        levels = {name: self.levels_of(u) for name, u in parts.items() if len(u)}
        if self.scale == "panel":
            levels = {_ALL: self._together([parts[name] for name in levels], list(levels.values()))}
        self.known = {
            name: tuple(tuple(part.tolist()) for part in (one.mean, one.deviation, one.spread))
            for name, one in levels.items()
        }

    def _together(self, parts: Sequence[Numbers], levels: Sequence[Levels]) -> Levels:
        """Levels of all parts: differences are taken within each."""
        whole = np.concatenate(parts)
        deviation = np.where(whole.std(0) > 0, whole.std(0), 1.0)
        if self.relative == "none":
            return Levels(whole.mean(0), deviation, deviation)
        lengths = np.array([len(part) for part in parts], np.float64)[:, None]
        squares = np.stack([one.spread for one in levels]) ** 2
        return Levels(whole.mean(0), deviation, np.sqrt((squares * lengths).sum(0) / lengths.sum()))

    def levels(self, name: str, history: Numbers, only: bool) -> Levels:
        """Of a series trained on, of the only one of both sides, or else of what is known of a new one (T, K)."""
        if self.scale == "panel" and self.known:
            name = _ALL
        elif only and len(self.known) == 1:
            name = next(iter(self.known))
        if name in self.known:
            return Levels(*(np.array(part) for part in self.known[name]))
        return self.levels_of(history)

    def fit_inputs(self, inputs: Numbers) -> None:
        """Fit to the inputs (N, X) of all training parts: one that is constant in a series still tells series apart."""
        deviation = inputs.std(0)
        self.inputs = np.stack([inputs.mean(0), np.where(deviation > 0, deviation, 1.0)])

    def scaled_inputs(self, inputs: Numbers) -> Numbers:
        """(..., X) with mean 0 and deviation 1 over the training parts."""
        scaled: Numbers = (inputs - self.inputs[0]) / self.inputs[1]
        return scaled

    # --- what is read and forecast ---------------------------------------------------------------

    def features(self, u: Numbers, places: NDArray[np.int64], levels: Levels) -> Numbers:
        """What is read at `places` (..., B) of u (N, K), with the levels (B, K): (..., B, channels * K)."""
        parts = []
        if self.read in ("levels", "both"):
            parts.append((u[places] - levels.mean) / levels.deviation)
        if self.read in ("differences", "both"):
            parts.append((u[places] - u[places - self.lag]) / levels.spread)
        return np.concatenate(parts, -1)

    def bases(self, horizon: int) -> NDArray[np.int64]:
        """Where the base of step k stands, from the place forecast from: 0 or less, (n,)."""
        steps = np.arange(1, horizon + 1)
        if self.relative == "season":
            assert self.season is not None
            return steps - self.season * -(-steps // self.season)
        return np.zeros(horizon, np.int64)

    def base(self, u: Numbers, places: NDArray[np.int64], horizon: int, levels: Levels) -> Numbers:
        """The base of every step forecast from `places` (..., B) of u (N, K): (..., B, n, K)."""
        if self.relative == "none":
            shape = (*places.shape, horizon, u.shape[1])
            return np.broadcast_to(levels.mean[:, None], shape)
        found: Numbers = u[places[..., None] + self.bases(horizon)]
        return found

    # --- in a model folder -----------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs."""
        return {
            "scale": self.scale,
            "relative": self.relative,
            "read": self.read,
            "season": self.season,
            "log": self.log,
            "known": {name: [list(part) for part in parts] for name, parts in self.known.items()},
            "inputs": self.inputs.tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The scaling written by `to_json`."""
        return cls(**content)


# --- seasons -------------------------------------------------------------------------------------


def autocorrelation(values: Numbers, lags: int) -> Numbers:
    """r_0 ... r_lags of a series (T,), about its mean.

    r_k = sum_t (y_t - m)(y_{t+k} - m) / sum_t (y_t - m)^2
    """
    centred = values - values.mean()
    total = float(centred @ centred)
    if total == 0:
        return np.zeros(lags + 1)
    size = 1 << (2 * len(values)).bit_length()
    spectrum = np.fft.rfft(centred, size)
    return np.fft.irfft(np.abs(spectrum) ** 2, size)[: lags + 1] / total


def season_of(values: Numbers) -> int | None:
    """The season P of a series (T,): the highest peak of the autocorrelation of its differences; None without one.

    Differences take the trend away. A peak counts if it is higher than both neighbours, above 0.3 and above what
    chance gives in its T - k terms (5 / sqrt(T - k)), and if three seasons fit into the series.

    Example:
        >>> months = np.arange(96)
        >>> season_of(months * 2.0 + np.sin(2 * np.pi * months / 12) * 9)
        12
    """
    steps = np.diff(values)
    lags = len(values) // 3
    if lags < 3:
        return None
    r = autocorrelation(steps, lags)
    # A peak at k is smaller by (n - k) / n only because fewer terms are summed.
    terms = len(steps) - np.arange(lags + 1)
    r = r * len(steps) / terms
    inner = np.arange(2, lags)
    higher = (r[inner] > r[inner - 1]) & (r[inner] >= r[inner + 1])
    peaks = inner[higher & (r[inner] > np.maximum(_LEAST, _CHANCE / np.sqrt(terms[inner])))]
    if not len(peaks):
        return None
    highest = r[peaks].max()
    return int(peaks[r[peaks] >= 0.9 * highest][0])
