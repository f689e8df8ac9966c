import math

import pytest

from tests.oracles.witten_bell import WittenBell


def test_probabilities_by_hand():
    model = WittenBell("abab", order=1)
    below = 1 / 3  # a, b, and all others
    empty = {"a": (2 + 2 * below) / 6, "b": (2 + 2 * below) / 6}
    assert model.probability("", "a") == pytest.approx(empty["a"])
    assert model.probability("a", "b") == pytest.approx((2 + empty["b"]) / 3)
    assert model.probability("xxb", "a") == pytest.approx((1 + empty["a"]) / 2)
    assert model.probability("z", "a") == pytest.approx(empty["a"])


@pytest.mark.parametrize("context", ["", "a", "ra", "abra", "zzz"])
def test_the_probabilities_of_all_characters_sum_to_one(context):
    model = WittenBell("abracadabra", order=3)
    assert math.fsum(model.probability(context, c) for c in "abcdr?") == pytest.approx(1)


def test_nats_are_the_mean_over_the_text():
    model = WittenBell("abracadabra", order=2)
    expected = -(math.log(model.probability("ra", "b")) + math.log(model.probability("ab", "z"))) / 2
    assert model.nats("bz", before="abra") == pytest.approx(expected)
