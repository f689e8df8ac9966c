import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oracles.witten_bell import WittenBell as ByHand
from unrolled.errors import DataError, SettingError
from unrolled.models import ngram
from unrolled.models.ngram import WittenBell, best_order, counting_floor

SYMBOLS = st.lists(st.integers(0, 4), max_size=30)


def text(ids):
    return "".join(chr(97 + i) for i in ids)


def by_hand(training, order, size):
    """The model with dictionaries; V is told, it would else count what it sees."""
    model = ByHand(text(training), order)
    model.size = size
    return model


@given(SYMBOLS.filter(len), SYMBOLS, SYMBOLS, st.integers(0, 5), st.integers(5, 9))
def test_probabilities_are_those_of_dictionaries(training, before, ids, order, size):
    oracle, whole = by_hand(training, order, size), text(before + ids)
    expected = [
        math.log(oracle.probability(whole[:place], whole[place])) for place in range(len(before), len(whole))
    ]
    found = WittenBell(training, order, size).log_probabilities(ids, before)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(SYMBOLS.filter(len), SYMBOLS, st.integers(0, 5))
def test_the_probabilities_of_all_symbols_sum_to_one(training, before, order):
    model = WittenBell(training, order, 7)
    assert sum(np.exp(model.log_probabilities([c], before)[0]) for c in range(7)) == pytest.approx(1)


def test_all_orders_are_judged_at_once_and_in_pieces(monkeypatch):
    training, ids = np.random.default_rng(0).integers(0, 5, (2, 200))
    training[1:] = np.where(training[:-1] < 3, training[:-1] + 1, training[1:])
    model = WittenBell(training, 4, 6)
    expected = [by_hand(training, order, 6).nats(text(ids), before=text(training)) for order in range(5)]
    np.testing.assert_allclose(model.nats(ids, training), expected, rtol=1e-12)
    whole = model.log_probabilities(ids, training)
    monkeypatch.setattr(ngram, "_AT_ONCE", 7)
    np.testing.assert_allclose(model.nats(ids, training), expected, rtol=1e-12)
    np.testing.assert_array_equal(model.log_probabilities(ids, training), whole)
    assert best_order(training, ids, 6, [1, 2, 4]) == (
        min([1, 2, 4], key=lambda order: expected[order]),
        pytest.approx(min(expected[1], expected[2], expected[4])),
    )


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_symbols_may_be_small_numbers_in_a_file(tmp_path, kind):
    ids = np.random.default_rng(1).integers(0, 200, 500)
    mapped = np.memmap(tmp_path / "ids", kind, "w+", shape=500)
    mapped[:] = ids
    found = WittenBell(mapped, 3, 200).log_probabilities(mapped[:100], mapped[-9:])
    np.testing.assert_array_equal(found, WittenBell(ids, 3, 200).log_probabilities(ids[:100], ids[-9:]))


def test_the_floor_counts_the_last_symbols_of_a_long_text(monkeypatch):
    training, ids = np.array([0, 1] * 30 + [2, 3] * 30), np.array([2, 3] * 5)
    monkeypatch.setattr(ngram, "MOST_COUNTED", 60)
    assert counting_floor(training, ids, 5, [2]) == best_order(training[60:], ids, 5, [2])
    assert counting_floor(training, ids, 5, [2]) != best_order(training, ids, 5, [2])


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(SettingError, match="the order must be 0 or more, got -1"):
        WittenBell([0], -1, 2)
    with pytest.raises(SettingError, match="the number of symbols must be at least 1, got 0"):
        WittenBell([0], 1, 0)
    with pytest.raises(DataError, match="nothing to count"):
        WittenBell([], 1, 2)
    with pytest.raises(DataError, match="from 0 to V-1 = 1, got 0 to 2"):
        WittenBell([0, 2], 1, 2)
    with pytest.raises(DataError, match="from 0 to V-1 = 1, got -1 to 1"):
        WittenBell([0, 1], 1, 2).log_probabilities([-1, 1])
    with pytest.raises(DataError, match="nothing to judge by"):
        WittenBell([0, 1], 1, 2).nats([])
    with pytest.raises(DataError, match=r"a row of numbers \(N,\), got shape \(1, 2\)"):
        WittenBell([[0, 1]], 1, 2)
    with pytest.raises(SettingError, match="must be one or more, each 0 or more, got"):
        best_order([0, 1], [1], 2, [])
    with pytest.raises(SettingError, match="each 0 or more, got"):
        best_order([0, 1], [1], 2, [3, -1])
