import numpy as np
import pytest

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.data.synthetic import shapes
from unrolled.data.synthetic.shapes import DIRECTIONS, SHAPES, moving_shape, write_moving_shapes
from unrolled.errors import SettingError

WAYS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}


def middle(pictures):
    """Where the bright pixels are on average, (T, 2), around the edges: by the angle of their first harmonic."""
    bright = (pictures.max(-1) > 150).astype(float)
    wave = np.exp(2j * np.pi * np.arange(bright.shape[1]) / bright.shape[1])
    across, down = bright.sum(1) @ wave, bright.sum(2) @ wave
    return np.unwrap(np.angle(np.stack([across, down], 1)), axis=0) * bright.shape[1] / (2 * np.pi)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_shape_goes_where_the_label_says(direction):
    for seed in range(5):
        pictures = moving_shape(direction, np.random.default_rng(seed), noise=5)
        places = middle(pictures)
        way = (places[-1] - places[0]) / 15
        words = direction.split("-")  # rows count downwards
        expected = sum(np.array(WAYS[word]) for word in words) / np.sqrt(len(words))
        assert 0.9 < np.hypot(*way) < 2.1
        np.testing.assert_allclose(way / np.hypot(*way), expected, atol=0.1)


def test_one_frame_does_not_tell_the_direction():
    """The places at which videos start are even over the picture, for every direction."""
    for direction in list(DIRECTIONS)[:4]:
        generator = np.random.default_rng(1)
        starts = [middle(moving_shape(direction, generator, frames=1, noise=0))[0] % 32 for _ in range(400)]
        assert abs(np.mean(np.exp(2j * np.pi * np.array(starts) / 32), 0)).max() < 0.15


@pytest.mark.parametrize("shape", SHAPES)
def test_the_area_of_a_shape(shape):
    cover = shapes._cover(shape, 8.0, np.array([[3.0, 30.0]]), 32)
    area = {"disc": np.pi * 64, "square": 4 * (0.89 * 8) ** 2, "triangle": 0.75 * np.sqrt(3) * 64}[shape]
    assert cover.sum() == pytest.approx(area, rel=0.06)
    moved = shapes._cover(shape, 8.0, np.array([[16.0, 16.0]]), 32)
    np.testing.assert_allclose(np.roll(cover, (-14, 13), (1, 2)), moved, atol=1e-9)


def test_videos_are_read_back(tmp_path):
    pytest.importorskip("av")
    files = write_moving_shapes(tmp_path / "new", 8, seed=5, directions=8, frames=6, side=48)
    assert [file.name for file in files][:2] == ["right_00000.mp4", "down_00001.mp4"]
    records = list(open_records([tmp_path / "new"], ReadSettings(picture=48, label="{label}_*")))
    assert sorted(record.label for record in records) == sorted(DIRECTIONS)
    first = next(record for record in records if record.label == "right")
    assert first.values.shape == (6, 48, 48, 3)
    drawn = moving_shape("right", np.random.default_rng(5), 6, 48)
    assert abs(first.values.astype(float) - drawn).mean() < 20


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(SettingError, match="directions must be 4 or 8 and the side even, got 5 and 32"):
        write_moving_shapes(tmp_path, 1, directions=5)
    with pytest.raises(SettingError, match="a direction must be one of right, down"):
        moving_shape("north", np.random.default_rng(0))
