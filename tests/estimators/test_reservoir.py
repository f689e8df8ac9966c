"""Reservoirs as estimators: on sequences of any lengths, with and without scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest

import unrolled.estimators.reservoir as module
from unrolled.data.synthetic.chaos import mackey_glass
from unrolled.errors import DataError, SettingError
from unrolled.estimators.reservoir import ReservoirClassifier, ReservoirForecaster


def waves(count=60, seed=0):
    """Sequences (T_i, 2) of three speeds, at any phase; their classes are words."""
    drawn = np.random.default_rng(seed)
    rows, labels = [], []
    for n in range(count):
        t = np.arange(drawn.integers(15, 60)) * (0.3, 0.6, 1.2)[n % 3] + drawn.uniform(0, 6)
        rows.append(np.c_[50 + 9 * np.sin(t), 0.01 * np.cos(t)])
        labels.append(("slow", "middle", "fast")[n % 3])
    return rows, labels


def test_classes_of_sequences_of_any_length():
    model = ReservoirClassifier(hidden_size=80)
    assert model.fit(*waves()) is model
    rows, labels = waves(seed=1)
    assert model.score(rows, labels) == 1.0
    assert model.classes_.tolist() == ["fast", "middle", "slow"]
    answers = model.decision_function(rows)
    assert answers.shape == (60, 3)
    assert model.predict(rows).tolist() == [model.classes_[k] for k in answers.argmax(1)]
    assert model.score(rows, ["slow"] * 60) == pytest.approx(20 / 60)


def test_scale_and_shift_of_the_data_make_no_difference():
    rows, labels = waves()
    answers = [
        ReservoirClassifier(hidden_size=30, ridges=1e-3).fit(given, labels).decision_function(given)
        for given in (rows, [row * 1000 - 7 for row in rows])
    ]
    np.testing.assert_allclose(*answers, atol=1e-4)


def test_the_ridge_is_chosen_on_rows_of_every_class_that_are_held_out(monkeypatch):
    seen = []
    inner = module.EchoStateNetwork.fit

    def spy(network, batches, ridges, **options):
        kept = {"training": list(batches), **{k: list(v) for k, v in options.items() if k == "validation"}}
        seen.append({side: np.concatenate([y.numpy() for _, y in pairs]) for side, pairs in kept.items()})
        return inner(network, kept["training"], ridges, **options | {"validation": kept["validation"]})

    monkeypatch.setattr(module.EchoStateNetwork, "fit", spy)
    model = ReservoirClassifier(hidden_size=20, validation=0.25).fit(*waves())
    assert np.bincount(seen[0]["validation"]).tolist() == [5, 5, 5]
    assert np.bincount(seen[0]["training"]).tolist() == [15, 15, 15]
    assert len(model.path_.points) == len(module.RIDGES)


def test_more_rows_than_run_at_a_time(monkeypatch):
    rows, labels = waves()
    whole = ReservoirClassifier(hidden_size=30, ridges=1e-3).fit(rows, labels).decision_function(rows)
    monkeypatch.setattr(module, "BATCH", 7)
    apart = ReservoirClassifier(hidden_size=30, ridges=1e-3).fit(rows, labels).decision_function(rows)
    np.testing.assert_allclose(apart, whole, atol=1e-4)


def test_a_forecast_of_chaos_is_better_than_the_last_value():
    series = mackey_glass(2600)
    model = ReservoirForecaster(hidden_size=150, ridges=(1e-12, 1e-9, 1e-6)).fit([series[:2000]])
    rows = [series[: 2000 + 50 * n] for n in range(11)]
    ahead = np.array([forecast[:, 0] for forecast in model.predict(rows, steps=30)])
    wanted = np.array([series[len(row) : len(row) + 30] for row in rows])
    last = np.array([row[-1] for row in rows])[:, None]
    assert np.square(ahead - wanted).mean() < 0.01 * np.square(last - wanted).mean()
    assert ahead.shape == (11, 30)


def test_series_of_several_numbers_and_lengths_are_forecast_in_their_units():
    t = np.arange(500.0)
    series = np.c_[1000 + 50 * np.sin(t / 6), 0.1 * np.cos(t / 6), np.full(500, 3.0)]
    model = ReservoirForecaster(hidden_size=60).fit([series[:400], series[:300]])
    long, short = model.predict([series[:400], series[:333]], steps=20)
    scale = np.array([50, 0.1, 1.0])
    assert np.abs((long - series[400:420]) / scale).max() < 0.05
    assert np.abs((short - series[333:353]) / scale).max() < 0.05
    assert model.score([series[:450]], steps=20) > 0.99
    np.testing.assert_allclose(long, model.predict([series[:400]], steps=20)[0], rtol=1e-9)


def test_the_score_is_one_minus_the_share_of_the_variance():
    series = mackey_glass(900)
    model = ReservoirForecaster(hidden_size=40).fit([series])
    ahead = model.predict([series[:-100], series[:700]], steps=100)
    wanted = np.array([series[-100:], series[700:800]])
    left = np.square(np.array(ahead)[..., 0] - wanted).sum() / np.square(wanted - series.mean()).sum()
    assert model.score([series, series[:800]], steps=100) == pytest.approx(1 - left)


@pytest.mark.parametrize("estimator", [ReservoirClassifier, ReservoirForecaster])
def test_parameters_by_name(estimator):
    model = estimator("gru", 30, seed=4)
    parameters = model.get_params()
    assert (parameters["cell"], parameters["hidden_size"], parameters["seed"]) == ("gru", 30, 4)
    assert estimator(**parameters).get_params() == parameters
    assert model.set_params(seed=5, ridges=1e-2) is model and (model.seed, model.ridges) == (5, 1e-2)
    assert repr(model) == f"{estimator.__name__}(cell='gru', hidden_size=30, ridges=0.01, seed=5)"
    with pytest.raises(
        SettingError, match=f"{estimator.__name__} has no parameter units, it has cell, hidden_size"
    ):
        model.set_params(units=3)


CHANGED = {
    "cell": "elman",
    "hidden_size": 25,
    "leak": 0.9,
    "spectral_radius": 0.3,
    "density": 0.6,
    "bias_scaling": 0.9,
    "ridges": 10.0,
    "seed": 3,
}


@pytest.mark.parametrize(
    "option", [*CHANGED, "input_scaling", "bidirectional", "readout", "reads_input", "validation"]
)
def test_every_option_of_the_classifier_acts(option):
    changed = CHANGED | {
        "input_scaling": 1.0,
        "bidirectional": True,
        "readout": "last",
        "reads_input": True,
        "validation": 0.6,
    }
    rows, labels = waves(30)
    models = [
        ReservoirClassifier(**{"hidden_size": 20, **options}).fit(rows, labels)
        for options in ({}, {option: changed[option]})
    ]
    if option == "validation":
        assert models[0].path_.points != models[1].path_.points
    else:
        assert not np.allclose(*(model.decision_function(rows) for model in models), atol=1e-3)


@pytest.mark.parametrize("option", [*CHANGED, "feedback_scaling", "washout", "validation"])
def test_every_option_of_the_forecaster_acts(option):
    changed = CHANGED | {"feedback_scaling": 0.1, "washout": 5, "validation": 0.6}
    series = mackey_glass(300)
    models = [
        ReservoirForecaster(**{"hidden_size": 20, **options}).fit([series])
        for options in ({}, {option: changed[option]})
    ]
    if option == "validation":
        assert models[0].path_.points != models[1].path_.points
    else:
        assert not np.allclose(*(model.predict([series], 5)[0] for model in models), rtol=1e-6)


def test_data_that_is_refused():
    rows, labels = waves(6)
    model = ReservoirClassifier(hidden_size=8, ridges=1.0)
    for X, y, told in (
        ([], [], "at least one sequence must be given, got none"),
        (rows, labels[:5], r"each of the 6 sequences needs one class, got \(5,\)"),
        (rows, ["a"] * 6, r"there must be at least two classes, got \['a'\]"),
        (
            [rows[0], rows[1][:, :1]],
            labels[:2],
            "all sequences must have I=2 numbers a step, sequence 1 has 1",
        ),
        (
            [rows[0], rows[1][:0]],
            labels[:2],
            r"sequence 1 must be \(T, I\) with at least one step, got \(0, 2\)",
        ),
        ([rows[0], [["a"]]], labels[:2], r"sequence 1 must be numbers \(T, I\), got list"),
        ([rows[0], rows[1] * np.nan], labels[:2], "sequence 1 must be finite numbers, got nan or inf"),
    ):
        with pytest.raises(DataError, match=told):
            model.fit(X, y)
    with pytest.raises(DataError, match=r"validation=0\.2 of 2 sequences leaves nothing on one side"):
        ReservoirClassifier(hidden_size=8).fit(rows[:2], labels[:2])
    with pytest.raises(DataError, match="all sequences must have I=2 numbers a step, sequence 0 has 1"):
        model.fit(rows, labels).predict([np.zeros((3, 1))])
    with pytest.raises(DataError, match="series must have more than steps=9 values to be scored"):
        ReservoirForecaster(hidden_size=8).fit([mackey_glass(200)]).score([np.zeros(9)], steps=9)


def test_options_that_are_refused():
    rows, labels = waves(6)
    for model in (ReservoirClassifier(), ReservoirForecaster()):
        with pytest.raises(SettingError, match=r"has not been fitted. Call fit\(...\) first"):
            model.predict(rows)
    with pytest.raises(
        SettingError, match="readout must be mean or last for classes of sequences, got 'step'"
    ):
        ReservoirClassifier(readout="step").fit(rows, labels)
    with pytest.raises(SettingError, match=r"validation must be a share between 0 and 1, got 1\.5"):
        ReservoirClassifier(hidden_size=8, validation=1.5).fit(rows, labels)
    with pytest.raises(SettingError, match="steps must be a whole number >= 1, got 0"):
        ReservoirForecaster(hidden_size=8).fit([mackey_glass(200)]).predict([np.zeros(9)], steps=0)


@pytest.mark.slow
def test_scikit_learn_is_not_imported():
    program = "import sys, unrolled.estimators.reservoir; print('sklearn' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"


@pytest.mark.slow
def test_scikit_learn_clones_and_cross_validates():
    base = pytest.importorskip("sklearn.base")
    selection = pytest.importorskip("sklearn.model_selection")
    model = ReservoirClassifier(hidden_size=60, ridges=(1e-4, 1e-2), seed=2)
    copy = base.clone(model)
    assert copy is not model and copy.get_params() == model.get_params()
    assert base.is_classifier(model) and base.is_regressor(ReservoirForecaster())
    rows, labels = waves()
    scores = selection.cross_val_score(model, rows, labels, cv=3)
    assert len(scores) == 3 and scores.mean() > 0.9
    grid = selection.GridSearchCV(model, {"leak": [0.1, 0.3]}, cv=3).fit(rows, labels)
    assert grid.best_estimator_.leak in (0.1, 0.3) and grid.score(rows, labels) > 0.9
