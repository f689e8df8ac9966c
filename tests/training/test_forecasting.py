import json
import tomllib

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unrolled.data.panel import Panel
from unrolled.data.panel_settings import PanelSettings
from unrolled.data.scaling import Scaling
from unrolled.data.windows import Frames, Streams, Windows
from unrolled.errors import DataError, SettingError
from unrolled.models.folder import load_model
from unrolled.models.forecaster import Forecaster
from unrolled.training.events import Prepared
from unrolled.training.forecast_plan import border, planned_scaling
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.forecasting import Forecasting, train_forecaster, train_on_panel

STEPS = np.arange(120)
WAVE = 10 + 3 * np.sin(2 * np.pi * STEPS / 12) + 0.05 * STEPS
SMALL = {"hidden": 4}
SHORT = {"updates": 4, "validate_every": 2, "warmup": 0}


def trained(folder, values=WAVE, model=None, training=None):
    events = []
    run = train_on_panel(
        Panel.of([values] if isinstance(values, np.ndarray) else values),
        ForecasterSettings(**SMALL | (model or {})),
        ForecastSettings(**SHORT | (training or {})),
        folder,
        events.append,
    )
    return run, events


def weights(run, which="checkpoints/last"):
    return load_file(run.path / which / "model.safetensors")


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def objective(quantiles=(), shape="many-to-one"):
    frames = Frames.of(Panel.of([WAVE, WAVE[:50] * 2]), Scaling("series", "last", "both"))
    model = Forecaster(1, 3, "gru", 4, shape=shape, window=6, quantiles=quantiles, scaling=frames.scaling)
    parts = [(0, 120), (0, 50)]
    part = Streams(frames, 3, parts, 2, 32) if shape == "many-to-many" else Windows(frames, 6, 3, parts)
    return Forecasting(model, part, part, ForecastSettings(batch=8))


def test_the_pinball_loss_by_hand():
    made = objective((0.1, 0.5, 0.8))
    batch = made.training.batch(np.array([0, 5, 9]))
    output, _ = made.model(batch.x)
    found, count, state = made.loss(batch, None)
    total = 0.0
    for row in range(3):
        for step in range(3):
            y = float(batch.targets[row, step, 0])
            for i, q in enumerate((0.1, 0.5, 0.8)):
                f = float(output[row, step, 0, i].detach())
                total += (q * (y - f) if y > f else (1 - q) * (f - y)) / 3
    assert float(found.detach()) == pytest.approx(total / 9, rel=1e-5)
    assert (count, state) == (9, None)


def test_the_loss_of_a_stream_leaves_out_what_does_not_count():
    made = objective(shape="many-to-many")
    batches = list(made.batches())
    assert [batch.begins for batch in batches] == [True, False, False, False]
    state = None
    for batch in batches:
        kept = batch.weights.bool()
        output, _ = made.model(batch.x, state, lengths=batch.lengths)
        wanted = (output - batch.targets)[kept].square().mean()
        found, count, state = made.loss(batch, state)
        assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)
        assert count == int(kept.sum())
        state = state.detach()


def test_a_batch_that_begins_forgets_the_state_before():
    made = objective(shape="many-to-many")
    first, second, *_ = made.batches()
    _, _, state = made.loss(first, None)
    assert float(made.loss(first, state)[0].detach()) == float(made.loss(first, None)[0].detach())
    assert float(made.loss(second, state)[0].detach()) != float(made.loss(second, None)[0].detach())


@pytest.mark.parametrize("shape", ["many-to-one", "many-to-many"])
def test_validation_in_data_units_by_hand(shape):
    made = objective(shape=shape)
    with torch.no_grad():
        judged = made.validate()
    squares, losses = [], []
    for values, scale in ((WAVE, 0), (WAVE[:50] * 2, 1)):
        frames = made.training.frames
        for t in range(1 if shape == "many-to-many" else 6, len(values) - 3):
            state = None
            start = 1 if shape == "many-to-many" else t - 5
            places = np.arange(start, t + 1)[:, None] + frames.starts[scale]
            x = frames.read(places, frames.levels.at(np.array([scale])))
            with torch.no_grad():
                output, _ = made.model(x, state)
            out = output[-1, 0, :, 0] if shape == "many-to-many" else output[0, :, 0]
            spread = frames.levels.spread[scale, 0]
            found = values[t] + spread * out.double().numpy()
            squares += list(np.square(found - values[t + 1 : t + 4]))
            losses += list(np.square((found - values[t + 1 : t + 4]) / spread))
    if shape == "many-to-one":
        assert judged.scores["RMSE"] == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-4)
        assert judged.loss == pytest.approx(np.mean(losses), rel=1e-4)
    else:  # the streams of training count steps with fewer than three to come, too
        assert judged.scores["RMSE"] == pytest.approx(np.sqrt(np.mean(squares)), rel=0.05)


@pytest.mark.parametrize("shape", ["many-to-one", "many-to-many"])
def test_it_learns_more_than_the_simple_rules(tmp_path, shape):
    noisy = WAVE + np.random.default_rng(0).normal(size=120) * 0.1
    run, events = trained(
        tmp_path / "run",
        noisy,
        {"shape": shape, "hidden": 16, "horizon": 2},
        {"updates": 150, "validate_every": 25, "learning_rate": 0.01},
    )
    notes = next(event for event in events if isinstance(event, Prepared)).notes
    assert "season of 12 steps, found by the autocorrelation; --season gives another, 1 for none" in notes
    # The season alone misses by the growth of a season, 12 * 0.05.
    assert run.outcome.scores["RMSE"] < 0.5 * 0.6


def test_nothing_of_the_validation_part_is_trained_on(tmp_path):
    changed = WAVE.copy()
    changed[-18:] = np.random.default_rng(1).normal(size=18) * 50
    for shape in ("many-to-one", "many-to-many"):
        first, _ = trained(tmp_path / f"{shape}-1", WAVE, {"shape": shape})
        second, _ = trained(tmp_path / f"{shape}-2", changed, {"shape": shape})
        assert same(weights(first), weights(second))
        models = [load_model(run.path, Forecaster) for run in (first, second)]
        assert models[0].scaling.to_json() == models[1].scaling.to_json()
        assert first.outcome.scores != second.outcome.scores
        before = WAVE.copy()
        before[-19] += 1
        third, _ = trained(tmp_path / f"{shape}-3", before, {"shape": shape})
        assert not same(weights(first), weights(third))


@pytest.mark.parametrize(
    ("model", "training"),
    [
        ({"horizon": 2}, {}),
        ({"cell": "lstm"}, {}),
        ({"hidden": 5}, {}),
        ({"layers": 2}, {}),
        ({"shape": "many-to-many"}, {}),
        ({"window": 7}, {}),
        ({"quantiles": "0.1,0.9"}, {}),
        ({"relative": "last"}, {}),
        ({"read": "differences"}, {}),
        ({"season": 6}, {}),
        ({"scale": "series"}, {}),
        ({"log": True}, {}),
        ({"dropout": 0.5}, {}),
        ({}, {"validation": 0.3}),
        ({}, {"batch": 5}),
        ({}, {"seed": 1}),
        ({}, {"learning_rate": 0.1}),
        ({}, {"weight_decay": 0.5}),
        ({}, {"clip": 0.01}),
        ({}, {"warmup": 3}),
        ({}, {"updates": 5}),
    ],
)
def test_every_setting_changes_the_result(tmp_path, model, training):
    plain, _ = trained(tmp_path / "plain")
    other, _ = trained(tmp_path / "other", model=model, training=training)
    first, second = weights(plain), weights(other)
    shapes = [{name: tuple(w.shape) for name, w in found.items()} for found in (first, second)]
    assert shapes[0] != shapes[1] or not same(first, second)


def test_the_window_of_gradients_changes_the_result(tmp_path):
    many = {"shape": "many-to-many"}
    first, _ = trained(tmp_path / "a", model=many, training={"steps": 10})
    second, _ = trained(tmp_path / "b", model=many, training={"steps": 11})
    assert not same(weights(first), weights(second))


def test_the_same_seed_is_the_same_run(tmp_path):
    first, _ = trained(tmp_path / "a")
    second, _ = trained(tmp_path / "b")
    assert same(weights(first), weights(second))


def test_without_validation_the_last_model_is_kept(tmp_path):
    run, _ = trained(tmp_path / "run", training={"validation": 0})
    assert same(weights(run, "model"), weights(run))
    assert np.isnan(run.outcome.best)


def test_several_series_and_targets(tmp_path):
    values = [np.stack([WAVE, WAVE**2], 1), np.stack([WAVE[:60], WAVE[:60] ** 2], 1) * 5]
    run, events = trained(tmp_path / "run", values, {"horizon": 2})
    model = load_model(run.path, Forecaster)
    assert set(run.outcome.scores) == {"RMSE 1", "RMSE 2"}
    assert set(model.scaling.known) == {"1", "2"}
    assert model.forecast(values[0], 3).shape == (3, 2)
    assert "2 series of 180 steps in all, 153 to train on, 27 to validate on" in events[0].data


def test_files_are_read_and_said_in_the_run_folder(tmp_path):
    path = tmp_path / "data.csv"
    rows = "".join(f"{1950 + t // 12}-{t % 12 + 1:02},{t % 2},{y:.3f}\n" for t, y in enumerate(WAVE))
    path.write_text("Month,h,y\n" + rows)
    run = train_forecaster(
        [path],
        PanelSettings(inputs="h", known="h"),
        ForecasterSettings(**SMALL, horizon=2),
        ForecastSettings(**SHORT),
        tmp_path / "run",
    )
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert (config["task"], config["reading"]) == ("forecast", {"with": "h", "known": "h"})
    model = load_model(run.path, Forecaster)
    assert (model.targets, model.inputs, model.known) == (("y",), ("h",), (True,))
    assert model.reading == {"target": "y", "with": "h", "known": "h", "date": "Month"}
    assert model.trained_until == {"data": "1958-06"}
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["update"] for line in lines if line["event"] == "update"] == [1, 2, 3, 4]


def test_too_short_is_refused_with_what_is_needed(tmp_path):
    options = {"window": 6, "horizon": 3, "relative": "last"}
    message = r"series 1: too short, 13 steps are needed to train and validate, got 12"
    with pytest.raises(DataError, match=message):
        trained(tmp_path / "a", WAVE[:12], options)
    assert not (tmp_path / "a").exists()
    trained(tmp_path / "b", WAVE[:13], options)


def test_options_that_do_not_fit_are_refused(tmp_path):
    many = {"shape": "many-to-many"}
    for model, training, message in (
        (many | {"window": 5}, {}, "--window is for many-to-one"),
        ({}, {"steps": 5}, "--steps is for many-to-many"),
        (many | {"scale": "window"}, {}, "--scale window is for many-to-one"),
        ({"relative": "season", "season": 1}, {}, "--relative season needs a season"),
        ({"relative": "none", "read": "both"}, {}, "something to take differences to"),
        ({"cell": "grew"}, {}, "Nearest: gru"),
    ):
        with pytest.raises(SettingError, match=message):
            trained(tmp_path / "run", WAVE, model, training)
    with pytest.raises(DataError, match=r"--log needs values above 0, got -1 at step 2"):
        trained(tmp_path / "run", np.where(STEPS == 1, -1.0, WAVE), {"log": True})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["0.5,0.1", "0,0.5", "0.1,many", "0.5,0.5"])
def test_quantiles_that_are_none_are_refused(text):
    with pytest.raises(SettingError, match="--quantiles must be numbers that rise between 0 and 1"):
        ForecasterSettings(quantiles=text)


def planned(values, **settings):
    panel = Panel.of([values])
    return planned_scaling(panel, ForecasterSettings(**settings), [len(values)])


def test_the_base_is_the_one_with_the_smallest_differences():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=300)
    assert planned(noise)[0].relative == "none"
    assert planned(noise.cumsum())[0].relative == "last"
    assert planned(np.tile(rng.normal(size=6), 50) + noise * 0.1)[0].relative == "season"


def test_series_with_a_trend_are_scaled_by_windows():
    rng = np.random.default_rng(3)
    assert planned(rng.normal(size=300))[0].scale == "series"
    assert planned(STEPS + rng.normal(size=120))[0].scale == "window"
    assert planned(STEPS + rng.normal(size=120), shape="many-to-many")[0].scale == "series"


def test_series_that_are_alike_share_a_scale():
    rng = np.random.default_rng(3)
    alike = [rng.normal(size=60) for _ in range(5)]
    apart = [one + 10 * number for number, one in enumerate(alike)]
    for values, scale in ((alike, "panel"), (apart, "series"), (alike[:1], "series")):
        panel = Panel.of(values)
        found, _ = planned_scaling(panel, ForecasterSettings(), [60] * len(panel))
        assert found.scale == scale


def test_the_border_leaves_a_horizon_to_validate_on():
    (series,) = Panel.of([WAVE]).series
    assert [border(series, share, 12) for share in (0, 0.05, 0.5)] == [120, 108, 60]


def test_a_series_shorter_than_the_horizon_is_refused_without_warnings(recwarn):
    panel = Panel.of([np.arange(20.0)])
    with pytest.raises(DataError, match=r"too short, of 20 steps none is left to train on; .*--horizon"):
        train_on_panel(panel, ForecasterSettings(horizon=30))
    assert not recwarn.list
