import numpy as np
import pytest

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.data.synthetic.ball import bouncing_ball, rendered, write_bouncing_ball
from unrolled.errors import SettingError


def test_it_is_the_flight_of_a_ball_that_is_moved_in_tiny_steps():
    flight = bouncing_ball(1, 60, seed=3, radius=0.1)[0].astype(float)
    # The velocity from the two first places (no wall lies between them for this seed), then step by step.
    place, velocity = flight[0].copy(), flight[1] - flight[0]
    parts = 500
    for step in range(1, 60):
        for _ in range(parts):
            place += velocity / parts
            hit = (place < 0.1) & (velocity < 0) | (place > 0.9) & (velocity > 0)
            velocity[hit] *= -1
        np.testing.assert_allclose(flight[step], place, atol=0.005)


def test_it_keeps_its_speed_between_walls():
    flights = bouncing_ball(50, 100, seed=1, speed=(0.02, 0.05)).astype(float)
    ways = np.diff(flights, axis=1)
    lengths = np.hypot(ways[..., 0], ways[..., 1])
    usual = np.median(lengths, 1)
    assert usual.min() >= 0.02 - 1e-6 and usual.max() <= 0.05 + 1e-6 and usual.std() > 0.005
    assert (lengths <= usual[:, None] + 1e-5).all()  # shorter only in the steps that meet a wall


def test_two_places_tell_the_next_one_does_not():
    flights = bouncing_ball(100, 50, seed=2).astype(float)
    inside = ((flights[:, 1:] > 0.16) & (flights[:, 1:] < 0.84)).all(-1)[:, :-1]
    last = flights[:, 2:] - flights[:, 1:-1]
    straight = flights[:, 2:] - (2 * flights[:, 1:-1] - flights[:, :-2])
    away = inside & ((flights[:, :-2] > 0.16) & (flights[:, :-2] < 0.84)).all(-1)
    assert abs(straight[away]).max() < 1e-5 and abs(last[away]).mean() > 0.02


def test_the_seed_decides():
    assert np.array_equal(bouncing_ball(2, 9, seed=1), bouncing_ball(2, 9, seed=1))
    assert not np.array_equal(bouncing_ball(2, 9, seed=1), bouncing_ball(2, 9, seed=2))


def test_pictures_show_the_ball_where_it_is():
    flight = bouncing_ball(1, 12, seed=4)[0]
    pictures = rendered(flight, 40)
    assert pictures.shape == (12, 40, 40, 3) and pictures.dtype == np.uint8
    grey = pictures[..., 0] / 255.0
    middles = (np.arange(40) + 0.5) / 40
    total = grey.sum((1, 2))
    np.testing.assert_allclose(total / 1600, np.pi * 0.08**2, rtol=0.03)
    np.testing.assert_allclose((grey.sum(1) * middles).sum(1) / total, flight[:, 0], atol=0.003)
    np.testing.assert_allclose((grey.sum(2) * middles).sum(1) / total, flight[:, 1], atol=0.003)


def test_the_table_is_read_as_series(tmp_path):
    write_bouncing_ball(tmp_path / "ball.csv", 3, 20, seed=7)
    records = list(open_records([tmp_path / "ball.csv"], ReadSettings(kind="series"), labelled=False))
    np.testing.assert_allclose([record.values for record in records], bouncing_ball(3, 20, seed=7), atol=1e-6)


@pytest.mark.parametrize("options", [{"radius": 0.5}, {"speed": (0.1, 0.9)}, {"speed": (0.2, 0.1)}])
def test_what_does_not_fit_into_the_box_is_refused(options):
    with pytest.raises(SettingError, match="must fit into the box"):
        bouncing_ball(1, 5, **options)
