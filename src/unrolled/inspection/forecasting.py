"""Forecasts of a forecaster for files, how good they are beside simple rules, and how they look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data.dates import parsed
from unrolled.data.panel import Panel, Series
from unrolled.data.panel_reader import read_panel
from unrolled.data.panel_settings import PanelSettings
from unrolled.data.scaling import Numbers
from unrolled.data.settings import ReadSettings
from unrolled.data.windows import Frames, Part, Streams, Windows
from unrolled.errors import DataError, SettingError
from unrolled.inspection.evaluation import Evaluation, Grid
from unrolled.inspection.figures import colour, drawing, faded
from unrolled.inspection.floors import Errors, floor_errors
from unrolled.models.forecaster import Forecaster

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_AT_ONCE = 512
_LISTED = 30
_DRAWN = 8


def read(model: Forecaster, paths: Sequence[str | Path], reading: ReadSettings) -> Panel:
    """Files as the model's training data was read; how they are written is their own affair.

    Raises:
        DataError: data that cannot be used, with file and line; other columns than in training.
    """
    for option, value in (("--text", reading.text), ("--label", reading.label)):
        if value is not None:
            raise SettingError(
                f"{option} is not for forecasters, whose columns are those of training; leave it out"
            )
    known = {name: value for name, value in model.reading.items() if name in _COLUMNS}
    written = {name: getattr(reading, name) for name in ("encoding", "delimiter", "header")}
    panel = read_panel(paths, PanelSettings(**known, **written), trained=True)
    if panel.targets != model.targets or panel.inputs != model.inputs:
        raise DataError(
            f"{panel.series[0].file}: the model reads {', '.join(model.targets + model.inputs)}, got "
            f"{', '.join(panel.targets + panel.inputs)}; give files with the columns of training"
        )
    return panel


_COLUMNS = ("target", "with", "known", "series", "date", "fill")


@dataclass(frozen=True)
class Forecasts:
    """Forecasts from every place of a panel that has n steps after it: (R, n, K), with quantiles (R, n, K, Q)."""

    windows: Windows
    values: Numbers
    truth: Numbers


def all_forecasts(model: Forecaster, panel: Panel, begins: Sequence[int]) -> Forecasts:
    """From every place whose next n steps begin at step `begins[s]` of series s or later.

    Raises:
        DataError: no such place; says how many steps are needed.
    """
    model.eval()
    frames = Frames.of(panel, model.scaling)
    parts = [(begin, len(one)) for begin, one in zip(begins, panel, strict=True)]
    windows = Windows(frames, 1 if model.many else model.window, model.horizon, parts)
    if not len(windows):
        longest = max(panel, key=len)
        needed = windows.first + 1 + model.horizon
        raise DataError(
            f"{longest.place}: to judge a forecast there must be {needed} steps, {model.horizon} of them not trained "
            f"on, got {len(longest)}; give a longer series"
        )
    found = _streamed(model, frames, parts)[windows.places] if model.many else _windowed(model, windows)
    steps = windows.places[:, None] + np.arange(1, model.horizon + 1)
    return Forecasts(windows, found, model.scaling.values(frames.u[steps]))


def _windowed(model: Forecaster, windows: Windows) -> Numbers:
    pieces = []
    for start in range(0, len(windows), _AT_ONCE):
        batch = windows.batch(np.arange(start, min(len(windows), start + _AT_ONCE)))
        pieces.append(model.forecasts(batch)[0])
    return np.concatenate(pieces)


def _streamed(model: Forecaster, frames: Frames, parts: Sequence[Part]) -> Numbers:
    """The forecasts from every place of all series (N, ...), NaN where there is none."""
    shape = (len(frames.u), model.horizon, len(model.targets))
    found = np.full((*shape, len(model.quantiles)) if model.quantiles else shape, np.nan)
    state = None
    for batch in Streams(frames, model.horizon, parts, _AT_ONCE // 8, _AT_ONCE, whole=True).batches():
        values, state = model.forecasts(batch, None if batch.begins else state)
        counted = batch.weights[..., 0].numpy() > 0
        found[batch.places[counted]] = values[counted]
    return found


def evaluate(
    model: Forecaster, paths: Sequence[str | Path], reading: ReadSettings, last: float | None = None
) -> Evaluation:
    """Errors in the units of the data, for all steps of the horizon together and each, beside simple rules.

    Judged is what comes after the last date that was trained on; without dates everything, or the `last` share of
    each series.

    Raises:
        DataError: data that cannot be used, or nothing in it that was not trained on.
    """
    panel = read(model, paths, reading)
    notes = list(panel.notes)
    begins = [_begin(model, one, len(panel) == 1, last) for one in panel]
    if any(begins):
        first = next(i for i, begin in enumerate(begins) if begin)
        date = panel.series[first].date(begins[first])
        what = f"the last {last:.0%}" if last is not None else "what comes after the training"
        notes.append(
            f"judged: {what} of each series" + (f", from {date}" if date and len(panel) == 1 else "")
        )
    made = all_forecasts(model, panel, begins)
    middle = made.values[..., model.middle] if model.quantiles else made.values
    errors, floors = Errors(middle, made.truth), floor_errors(made.windows)
    floor = min(floors, key=lambda name: float(floors[name].rmse.sum()))
    scores = _scores(model, errors)
    grids = [_rules(model, errors, floors)] if len(floors) > 1 else []
    grids += [_steps(model, errors, floors[floor])] if model.horizon > 1 else []
    if model.quantiles:
        scores |= _quantile_scores(model, made)
        grids.append(_quantiles(model, made))
    if 1 < len(panel) <= _LISTED:
        grids.append(_each_series(model, made.windows, errors, floors[floor]))
    return Evaluation(
        "forecast",
        len(made.values),
        "forecasts",
        scores,
        floor,
        _scores(model, floors[floor]),
        tuple(grids),
        tuple(notes),
    )


def _begin(model: Forecaster, series: Series, only: bool, last: float | None) -> int:
    """The first step that is judged."""
    if last is not None:
        if not 0 < last <= 1:
            raise SettingError(f"--last must be a share above 0 and at most 1, got {last:g}")
        return len(series) - max(1, round(last * len(series)))
    until = model.trained_until
    text = until.get(series.name) or (next(iter(until.values())) if only and len(until) == 1 else "")
    if not text or series.calendar is None:
        return 0
    try:
        date = parsed(text, series.calendar.form)
    except ValueError:
        return 0  # dates are written otherwise here, so it is another file
    return sum(one <= date for one in series.calendar.dates)


def _label(model: Forecaster, score: str, target: str) -> str:
    return score if len(model.targets) == 1 else f"{score} {target}"


def _scores(model: Forecaster, errors: Errors) -> dict[str, float]:
    found = {}
    for k, name in enumerate(model.targets):
        found[_label(model, "RMSE", name)] = float(errors.rmse[k])
        found[_label(model, "MAE", name)] = float(errors.mae[k])
    return found


def pinball(truth: Numbers, forecast: Numbers, quantile: float) -> Numbers:
    """max(q (y - f), (q - 1)(y - f)), elementwise.

    Example:
        >>> pinball(np.array([3.0, 1.0]), np.array([2.0, 2.0]), 0.9).round(3).tolist()
        [0.9, 0.1]
    """
    above = truth - forecast
    return np.maximum(quantile * above, (quantile - 1) * above)


def _quantile_scores(model: Forecaster, made: Forecasts) -> dict[str, float]:
    found = {}
    low, high = model.quantiles[0], model.quantiles[-1]
    for k, name in enumerate(model.targets):
        truth, values = made.truth[..., k], made.values[:, :, k]
        losses = [pinball(truth, values[..., i], q).mean() for i, q in enumerate(model.quantiles)]
        found[_label(model, "pinball loss", name)] = float(np.mean(losses))
        if len(model.quantiles) > 1:
            inside = (values[..., 0] <= truth) & (truth <= values[..., -1])
            found[_label(model, f"within {low:g} to {high:g}", name)] = float(inside.mean())
    return found


def _quantiles(model: Forecaster, made: Forecasts) -> Grid:
    rows = []
    for k, name in enumerate(model.targets):
        for i, q in enumerate(model.quantiles):
            truth, values = made.truth[..., k], made.values[:, :, k, i]
            loss = float(pinball(truth, values, q).mean())
            rows.append((_label(model, f"{q:g}", name), float((truth <= values).mean()), loss))
    return Grid("Quantiles", ("quantile", "share of values below", "pinball loss"), tuple(rows))


def _rules(model: Forecaster, errors: Errors, floors: dict[str, Errors]) -> Grid:
    named = {"this model": errors, **floors}
    rows: tuple[tuple[str | float, ...], ...] = tuple(
        (name, *_scores(model, one).values()) for name, one in named.items()
    )
    return Grid("Beside simple rules", ("", *_scores(model, errors)), rows)


def _steps(model: Forecaster, errors: Errors, floor: Errors) -> Grid:
    columns = ["step ahead"]
    for target in model.targets:
        columns += [_label(model, score, target) for score in ("RMSE", "MAE", "RMSE of the floor")]
    rows: list[tuple[str | float, ...]] = []
    for step in range(model.horizon):
        mine, other = errors.at(step), floor.at(step)
        pairs = zip(mine.rmse.tolist(), mine.mae.tolist(), other.rmse.tolist(), strict=True)
        rows.append((step + 1, *(number for one in pairs for number in one)))
    return Grid("Each step of the horizon", tuple(columns), tuple(rows))


def _each_series(model: Forecaster, windows: Windows, errors: Errors, floor: Errors) -> Grid:
    rows: list[tuple[str | float, ...]] = []
    for s, one in enumerate(windows.frames.panel):
        mine = windows.series == s
        if mine.any():
            found = (Errors(each.forecast[mine], each.truth[mine]).rmse.tolist() for each in (errors, floor))
            rows.append(
                (
                    one.name,
                    int(mine.sum()),
                    *(x for pair in zip(*found, strict=True) for x in pair),
                )
            )
    names = [_label(model, score, name) for name in model.targets for score in ("RMSE", "RMSE of the floor")]
    return Grid("Each series", ("series", "forecasts", *names), tuple(rows))


# --- what is to come -----------------------------------------------------------------------------


def predict(
    model: Forecaster,
    paths: Sequence[str | Path],
    reading: ReadSettings,
    probabilities: bool = False,
    steps: int | None = None,
) -> Iterator[dict[str, Any]]:
    """A row for each step that follows each series: its date, and every target, or every quantile of it.

    Dates go on where they keep a step; else steps are counted from 1. `steps` is the model's horizon by default.

    Raises:
        DataError: data that cannot be used, a series that is too short.
        SettingError: probabilities are asked for.
    """
    if probabilities:
        raise SettingError(
            "--probabilities is for classes; to forecast how sure it is, train with --quantiles"
        )
    panel = read(model, paths, reading)
    only = len(panel) == 1
    column = model.reading.get("date", "none")
    for one in panel:
        values = model.forecast_series(one, steps or model.horizon, only)
        for k, row in enumerate(values):
            found: dict[str, Any] = {"file": one.file} if only else {"file": one.file, "series": one.name}
            date = one.date(len(one) + k)
            yield found | ({column: date} if date else {"step": k + 1}) | _named_values(model, row)


def _named_values(model: Forecaster, row: Numbers) -> dict[str, float]:
    if not model.quantiles:
        return dict(zip(model.targets, row.tolist(), strict=True))
    names = [f"{name} {q:g}" for name in model.targets for q in model.quantiles]
    return dict(zip(names, row.ravel().tolist(), strict=True))


def figure(
    model: Forecaster, paths: Sequence[str | Path], reading: ReadSettings, steps: int | None = None
) -> Figure:
    """The end of each series and what is forecast to follow, with a band between the outer quantiles.

    The first eight series are drawn; `figure(...).write_html("forecast.html")` keeps it in a file.
    """
    from plotly.graph_objects import Scatter

    panel = read(model, paths, reading)
    steps = steps or model.horizon
    drawn = drawing(
        f"{counted_steps(steps)} of {', '.join(model.targets)} to come", "", ", ".join(model.targets)
    )
    number = 0
    for one in panel.series[:_DRAWN]:
        values = model.forecast_series(one, steps, len(panel) == 1)
        shown = max(0, len(one) - max(100, 5 * steps))
        past = [one.date(t) or t + 1 for t in range(shown, len(one))]
        future = [one.date(len(one) + k) or len(one) + k + 1 for k in range(steps)]
        for k, target in enumerate(model.targets):
            name = " ".join(([one.name] if len(panel) > 1 else []) + [target])
            middle = values[:, k, model.middle] if model.quantiles else values[:, k]
            drawn.add_scatter(x=past, y=one.values[shown:, k], name=name, line={"color": colour(number)})
            if len(model.quantiles) > 1:
                low, high = values[:, k, 0], values[:, k, -1]
                band = Scatter(
                    x=[*future, *reversed(future)],
                    y=[*high, *reversed(low)],
                    fill="toself",
                    fillcolor=faded(number),
                    line={"width": 0},
                    name=f"{name}, {model.quantiles[0]:g} to {model.quantiles[-1]:g}",
                )
                drawn.add_trace(band)
            dotted = {"color": colour(number), "dash": "dot"}
            joined = [one.values[-1, k], *middle]
            drawn.add_scatter(x=[past[-1], *future], y=joined, name=f"{name}, forecast", line=dotted)
            number += 1
    return drawn


def counted_steps(steps: int) -> str:
    """A number of steps, for titles."""
    return "The next step" if steps == 1 else f"The next {steps:,} steps"
