"""The example that pastes a slide in two notations."""

import importlib.util
import re
from pathlib import Path

import pytest

from unrolled.equations import Cell

PATH = Path(__file__).parents[2] / "examples" / "slide_to_network.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("slide_to_network", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["simple", "gru"])
def notations(example, request):
    """The stacked and the separate cell, and the letter of the state."""
    if request.param == "gru":
        return example.stacked_gru, example.separate_gru, "c"
    return Cell.from_text(example.STACKED), Cell.from_text(example.SEPARATE), "a"


def test_both_notations_give_the_same_numbers(example, notations):
    stacked, separate, state = notations
    parameters = example.draw(stacked, seed=3)
    cut = example.cut(parameters, state)
    assert set(cut) == set(separate.signature.parameters)
    assert example.difference(stacked, parameters, separate, cut) < 1e-14
    cut[f"W_{state}x"] = cut[f"W_{state}x"] + 1e-6
    assert example.difference(stacked, parameters, separate, cut) > 1e-8


def test_both_notations_give_the_same_schedule(example, notations):
    stacked, separate, _ = notations
    work = example.work(stacked.schedule())
    assert work == example.work(separate.schedule())
    assert "concat" not in str(work)
    assert work != example.work(Cell.from_text("def f(x, h, *, W):\n    return W @ concat(h, x)").schedule())


def test_the_products_with_the_input_wait_for_nothing(example, notations):
    for cell in notations[:2]:
        schedule = cell.schedule()
        vectors = {
            schedule.graph.nodes[product.vector].operation for p in schedule.before for product in p.products
        }
        assert vectors == {"input"}
        in_the_loop = [product.vector for phase in schedule.step for product in phase.products]
        assert all(schedule.graph.nodes[vector].operation != "input" for vector in in_the_loop)


def test_what_it_prints(example, capsys):
    example.main()
    printed = capsys.readouterr().out
    assert printed.count("the schedules do the same work:   yes") == 2
    differences = re.findall(r"largest difference .*: (\S+)", printed)
    assert len(differences) == 3
    assert all(float(number) < 1e-14 for number in differences)
