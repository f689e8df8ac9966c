"""What is printed: equations, the unrolled network, schedules; always the same."""

import subprocess
import sys

import pytest

from tests.equations.sources import text_cell
from unrolled.cells import catalogue
from unrolled.equations.show import schedule_text
from unrolled.errors import SettingError


def test_the_equations_of_the_gru():
    assert catalogue()["gru"].equations().splitlines() == [
        "z_t = σ(W_z · x_t + U_z · h_{t-1} + b_z)",
        "r_t = σ(W_r · x_t + U_r · h_{t-1} + b_r)",
        "candidate_t = tanh(W · x_t + U · (r_t ⊙ h_{t-1}) + b)",
        "h_t = (1 - z_t) ⊙ h_{t-1} + z_t ⊙ candidate_t",
    ]


def test_a_name_bound_again_is_the_new_value():
    lines = catalogue()["lstm"].equations().splitlines()
    assert lines[-2:] == ["c_t = f_t ⊙ c_{t-1} + i_t ⊙ candidate_t", "h_t = o_t ⊙ tanh(c_t)"]


def test_a_states_name_that_is_not_its_new_value_is_primed():
    made = text_cell("h = tanh(W @ x)\nreturn 2 * h", "x, h, *, W")
    assert made.equations() == "h'_t = tanh(W · x_t)\nh_t = 2 ⊙ h'_t"


@pytest.mark.parametrize(
    ("body", "signature", "expected"),
    [
        ("return V @ h, h + W @ x", "x, h, *, V, W", "h_t = h_{t-1} + W · x_t\noutput_t = V · h_{t-1}"),
        ("y = V @ h\nreturn y, h + W @ x", "x, h, *, V, W", "y_t = V · h_{t-1}\nh_t = h_{t-1} + W · x_t"),
        ("return c, h + W @ x", "x, h, c, *, W", "c_t = h_{t-1} + W · x_t\nh_t = c_{t-1}"),
        ("return h + U @ delayed(h, 3)", "x, h, *, U", "h_t = h_{t-1} + U · h_{t-3}"),
        (
            "return where(h >= 0, h, -h) * every(2)",
            "x, h",
            "h_t = where(h_{t-1} ≥ 0, h_{t-1}, -h_{t-1}) ⊙ every(2)",
        ),
    ],
)
def test_outputs_delays_and_states_that_are_passed_on(body, signature, expected):
    assert text_cell(body, signature).equations() == expected


def test_the_network_unrolled_over_three_steps():
    made = text_cell("c = tanh(W @ x + U @ delayed(h, 2))\nreturn c, h", "x, h, c, *, W, U")
    assert made.unfold(3).splitlines() == [
        "h_0, c_0: the initial state",
        "step 1",
        "  h_1 = tanh(W · x_1 + U · h_0)",
        "  c_1 = h_0",
        "step 2",
        "  h_2 = tanh(W · x_2 + U · h_0)",
        "  c_2 = h_1",
        "step 3",
        "  h_3 = tanh(W · x_3 + U · h_1)",
        "  c_3 = h_2",
    ]


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_unfolding_takes_whole_steps(steps):
    with pytest.raises(SettingError, match=f"steps must be a whole number >= 1, got {steps}. Try unfold"):
        catalogue()["elman"].unfold(steps)


def test_a_schedule_in_letters_and_in_numbers():
    schedule = catalogue()["gru"].schedule()
    assert str(schedule).splitlines() == [
        "gru: schedule",
        "  once    -",
        "  before  [W_z; W_r; W]·x_t  (3H x I); then 3 operations by entry",
        "  step    phase 1: [U_z; U_r]·h_{t-1}  (2H x H); then r_t (3 operations)",
        "          phase 2: U·(r_t ⊙ h_{t-1})  (H x H); then z_t, candidate_t, h_t (8 operations)",
        "  after   -",
        "  into the loop 3H floats; multiply-adds before 3H·I, step 2H·H + H·H (by step and row)".replace(
            "2H·H + H·H", "3H·H"
        ),
    ]
    assert repr(schedule) == str(schedule)
    assert "  step    z_t, h_t (5 operations)" in str(catalogue()["mingru"].schedule())
    numbers = schedule_text(schedule, {"I": 10, "H": 20})
    assert "[W_z; W_r; W]·x_t  (60 x 10)" in numbers
    assert "into the loop 60 floats; multiply-adds before 600, step 1,200" in numbers


PRINT_ALL = """
from unrolled.cells import catalogue
for cell in catalogue().values():
    print(cell.text, cell.equations(), cell.unfold(3), cell.schedule(), cell.schedule(forced=cell.states[:1]))
"""


def test_printing_does_not_depend_on_the_order_of_hashes():
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_ALL],
            capture_output=True,
            check=True,
            env={**ENVIRONMENT, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


ENVIRONMENT = {"PYTHONPATH": ":".join(path for path in sys.path if path), "PYTHONIOENCODING": "utf-8"}
