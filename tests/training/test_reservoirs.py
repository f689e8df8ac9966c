"""Reservoirs as classifiers and forecasters, against least squares in NumPy on the states they give."""

import json
import tomllib

import numpy as np
import pytest
import torch
from torch import nn

from unrolled.cells import find
from unrolled.data.panel import Panel, Series
from unrolled.data.records import Place, Record
from unrolled.errors import DataError, SettingError
from unrolled.layers.starts import spectral_radius
from unrolled.models.folder import load_model
from unrolled.training.classification import classification_task, train_classifier
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.events import Prepared, Regressed, Updated, Validated
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.forecasting import chunks, forecasting_task, train_on_panel
from unrolled.training.reservoir_settings import ForecastReservoirSettings, ReservoirSettings
from unrolled.training.reservoirs import sharpness
from unrolled.training.run_in_memory import RunInMemory


class Records(list):
    """Records that somebody has read."""

    kind, facts, notes = "series", {}, []


def waves(count=60, several=False):
    """Series of two channels and three speeds, in noise."""
    drawn, records = np.random.default_rng(0), Records()
    for n in range(count):
        t = np.arange(drawn.integers(5, 20)) * (0.3, 0.6, 1.2)[n % 3] + drawn.uniform(0, 6)
        values = np.c_[5 + 3 * np.sin(t), np.cos(t)] + drawn.normal(0, 0.3, (len(t), 2))
        label = ("slow", "middle", "fast")[n % 3]
        label = {"slow": "slow|calm", "middle": "calm", "fast": ""}[label] if several else label
        records.append(Record(values.astype(np.float32), label, Place("w.npz", n + 1), {}))
    return records


def texts():
    drawn, records = np.random.default_rng(0), Records()
    records.kind = "text"
    for n in range(40):
        words = [*drawn.choice(["a", "film", "so"], 3), "good" if n % 2 else "bad"]
        records.append(Record(" ".join(words), "+" if n % 2 else "-", Place("t.csv", n + 1), {}))
    return records


def classifier(records=None, reservoir=None, model=None, training=None):
    """A task for a classifier that has not been trained."""
    given = ReservoirSettings(reservoir=True, **reservoir or {})
    shape, course = given.applied(
        ClassifierSettings(**{"hidden": 20} | (model or {})),
        ClassifySettings(**{"validation": 0.3} | (training or {})),
    )
    torch.manual_seed(course.seed)
    return classification_task(records or waves(), find(shape.cell), shape, course, reservoir=given)


def forecaster(panel, reservoir=None, model=None, training=None):
    given = ForecastReservoirSettings(reservoir=True, **reservoir or {})
    shape, course = given.applied(
        ForecasterSettings(**{"hidden": 15} | (model or {})),
        ForecastSettings(**{"validation": 0.3} | (training or {})),
    )
    torch.manual_seed(course.seed)
    return forecasting_task(panel, find(shape.cell), shape, course, reservoir=given)


def train(task):
    """Train in memory; what was reported."""
    events = []
    outcome = task.train(RunInMemory(), events.append)
    return outcome, events


def ridge_by_hand(features, targets, strength):
    """W (O, n), c (O,) of 1/N sum ||y - W f - c||^2 + r ||W||^2, by the normal equations."""
    x, y = features - features.mean(0), targets - targets.mean(0)
    weight = np.linalg.solve(x.T @ x / len(x) + strength * np.eye(x.shape[1]), x.T @ y / len(x)).T
    return weight, targets.mean(0) - weight @ features.mean(0)


def wave_states(model, values):
    """Leaky states (T, D * H) of one row, both directions, step by step in float64."""
    mean, deviation = (np.array(getattr(model.input, name)) for name in ("mean", "deviation"))
    x = (values - mean) / deviation
    found = []
    for name, order in zip(model.recurrent._names(), (1, -1), strict=True):
        w = {k: v.detach().double().numpy() for k, v in model.recurrent.cell_weights(name).items()}
        h, states = np.zeros(len(w["b"])), []
        for step in x[::order]:
            h = 0.7 * h + 0.3 * np.tanh(w["W"] @ step + w["U"] @ h + w["b"])
            states.append(h)
        found.append(np.array(states)[::order])
    return np.concatenate(found, 1)


POOLED = {
    "mean": lambda states, half: states.mean(0),
    "max": lambda states, half: states.max(0),
    "last": lambda states, half: np.concatenate([states[-1, :half], states[0, half:]]),
}


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_a_classifier_is_least_squares_on_its_pooled_states(pooling):
    task = classifier(reservoir={"ridges": "1e-3,1e-1"}, model={"pooling": pooling})
    model, sides = task.objective.model, (task.objective.training, task.objective.validation)
    seen, wanted = [], []
    for part in sides:
        rows = [part.sequences[i] for i in range(len(part.sequences))]
        seen.append(np.array([POOLED[pooling](wave_states(model, row), 20) for row in rows]))
        wanted.append(np.eye(3)[part.targets.numpy()])
    _, events = train(task)
    errors = []
    for strength in (1e-3, 1e-1):
        weight, bias = ridge_by_hand(seen[0], wanted[0], strength)
        answers = seen[1] @ weight.T + bias
        wrong = (answers.argmax(1) != wanted[1].argmax(1)).mean()
        errors.append((wrong, np.square(answers - wanted[1]).sum(1).mean(), strength, weight, bias))
    points = [event for event in events if isinstance(event, Regressed)]
    assert [(p.wrong, p.ridge) for p in points] == [(e[0], e[2]) for e in errors]
    assert [p.error for p in points] == pytest.approx([e[1] for e in errors], rel=1e-4)
    _, _, strength, weight, bias = min(errors, key=lambda e: e[:2])
    assert [p.ridge for p in points if p.best] == [strength]
    found = model.output.weight.detach().double().numpy()
    factor = (found * weight).sum() / (weight * weight).sum()
    assert factor >= 1
    np.testing.assert_allclose(found / factor, weight, atol=2e-4 * np.abs(weight).max())
    np.testing.assert_allclose(model.output.bias.detach().numpy() / factor, bias, atol=1e-3)
    logits = factor * (seen[1] @ weight.T + bias)
    assert smoothed_loss(logits, wanted[1]) <= min(smoothed_loss(logits * k, wanted[1]) for k in (0.99, 1.01))


def smoothed_loss(logits, wanted, pieces=None):
    count, classes = wanted.shape
    targets = (count * wanted + 1 / classes) / (count + 1)
    log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -(targets * log).sum(1).mean()


def test_the_features_of_the_regression_are_the_model_s_own_bits():
    """With the model's own float32 features the normal equations agree to rounding."""
    task = classifier(reservoir={"ridges": "1e-3"})
    pieces = list(task.training())
    x, y = (np.concatenate([piece[k].detach().double().numpy() for piece in pieces]) for k in (0, 1))
    weight, bias = ridge_by_hand(x, y, 1e-3)
    train(task)
    found = task.objective.model.output
    factor = float((found.weight.detach().double().numpy() * weight).sum() / (weight * weight).sum())
    np.testing.assert_allclose(found.weight.detach().numpy(), factor * weight, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.bias.detach().numpy(), factor * bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("several", [False, True])
def test_sharpness_is_where_the_cross_entropy_is_smallest(several):
    drawn = np.random.default_rng(0)
    wanted = np.eye(3)[drawn.integers(0, 3, 50)]
    wanted = wanted * 2 - 1 if several else wanted
    answers = wanted * 0.5 + drawn.normal(0, 0.3, wanted.shape)

    def loss(factor):
        z = factor * answers
        if not several:
            return smoothed_loss(z, wanted)
        share = (50 * (wanted + 1) / 2 + 0.5) / 51
        return (share * np.log1p(np.exp(-z)) + (1 - share) * np.log1p(np.exp(z))).mean()

    grid = np.linspace(1, 20, 19_001)
    best = grid[np.argmin([loss(b) for b in grid])]
    found = sharpness(torch.from_numpy(answers), torch.from_numpy(wanted), several)
    assert found == pytest.approx(best, abs=2e-3)
    # One that is wrong everywhere stays as it is, one without errors is finite.
    assert sharpness(torch.from_numpy(-answers), torch.from_numpy(wanted), several) == 1
    assert 1 < sharpness(torch.from_numpy(wanted), torch.from_numpy(wanted), several) < 100


def test_rows_with_several_labels():
    task = classifier(waves(90, several=True), training={"several": "|"})
    outcome, _ = train(task)
    assert outcome.scores["accuracy"] > 0.9
    targets = next(iter(task.training()))[1]
    assert set(targets.unique().tolist()) == {-1.0, 1.0}


def test_all_but_the_output_is_drawn_and_stays():
    task = classifier(reservoir={"spectral_radius": 0.7, "density": 0.5, "input_scaling": 0.2})
    model = task.objective.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for name in model.recurrent._names():
        weights = model.recurrent.cell_weights(name)
        assert spectral_radius(weights["U"]) == pytest.approx(0.7, abs=1e-4)
        assert float(weights["U"].count_nonzero()) / 400 == pytest.approx(0.5, abs=0.1)
        assert 0.15 < float(weights["W"].abs().max()) <= 0.2
    outcome, events = train(task)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"output.weight", "output.bias"}
    assert outcome.updates == 0 and not [e for e in events if isinstance(e, Updated)]
    assert {n for n, p in model.named_parameters() if p.requires_grad} == moved


def test_a_deep_reservoir_reads_the_layer_below_by_weights_of_its_width():
    model = classifier(model={"layers": 2}).objective.model
    first, second = (model.recurrent.cell_weights(name)["W"] for name in model.recurrent._names()[::2])
    assert 0.5 < float(first.abs().max()) <= 2**-0.5
    assert 0.9 * 40**-0.5 < float(second.abs().max()) <= 40**-0.5


def test_vectors_of_symbols_and_places_are_standard_normal_and_fixed():
    task = classifier(texts(), model={"embedding": 300, "positions": 2, "hidden": 60})
    model = task.objective.model
    vectors = model.front.embedding.weight, model.places.vectors
    before = [v.clone() for v in vectors]
    assert [float(v.detach().std()) for v in vectors] == pytest.approx([1, 1], abs=0.1)
    outcome, _ = train(task)
    assert outcome.scores["accuracy"] == 1
    assert all(torch.equal(v, b) for v, b in zip(vectors, before, strict=True))


def training_loss(task):
    objective = task.objective
    model, part = objective.model.eval(), objective.training
    with torch.no_grad():
        if hasattr(part, "sequences"):
            rows, targets = part.batch(np.arange(len(part.sequences)))
            return float(objective._loss(model(rows), targets))
        return float(sum(objective.loss(batch, None)[0] for batch in chunks(part)))


def test_fine_tuning_starts_from_the_regression_moves_all_weights_and_lowers_the_loss():
    plain = classifier(model={"hidden": 12})
    tuned = classifier(
        reservoir={"fine_tune": 20}, model={"hidden": 12, "dropout": 0.0}, training={"warmup": 0}
    )
    (outcome, _), (best, events) = train(plain), train(tuned)
    assert (tuned.settings.epochs, tuned.settings.learning_rate) == (20, 0.001)
    first = next(e for e in events if isinstance(e, Validated))
    assert first.validation == outcome.best  # the same model before the first update
    assert best.updates == sum(isinstance(e, Updated) for e in events) > 0
    a, b = plain.objective.model.state_dict(), tuned.objective.model.state_dict()
    assert not any(torch.equal(value, b[name]) for name, value in a.items())
    assert training_loss(tuned) < 0.8 * training_loss(plain)


def test_fine_tuning_learns_attention_which_starts_as_the_mean():
    tuned = classifier(reservoir={"fine_tune": 1}, model={"pooling": "attention"})
    _, events = train(tuned)
    outcome, _ = train(classifier())
    first = next(e for e in events if isinstance(e, Validated))
    assert first.validation == pytest.approx(outcome.best, rel=1e-3)
    assert bool(tuned.objective.model.pooling.query.any())


# --- forecasters ---------------------------------------------------------------------------------

STEPS = np.arange(150.0)
SERIES = np.sin(STEPS / 5) + 0.3 * np.cos(STEPS / 2.3)


def leaky_states(model, x):
    w = {k: v.detach().double().numpy() for k, v in model.recurrent.cell_weights().items()}
    h, states = np.zeros(len(w["b"])), []
    for step in x:
        h = 0.7 * h + 0.3 * np.tanh(w["W"] @ step + w["U"] @ h + w["b"])
        states.append(h)
    return np.array(states)


def check_output(task, seen, wanted, strength):
    weight, bias = ridge_by_hand(seen, wanted, strength)
    train(task)
    output = task.objective.model.output
    np.testing.assert_allclose(output.weight.detach().numpy(), weight, atol=2e-4 * np.abs(weight).max())
    np.testing.assert_allclose(output.bias.detach().numpy(), bias, atol=1e-3 * max(1, np.abs(bias).max()))


def test_windows_by_hand():
    model = {"horizon": 3, "window": 8, "relative": "none", "scale": "series"}
    task = forecaster(Panel.of([SERIES]), {"ridges": "1e-3"}, model)
    part = SERIES[:105]
    u = (part - part.mean()) / part.std()
    places = range(7, 102)
    seen = [leaky_states(task.objective.model, u[t - 7 : t + 1, None])[-1] for t in places]
    wanted = [u[t + 1 : t + 4] for t in places]
    check_output(task, np.array(seen), np.array(wanted), 1e-3)


@pytest.mark.parametrize("washout", [0, 10])
def test_whole_series_by_hand(washout):
    """The first is long enough to be cut into pieces for updates; here it is read as a whole."""
    model = {"shape": "many-to-many", "horizon": 2, "relative": "none", "scale": "series"}
    both = np.random.default_rng(0).normal(size=3200), SERIES[:90] * 2
    task = forecaster(Panel.of(both), {"ridges": "1e-3", "washout": washout}, model)
    assert [len(group) for group in task.objective.training.groups] == [3]
    seen, wanted = [], []
    for values, end in zip(both, (2240, 63), strict=True):
        u = (values - values[:end].mean()) / values[:end].std()
        states = leaky_states(task.objective.model, u[:end, None])
        for t in range(washout, end - 2):
            seen.append(states[t])
            wanted.append(u[t + 1 : t + 3])
    check_output(task, np.array(seen), np.array(wanted), 1e-3)


def test_a_forecaster_is_kept_with_what_was_tried(tmp_path):
    events = []
    run = train_on_panel(
        Panel.of([SERIES]),
        ForecasterSettings(hidden=30),
        ForecastSettings(),
        tmp_path / "run",
        events.append,
        reservoir=ForecastReservoirSettings(reservoir=True, leak=0.8),
    )
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["ridge"] * 10 + ["validation"]
    assert sum(line["best"] for line in lines[:-1]) == 1
    assert lines[-1]["scores"] == run.outcome.scores and run.outcome.updates == 0
    best = next(line for line in lines if line["best"])
    assert best["error"] == pytest.approx(run.outcome.best, rel=1e-3)
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert config["model"] | {"cell": "leaky", "dropout": 0.0} == config["model"]
    assert set(config["training"]) == {"validation", "seed"}
    assert config["reservoir"]["leak"] == 0.8
    assert config["reservoir"]["input_scaling"] == load_model(run.path).recurrent.input_size ** -0.5
    assert config["reservoir"]["ridges"][0] == 1e-8
    model = load_model(run.path)
    assert model.cell.graph.constants["leak"] == 0.8
    assert abs(model.forecast(SERIES[:140], 1)[0, 0] - SERIES[140]) < 0.05
    prepared = events[0]
    assert isinstance(prepared, Prepared)
    assert prepared.model.endswith("; a reservoir, 31 of them in the linear output")
    assert prepared.plan == "ridge regression, the best of 10 strengths on what is kept out"


def test_known_inputs_are_learned_in_fine_tuning():
    values = SERIES[:, None] + (STEPS % 7 == 0)[:, None]
    sunday = (STEPS % 7 == 0)[:, None].astype(float)
    series = Series("shop", "shop.csv", values, sunday, np.zeros((0, 1)))
    panel = Panel((series,), ("sales",), ("sunday",), (True,))
    task = forecaster(panel, {"fine_tune": 2})
    output = task.objective.model.after.output.weight
    nn.init.ones_(output)
    _, events = train(task)
    points = [e for e in events if isinstance(e, Regressed) and e.best]
    first = next(e for e in events if isinstance(e, Validated))
    assert first.validation == pytest.approx(
        points[0].error, rel=1e-4
    )  # nothing is added to the regression yet
    assert bool(output.any())
    with pytest.raises(SettingError, match="--known is learned by gradients"):
        forecaster(panel)


# --- what is refused -----------------------------------------------------------------------------


def test_what_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SettingError, match="gru has no leak to set; leave --leak out, or use --cell leaky"):
        classifier(reservoir={"leak": 0.2}, model={"cell": "gru"})
    with pytest.raises(SettingError, match="nothing is kept out to choose the strength of the ridge by"):
        classifier(training={"validation": 0})
    with pytest.raises(SettingError, match="nothing is kept out to choose the strength of the ridge by"):
        forecaster(Panel.of([SERIES]), training={"validation": 0})
    nothing = forecaster(Panel.of([SERIES]), {"washout": 104}, {"shape": "many-to-many", "relative": "none"})
    with pytest.raises(DataError, match="a readout needs at least one step of data"):
        train(nothing)
    monkeypatch.setattr("unrolled.training.supervised.open_records", lambda *args: waves())
    with pytest.raises(SettingError, match="--leak is for reservoirs; add --reservoir, or leave it out"):
        train_classifier(["x"], run=tmp_path / "run", reservoir=ReservoirSettings(leak=0.2))
    assert not (tmp_path / "run").exists()


def test_one_strength_needs_no_validation():
    outcome, events = train(classifier(reservoir={"ridges": "1e-3"}, training={"validation": 0}))
    assert np.isnan(outcome.best) and outcome.scores == {}
    (point,) = [e for e in events if isinstance(e, Regressed)]
    assert (point.ridge, point.error, point.wrong, point.best) == (1e-3, None, None, True)
    assert events[0].plan == "ridge regression, strength 0.001"
