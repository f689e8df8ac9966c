"""What makes no `Ragged`, and what cannot be had from one, is refused in one line."""

import numpy as np
import pytest
import torch

from unrolled import Ragged
from unrolled.errors import SettingError, ShapeError

VALUES = torch.ones(9, 3)
REFUSED = {
    "too few lengths": (lambda: Ragged(VALUES, [3, 5]), r"N = sum of the lengths = 8, got \(9, 3\)"),
    "a negative length": (lambda: Ragged(VALUES, [10, -1]), r"lengths\[1\] must be a whole number >= 0, got -1"),
    "half a length": (lambda: Ragged(VALUES, [8.5, 0.5]), r"lengths\[0\] must be a whole number >= 0, got 8.5"),
    "not a length": (lambda: Ragged(VALUES, [9, float("nan")]), r"lengths\[1\] must be .*, got nan"),
    "one length": (lambda: Ragged(VALUES, 9), r"lengths must be whole numbers \(B,\), got torch.int64 \(\)"),
    "a mask for lengths": (lambda: Ragged(VALUES, [True] * 9), r"lengths must be .* got torch.bool \(9,\)"),
    "a word for lengths": (lambda: Ragged(VALUES, "nine"), r"lengths must be whole numbers \(B,\), got 'nine'"),
    "an array of values": (lambda: Ragged(np.ones((9, 3)), [9]), "values must be a tensor, got ndarray. Use Ragged"),
    "a number of values": (lambda: Ragged(torch.ones(()), [1]), r"values must be \(N, ...\)"),
    "no rows": (lambda: Ragged.from_rows([]), r"at least one row must show .*, got 0 empty ones"),
    "empty rows": (lambda: Ragged.from_rows([[], []]), r"got 2 empty ones. Use Ragged\(torch.empty\(0, F\)"),
    "widths": (
        lambda: Ragged.from_rows([torch.ones(2, 3), torch.ones(2, 4)]),
        r"row 1 must be \(T, 3\) of torch.float32 on cpu as the first one, got \(T, 4\) of torch.float32",
    ),
    "dtypes": (
        lambda: Ragged.from_rows([torch.ones(2, 3), np.ones((2, 3))]),
        r"row 1 must be .* of torch.float32 .*, got \(T, 3\) of torch.float64 on cpu. Make them alike",
    ),
    "devices": (lambda: Ragged.from_rows([VALUES, VALUES.to("meta")]), "row 1 must be .* on cpu .* on meta"),
    "a word": (lambda: Ragged.from_rows(["word"]), r"row 0 must be numbers \(T, ...\), got str"),
    "words": (lambda: Ragged.from_rows([np.array(["word"])]), r"row 0 must be numbers \(T, ...\), got ndarray"),
    "a number": (lambda: Ragged.from_rows([3.0]), r"row 0 must be \(T, ...\), got a float"),
    "a nested row": (
        lambda: Ragged.from_rows([torch.nested.nested_tensor([VALUES], layout=torch.jagged)]),
        r"row 0 must be \(T, ...\), got a NestedTensor",
    ),
    "flat": (lambda: Ragged.from_padded(torch.ones(5), [5]), r"must be \(T, B, ...\), got \(5,\)"),
    "flat, batch first": (
        lambda: Ragged.from_padded(torch.ones(5), batch_first=True), r"must be \(B, T, ...\), got \(5,\)",
    ),
    "not padded": (lambda: Ragged.from_padded([[1]], [1]), "the padded batch must be a tensor, got list"),
    "nested for padded": (
        lambda: Ragged.from_padded(Ragged(VALUES, [9]).nested(), [1]),
        "the padded batch must be a tensor, got a nested tensor",
    ),
    "too long": (
        lambda: Ragged.from_padded(torch.ones(5, 2, 3), [5, 6]),
        r"lengths must be \(B,\) = \(2,\) from 0 to T=5, got \[5, 6\]. Correct them, or batch_first=False",
    ),
    "too many": (lambda: Ragged.from_padded(torch.ones(5, 2, 3), [1] * 5), r"\(2,\) from 0 to T=5, got \[1, 1"),
    "not packed": (lambda: Ragged.from_packed(VALUES), "a PackedSequence must be given, got Tensor"),
    "not nested": (lambda: Ragged.from_nested(VALUES), r"must be \(B, j, ...\) .* got a Tensor"),
    "another dimension": (
        lambda: Ragged.from_nested(Ragged(VALUES, [4, 5]).nested().transpose(1, 2)),
        r"a nested tensor must be \(B, j, ...\) with layout=torch.jagged, got \(2, 3, j\d+\)",
    ),
    "too few steps": (
        lambda: Ragged(VALUES, [4, 5]).padded(steps=4), "steps must be a whole number >= 5, the longest row, got 4",
    ),
    "packed without steps": (
        lambda: Ragged(VALUES, [9, 0]).packed(),
        r"every row of a PackedSequence must have steps, but row 1 has none. Take the others by ragged\[",
    ),
    "packed without rows": (lambda: Ragged(torch.ones(0, 3), []).packed(), "but there are no rows"),
    "a row too many": (lambda: Ragged(VALUES, [4, 5])[2], "numbers below B=2, a slice or a mask .*, got 2"),
    "rows too many": (lambda: Ragged(VALUES, [4, 5])[[0, -3]], r"numbers below B=2, .* got \[0, -3\]"),
    "a mask too long": (
        lambda: Ragged(VALUES, [4, 5])[torch.ones(3, dtype=torch.bool)], r"a mask \(B,\), got torch.bool \(3,\)",
    ),
    "one truth": (lambda: Ragged(VALUES, [4, 5])[True], r"a mask \(B,\), got True"),
    "two dimensions": (lambda: Ragged(VALUES, [4, 5])[:, 0], r"use .map\(lambda values: values\[:, ...\]\)"),
    "rows of rows": (lambda: Ragged(VALUES, [4, 5])[[[0]]], r"rows are chosen by numbers below B=2, .* got \[\[0\]\]"),
    "no number": (lambda: Ragged(VALUES, [4, 5])[None], "rows are chosen by .* got None"),
    "half a number": (lambda: Ragged(VALUES, [4, 5])[[0.5]], r"rows are chosen by .* got \[0.5\]"),
    "nothing to concatenate": (lambda: Ragged.concatenate([]), "at least one batch must be given to concatenate"),
    "tensors to concatenate": (
        lambda: Ragged.concatenate([Ragged(VALUES, [9]), VALUES]), "batch 1 must be a Ragged, got Tensor",
    ),
    "widths to concatenate": (
        lambda: Ragged.concatenate([Ragged(VALUES, [9]), Ragged(VALUES[:, :2], [9])]),
        r"batch 1 must be \(T, 3\) of torch.float32 on cpu as the first one, got \(T, 2\)",
    ),
    "a map that loses steps": (
        lambda: Ragged(VALUES, [9]).map(lambda values: values[:8]),
        r"the new values must be \(N, ...\) with N=9, got \(8, 3\). Keep one for each step",
    ),
    "a map to a number": (lambda: Ragged(VALUES, [9]).map(torch.sum), r"with N=9, got \(\)"),
    "a map to no tensor": (lambda: Ragged(VALUES, [9]).map(lambda values: None), "with N=9, got NoneType"),
    "a map of other lengths": (
        lambda: Ragged(VALUES, [9]).map(torch.add, Ragged(VALUES, [4, 5])),
        r"all batches must have the lengths \[9\], got Ragged\(.*lengths \[4, 5\]\)",
    ),
    "a map of a tensor": (lambda: Ragged(VALUES, [9]).map(torch.add, VALUES), r"lengths \[9\], got Tensor"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(case):
    do, message = REFUSED[case]
    with pytest.raises(ShapeError, match=message) as caught:
        do()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "value"),
    [
        (torch.ones(1, dtype=torch.long), 0.5),
        (torch.ones(1, dtype=torch.long), float("nan")),
        (VALUES[:1], "0"),
    ],
)
def test_what_the_dtype_cannot_hold_is_no_padding(values, value):
    with pytest.raises(SettingError, match="value must be a number of torch"):
        Ragged(values, [1]).padded(value=value)
