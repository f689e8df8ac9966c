import numpy as np
import pytest

from unrolled.data.synthetic.chaos import mackey_glass
from unrolled.errors import SettingError


def test_the_first_delay_has_a_solution_in_closed_form():
    # Up to tau the delayed value is the start, and the equation is linear.
    start, times = 0.7, np.arange(1, 18)
    rest = 2 * start / (1 + start**10)
    expected = rest + (start - rest) * np.exp(-0.1 * times)
    np.testing.assert_allclose(mackey_glass(17, start=start, discard=0), expected, rtol=1e-9)


def test_the_integration_is_of_order_four():
    # Within three delays, before chaos takes over: half the step, a sixteenth of the error.
    exact = mackey_glass(50, step=0.0125, discard=0)
    errors = [np.abs(mackey_glass(50, step=step, discard=0) - exact).max() for step in (0.2, 0.1, 0.05)]
    assert 10 < errors[0] / errors[1] < 22
    assert 10 < errors[1] / errors[2] < 22
    assert errors[1] < 1e-6


def test_it_obeys_the_equation():
    fine = mackey_glass(400, step=0.05, discard=200)
    slope = (fine[:-4] - 8 * fine[1:-3] + 8 * fine[3:-1] - fine[4:]) / 12  # of order four, steps of 1
    now, delayed = fine[2:-2], np.concatenate([np.full(17, np.nan), fine])[2 : 2 + len(slope)]
    change = 0.2 * delayed / (1 + delayed**10) - 0.1 * now
    assert np.nanmax(np.abs(slope - change)) < 5e-3


def test_options_act():
    usual = mackey_glass(100)
    assert np.array_equal(mackey_glass(60, discard=1040), usual[40:])
    assert not np.allclose(mackey_glass(100, start=1.0), usual, atol=1e-2)
    assert not np.allclose(mackey_glass(100, tau=30.0), usual, atol=1e-2)
    assert np.abs(mackey_glass(30, tau=30.0, discard=300) - 1).max() < 0.8


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"tau": 17.05}, "tau must be a whole number of steps of 0.1, got 17.05"),
        ({"step": 0.3}, "1 must be a whole number of steps of 0.3"),
        ({"step": 0.0}, "must be a whole number of steps"),
        ({"start": 0.0}, "start must be a number > 0, got 0.0"),
        ({"discard": -1}, "discard must be a whole number >= 0, got -1"),
    ],
)
def test_refusals(options, told):
    with pytest.raises(SettingError, match=told):
        mackey_glass(10, **options)
