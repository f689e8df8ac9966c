"""Filters against their formulas by hand, and against a plain reading of each paper, one row at a time."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import SettingError
from unrolled.generation.filters import Filters, drawn

# Index 0 is <unk>: whatever its logit, it never counts.
LOGITS = torch.tensor([50.0, math.log(1), math.log(2), math.log(3), math.log(4)], dtype=torch.float64)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [0, 0.1, 0.2, 0.3, 0.4]),
        ({"temperature": 0.5}, [0, 1 / 30, 4 / 30, 9 / 30, 16 / 30]),
        ({"temperature": 0}, [0, 0, 0, 0, 1]),
        ({"top_k": 2}, [0, 0, 0, 3 / 7, 4 / 7]),
        ({"top_k": 99}, [0, 0.1, 0.2, 0.3, 0.4]),
        ({"top_p": 0.7}, [0, 0, 0, 3 / 7, 4 / 7]),
        ({"top_p": 0.71}, [0, 0, 2 / 9, 3 / 9, 4 / 9]),
        ({"top_p": 1e-9}, [0, 0, 0, 0, 1]),
        ({"top_p": 1}, [0, 0.1, 0.2, 0.3, 0.4]),
        # top-p counts what top-k has left: 4/7 < 0.6, so both stay; without it 0.4 + 0.3 would stay too.
        ({"top_k": 2, "top_p": 0.57}, [0, 0, 0, 0, 1]),
        ({"min_p": 0.5}, [0, 0, 2 / 9, 3 / 9, 4 / 9]),
        ({"min_p": 0.51}, [0, 0, 0, 3 / 7, 4 / 7]),
        ({"min_p": 1}, [0, 0, 0, 0, 1]),
        # temperature comes first, and divides the gaps: 9/16 of the likeliest for 3, 4/16 for 2
        ({"temperature": 0.5, "min_p": 0.5}, [0, 0, 0, 9 / 25, 16 / 25]),
        # temperature comes first: 16/30 alone reaches 0.5.
        ({"temperature": 0.5, "top_p": 0.5}, [0, 0, 0, 0, 1]),
    ],
)
def test_filters_by_hand(filters, expected):
    got = Filters(**filters).probabilities(LOGITS[None])[0]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_equal_logits_are_cut_in_the_order_of_the_vocabulary():
    got = Filters(top_k=2).probabilities(torch.zeros(1, 5))[0]
    assert got.tolist() == [0, 0.5, 0.5, 0, 0]
    # Two quarters reach a half: the third symbol is not needed.
    assert Filters(top_p=0.5).probabilities(torch.zeros(1, 5))[0].tolist() == [0, 0.5, 0.5, 0, 0]


def test_a_penalty_divides_what_is_positive_and_multiplies_what_is_negative():
    logits = torch.tensor([[0.0, 3.0, 2.0, -1.0, 1.0]])
    recent = torch.tensor([[2, 3, 1]])  # 1 is <eos>, which does not count
    got = Filters(repetition_penalty=2.0).probabilities(logits, recent)
    expected = torch.softmax(torch.tensor([[-math.inf, 3.0, 1.0, -2.0, 1.0]], dtype=torch.float64), 1)
    torch.testing.assert_close(got, expected)


def test_what_is_not_allowed_is_gone_before_anything_is_counted():
    allowed = torch.tensor([[True, True, True, True, False]])
    got = Filters(top_k=2).probabilities(LOGITS[None], allowed=allowed)[0]
    torch.testing.assert_close(got, torch.tensor([0, 0, 0.4, 0.6, 0], dtype=torch.float64))
    assert Filters(temperature=0).probabilities(LOGITS[None], allowed=allowed)[0].tolist() == [0, 0, 0, 1, 0]


def plain(logits, recent, filters):
    """One row in NumPy, a list of symbols in falling order cut filter by filter."""
    logits = logits.astype(float).copy()
    for symbol in set(recent) - {0, 1}:
        theta = filters.repetition_penalty
        logits[symbol] = logits[symbol] / theta if logits[symbol] > 0 else logits[symbol] * theta
    logits[0] = -np.inf
    weights = np.exp((logits - logits.max()) / filters.temperature)
    p = weights / weights.sum()
    order = sorted(range(len(p)), key=lambda i: (-p[i], i))[: filters.top_k]
    if filters.top_p is not None:
        total, kept = sum(p[i] for i in order), []
        for i in order:
            kept.append(i)
            if sum(p[j] for j in kept) >= filters.top_p * total:
                break
        order = kept
    if filters.min_p is not None:
        order = [i for i in order if p[i] >= filters.min_p * p[order[0]]]
    result = np.zeros(len(p))
    result[order] = p[order] / p[order].sum()
    return result


SHARES = st.none() | st.floats(0.01, 1)


@given(
    st.integers(0, 2**31),
    st.builds(
        Filters,
        temperature=st.floats(0.2, 4),
        top_k=st.none() | st.integers(1, 12),
        top_p=SHARES,
        min_p=SHARES,
        repetition_penalty=st.floats(0.5, 3),
    ),
)
def test_all_together_against_a_plain_reading(seed, filters):
    random = np.random.default_rng(seed)
    logits, recent = random.normal(size=(5, 10)) * 2, random.integers(0, 10, (5, 4))
    got = filters.probabilities(torch.tensor(logits), torch.tensor(recent))
    for row in range(5):
        np.testing.assert_allclose(got[row], plain(logits[row], recent[row].tolist(), filters), atol=1e-12)


def test_a_row_has_the_same_bits_alone_and_beside_others():
    logits = torch.randn(37, 1003) * 3
    filters = Filters(0.7, 400, 0.9, 0.001, 1.3)
    recent = torch.randint(0, 1003, (37, 5))
    together = filters.probabilities(logits, recent)
    for row in (0, 20, 36):
        alone = filters.probabilities(logits[row : row + 1], recent[row : row + 1])
        assert torch.equal(alone[0], together[row])


def test_a_tiny_temperature_is_nearly_greedy_and_never_nan():
    got = Filters(temperature=1e-320).probabilities(torch.tensor([[0.0, 5.0, 9.0]]))
    assert got.tolist() == [[0, 0, 1]]


def test_the_logits_given_stay_as_they_are():
    logits = LOGITS[None].clone()
    Filters(0.5, 2, 0.5, 0.5, 2.0).probabilities(logits, torch.tensor([[2]]))
    assert torch.equal(logits[0], LOGITS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature must be 0 .* got -1"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_k": 0}, "top-k must be at least 1, got 0"),
        ({"top_p": 0}, "top-p must be above 0 and at most 1, got 0"),
        ({"min_p": 0}, "min-p must be above 0 and at most 1, got 0"),
        ({"min_p": math.nan}, "min-p"),
        ({"repetition_penalty": 0}, "repetition penalty must be above 0 .* got 0"),
        ({"repetition_window": 0}, "repetition window must be at least 1, got 0"),
    ],
)
def test_out_of_range(options, message):
    with pytest.raises(SettingError, match=message):
        Filters(**options)


def test_drawing_inverts_the_sums():
    p = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]], dtype=torch.float64)
    for uniform, symbol in ((0.0, 1), (0.2499, 1), (0.25, 3), (1 - 2**-53, 3)):
        assert drawn(p, torch.tensor([uniform], dtype=torch.float64)).tolist() == [symbol]
    # Sums above 1 by rounding: the product with the largest number below 1 may round up to the sum itself.
    p = torch.tensor([[0.5, 0.5 + 2**-52, 0.0]], dtype=torch.float64)
    assert drawn(p, torch.tensor([1 - 2**-53], dtype=torch.float64)).tolist() == [1]
