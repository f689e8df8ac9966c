import numpy as np
import pytest

from unrolled.data.npz import npz_series
from unrolled.errors import DataError


def read(tmp_path, **arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    return list(npz_series(tmp_path / "a.npz"))


def test_series_of_one_length(tmp_path):
    x = np.arange(12).reshape(2, 3, 2)
    found = read(tmp_path, x=x, labels=np.array([7, 3]))
    np.testing.assert_array_equal([values for values, *_ in found], x)
    assert [label for _, label, *_ in found] == ["7", "3"]
    assert [columns for *_, columns in found] == [{"series": "1"}, {"series": "2"}]


def test_one_channel_needs_no_third_dimension(tmp_path):
    np.testing.assert_array_equal(read(tmp_path, x=np.arange(6).reshape(2, 3))[1][0], [[3], [4], [5]])
    found = read(tmp_path, values=np.arange(3), lengths=np.array([1, 2]))
    np.testing.assert_array_equal(found[1][0], [[1], [2]])


def test_series_end_to_end(tmp_path):
    values = np.arange(10.0).reshape(5, 2)
    found = read(tmp_path, values=values, lengths=np.array([2, 3]), labels=np.array(["a", "b"]))
    np.testing.assert_array_equal(found[0][0], values[:2])
    np.testing.assert_array_equal(found[1][0], values[2:])
    assert found[0][1] == "a" and found[1][1] == "b"


def test_a_label_for_each_step(tmp_path):
    found = read(tmp_path, values=np.zeros((3, 1)), lengths=[1, 2], step_labels=["a", "b", "c"])
    assert [label for _, label, *_ in found] == [("a",), ("b", "c")]
    found = read(tmp_path, x=np.zeros((2, 2, 1)), step_labels=np.array([[0, 1], [1, 0]]))
    assert [label for _, label, *_ in found] == [("0", "1"), ("1", "0")]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.zeros(3)}, r"must hold x \(series, steps, channels\), or values .*; got y \(3,\)"),
        ({"x": np.zeros(3)}, r"must hold x .*got x \(3,\)"),
        ({"x": np.array([["a"]])}, r"the values must be numbers, got <U1"),
        (
            {"values": np.zeros((3, 1)), "lengths": [1, 1]},
            r"lengths must add up to the 3 steps of values, got 2",
        ),
        ({"values": np.zeros((3, 1)), "lengths": [3, 0]}, r"lengths must be whole numbers above 0"),
        ({"values": np.zeros((3, 1)), "lengths": [1.5, 1.5]}, r"lengths must be whole numbers above 0"),
        ({"x": np.zeros((2, 3, 1)), "labels": [1]}, r"labels must hold 2 labels, got 1"),
        ({"x": np.zeros((2, 3, 1)), "step_labels": [1]}, r"step_labels must hold 6 labels, got 1"),
        ({"x": np.zeros((1, 1, 1)), "labels": [1], "step_labels": [1]}, r"holds labels and step_labels"),
        ({"x": np.array([[1], [1, 2]], object)}, r"holds Python objects, which are never read"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, arrays, message):
    with pytest.raises(DataError, match=rf"a\.npz: {message}"):
        read(tmp_path, **arrays)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"junk"])
def test_a_broken_file_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: (cannot be read as|not a) \.npz[^\n]*$"):
        list(npz_series(tmp_path / "a.npz"))


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    read(tmp_path, x=np.random.default_rng(0).normal(size=(9, 9, 9)))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as \.npz"):
        list(npz_series(tmp_path / "a.npz"))


def test_a_single_array_is_refused(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match=r"not a \.npz file, which begins with PK; write it with np\.savez"):
        list(npz_series(tmp_path / "a.npz"))


def test_the_names_of_scikit_learn(tmp_path):
    found = read(tmp_path, X=np.arange(6).reshape(2, 3), y=np.array(["não", "sim"]))
    assert [label for _, label, *_ in found] == ["não", "sim"]
