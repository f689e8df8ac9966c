import pytest

from unrolled.training.schedule import Budget, learning_rate
from unrolled.training.settings import FitSettings


def test_the_first_limit_reached_counts():
    budget = Budget(updates=200, minutes=2)
    assert budget.fraction(update=50, seconds=6) == 0.25
    assert budget.fraction(update=50, seconds=60) == 0.5
    assert budget.fraction(update=50, seconds=500) == 1
    assert Budget().fraction(update=10**6, seconds=10**6) == 0


@pytest.mark.parametrize(
    ("settings", "updates"),
    [
        ({}, 3000),
        ({"updates": 7}, 7),
        ({"epochs": 2.5}, 25),
        ({"epochs": 2.5, "updates": 7}, 7),
        ({"epochs": 0.001}, 1),
        ({"minutes": 1}, None),
    ],
)
def test_limits_in_updates(settings, updates):
    assert Budget.of(FitSettings(**settings), updates_per_epoch=10).updates == updates


def test_learning_rate_by_hand():
    settings = FitSettings(learning_rate=0.8, warmup=4)
    assert learning_rate(settings, update=0, fraction=0) == pytest.approx(0.2)
    assert learning_rate(settings, update=3, fraction=0) == pytest.approx(0.8)
    assert learning_rate(settings, update=9, fraction=0.5) == pytest.approx(0.4)
    assert learning_rate(settings, update=9, fraction=1) == pytest.approx(0)
    assert learning_rate(FitSettings(learning_rate=0.8, warmup=0), update=0, fraction=0) == pytest.approx(0.8)
