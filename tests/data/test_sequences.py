import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.gathered import Gathered, split
from unrolled.data.records import Place, Record
from unrolled.data.sequences import Sequences, ahead, batches, in_order
from unrolled.errors import DataError

FILE = Place("a.csv", 3)


@pytest.mark.parametrize("in_memory", [10**9, 40, 0])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_rows_come_back_from_memory_and_from_a_file(in_memory, dtype):
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 200, (n, 2, 3)).astype(dtype) for n in (3, 0, 5, 1)]
    kept = Sequences(iter(rows), in_memory)
    assert kept.lengths.tolist() == [3, 0, 5, 1] and len(kept) == 4
    for index, row in enumerate(rows):
        np.testing.assert_array_equal(kept[index], row)
    batch = kept.rows([2, 0])
    np.testing.assert_array_equal(batch.values.numpy(), np.concatenate([rows[2], rows[0]]))
    assert batch.lengths.tolist() == [5, 3]
    assert isinstance(kept.values, np.memmap) == (in_memory < 1000)


def test_no_sequence_is_refused():
    with pytest.raises(DataError, match="holds no sequence"):
        Sequences(iter([]))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(1, 40))
def test_every_sequence_once_and_lengths_alike_in_a_batch(lengths, batch):
    pieces = list(batches(np.array(lengths), batch, np.random.default_rng(0)))
    assert sorted(np.concatenate(pieces).tolist()) == list(range(len(lengths)))
    assert all(len(piece) <= batch for piece in pieces)
    whole = len(lengths) <= 50 * batch
    spread = sum(np.ptp(np.array(lengths)[piece]) for piece in pieces)
    assert not whole or spread <= max(lengths) - min(
        lengths
    )  # sorted within the one pool: ranges do not overlap


def test_the_order_is_drawn_anew_each_time_and_again_from_the_same_seed():
    def drawn(generator):
        return [piece.tolist() for piece in batches(np.ones(64, int), 4, generator)]

    generator = np.random.default_rng(1)
    assert drawn(generator) != drawn(generator)
    assert drawn(np.random.default_rng(1)) == drawn(np.random.default_rng(1))


def test_in_order():
    assert [piece.tolist() for piece in in_order(5, 2)] == [[0, 1], [2, 3], [4]]


def test_items_are_prepared_ahead_and_in_order():
    prepared = []

    def items():
        for number in range(6):
            prepared.append(number)
            yield number

    taken = ahead(items(), 2)
    assert next(taken) == 0
    deadline = time.monotonic() + 5
    while len(prepared) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(prepared) >= 3
    assert list(taken) == [1, 2, 3, 4, 5]


def test_an_error_while_preparing_arrives_where_the_items_are_used():
    def items():
        yield 1
        raise DataError("line 2 is bad")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(DataError, match="line 2 is bad"):
        next(taken)


def test_the_thread_ends_when_the_items_are_no_longer_wanted():
    before = threading.active_count()
    taken = ahead(iter(range(10**6)))
    next(taken)
    taken.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "values",
    [["olá 😀", "x\ny"], [("a", "b c"), ("d",)], [np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32)]],
)
def test_records_of_every_kind_are_kept_as_they_were(values):
    gathered = Gathered.of([Record(value, str(i), FILE) for i, value in enumerate(values)], in_memory=0)
    for index, value in enumerate(values):
        found = gathered.value(index)
        assert type(found) is type(value) or isinstance(found, np.ndarray)
        assert np.array_equal(found, value) if isinstance(value, np.ndarray) else found == value
    assert gathered.labels == ["0", "1"]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([Record("", "x", FILE)], "a.csv, line 3: the sequence is empty"),
        (
            [Record("a", "x", FILE), Record(("a",), "x", FILE)],
            "a.csv, line 3: all records must be of one kind",
        ),
    ],
)
def test_records_that_cannot_be_used_are_refused_where_they_stand(records, message):
    with pytest.raises(DataError, match=message):
        Gathered.of(records)


@pytest.mark.parametrize(
    ("label", "found"), [(None, "none"), (("a", "b"), "one for each of its 2 steps; use unrolled train tag")]
)
def test_a_sequence_has_one_label(label, found):
    with pytest.raises(DataError, match=f"a.csv, line 3: a sequence must have one label, got {found}"):
        Gathered.of([Record("a", label, FILE)]).names()


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=80), st.floats(0, 0.9), st.integers(0, 5))
def test_a_split_takes_its_share_of_every_label(labels, share, seed):
    training, validation = split(labels, share, seed)
    assert sorted([*training, *validation]) == list(range(len(labels)))
    for name in set(labels):
        held = sum(labels[i] == name for i in validation)
        assert held <= labels.count(name) - 1
        assert abs(held - share * labels.count(name)) <= 3
    again = split(labels, share, seed)
    assert np.array_equal(training, again[0])
