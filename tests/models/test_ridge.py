import numpy as np
import pytest
import torch

import unrolled.models.ridge as ridge
from unrolled.errors import DataError, SettingError, ShapeError
from unrolled.models.ridge import NormalEquations, TriangularRoot, checked_ridges, regress

KINDS = (NormalEquations, TriangularRoot)


def data(count=50, features=6, outputs=2, shift=3.0):
    drawn = np.random.default_rng(0)
    x = drawn.normal(size=(count, features)) + shift
    return x, x @ drawn.normal(size=(features, outputs)) + drawn.normal(size=(count, outputs)) - 7


def by_hand(x, y, strength):
    """The same minimum as least squares of a taller system; the bias column is not penalised."""
    count, features = x.shape
    tall = np.vstack(
        [np.c_[x, np.ones(count)], np.c_[np.sqrt(count * strength) * np.eye(features), np.zeros(features)]]
    )
    found = np.linalg.lstsq(tall, np.vstack([y, np.zeros((features, y.shape[1]))]), rcond=None)[0]
    return found[:-1].T, found[-1]


def filled(kind, x, y, pieces=1):
    equations = kind(x.shape[1], y.shape[1])
    for some, wanted in zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True):
        equations.add(torch.from_numpy(some), torch.from_numpy(wanted))
    return equations


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pieces", [1, 7, 50])
def test_all_strengths_are_the_minima_by_hand(kind, pieces):
    x, y = data()
    strengths = [0.0, 1e-3, 0.5, 40.0]
    weights, biases = filled(kind, x, y, pieces).solve(strengths)
    for k, strength in enumerate(strengths):
        weight, bias = by_hand(x, y, strength)
        np.testing.assert_allclose(weights[k].numpy(), weight, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(biases[k].numpy(), bias, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_ridge_what_the_data_leaves_open_is_zero(kind):
    x, y = data(count=4)  # fewer rows than features
    x = np.c_[x, x[:, :2]]  # and columns twice
    weights, biases = filled(kind, x, y).solve([0.0])
    expected = np.linalg.pinv(x - x.mean(0)) @ (y - y.mean(0))
    np.testing.assert_allclose(weights[0].numpy().T, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(biases[0].numpy(), y.mean(0) - x.mean(0) @ expected, rtol=1e-6)


def test_the_root_keeps_digits_that_squares_lose():
    drawn = np.random.default_rng(1)
    basis = np.linalg.qr(drawn.normal(size=(300, 8)))[0]
    mixed = np.linalg.qr(drawn.normal(size=(8, 8)))[0]
    x = basis * 10.0 ** -np.arange(8) @ mixed * 17  # singular values over seven decades
    y = basis.sum(1, keepdims=True)
    weight, _ = by_hand(x, y, 1e-17)
    root, _ = filled(TriangularRoot, x, y, 5).solve([1e-17])
    squares, _ = filled(NormalEquations, x, y, 5).solve([1e-17])
    wrong = [np.abs(found[0].numpy() - weight).max() / np.abs(weight).max() for found in (root, squares)]
    assert wrong[0] < 1e-7 < 1e-5 < wrong[1]


def test_a_large_mean_costs_no_digits():
    x, y = data(shift=1e6)
    weights, _ = filled(NormalEquations, x, y, 5).solve([1e-3])
    np.testing.assert_allclose(weights[0].numpy(), by_hand(x - 1e6, y, 1e-3)[0], rtol=1e-6)


@pytest.mark.parametrize("refit", [False, True])
def test_the_path_is_judged_on_validation_data(refit):
    x, y = data(60, 20, 2)
    inner = torch.from_numpy(x), torch.from_numpy(y)
    training, judged = (tuple(part[side] for part in inner) for side in (slice(0, 30), slice(30, 60)))
    strengths = (10.0, 1e-6, 0.1)
    path, weight, bias = regress(
        NormalEquations(20, 2), [(*training, False)], strengths, [(*judged, False)], refit
    )
    assert [point.ridge for point in path.points] == [1e-6, 0.1, 10.0]
    for point in path.points:
        w, b = by_hand(x[:30], y[:30], point.ridge)
        assert point.error == pytest.approx(np.square(x[30:] @ w.T + b - y[30:]).sum(1).mean())
        assert point.norm == pytest.approx(np.linalg.norm(w)) and point.wrong is None
    assert path.best.error == min(point.error for point in path.points)
    expected = by_hand(x, y, path.best.ridge) if refit else by_hand(x[:30], y[:30], path.best.ridge)
    np.testing.assert_allclose(weight.numpy(), expected[0], rtol=1e-7)
    np.testing.assert_allclose(bias.numpy(), expected[1], rtol=1e-7)
    assert f"{path.best.ridge:.1e}" in next(line for line in str(path).splitlines() if line.endswith("<"))


def test_classes_are_judged_by_wrong_ones_first():
    eye = torch.eye(2, dtype=torch.float64)
    errors = ridge.ValidationErrors(
        torch.stack([eye * 0.01, eye.flip(0) * 0.3]), torch.zeros(2, 2, dtype=torch.float64)
    )
    errors.add(eye, eye, True)
    path = errors.path([1.0, 2.0])
    assert [point.wrong for point in path.points] == [0.0, 1.0]
    assert path.best is path.points[0]


def test_data_of_no_use():
    equations = NormalEquations(2, 1)
    with pytest.raises(DataError, match="a readout needs at least one step of data, got none"):
        equations.solve([1.0])
    with pytest.raises(
        ShapeError, match=r"features must be \(N, 2\) and targets \(N, 1\), got \(3, 2\) and \(2, 1\)"
    ):
        equations.add(torch.zeros(3, 2), torch.zeros(2, 1))
    with pytest.raises(DataError, match="targets must be finite numbers"):
        equations.add(torch.zeros(1, 2), torch.full((1, 1), torch.nan))
    with pytest.raises(DataError, match="states must be finite numbers"):
        equations.add(torch.full((1, 2), torch.inf), torch.zeros(1, 1))
    assert equations.count == 0


def test_strengths_that_are_none():
    for wrong in ([], [-1.0], [float("nan")], ["a"]):
        with pytest.raises(SettingError, match="ridges must be numbers >= 0, at least one"):
            checked_ridges(wrong)
    assert checked_ridges([2, 1.0, 2.0]) == [1.0, 2.0]
    with pytest.raises(SettingError, match="several ridges, and refit, need validation= data"):
        regress(NormalEquations(1, 1), [], [1.0, 2.0])
