import math
from itertools import islice

import numpy as np
import pytest
from scipy import stats

from unrolled.training.window_lengths import drawn_lengths, mean_length


def drawn(steps, number=40_000, seed=1):
    return np.array(list(islice(drawn_lengths(steps, seed), number)))


def test_lengths_are_distributed_as_in_the_paper():
    lengths = drawn(70)
    for k in (5, 30, 35, 40, 60, 66, 70, 75, 80):
        # P(floor(s) <= k) = P(s < k + 1), of the mixture of two normal distributions.
        wanted = 0.95 * stats.norm.cdf(k + 1, 70, 5) + 0.05 * stats.norm.cdf(k + 1, 35, 5)
        assert (lengths <= k).mean() == pytest.approx(wanted, abs=4 * math.sqrt(0.25 / len(lengths)))


@pytest.mark.parametrize("steps", [1, 5, 8, 20, 70])
def test_the_mean_is_that_of_many(steps):
    lengths = drawn(steps)
    assert lengths.min() >= 5
    assert mean_length(steps) == pytest.approx(
        lengths.mean(), abs=4 * lengths.std() / math.sqrt(len(lengths))
    )


def test_a_seed_fixes_them():
    assert np.array_equal(drawn(20, 50), drawn(20, 50))
    assert not np.array_equal(drawn(20, 50), drawn(20, 50, seed=2))
