import numpy as np
import pytest

from unrolled.data.synthetic.digits import digit_pairs


@pytest.mark.parametrize("order", ["reversal", "sorting"])
def test_targets_are_the_digits_in_another_order(order):
    pairs = digit_pairs(order, 30, length=20, seed=3)
    given, wanted = (
        np.array([[int(digit) for digit in side] for side in sides]) for sides in zip(*pairs, strict=True)
    )
    assert given.shape == (30, 20)
    assert len(set(given.ravel())) == 10
    assert np.array_equal(wanted, given[:, ::-1] if order == "reversal" else np.sort(given, 1))
    assert pairs == digit_pairs(order, 30, seed=3) != digit_pairs(order, 30, seed=4)
