"""What the trained estimators share: parameters, scikit-learn's own tools, memory and folders, errors by name."""

import inspect
import json
import pickle
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import torch

from unrolled import cells
from unrolled.errors import DataError, FolderError, SettingError
from unrolled.estimators.classifier import SequenceClassifier
from unrolled.estimators.estimator import TrainedEstimator
from unrolled.estimators.forecaster import SequenceForecaster
from unrolled.estimators.given import InMemory
from unrolled.estimators.tagger import SequenceTagger
from unrolled.inspection.classification import predictions
from unrolled.models.folder import load_model, save_model
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.run_in_memory import RunInMemory
from unrolled.training.tag_settings import TaggerSettings, TagSettings

SHORT = {"hidden_size": 6, "epochs": 2, "batch": 8}
SETTINGS = {
    SequenceClassifier: (ClassifierSettings, ClassifySettings),
    SequenceTagger: (TaggerSettings, TagSettings),
    SequenceForecaster: (ForecasterSettings, ForecastSettings),
}
NAMES = {"hidden": "hidden_size", "layers": "num_layers", "embedding": "embedding_size"}


def waves(count=24, seed=0):
    """Sequences (T_i, 2) of two speeds at any phase, and their classes."""
    drawn = np.random.default_rng(seed)
    rows, labels = [], []
    for n in range(count):
        t = np.arange(drawn.integers(8, 20)) * (0.3, 1.2)[n % 2] + drawn.uniform(0, 6)
        rows.append(np.c_[50 + 9 * np.sin(t), 0.01 * np.cos(t)])
        labels.append(("slow", "fast")[n % 2])
    return rows, labels


def signs(count=24, seed=0):
    """Sequences (T_i, 1), and for every step whether it is below 0."""
    rows = [row[:, :1] - 50 for row in waves(count, seed)[0]]
    return rows, [["below" if x < 0 else "above" for x in row[:, 0]] for row in rows]


SERIES = [np.sin(np.arange(60) / 3 + phase) for phase in range(6)]
DATA = {SequenceClassifier: waves(), SequenceTagger: signs(), SequenceForecaster: (SERIES, None)}
EACH = pytest.mark.parametrize("kind", SETTINGS)


def probed(model):
    """Numbers that tell two fitted models apart."""
    X, _ = DATA[type(model)]
    found = model.predict(X) if isinstance(model, SequenceForecaster) else model.predict_proba(X)
    return np.concatenate([np.asarray(one).ravel() for one in found])


@EACH
def test_every_setting_is_a_parameter_with_the_same_default(kind):
    renamed = NAMES | ({"steps": "bptt_steps"} if kind is SequenceForecaster else {})
    usual = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    wanted = {
        renamed.get(name, name): field.default
        for group in SETTINGS[kind]
        for name, field in group.model_fields.items()
    }
    # Several classes a sequence are the business of the command.
    wanted.pop("several", None)
    assert usual == wanted | {"verbose": False, "run": None}


@EACH
def test_parameters_are_kept_as_they_are_given(kind):
    given = {"cell": cells.lstm, "hidden_size": np.int64(5), "seed": -3}
    model = kind(**given)
    assert all(getattr(model, name) is value for name, value in given.items())
    assert model.get_params() | given == model.get_params()
    assert model.set_params(seed=4) is model and model.seed == 4
    with pytest.raises(SettingError, match=f"{kind.__name__} has no parameter units, it has "):
        model.set_params(units=3)
    assert repr(kind(seed=2)) == f"{kind.__name__}(seed=2)"


@EACH
def test_a_seed_fixes_everything_and_no_other_numbers_move(kind):
    X, y = DATA[kind]
    before = torch.random.get_rng_state()
    first, again, other = (kind(seed=seed, dropout=0.2, **SHORT).fit(X, y) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(probed(first), probed(again))
    assert not np.allclose(probed(first), probed(other))
    np.testing.assert_array_equal(probed(first.fit(X, y)), probed(again))


@EACH
def test_a_seed_draws_the_first_weights(kind):
    options = SHORT | {"validation": 0, "updates": 1, "learning_rate": 1e-12}
    found = [probed(kind(seed=seed, **options).fit(*DATA[kind])) for seed in (1, 2)]
    assert not np.allclose(*found)


@EACH
def test_a_fitted_one_pickles(kind):
    model = kind(**SHORT).fit(*DATA[kind])
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(probed(copy), probed(model))
    assert copy.get_params() == model.get_params()


@EACH
def test_a_cell_in_place_of_a_name(kind):
    X, y = DATA[kind]
    named, given, other = (
        kind(cell=cell, **SHORT).fit(X, y) for cell in ("minimal_gated", cells.minimal_gated, "elman")
    )
    np.testing.assert_array_equal(probed(named), probed(given))
    assert given.model_.cell.name == "minimal_gated" and other.model_.cell.name == "elman"


@EACH
def test_it_leaves_nothing_on_disk(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind(**SHORT).fit(*DATA[kind])
    assert list(tmp_path.iterdir()) == []


@EACH
def test_a_run_folder_where_it_is_asked_for(kind, tmp_path):
    X, y = DATA[kind]
    model = kind(run=tmp_path / "run", cell=cells.minimal_gated, **SHORT).fit(X, y)
    config = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert config["task"] == kind._task and config["model"]["cell"] == "minimal_gated"
    assert config["training"]["epochs"] == 2
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    validations = [row for row in map(json.loads, lines) if row["event"] == "validation"]
    assert [row["update"] for row in validations] == [row["update"] for row in model.history_]
    kept = load_model(tmp_path / "run").state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.model_.state_dict().items())
    np.testing.assert_array_equal(probed(model), probed(kind(cell=cells.minimal_gated, **SHORT).fit(X, y)))
    with pytest.raises(FolderError, match="the folder is not empty; name a new one with run, or"):
        model.fit(X, y)


def test_the_best_weights_are_kept_and_not_the_last_ones():
    X, _ = waves()
    y = np.random.default_rng(0).integers(2, size=24)  # nothing to learn: the best is somewhere on the way
    options = {"updates": 12, "validate_every": 1, "hidden_size": 8, "validation": 0.3, "seed": 1}
    options |= {"learning_rate": 0.1, "warmup": 0}
    model = SequenceClassifier(**options).fit(X, y)
    order = [(-row["accuracy"], row["validation"]) for row in model.history_]
    best = model.history_[order.index(min(order))]
    assert 0 < best["update"] == model.outcome_.best_update < model.outcome_.updates
    seen = []
    keep = RunInMemory.keep_last
    with pytest.MonkeyPatch.context() as patch:

        def spy(run, trained):
            seen.append({name: tensor.clone() for name, tensor in trained.state_dict().items()})
            keep(run, trained)

        patch.setattr(RunInMemory, "keep_last", spy)
        SequenceClassifier(**options).fit(X, y)
    wanted = seen[model.history_.index(best)]
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.model_.state_dict().items())
    assert not all(torch.equal(tensor, wanted[name]) for name, tensor in seen[-1].items())


def test_a_model_of_an_estimator_is_saved_as_any_other(tmp_path):
    X, y = ["good fun", "bad noise", "good music", "bad film"] * 5, ["+", "-"] * 10
    model = SequenceClassifier(**SHORT).fit(X, y)
    save_model(model.model_, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    found = np.stack([one.probabilities for one in predictions(loaded, InMemory(X[:2]))])
    np.testing.assert_array_equal(found, model.predict_proba(X[:2]))


def test_verbose_shows_what_the_commands_show(capsys):
    X, y = DATA[SequenceForecaster]
    SequenceForecaster(verbose=True, season=1, **SHORT).fit(X, y)
    said = capsys.readouterr().out
    assert "6 series of 360 steps in all" in said and "validation" in said and "Finished after" in said
    assert "--" not in said and "run " not in said
    SequenceForecaster(**SHORT).fit(X, y)
    assert capsys.readouterr().out == ""


@EACH
def test_before_fit(kind):
    with pytest.raises(
        SettingError, match=rf"this {kind.__name__} has not been fitted. Call fit\(...\) first"
    ):
        kind().predict(DATA[kind][0])


@EACH
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hidden_size": 0}, "^hidden_size must be greater than or equal to 1, got 0$"),
        ({"learning_rate": -1}, "^learning_rate must be greater than 0, got -1$"),
        ({"num_layers": 0}, "^num_layers must be greater"),
        ({"seed": -1}, "^seed must be greater"),
        ({"validation": 1.0}, "^validation must be less than 1, got 1.0$"),
        ({"cell": "gruu"}, "gruu"),
        ({"learning_rate": 1e37, "warmup": 0, "epochs": 40}, "use a smaller learning_rate .* or clip [^;]*$"),
    ],
)
def test_parameters_that_are_refused_by_their_names_here(kind, options, told):
    with pytest.raises(SettingError, match=told):
        kind(**SHORT | options).fit(*DATA[kind])


def test_an_error_leaves_the_model_there_was():
    X, y = DATA[SequenceClassifier]
    model = SequenceClassifier(**SHORT).fit(X, y)
    before = probed(model)
    with pytest.raises(DataError):
        model.fit([*X, np.zeros((0, 2))], [*y, "other"])
    np.testing.assert_array_equal(probed(model), before)
    assert model.classes_.tolist() == ["fast", "slow"]


def test_ctrl_c_keeps_the_model_and_stops_a_search(monkeypatch):
    class Pressed:
        requested = True

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr("unrolled.training.fit.Interrupt", Pressed)
    model = SequenceClassifier(**SHORT)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*waves())
    assert model.outcome_.updates == 1
    assert model.predict_proba(waves()[0]).shape == (24, 2)


def test_kinds_as_scikit_learn_asks_for_them():
    base = pytest.importorskip("sklearn.base")
    assert [base.is_classifier(kind()) for kind in SETTINGS] == [True, False, False]
    assert [base.is_regressor(kind()) for kind in SETTINGS] == [False, False, True]


@EACH
def test_scikit_learn_clones(kind):
    base = pytest.importorskip("sklearn.base")
    options = {"cell": cells.lstm, **SHORT}
    if kind is SequenceForecaster:
        options |= {"quantiles": [0.1, 0.9]}
    model = kind(**options).fit(*DATA[kind])
    copy = base.clone(model)
    assert not hasattr(copy, "model_")
    assert copy.get_params() == model.get_params()
    np.testing.assert_array_equal(probed(copy.fit(*DATA[kind])), probed(model))


@EACH
def test_scikit_learn_cross_validates(kind):
    selection = pytest.importorskip("sklearn.model_selection")
    X, y = DATA[kind]
    scores = selection.cross_val_score(kind(**SHORT), X, y, cv=2)
    folds = selection.StratifiedKFold(2) if kind is SequenceClassifier else selection.KFold(2)
    parts = list(folds.split(X, y if kind is SequenceClassifier else None))
    for score, (train, test) in zip(scores, parts, strict=True):
        pick = [[[given[i] for i in part] if given else None for given in (X, y)] for part in (train, test)]
        assert score == kind(**SHORT).fit(*pick[0]).score(*pick[1])


@EACH
def test_scikit_learn_searches_in_a_pipeline(kind):
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    X, y = DATA[kind]
    steps = [("every second", FunctionTransformer(halved, kw_args={"step": 1})), ("model", kind(**SHORT))]
    search = GridSearchCV(
        Pipeline(steps), {"every second__kw_args": [{"step": 1}], "model__hidden_size": [2, 6]}, cv=2
    ).fit(X, y)
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert search.best_estimator_["model"].hidden_size == search.best_params_["model__hidden_size"]
    assert search.score(X, y) == search.best_estimator_["model"].score(X, y)


def halved(X, step):
    return [row[::step] for row in X]


@pytest.mark.slow
def test_a_search_in_two_processes_finds_what_one_finds():
    selection = pytest.importorskip("sklearn.model_selection")
    X, y = waves()
    grid = {"hidden_size": [2, 6], "cell": ["gru", cells.lstm]}
    found = [
        selection.GridSearchCV(SequenceClassifier(**SHORT), grid, cv=2, n_jobs=jobs).fit(X, y)
        for jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*(one.cv_results_["mean_test_score"] for one in found))
    np.testing.assert_allclose(*(one.predict_proba(X) for one in found), atol=1e-6)


@pytest.mark.slow
def test_scikit_learn_is_not_imported():
    program = (
        "import sys, unrolled; unrolled.SequenceClassifier, unrolled.SequenceTagger, unrolled.SequenceForecaster;"
        "print('sklearn' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"


def test_all_trained_estimators_are_tested_here():
    assert set(TrainedEstimator.__subclasses__()) == set(SETTINGS)
