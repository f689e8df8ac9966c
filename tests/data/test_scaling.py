import numpy as np
import pytest

from unrolled.data.scaling import Levels, Scaling, autocorrelation, season_of
from unrolled.errors import DataError, SettingError

U = np.array([[3.0, 10.0], [5.0, 10.0], [4.0, 12.0], [8.0, 11.0], [6.0, 13.0], [9.0, 10.0]])


def test_autocorrelation_is_the_sum_over_pairs():
    values = np.random.default_rng(0).normal(size=37)
    centred = values - values.mean()
    wanted = [
        sum(centred[t] * centred[t + k] for t in range(37 - k)) / (centred @ centred) for k in range(12)
    ]
    np.testing.assert_allclose(autocorrelation(values, 11), wanted, atol=1e-12)


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_a_season_is_found_under_a_trend_and_noise(season):
    rng = np.random.default_rng(season)
    steps = np.arange(season * 8)
    pattern = rng.normal(size=season)[steps % season]
    assert season_of(steps * 0.3 + 3 * pattern + rng.normal(size=len(steps)) * 0.3) == season


def test_no_season_in_noise_or_in_a_walk_or_in_little():
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=200)
        assert season_of(noise) is None
        assert season_of(noise.cumsum()) is None
    assert season_of(np.zeros(50)) is None
    assert season_of(np.arange(5.0)) is None


def test_levels_of_a_series_by_hand():
    levels = Scaling(relative="last").levels_of(U)
    np.testing.assert_allclose(levels.mean, U.mean(0))
    np.testing.assert_allclose(levels.deviation, U.std(0))
    np.testing.assert_allclose(levels.spread, np.sqrt(((U[1:] - U[:-1]) ** 2).mean(0)))
    seasonal = Scaling(relative="season", season=2).levels_of(U)
    np.testing.assert_allclose(seasonal.spread, np.sqrt(((U[2:] - U[:-2]) ** 2).mean(0)))


def test_a_constant_series_is_only_shifted():
    levels = Scaling(relative="last").levels_of(np.full((5, 1), 7.0))
    assert (levels.mean, levels.deviation, levels.spread) == (7, 1, 1)


def test_windows_have_their_own_levels_and_quiet_ones_a_floor():
    series = Levels(np.zeros((2, 1)), np.full((2, 1), 10.0), np.full((2, 1), 4.0))
    windows = np.stack([U[:, :1], np.full((6, 1), 5.0)], 1)
    found = Scaling("window", "last").levels_in(windows, series)
    np.testing.assert_allclose(found.mean[:, 0], [U[:, 0].mean(), 5])
    np.testing.assert_allclose(found.deviation[:, 0], [U[:, 0].std(), 0.1])
    np.testing.assert_allclose(found.spread[:, 0], [np.sqrt(np.square(np.diff(U[:, 0])).mean()), 0.04])
    assert Scaling("series").levels_in(windows, series) is series


def test_features_by_hand():
    levels = Levels(*(np.array([part]) for part in ([1.0, 2.0], [4.0, 5.0], [0.5, 0.25])))
    both = Scaling("series", "season", "both", season=2)
    found = both.features(U, np.array([[3], [4]]), levels)
    assert found.shape == (2, 1, 4)
    for row, t in enumerate((3, 4)):
        wanted = [*((U[t] - [1, 2]) / [4, 5]), *((U[t] - U[t - 2]) / [0.5, 0.25])]
        np.testing.assert_allclose(found[row, 0], wanted)


def test_the_base_of_every_step_ahead_is_known_when_it_is_used():
    levels = Levels(*(np.zeros((1, 2)) for _ in range(3)))
    places = np.array([5])
    last = Scaling(relative="last").base(U, places, 3, levels)
    assert last[0].tolist() == [U[5].tolist()] * 3
    season = Scaling(relative="season", season=4).base(U, places, 6, levels)
    # Steps 6 to 9 have their season at 2 to 5, steps 10 and 11 again at 2 and 3, the newest that is known.
    assert season[0].tolist() == U[[2, 3, 4, 5, 2, 3]].tolist()


def test_logarithms_there_and_back():
    scaling = Scaling(log=True)
    np.testing.assert_allclose(scaling.values(scaling.transformed(U)), U)
    with pytest.raises(DataError, match=r"a.csv: --log needs values above 0, got -1 at step 2"):
        scaling.transformed(np.array([[1.0], [-1.0]]), "a.csv")


def test_series_are_known_by_name_and_the_only_one_by_being_so():
    scaling = Scaling()
    scaling.remember({"a": U})
    other = U * 100
    assert scaling.levels("a", other, only=False).mean.tolist() == U.mean(0).tolist()
    assert scaling.levels("new", other, only=True).mean.tolist() == U.mean(0).tolist()
    np.testing.assert_allclose(scaling.levels("new", other, only=False).mean, other.mean(0))
    scaling.remember({"a": U, "b": U})
    np.testing.assert_allclose(scaling.levels("new", other, only=True).mean, other.mean(0))


def test_inputs_are_scaled_over_all_series():
    scaling = Scaling()
    scaling.fit_inputs(np.array([[1.0, 5.0], [3.0, 5.0]]))
    assert scaling.scaled_inputs(np.array([[1.0, 6.0]])).tolist() == [[-1, 1]]


def test_json_there_and_back():
    scaling = Scaling("series", "season", "both", 12, True)
    scaling.remember({"a": np.log(U)})
    scaling.fit_inputs(U)
    again = Scaling.from_json(scaling.to_json())
    assert again.to_json() == scaling.to_json()
    assert again.known["a"] == scaling.known["a"]


def test_what_does_not_fit_is_refused():
    for options, message in (
        ({"scale": "year"}, "scale must be series, panel, window, got 'year'"),
        ({"relative": "season"}, "need its steps, 2 or more, got None"),
        ({"read": "both"}, "something to take differences to"),
    ):
        with pytest.raises(SettingError, match=message):
            Scaling(**options)


def test_a_panel_has_levels_of_all_series_with_differences_within_each():
    parts = {"a": U, "b": U[:3] * 2, "none": U[:0]}
    scaling = Scaling("panel", "last", "both")
    scaling.remember(parts)
    whole = np.concatenate([U, U[:3] * 2])
    found = scaling.levels("new", U * 9, only=False)
    np.testing.assert_allclose(found.mean, whole.mean(0))
    np.testing.assert_allclose(found.deviation, whole.std(0))
    # Each series counts by its length.
    squares = [np.square(np.diff(part, axis=0)).mean(0) for part in (U, U[:3] * 2)]
    np.testing.assert_allclose(found.spread, np.sqrt((6 * squares[0] + 3 * squares[1]) / 9))
