"""What may be given: texts, words, numbers, pictures; and what is refused, by its place."""

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.estimators.given import InMemory, sequences, values_of


def test_texts_words_numbers_and_pictures():
    assert sequences(np.array(["a b", "c"])) == ["a b", "c"]
    assert type(sequences(np.array(["a b"]))[0]) is str
    assert sequences([["New York", "is"], np.array(["big"])]) == [("New York", "is"), ("big",)]
    one, other = sequences([[1, 2, 3], np.arange(2)])
    assert one.dtype == np.float32 and one.tolist() == [[1], [2], [3]] and other.shape == (2, 1)
    assert [row.shape for row in sequences(np.zeros((2, 3, 4)))] == [(3, 4), (3, 4)]
    [pictures] = sequences([np.zeros((5, 8, 6, 3), np.uint8)])
    assert pictures.dtype == np.uint8 and pictures.shape == (5, 8, 6, 3)
    assert [len(one) for one in sequences(iter(["ab", "c"]))] == [2, 1]


@pytest.mark.parametrize(
    ("X", "kind", "width"),
    [
        (["a"], "text", None),
        ([["a"]], "conll", None),
        ([np.zeros((3, 2))], "series", 2),
        ([np.zeros((3, 8, 8, 3), np.uint8)], "video", 8),
    ],
)
def test_records_say_where_they_stand(X, kind, width):
    reader = InMemory(X * 2, ["yes", "no"])
    assert (reader.kind, reader.width, len(reader)) == (kind, width, 2)
    for _ in range(2):  # a reader may be gone through again
        records = list(reader)
        assert [str(record.place) for record in records] == ["X[0]", "X[1]"]
        assert [record.label for record in records] == ["yes", "no"]
    assert [record.label for record in InMemory(X)] == [None]


@pytest.mark.parametrize(
    ("X", "told"),
    [
        ([], "^X must hold at least one sequence, got none"),
        ("a text", "^X must be a list, got str; put it into a list"),
        (7, "^X must be a list, got int"),
        (["a", ""], r"^X\[1\]: the sequence is empty; remove it"),
        ([["a"], []], r"^X\[1\]: the sequence is empty"),
        ([np.zeros((2, 1)), np.zeros((0, 1))], r"^X\[1\]: the sequence is empty"),
        ([["a", ""]], r"^X\[0\]: word 1 must be a text of one line that is not empty, got ''"),
        ([["a", "b\nc"]], r"^X\[0\]: word 1 must be .* got 'b\\nc'"),
        ([["a", 3]], r"^X\[0\]: word 1 must be .* got 3"),
        (["a", ["a"]], r"^X\[1\]: all sequences must be of one kind, got words where X\[0\] is text"),
        (
            [np.zeros((2, 3)), np.zeros((2, 1))],
            r"X\[1\]: .* got frames of 1 channels where X\[0\] is frames of 3",
        ),
        ([np.zeros(3), "abc"], r"^X\[1\]: .* got text where X\[0\] is frames of 1"),
        ([[1.0, {}]], r"^X\[0\]: the sequence must be numbers \(T, I\), a text or a list of words, got list"),
        ([[[1, 2], [3]]], r"^X\[0\]: the sequence must be numbers"),
        ([np.array([1j])], r"^X\[0\]: the sequence must be numbers"),
        ([np.zeros((2, 2, 2))], r"^X\[0\]: the sequence must be numbers \(T, I\), got shape \(2, 2, 2\)"),
        ([np.zeros((2, 0))], r"^X\[0\]: .* got shape \(2, 0\)"),
        ([3.0], r"^X\[0\]: .* got shape \(\)"),
        ([[1.0, None]], r"^X\[0\]: numbers must be finite"),
        ([[1.0, np.nan]], r"^X\[0\]: numbers must be finite, got NaN or infinity"),
        ([[1.0, 1e39]], r"^X\[0\]: numbers must fit into float32, got larger ones"),
    ],
)
def test_what_is_refused(X, told):
    with pytest.raises(DataError, match=told):
        sequences(X)


def test_labels_of_one_type():
    assert values_of([3, 1]).tolist() == [3, 1]
    assert values_of(["b", np.str_("a")]).tolist() == ["b", "a"]
    for labels in (["a", 1], [["a"], ["b"]], ["a", None], [["a"], ["b", "c"]]):
        with pytest.raises(DataError, match="y must hold labels that are all of one type"):
            values_of(labels)
