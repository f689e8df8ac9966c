"""What a forecaster is given where a person leaves it open: season, base, scale, window, size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from unrolled.data.panel import Panel, Series
from unrolled.data.scaling import Numbers, Scaling, season_of
from unrolled.errors import SettingError
from unrolled.training.forecast_settings import ForecasterSettings

_LOOKED_AT = 20
"""Series that guesses look at."""
_SCALES = {"series": "each series", "panel": "all series together", "window": "each window"}
_LONGEST = 20_000
"""Steps of each."""


def border(series: Series, share: float, horizon: int) -> int:
    """The step at which validation begins: the last share of a series, one horizon at least; T without validation."""
    return len(series) if share == 0 else max(0, len(series) - max(horizon, round(share * len(series))))


def planned_scaling(
    panel: Panel, settings: ForecasterSettings, borders: Sequence[int]
) -> tuple[Scaling, list[str]]:
    """How numbers are scaled, fitted to what comes before the borders; and lines about what was found.

    Raises:
        SettingError: options that do not fit together.
    """
    # Without a base, for its logarithms.
    plain = Scaling(log=settings.log)
    parts = [plain.transformed(one.values, one.place)[:end] for one, end in zip(panel, borders, strict=True)]
    seen = [part[-_LONGEST:] for part in parts[:_LOOKED_AT] if len(part) > 3]
    notes: list[str] = []
    season = _season(seen, settings, notes)
    relative = settings.relative or _smallest(seen, season, settings.horizon)
    if relative == "season" and season is None:
        raise SettingError(
            "--relative season needs a season, and none was found; give its steps with --season"
        )
    read = settings.read or ("levels" if relative == "none" else "both")
    scale = settings.scale or _scale(seen, settings)
    scaling = Scaling(scale, relative, read, season, settings.log)
    scaling.remember({one.name: part for one, part in zip(panel, parts, strict=True)})
    inputs = [one.inputs[:end] for one, end in zip(panel, borders, strict=True)]
    scaling.fit_inputs(np.concatenate(inputs))
    base = {"none": "the mean", "last": "the last value", "season": "the same place of the last season"}
    notes.append(
        f"forecasts are differences to {base[relative]}, {read} are read, scaled by {_SCALES[scale]}"
        + (", of logarithms" if settings.log else "")
    )
    return scaling, notes


def _season(seen: Sequence[Numbers], settings: ForecasterSettings, notes: list[str]) -> int | None:
    if settings.season is not None:
        return settings.season if settings.season > 1 else None
    found = Counter(season_of(part[:, 0]) for part in seen)
    season = found.most_common(1)[0][0] if found else None
    if season is None:
        notes.append("no season found by the autocorrelation; --season gives one")
    else:
        notes.append(
            f"season of {season} steps, found by the autocorrelation; --season gives another, 1 for none"
        )
    return season


def _smallest(seen: Sequence[Numbers], season: int | None, horizon: int) -> str:
    """The base whose differences deviate least, over all steps of the horizon."""
    names = ["none", "last", *(["season"] if season else [])]
    return min(names, key=lambda name: _deviation(seen, Scaling(relative=name, season=season), horizon))


def _deviation(seen: Sequence[Numbers], scaling: Scaling, horizon: int) -> float:
    total = 0.0
    for u in seen:
        places = np.arange(scaling.back - 1, len(u) - horizon)
        if not len(places):
            return float("inf") if scaling.relative == "season" else 0.0
        ahead = u[places[:, None] + np.arange(1, horizon + 1)]
        levels = scaling.levels_of(u).at(None)
        base = scaling.base(u, places, horizon, levels)
        total += float(((ahead - base).std(0) / u.std(0).clip(1e-300)).mean())
    return total


def _scale(seen: Sequence[Numbers], settings: ForecasterSettings) -> str:
    if _has_trend(seen) and settings.shape == "many-to-one":
        return "window"
    return "panel" if len(seen) > 1 and _alike(seen) else "series"


def _alike(seen: Sequence[Numbers]) -> bool:
    """Whether series stand about as high and vary about as much: their means differ less than they vary."""
    means, deviations = (np.stack([f(u, 0) for u in seen]) for f in (np.mean, np.std))
    usual = deviations.mean(0)
    return bool((means.std(0) < usual).all() and (deviations.std(0) < usual).all())


def _has_trend(seen: Sequence[Numbers]) -> bool:
    """Whether most series end elsewhere than they begin: the means of their outer thirds differ by a deviation."""
    votes = []
    for u in seen:
        third = len(u) // 3
        votes.append(np.abs(u[:third].mean(0) - u[-third:].mean(0)).mean() > u.std(0).mean())
    return bool(votes) and float(np.mean(votes)) > 0.5


def planned_window(panel: Panel, settings: ForecasterSettings, scaling: Scaling) -> int:
    """Steps that are read: a season, or 24 to twice the horizon; at most a third of most series."""
    if settings.window is not None:
        return settings.window
    wanted = scaling.season if scaling.season else max(24, 2 * settings.horizon)
    usual = int(np.median([len(one) for one in panel]))
    return max(2, min(wanted, usual // 3))


def planned_hidden(settings: ForecasterSettings, values: int) -> int:
    """The hidden size for so many values to train on."""
    if settings.hidden is not None:
        return settings.hidden
    return 16 if values < 500 else 32 if values < 5000 else 64 if values < 50_000 else 128
