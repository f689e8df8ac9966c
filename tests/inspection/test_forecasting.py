import numpy as np
import pytest

from unrolled.data.panel import Panel
from unrolled.data.scaling import Scaling
from unrolled.data.settings import ReadSettings
from unrolled.data.windows import Frames, Windows
from unrolled.errors import DataError, SettingError
from unrolled.inspection.floors import floor_errors
from unrolled.inspection.forecasting import evaluate, figure, predict
from unrolled.models.forecaster import Forecaster

READING = ReadSettings()
VALUES = np.random.default_rng(0).normal(size=60).cumsum() + 30


def date(t):
    return f"{1950 + t // 12}-{t % 12 + 1:02}"


def written(path, values=VALUES, name="y"):
    path.write_text(f"Month,{name}\n" + "".join(f"{date(t)},{y!r}\n" for t, y in enumerate(values.tolist())))
    return path


def forecaster(shape="many-to-one", quantiles=(), until="", horizon=3):
    scaling = Scaling("series", "last", "both", season=6)
    scaling.remember({"data": VALUES[:40, None]})
    return Forecaster(
        ("y",),
        horizon,
        "gru",
        5,
        shape=shape,
        window=8,
        quantiles=quantiles,
        scaling=scaling,
        reading={"target": "y", "date": "Month"},
        trained_until={"data": until},
    )


@pytest.mark.parametrize("shape", ["many-to-one", "many-to-many"])
def test_scores_are_those_of_forecasting_again_and_again(tmp_path, shape):
    path, model = written(tmp_path / "data.csv"), forecaster(shape, until=date(39))
    found = evaluate(model, [path], READING)
    errors, last, season = [], [], []
    for t in range(39, 57):
        truth = VALUES[t + 1 : t + 4]
        errors.append(model.forecast(VALUES[: t + 1], 3)[:, 0] - truth)
        last.append(VALUES[t] - truth)
        season.append(VALUES[t - 5 : t - 2] - truth)
    errors, last, season = (np.array(part) for part in (errors, last, season))
    assert (found.count, found.counted) == (18, "forecasts")
    assert found.scores["RMSE"] == pytest.approx(np.sqrt(np.square(errors).mean()), rel=1e-5)
    assert found.scores["MAE"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    rules, steps = found.grids
    assert rules.rows[1][1:] == pytest.approx((np.sqrt(np.square(last).mean()), np.abs(last).mean()))
    assert rules.rows[2][1:] == pytest.approx((np.sqrt(np.square(season).mean()), np.abs(season).mean()))
    assert found.floor == "last value"
    assert found.floors["RMSE"] == rules.rows[1][1]
    wanted = np.sqrt(np.square(errors).mean(0))
    assert [row[1] for row in steps.rows] == pytest.approx(wanted, rel=1e-5)
    assert [row[3] for row in steps.rows] == pytest.approx(np.sqrt(np.square(last).mean(0)))


def test_what_was_trained_on_is_not_judged(tmp_path):
    path = written(tmp_path / "data.csv")
    counts = {
        until: evaluate(forecaster(until=until), [path], READING).count for until in ("", date(39), date(50))
    }
    assert counts == {"": 60 - 8 - 3, date(39): 18, date(50): 7}
    assert evaluate(forecaster(until=date(39)), [path], READING, last=0.1).count == 4
    with pytest.raises(DataError, match="there must be 12 steps, 3 of them not trained on, got 60"):
        evaluate(forecaster(until=date(58)), [path], READING)
    with pytest.raises(SettingError, match="--last must be a share above 0"):
        evaluate(forecaster(), [path], READING, last=2)


def test_quantiles_are_judged_by_pinball_and_coverage(tmp_path):
    path, model = written(tmp_path / "data.csv"), forecaster(quantiles=(0.1, 0.5, 0.9), until=date(39))
    found = evaluate(model, [path], READING)
    losses, inside = [], []
    for t in range(39, 57):
        made = model.forecast(VALUES[: t + 1], 3)[:, 0]
        for k in range(3):
            y = VALUES[t + 1 + k]
            losses.append(
                [
                    q * (y - f) if y > f else (1 - q) * (f - y)
                    for q, f in zip((0.1, 0.5, 0.9), made[k], strict=True)
                ]
            )
            inside.append(made[k, 0] <= y <= made[k, 2])
    assert found.scores["pinball loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert found.scores["within 0.1 to 0.9"] == pytest.approx(np.mean(inside))
    quantiles = found.grids[-1]
    assert [row[2] for row in quantiles.rows] == pytest.approx(np.mean(losses, 0), rel=1e-4)


def test_several_series_are_judged_each(tmp_path):
    paths = [written(tmp_path / "a.csv"), written(tmp_path / "b.csv", VALUES * 2)]
    found = evaluate(forecaster(), paths, READING)
    each = found.grids[-1]
    assert [row[:2] for row in each.rows] == [("a", 49), ("b", 49)]
    pooled = np.sqrt(np.mean([row[2] ** 2 for row in each.rows]))
    assert found.scores["RMSE"] == pytest.approx(pooled)


def test_predictions_go_on_with_dates(tmp_path):
    path, model = written(tmp_path / "data.csv"), forecaster()
    rows = list(predict(model, [path], READING, steps=5))
    assert [row["Month"] for row in rows] == [date(t) for t in range(60, 65)]
    assert [row["y"] for row in rows] == pytest.approx(model.forecast(VALUES, 5)[:, 0].tolist())
    assert list(rows[0]) == ["file", "Month", "y"]
    assert len(list(predict(model, [path], READING))) == 3


def test_predictions_of_quantiles_and_without_dates(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("y\n" + "".join(f"{y!r}\n" for y in VALUES.tolist()))
    model = forecaster(quantiles=(0.1, 0.9))
    model.reading = {"target": "y", "date": "none"}
    rows = list(predict(model, [path], READING))
    assert list(rows[0]) == ["file", "step", "y 0.1", "y 0.9"]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(row["y 0.1"] < row["y 0.9"] for row in rows)


def test_several_series_are_named(tmp_path):
    paths = [written(tmp_path / "a.csv"), written(tmp_path / "b.csv")]
    assert [row["series"] for row in predict(forecaster(), paths, READING)] == ["a"] * 3 + ["b"] * 3


def test_what_does_not_fit_is_refused(tmp_path):
    model = forecaster()
    short = written(tmp_path / "short.csv", VALUES[:8])
    with pytest.raises(DataError, match="a forecast needs 9 steps before it, got 8"):
        list(predict(model, [short], READING))
    with pytest.raises(DataError, match=r"no column 'y'; the model reads it, give files with it"):
        list(predict(model, [written(tmp_path / "z.csv", name="z")], READING))
    with pytest.raises(SettingError, match="--probabilities is for classes"):
        list(predict(model, [short], READING, probabilities=True))
    with pytest.raises(SettingError, match="--label is not for forecasters"):
        evaluate(model, [short], ReadSettings(label="y"))


def test_the_figure_shows_the_end_the_forecast_and_the_band(tmp_path):
    path, model = written(tmp_path / "data.csv"), forecaster(quantiles=(0.1, 0.5, 0.9))
    past, band, future = figure(model, [path], READING, steps=4).data
    made = model.forecast(VALUES, 4)[:, 0]
    assert list(past.y) == pytest.approx(VALUES.tolist())
    assert list(future.y) == pytest.approx([VALUES[-1], *made[:, 1]])
    assert list(future.x) == [date(t) for t in range(59, 64)]
    assert list(band.y) == pytest.approx([*made[:, 2], *made[::-1, 0]])


def test_floors_by_hand():
    frames = Frames.of(Panel.of([VALUES]), Scaling("series", "season", "levels", season=4, log=True))
    windows = Windows(frames, 5, 6, [(0, 60)])
    floors = floor_errors(windows)
    season = floors["same step of the last season (4)"]
    for row, t in enumerate(windows.places):
        np.testing.assert_allclose(season.truth[row, :, 0], VALUES[t + 1 : t + 7])
        np.testing.assert_allclose(season.forecast[row, :, 0], VALUES[[t - 3, t - 2, t - 1, t, t - 3, t - 2]])
        np.testing.assert_allclose(floors["last value"].forecast[row, :, 0], VALUES[t])
