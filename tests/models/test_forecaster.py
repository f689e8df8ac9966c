import copy

import numpy as np
import pytest
import torch

from unrolled.data.panel import Panel
from unrolled.data.scaling import Scaling
from unrolled.data.windows import Frames, Windows
from unrolled.errors import DataError, SettingError, ShapeError
from unrolled.models.folder import load_model, save_model
from unrolled.models.forecaster import Forecaster


def walk(steps=40, targets=1, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, targets)).cumsum(0) + 20


def fitted(scaling, history):
    scaling.remember({"a": scaling.transformed(history)})
    return scaling


def test_forward_is_the_layer_and_a_linear_map():
    model = Forecaster(2, 3, "gru", 8)
    x = torch.randn(5, 4, 2)
    hidden, _ = model.recurrent(x)
    wanted = hidden[-1] @ model.output.weight.T + model.output.bias
    output, state = model(x)
    torch.testing.assert_close(output.flatten(1), wanted)
    assert (tuple(output.shape), state.batch_size) == ((4, 3, 2), 4)


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", "jordan"])
def test_any_cell_and_depth(cell):
    model = Forecaster(1, 2, cell, 8, 2, shape="many-to-many", quantiles=(0.1, 0.5, 0.9))
    output, _ = model(torch.randn(5, 4, 1))
    assert tuple(output.shape) == (5, 4, 2, 1, 3)


def test_quantiles_never_cross_whatever_the_weights():
    model = Forecaster(2, 3, "gru", 8, quantiles=(0.05, 0.5, 0.6, 0.95))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=5)
    output, _ = model(torch.randn(5, 50, 2) * 10)
    assert bool((output.diff(dim=-1) >= 0).all())
    assert output.shape[-1] == 4


def test_rows_of_other_lengths_are_as_if_alone():
    model = Forecaster(1, 2, "lstm", 6)
    x = torch.randn(7, 3, 1)
    together, _ = model(x, lengths=[7, 3, 5])
    for row, length in enumerate((7, 3, 5)):
        alone, _ = model(x[:length, row : row + 1])
        torch.testing.assert_close(together[row], alone[0])


def test_a_forecast_at_every_step_is_the_one_after_that_step():
    one = Forecaster(1, 2, "gru", 6)
    many = Forecaster(1, 2, "gru", 6, shape="many-to-many")
    many.load_state_dict(one.state_dict())
    x = torch.randn(7, 3, 1)
    whole, _ = many(x)
    for t in range(7):
        torch.testing.assert_close(whole[t], one(x[: t + 1])[0])


def test_states_carry_on():
    model = Forecaster(1, 2, "gru", 6, shape="many-to-many")
    x = torch.randn(9, 3, 1)
    whole, _ = model(x)
    first, state = model(x[:4])
    second, _ = model(x[4:], state)
    torch.testing.assert_close(whole, torch.cat([first, second]))


def test_what_is_known_of_one_step_ahead_changes_that_step_only():
    model = Forecaster(1, 4, "gru", 6, inputs=("heat", "holiday"), known=(False, True))
    x, ahead = torch.randn(5, 2, 3), torch.randn(2, 4, 1)
    before, _ = model(x, ahead=ahead)
    changed = ahead.clone()
    changed[:, 2] += 1
    after, _ = model(x, ahead=changed)
    differs = (before != after)[..., 0]
    assert differs[:, 2].all() and not differs[:, [0, 1, 3]].any()
    with pytest.raises(ShapeError, match="ahead must hold 1 inputs known in advance, got none"):
        model(x)


SCALINGS = {
    "mean": {},
    "last": {"relative": "last", "read": "both"},
    "window": {"scale": "window", "relative": "last", "read": "differences"},
    "season": {"scale": "window", "relative": "season", "read": "both", "season": 4},
    "log": {"scale": "window", "relative": "season", "read": "levels", "season": 4, "log": True},
}


@pytest.mark.parametrize("name", SCALINGS)
def test_a_forecast_in_data_units_is_that_of_the_window(name):
    history = np.abs(walk()) + 1
    model = Forecaster(
        1, 3, "gru", 6, window=5, scaling=fitted(Scaling(**SCALINGS[name]), history[:30])
    ).eval()
    windows = Windows(Frames.of(Panel.of([history]), model.scaling), 5, 3, [(0, 40)])
    found, _ = model.forecasts(windows.batch(np.arange(len(windows))))
    for row, place in enumerate(windows.places):
        np.testing.assert_allclose(model.forecast(history[: place + 1], 3), found[row], rtol=1e-5)


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("quantiles", [(), (0.2, 0.5, 0.7)])
def test_beyond_the_horizon_it_reads_its_own_forecasts(name, quantiles):
    history = np.abs(walk()) + 1
    scaling = fitted(Scaling(**SCALINGS[name]), history)
    model = Forecaster(1, 3, "gru", 6, window=5, scaling=scaling, quantiles=quantiles)
    wanted, seen = [], history
    for _ in range(3):
        part = model.forecast(seen, 3)
        wanted.append(part)
        seen = np.concatenate([seen, part[..., 1] if quantiles else part])
    np.testing.assert_allclose(model.forecast(history, 8), np.concatenate(wanted)[:8], rtol=1e-5)


def test_a_stream_goes_on_from_its_state():
    history = walk()
    options = {"relative": "last", "read": "both"}
    model = Forecaster(1, 2, "gru", 6, shape="many-to-many", scaling=fitted(Scaling(**options), history))
    first = model.forecast(history, 2)
    second = model.forecast(np.concatenate([history, first]), 2)
    np.testing.assert_allclose(model.forecast(history, 4), np.concatenate([first, second]), rtol=1e-5)


def test_a_new_series_is_scaled_by_its_own_history():
    scaling = Scaling(relative="last", read="both")
    scaling.remember({f"s{number}": walk(seed=number) for number in range(2)})
    model = Forecaster(1, 3, "gru", 6, window=5, scaling=scaling)
    history = walk(seed=7)
    # By their own levels, series that differ in units only have forecasts that differ in units only.
    np.testing.assert_allclose(
        model.forecast(history * 1000, 3), model.forecast(history, 3) * 1000, rtol=1e-4
    )
    known = model.forecast(history * 1000, 3, name="s0")
    assert not np.allclose(known, model.forecast(history * 1000, 3))


def test_inputs_and_what_is_known_in_advance():
    scaling = Scaling(inputs=[[0.0, 0.0], [1.0, 1.0]])
    model = Forecaster(
        1, 2, "gru", 6, window=5, inputs=("heat", "holiday"), known=(False, True), scaling=scaling
    )
    history, inputs = walk(), walk(targets=2, seed=3)
    found = model.forecast(history, 2, inputs, [[1.0], [0.0]])
    assert found.shape == (2, 1)
    assert not np.array_equal(found, model.forecast(history, 2, inputs, [[0.0], [0.0]]))
    with pytest.raises(DataError, match="2 steps need holiday for as many steps after the last value, got 1"):
        model.forecast(history, 2, inputs, [[1.0]])
    with pytest.raises(DataError, match="heat is known only up to now, so 2 steps can be forecast, got 3"):
        model.forecast(history, 3, inputs, [[1.0]] * 3)
    with pytest.raises(DataError, match=r"inputs must be \(T, 2\), got \(40, 0\)"):
        model.forecast(history, 2)


def test_with_all_inputs_known_forecasts_go_beyond_the_horizon():
    scaling = Scaling(inputs=[[0.0], [1.0]])
    model = Forecaster(1, 2, "gru", 6, window=5, inputs=("holiday",), known=(True,), scaling=scaling)
    history, days = walk(), walk(45, seed=5)
    first = model.forecast(history, 2, days[:40], days[40:42])
    second = model.forecast(np.concatenate([history, first]), 2, days[:42], days[42:44])
    wanted = np.concatenate([first, second])
    # The same levels: a history that is longer has others.
    model.scaling.remember({"a": history})
    first = model.forecast(history, 2, days[:40], days[40:42], name="a")
    second = model.forecast(np.concatenate([history, first]), 2, days[:42], days[42:44], name="a")
    wanted = np.concatenate([first, second])
    np.testing.assert_allclose(model.forecast(history, 4, days[:40], days[40:], name="a"), wanted, rtol=1e-5)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    history = walk(targets=2)
    scaling = fitted(Scaling("window", "season", "both", 4), history)
    model = Forecaster(
        ("a", "b"), 3, "lstm", 6, 2, window=5, quantiles=(0.1, 0.9), scaling=scaling, dropout=0.2
    )
    save_model(model, tmp_path / "model")
    again = load_model(tmp_path / "model", Forecaster)
    assert again.contents == model.contents
    assert again.settings == model.settings
    assert np.array_equal(again.forecast(history, 7), model.forecast(history, 7))


def test_a_history_that_is_too_short_is_refused_with_what_is_needed():
    model = Forecaster(1, 3, "gru", 6, window=5, scaling=Scaling("series", "season", "both", 4))
    with pytest.raises(DataError, match="a forecast needs 9 steps before it, got 8; give a longer history"):
        model.forecast(walk(8), 3)
    assert model.forecast(walk(9), 3).shape == (3, 1)
    with pytest.raises(DataError, match="history must be finite numbers"):
        model.forecast([1.0, float("nan")] * 8, 3)
    with pytest.raises(SettingError, match="steps must be at least 1, got 0"):
        model.forecast(walk(), 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "one-to-many"}, "shape must be many-to-one or many-to-many"),
        ({"quantiles": (0.5, 0.1)}, r"quantiles must rise between 0 and 1, got \[0.5, 0.1\]"),
        ({"quantiles": (0.5, 1.0)}, "quantiles must rise"),
        ({"horizon": 0}, "horizon must be at least 1, got 0"),
        ({"shape": "many-to-many", "scaling": Scaling("window")}, "no windows to scale by"),
        ({"inputs": 2, "known": (True,)}, "known must say yes or no for 2 inputs, got 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(SettingError, match=message):
        Forecaster(**options)


def test_any_loop_can_train_it():
    model = Forecaster(1, 1, "elman", 8)
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(6, 16, 1)
    losses = []
    for _ in range(50):
        output, _ = model(x)
        loss = (output[:, 0, 0] - x[-1, :, 0]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    assert not torch.equal(before["output.weight"], model.output.weight)
