import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.training.schedule import Budget, Schedule
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


def rate(settings, update, fraction=0.0):
    return Schedule(settings).rate(update, fraction)


def test_cosine_by_hand():
    settings = FitSettings(learning_rate=0.8, warmup=4)
    assert rate(settings, update=0) == pytest.approx(0.2)
    assert rate(settings, update=3) == pytest.approx(0.8)
    assert rate(settings, update=9, fraction=0.5) == pytest.approx(0.4)
    assert rate(settings, update=9, fraction=1) == pytest.approx(0)
    assert rate(FitSettings(learning_rate=0.8, warmup=0), update=0) == pytest.approx(0.8)


def test_constant_rises_and_stays():
    settings = FitSettings(learning_rate=0.8, warmup=4, schedule="constant")
    schedule = Schedule(settings)
    for _ in range(9):
        schedule.validated(best=False)
    assert [schedule.rate(u, u / 6) for u in range(7)] == pytest.approx([0.2, 0.4, 0.6] + 4 * [0.8])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 5))
def test_plateau_goes_down_where_torchs_does(losses, patience):
    """Torch waits for more than `patience` validations in a row, and starts without a best."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=patience - 1, threshold=0, eps=0
    )
    settings = FitSettings(
        schedule="plateau", learning_rate=0.5, decay=0.3, plateau_patience=patience, warmup=0
    )
    schedule, best = Schedule(settings), math.inf
    for loss in losses:
        torchs.step(float(loss))
        schedule.validated(loss < best)
        best = min(best, loss)
        assert schedule.rate(10, 0.9) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_a_schedule_that_is_held_takes_no_more_stairs():
    schedule = Schedule(FitSettings(schedule="plateau", learning_rate=8, plateau_patience=1, warmup=2))
    schedule.validated(best=False)
    assert (schedule.rate(0, 0), schedule.rate(1, 0)) == (1, 2)
    schedule.hold()
    schedule.validated(best=False)
    assert schedule.rate(1, 0) == 2


@pytest.mark.parametrize("name", ["cosine", "constant"])
def test_only_a_plateau_listens_to_validations(name):
    schedule = Schedule(FitSettings(schedule=name, warmup=0))
    before = schedule.rate(5, 0.5)
    for _ in range(20):
        schedule.validated(best=False)
    assert schedule.rate(5, 0.5) == before
