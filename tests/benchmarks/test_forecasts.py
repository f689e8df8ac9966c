import numpy as np
import pytest

from benchmarks.quality.forecasts import Task, distances, floors, series_task, train
from unrolled.data.panel import Panel


@pytest.fixture
def folder(tmp_path):
    rows = "".join(f"{1950 + t // 12}-{t % 12 + 1:02},{(t % 12) ** 2 + t}\n" for t in range(90))
    (tmp_path / "sales.csv").write_text("Month,sales\n" + rows)
    return tmp_path


def test_distances():
    assert distances(np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2))).tolist() == [[5]]


def test_the_test_part_is_not_in_the_training_part(folder):
    task = series_task(folder, "sales", 1 / 3, 1.0, {}, {})
    assert (task.begins, len(task.training.series[0]), len(task.test.series[0])) == (60, 60, 90)


def test_floors_by_hand(folder):
    count, found = floors(series_task(folder, "sales", 1 / 3, 1.0, {}, {}))
    y = np.array([(t % 12) ** 2 + t for t in range(90)], float)
    assert count == 30
    assert found["last value"] == pytest.approx(np.sqrt(np.mean((y[60:] - y[59:-1]) ** 2)))
    assert found["same month last year"] == 12


def test_a_ball_that_keeps_its_velocity_leaves_nothing_to_that_floor():
    flight = np.stack([np.arange(12.0), 2 * np.arange(12.0)], 1)
    panel = Panel.of([flight, flight + 1])
    task = Task("ball", panel, panel, 8, 1.0, " %", {}, {}, ball=True)
    count, found = floors(task)
    assert (count, found["same velocity"]) == (8, 0)
    assert found["last value"] == pytest.approx(100 * 5**0.5)


def test_a_run_is_judged_on_the_test_part(folder):
    task = series_task(folder, "sales", 1 / 3, 1.0, {"hidden": 4, "season": 12}, {"updates": 2})
    result = train(task, 0)
    assert 0 < result.score < 1000
    assert train(task, 0).score == result.score
