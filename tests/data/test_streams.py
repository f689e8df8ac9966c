import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.streams import IGNORED, Stream
from unrolled.data.vocabulary import END
from unrolled.errors import DataError, SettingError


def test_windows_by_hand():
    windows = list(Stream(np.array([2, 3, 4, 5, 6, 7, 8]), batch=3).windows(2))
    # Rows: 2 3 4 | 5 6 | 7 8
    assert windows[0][0].T.tolist() == [[END, 2], [END, 5], [END, 7]]
    assert windows[0][1].T.tolist() == [[2, 3], [5, 6], [7, 8]]
    assert windows[1][0][0, 0] == 3
    assert windows[1][1].T.tolist() == [[4], [IGNORED], [IGNORED]]


@given(st.integers(1, 200), st.integers(1, 9), st.integers(1, 30))
def test_every_symbol_is_a_target_once_in_order_and_the_input_before_it(length, batch, steps):
    if length < batch:
        return
    tokens = np.arange(2, length + 2)
    stream = Stream(tokens, batch)
    windows = list(stream.windows(steps))
    inputs = torch.cat([x for x, _ in windows])
    targets = torch.cat([y for _, y in windows])
    real = targets != IGNORED
    rows = [targets[real[:, b], b] for b in range(batch)]
    assert torch.cat(rows).tolist() == tokens.tolist()
    assert max(map(len, rows)) - min(map(len, rows)) <= 1
    for b, row in enumerate(rows):
        assert inputs[: len(row), b].tolist() == [END, *row[:-1].tolist()]
    assert len(windows) == stream.number_of_windows(steps)
    assert all(len(x) == steps for x, _ in windows[:-1])
    assert inputs.min() >= 1


def test_a_row_begins_behind_the_first_kind_of_break_near_its_place():
    tokens = np.full(320, 5)
    tokens[[79, 81, 160, 243]] = 4, 3, 4, 3
    borders = Stream(tokens, batch=4, breaks=(3, 4)).borders
    # 80 symbols a row, near is within 2: a 4 at 79 and a 3 at 81, at 160 only a 4, the 3 at 243 is too far from 240.
    assert borders.tolist() == [0, 82, 161, 240, 320]


@given(st.integers(1, 300), st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
def test_with_breaks_every_symbol_is_a_target_once_in_order(length, batch, steps, seed):
    if length < batch:
        return
    tokens = np.random.default_rng(seed).integers(1, 5, length)
    stream = Stream(tokens, batch, breaks=(1, 2))
    targets = torch.cat([y for _, y in stream.windows(steps)])
    assert len(targets) == stream.row_length <= (1 + 1 / 32) * length / batch + 2
    assert targets.T[targets.T != IGNORED].tolist() == tokens.tolist()


def test_a_stream_shorter_than_its_rows_is_refused():
    with pytest.raises(DataError, match="3 symbols cannot fill 4 rows; use a smaller batch"):
        Stream(np.arange(3), batch=4)
    with pytest.raises(SettingError, match="at least one row"):
        Stream(np.arange(3), batch=0)
    with pytest.raises(SettingError, match="at least one step"):
        list(Stream(np.arange(3), batch=1).windows(0))


def test_lengths_of_windows_are_taken_as_they_are_given():
    tokens = np.arange(2, 25)
    drawn = iter([3, 1, 5])
    windows = list(Stream(tokens, batch=2).windows(4, drawn))
    # Rows of 12 and 11 symbols; when no more lengths come, 4 again.
    assert [len(inputs) for inputs, _ in windows] == [3, 1, 5, 3]
    targets = torch.cat([y for _, y in windows])
    assert targets.T[targets.T != IGNORED].tolist() == tokens.tolist()
    plain = torch.cat([x for x, _ in Stream(tokens, batch=2).windows(4)])
    assert torch.equal(torch.cat([x for x, _ in windows]), plain)


def test_no_length_is_drawn_that_is_not_used():
    drawn = iter([5, 5, 7])
    list(Stream(np.arange(2, 12), batch=1).windows(4, drawn))
    assert next(drawn) == 7


def test_a_length_below_one_is_refused():
    with pytest.raises(SettingError, match="at least one step, got 0"):
        list(Stream(np.arange(2, 12), batch=1).windows(4, iter([0])))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_small_integers_of_a_file_give_the_same_windows(tmp_path, kind):
    tokens = np.random.default_rng(0).integers(1, 250, 640)
    tokens.astype(kind).tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", kind, "r")
    pairs = zip(Stream(mapped, 3, (7,)).windows(50), Stream(tokens, 3, (7,)).windows(50), strict=True)
    for (inputs, targets), (expected, wanted) in pairs:
        assert inputs.dtype == targets.dtype == torch.int64
        assert torch.equal(inputs, expected) and torch.equal(targets, wanted)
