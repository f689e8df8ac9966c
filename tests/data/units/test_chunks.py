from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.units.chunks import Chunks
from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN, Vocabulary
from unrolled.errors import DataError


def of(text, length, ends="text"):
    empty = Chunks(SPECIAL, ends, length)
    return empty.of(Counter(empty.counted(text)))


@given(st.text(), st.integers(2, 5))
def test_what_is_known_comes_back(text, length):
    vocabulary = of(text, length)
    ids = vocabulary.encode(text)
    assert vocabulary.decode(ids) == text
    assert len(ids) == -(-len(text) // length) == len(vocabulary.split(text))
    assert not len(ids) or ids.min() > END
    assert vocabulary.unit == f"{length}-gram"
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


def test_by_hand():
    vocabulary = of("banana!", 2)
    assert vocabulary.symbols == (*SPECIAL, "na", "!", "ba")
    assert vocabulary.encode("nabana").tolist() == [2, 4, 2]
    assert vocabulary.encode("anna").tolist() == [UNKNOWN, 2]
    assert vocabulary.unseen("anna") == ["an"]
    assert vocabulary.texts == ("", "", "na", "!", "ba")


def test_lines_are_counted_from_their_beginning():
    vocabulary = of("abc\n\nab", 2, "line")
    assert vocabulary.split("abc\n\nab") == ["ab", "c", "\n", "ab"]
    assert vocabulary.encode("abc\n\nab").tolist() == [2, 3, END, 2]


def test_a_piece_that_looks_like_eos_is_none():
    vocabulary = of("<eos><eos>", 5)
    assert vocabulary.encode("<eos>").tolist() == [2]
    assert vocabulary.decode([2, 1]) == "<eos><eos>"


@pytest.mark.parametrize(
    ("unit", "symbols", "message"),
    [
        ("2-gram", ["abc"], "a 2-gram has 1 to 2 characters, got 'abc'"),
        ("1-gram", ["a"], "must have at least 2 characters, got 1"),
        ("x-gram", ["a"], '"unit": "3-gram" or so'),
    ],
)
def test_what_is_no_vocabulary_of_them_is_refused(unit, symbols, message):
    with pytest.raises(DataError, match=message):
        Vocabulary.from_json({"unit": unit, "symbols": [*SPECIAL, *symbols]})
