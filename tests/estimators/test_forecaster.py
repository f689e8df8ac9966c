"""The forecaster as an estimator: one series or many, in their units, and scored beside their means."""

import numpy as np
import pytest

from unrolled.errors import DataError, SettingError
from unrolled.estimators.forecaster import SequenceForecaster

SMALL = {"hidden_size": 8, "epochs": 10, "batch": 32, "learning_rate": 0.02}
WAVE = 100 + 5 * np.sin(np.arange(150) / 3)
BOTH = np.c_[WAVE, 0.01 * np.cos(np.arange(150) / 3)]


def test_one_series_is_forecast_in_its_units():
    model = SequenceForecaster(horizon=4, **SMALL)
    assert model.fit(BOTH[:130]) is model
    assert model.n_features_in_ == 2
    ahead = model.predict(BOTH[:130], steps=10)
    assert ahead.shape == (10, 2)
    assert np.abs((ahead - BOTH[130:140]) / [5, 0.01]).max() < 0.4  # the mean misses by 1
    np.testing.assert_array_equal(ahead[:4], model.predict(BOTH[:130]))
    assert model.predict(BOTH[:99]).shape == (4, 2)
    np.testing.assert_array_equal(model.predict([BOTH[:130]], 10)[0], ahead)


def test_many_series_of_different_lengths():
    series = [WAVE[n : 100 + 5 * n] * (1 + n) for n in range(4)]
    model = SequenceForecaster(horizon=3, **SMALL).fit(series)
    found = model.predict([one[:80] for one in series], steps=3)
    assert [one.shape for one in found] == [(3, 1)] * 4
    for n, (one, row) in enumerate(zip(found, series, strict=True)):
        assert np.abs(one[:, 0] - row[80:83]).max() < 0.5 * 5 * (1 + n)
    # One that was trained on alone is scaled as it was then, whatever its level now.
    alone = SequenceForecaster(scale="series", **SMALL | {"epochs": 1}).fit([WAVE])
    shifted = alone.predict([WAVE + 3])[0] - alone.predict([WAVE])[0]
    assert not np.allclose(shifted, 3, atol=1e-3)
    # A list is not told apart by where a series stands in it.
    [again] = model.predict([series[2][:80]], steps=3)
    np.testing.assert_allclose(again, found[2], rtol=1e-9)
    assert model.score(series) > 0.8


@pytest.mark.parametrize("X", [WAVE, list(WAVE), tuple(WAVE.tolist()), WAVE[:, None]])
def test_one_series_however_it_is_given(X):
    usual = SequenceForecaster(**SMALL | {"epochs": 1}).fit([WAVE])
    model = SequenceForecaster(**SMALL | {"epochs": 1}).fit(X)
    np.testing.assert_array_equal(model.predict(X), usual.predict([WAVE])[0])


@pytest.mark.parametrize("X", [np.stack([BOTH, BOTH]), [BOTH, BOTH.tolist()]])
def test_several_series_however_they_are_given(X):
    found = SequenceForecaster(**SMALL | {"epochs": 1}).fit(X).predict(X, 2)
    assert isinstance(found, list) and [one.shape for one in found] == [(2, 2), (2, 2)]


def test_quantiles():
    noisy = WAVE + np.random.default_rng(0).normal(size=150)
    model = SequenceForecaster(horizon=2, quantiles=(0.1, 0.5, 0.9), **SMALL).fit(noisy)
    ahead = model.predict(noisy)
    assert ahead.shape == (2, 1, 3) and (np.diff(ahead, axis=2) > 0).all()
    usual = np.square(noisy[-2:] - noisy[:-2].mean()).sum()
    errors = np.square(model.predict(noisy[:-2])[:, 0, 1] - noisy[-2:]).sum()
    assert model.score(noisy) == pytest.approx(1 - errors / usual)


def test_the_score_is_counted_by_hand():
    model = SequenceForecaster(horizon=3, **SMALL | {"epochs": 2}).fit([BOTH, BOTH[:90]])
    shares = []
    for k in range(2):
        errors = usual = 0.0
        for row in (BOTH, BOTH[:90]):
            errors += np.square(model.predict(row[:-5], 5)[:, k] - row[-5:, k]).sum()
            usual += np.square(row[-5:, k] - row[:-5, k].mean()).sum()
        shares.append(1 - errors / usual)
    assert model.score([BOTH, BOTH[:90]], steps=5) == pytest.approx(np.mean(shares))
    assert model.score([BOTH]) == model.score(BOTH, steps=3)
    flat = SequenceForecaster(**SMALL | {"epochs": 1}).fit(np.full(60, 3.0))
    assert flat.score(np.full(40, 3.0)) in (0.0, 1.0)


CHANGED = {
    "horizon": 3,
    "cell": "elman",
    "hidden_size": 5,
    "num_layers": 2,
    "shape": "many-to-many",
    "window": 5,
    "quantiles": (0.3,),
    "relative": "last",
    "read": "differences",
    "season": 4,
    "scale": "window",
    "log": True,
    "dropout": 0.5,
    "batch": 8,
    "updates": 1,
    "epochs": 1,
    "minutes": 1e-9,
    "learning_rate": 0.05,
    "weight_decay": 0.9,
    "warmup": 0,
    "clip": 1e-9,
    "validation": 0.0,
    "validate_every": 1,
    "patience": 1,
    "seed": 5,
    "bptt_steps": 5,
}


@pytest.mark.parametrize("option", CHANGED)
def test_every_option_acts(option):
    series = WAVE + np.random.default_rng(0).normal(size=150)
    usual = {"hidden_size": 6, "epochs": 2, "relative": "season", "season": 19}
    usual |= {"shape": "many-to-many", "batch": 1} if option == "bptt_steps" else {}
    if option == "patience":  # noise: it soon gets no better
        series = np.random.default_rng(0).normal(size=150)
        usual |= {"epochs": 12, "learning_rate": 0.3, "validate_every": 1}
    models = [SequenceForecaster(**usual | one).fit(series) for one in ({}, {option: CHANGED[option]})]
    if option == "validate_every":
        assert len(models[0].history_) < len(models[1].history_)
    elif option == "patience":
        assert [model.outcome_.reason for model in models] == ["early stopping", "early stopping"]
        assert models[0].outcome_.updates > models[1].outcome_.updates
    else:
        found = [np.ravel(model.predict(series, 1)) for model in models]
        assert not np.allclose(*found, rtol=1e-7)


def test_data_that_is_refused():
    model = SequenceForecaster(**SMALL | {"epochs": 1})
    for X, told in (
        ([], "^X must hold at least one series, got none"),
        ([WAVE, BOTH], r"^X\[1\]: series must have 1 numbers a step, got 2"),
        ([WAVE, []], r"^X\[1\]: the series is empty; remove it"),
        (np.zeros((0, 1)), "^X: the series is empty"),
        ([[1.0, np.nan]], r"^X\[0\]: numbers must be finite"),
        (["text"], r"^X\[0\]: the sequence must be numbers"),
        (
            [WAVE[:2], WAVE[:3]],
            r"^X\[1\]: too short, \d+ steps are needed .*, or a smaller horizon, window or season$",
        ),
        (WAVE[:3], r"^X: too short, 4 steps are needed"),
        ("text", "^X must be a list, got str"),
    ):
        with pytest.raises(DataError, match=told):
            model.fit(X)
    model.fit([WAVE, WAVE])
    for X, told in (
        ([WAVE, BOTH], r"^X\[1\]: series must have 1 numbers a step, got 2"),
        ([WAVE, WAVE[:1]], r"^X\[1\]: a forecast needs \d+ steps before it, got 1"),
    ):
        with pytest.raises(DataError, match=told):
            model.predict(X)
    with pytest.raises(DataError, match=r"^X\[1\]: to score 9 steps there must be more, got 9"):
        model.score([WAVE, WAVE[:9]], steps=9)


def test_options_that_are_refused():
    for options, told in (
        ({"quantiles": (0.9, 0.1)}, r"^quantiles must be numbers that rise between 0 and 1"),
        (
            {"shape": "many-to-many", "window": 3},
            r"^window is for many-to-one; .*\(bptt_steps cuts gradients\)",
        ),
        ({"bptt_steps": 3}, "^bptt_steps is for many-to-many; many-to-one reads windows, use window"),
        ({"horizon": 0}, "^horizon must be greater than or equal to 1"),
        ({"relative": "season", "season": 1}, "^relative season needs a season"),
    ):
        with pytest.raises(SettingError, match=told):
            SequenceForecaster(**options).fit(WAVE)
    model = SequenceForecaster(**SMALL | {"epochs": 1}).fit(WAVE)
    for steps in (0, 1.5, "2"):
        with pytest.raises(SettingError, match=r"^steps must be a whole number from 1, got"):
            model.predict(WAVE, steps)
