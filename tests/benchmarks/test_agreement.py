from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.agreement import Disagreement, check, difference, distance, truth
from benchmarks.competitors import COMPETITORS, OURS, torch_loop, torch_nn, unrolled_native
from benchmarks.competitors.competitor import Competitor
from benchmarks.measure import measure
from benchmarks.workloads import CELLS, Shape, Workload, make_case

SHAPE = Shape(T=6, B=5, I=3, H=4)


def test_the_difference_is_the_largest_one_over_the_largest_value():
    assert difference(np.array([1.0, 3.5]), np.array([1.0, 4.0])) == 0.125
    assert difference(np.array([0.0]), np.array([0.0])) == 0
    assert difference(np.array([1.0]), np.array([1.0, 2.0])) == float("inf")
    assert difference(np.array([np.nan]), np.array([1.0])) == float("inf")


def test_the_distance_is_the_norm_of_the_difference_over_the_norm():
    assert distance(np.array([3.0, 4.0, 1.0]), np.array([3.0, 4.0, 0.0])) == 0.2
    assert distance(np.array([0.0]), np.array([0.0])) == 0
    assert distance(np.array([1.0]), np.array([1.0, 2.0])) == float("inf")
    assert distance(np.array([np.nan]), np.array([1.0])) == float("inf")


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "competitor", [one for one in COMPETITORS if not one.optional], ids=lambda one: one.name
)
def test_every_competitor_gives_the_answer_of_the_reference(competitor, cell, ragged):
    if competitor.missing():
        pytest.skip(f"{competitor.name} is not installed")
    case = make_case(Workload(cell, SHAPE, ragged))
    runner = competitor.make(case)
    if runner is None:
        pytest.skip(f"{competitor.name} does not have this")
    assert check(competitor.name, runner, *truth(case))["output"] < 1e-5


def slightly_wrong(case):
    """A loop whose every weight is one percent too large."""
    return torch_loop.make(replace(case, weights={name: 1.01 * v for name, v in case.weights.items()}))


def test_a_wrong_output_is_refused():
    case = make_case(Workload("gru", SHAPE))
    with pytest.raises(Disagreement, match=r"^loop: output off by .* of the largest value, at most 1e-04$"):
        check("loop", slightly_wrong(case), *truth(case))


def test_a_wrong_gradient_is_refused():
    case = make_case(Workload("lstm", SHAPE))
    runner = torch_nn.make(case)
    output, gradients = truth(case)
    with pytest.raises(Disagreement, match=r"gradients off by .* of the norm, at most 5e-04$"):
        check("nn", runner, output, gradients | {"U_f": 1.01 * gradients["U_f"]})


def test_a_gradient_left_out_is_refused():
    case = make_case(Workload("lstm", SHAPE))
    runner = torch_nn.make(case)
    lazy = replace(runner, gradients=lambda found: {"x": runner.gradients(found)["x"]})
    with pytest.raises(Disagreement, match="other gradients than the cell: U_c, U_f"):
        check("nn", lazy, *truth(case))


def test_who_is_wrong_or_not_installed_is_named_and_not_timed():
    timed = []

    def wrong(case):
        runner = slightly_wrong(case)
        return replace(runner, forward=lambda: timed.append(1) or runner.forward())

    absent = Competitor("Absent", wrong, packages=("no_such_package",))
    others = (Competitor("Wrong", wrong), absent, torch_nn.COMPETITOR)
    forward, training = measure(
        Workload("gru", SHAPE), (unrolled_native.COMPETITOR, *others), 2, lambda line: None
    )
    assert len(timed) == 1  # for the check, and no more
    for record in (forward, training):
        assert list(record["results"]) == [OURS]
        assert record["left_out"]["Absent"] == "not installed: no_such_package"
        assert record["left_out"]["Wrong"].startswith("not timed: Wrong: output off by")
        assert record["left_out"]["torch.nn"] == "does not have this"


def test_a_case_has_nothing_but_zero_in_its_padding():
    case = make_case(Workload("gru", SHAPE, ragged=True))
    for row, length in enumerate(case.lengths):
        for value in (case.x, case.gradient):
            assert torch.count_nonzero(value[length:, row]) == 0
            assert torch.count_nonzero(value[:length, row]) == value[:length, row].numel()
