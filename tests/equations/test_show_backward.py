"""The backward pass as text."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.random_cells import random_cell
from unrolled.cells import catalogue, gru, jordan, lstm, skip_in_time
from unrolled.equations import Cell

EVERY = {**catalogue(), **{f"random_{seed}": Cell.from_text(random_cell(seed).text) for seed in range(12)}}


def block(text: str, title: str) -> list[str]:
    """The lines under one title."""
    lines = text.splitlines()[1:]
    first = next(i for i, line in enumerate(lines) if line.startswith(f"  {title:<8}"))
    more = itertools.takewhile(lambda line: line.startswith(" " * 10), lines[first + 1 :])
    return [line[10:] for line in (lines[first], *more)]


@pytest.mark.parametrize("name", list(EVERY))
def test_every_cell_can_be_printed_in_names(name):
    text = EVERY[name].backward()
    assert not re.search(
        r"\b[vp]\d+\b|gradient\(|saved\(|state\(|dtanh|dsigmoid|drelu", text.split("names", 1)[1]
    )
    loop = block(text, "loop")
    assert any("_prev" in line for line in [*loop, *block(text, "before"), *block(text, "after")])


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_parameter_gets_its_gradient(name):
    sums = [line for line in block(EVERY[name].backward(), "after") if " += " in line]
    for learned in EVERY[name].signature.parameters:
        assert any(re.match(rf"d{learned} \+=|d\(.*\b{learned}\b.*\) \+=", line) for line in sums), learned


def test_lstm_by_hand():
    loop = block(lstm.backward(), "loop")
    assert "dc_t = dc_next + (1 - tanh(c_t) ⊙ tanh(c_t)) ⊙ dh_t ⊙ o_t" in loop
    assert "δf_t = f_t ⊙ (1 - f_t) ⊙ df_t" in loop
    assert "dc_prev = dc_t ⊙ f_t" in loop
    assert "dU_f += δf_t h_{t-1}ᵀ" in block(lstm.backward(), "after")
    assert block(lstm.backward(), "saved") == [
        "i_t, f_t, candidate_t, o_t, c_t: 5H floats by step and row, beside x_t and h_t"
    ]


def test_a_product_inside_a_product_is_bracketed():
    assert "dU += δcandidate_t (r_t ⊙ h_{t-1})ᵀ" in block(gru.backward(), "after")


def test_delays_say_how_far_they_reach():
    given = block(skip_in_time.backward(), "given")
    assert given[1:] == [
        "dh_next from step t+1, which calls it dh_prev; 0 after the last step",
        "dh_next4 from step t+4, which calls it dh_prev4; 0 after the last step",
    ]
    assert "dh_prev4 = U_kᵀ · δ_t" in block(skip_in_time.backward(), "loop")


def test_a_forced_network_has_nothing_left_in_the_loop():
    assert block(jordan.backward(forced=("y",)), "loop") == ["-"]
    assert "dy_t, of the values given for y, = dy_next" in jordan.backward(forced=["y"])
    assert block(jordan.backward(), "loop") != ["-"]
