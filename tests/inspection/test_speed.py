import gc
import math

import pytest

from unrolled.cells import catalogue
from unrolled.inspection.speed import interleaved, matrix_entries, median, operations, spread


def test_operations_by_hand():
    assert operations(entries=40, steps=12) == 2 * 12 * 40
    assert operations(entries=40, steps=12, backward=True) == 2 * 12 * 40 + 4 * 12 * 40


@pytest.mark.parametrize("cell", catalogue().values(), ids=lambda cell: cell.name)
def test_matrix_entries_are_the_multiply_adds_of_the_schedule(cell):
    letters = {"I": 3, "H": 8, **dict.fromkeys(cell.named_sizes, 8)}
    schedule = cell.schedule()
    phases = (*schedule.before, *schedule.step, *schedule.after)
    matrices = [m for phase in phases for product in phase.products for m in product.matrices]
    counted = sum(math.prod(size.value(letters) for size in schedule.graph.shapes[m]) for m in matrices)
    assert matrix_entries(cell, 3, 8, **dict.fromkeys(cell.named_sizes, 8)) == counted


def test_calls_take_turns_with_the_collector_off(monkeypatch):
    order = []

    def noted(name):
        def call():
            assert not gc.isenabled()
            order.append(name)

        return call

    monkeypatch.setattr("unrolled.inspection.speed.SHORTEST_SAMPLE", 0)
    samples = interleaved({"a": noted("a"), "b": noted("b")}, 3)
    assert gc.isenabled()
    assert order == ["a", "b"] * 4  # once to see how long they take
    assert {name: len(values) for name, values in samples.items()} == {"a": 3, "b": 3}


def test_short_calls_are_repeated_within_a_sample(monkeypatch):
    now = [0.0]

    def call():
        now[0] += 0.004

    monkeypatch.setattr("unrolled.inspection.speed.perf_counter", lambda: now[0])
    samples = interleaved({"a": call}, 2)
    assert samples["a"] == pytest.approx([0.004, 0.004])
    assert now[0] == pytest.approx(
        0.004 * (1 + 2 * (1 + 5))
    )  # to see how long; then untimed, and 0.02 s of calls


def test_median_and_spread_by_hand():
    assert median([3.0, 1.0, 2.0]) == 2
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((4 - 2) / 3)
    assert spread([1.0]) == 0
