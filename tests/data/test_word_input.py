import json

import numpy as np
import pytest

from unrolled.data.inputs import input_from_json
from unrolled.data.word_input import LETTERS, SHAPES, WordInput, shape
from unrolled.errors import DataError, SettingError

SENTENCES = [("In", "Rome", "in", "1984"), ("Rome", "in", "2001", "!")]


@pytest.fixture
def words():
    return WordInput.fitted(SENTENCES, characters=6)


def test_words_are_looked_up_without_capitals_and_digits(words):
    assert words.symbols == ("<unk>", "in", "0000", "rome", "!")
    assert words.encode(("IN", "1789", "ROME", "Paris"))[:, 0].tolist() == [1, 2, 3, 0]


def test_counts_are_those_of_the_symbols_and_of_what_was_left_out():
    words = WordInput.fitted(SENTENCES, minimum_count=2)
    assert words.symbols == ("<unk>", "in", "0000", "rome")
    assert words.counts == (1, 3, 2, 2)


def test_capitals_can_be_kept():
    words = WordInput.fitted(SENTENCES, lower=False)
    expected = [words.symbols.index("In"), words.symbols.index("in"), 0]
    assert words.encode(("In", "in", "IN"))[:, 0].tolist() == expected


def test_characters_are_those_of_the_word_as_it_is_written(words):
    row = words.encode(("Rom?",))[0, LETTERS:]
    letters = [*words.letters]
    assert row.tolist() == [letters.index("R") + 2, letters.index("o") + 2, letters.index("m") + 2, 1, 0, 0]


def test_of_a_long_word_both_ends_are_kept():
    words = WordInput.fitted([("abcdefgh",)], characters=5)
    spelled = [words.letters[number - 2] for number in words.encode(("abcdefgh",))[0, LETTERS:]]
    assert "".join(spelled) == "abcgh"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("?!", "no letters"),
        ("word", "small"),
        ("don't", "small"),
        ("Word", "capitalised"),
        ("A", "capitalised"),
        ("NASA", "capitals"),
        ("iPhone", "mixed"),
        ("3.14", "number"),
        ("R2D2", "with digits"),
        ("中文", "small"),
    ],
)
def test_shapes(word, name):
    assert SHAPES[shape(word)] == name


def test_it_travels_as_json(words):
    copy = input_from_json(json.loads(json.dumps(words.to_json())))
    assert isinstance(copy, WordInput)
    assert copy.to_json() == words.to_json()
    np.testing.assert_array_equal(copy.encode(("In", "Kiew")), words.encode(("In", "Kiew")))


def test_without_characters_there_are_words_and_shapes():
    words = WordInput.fitted(SENTENCES, characters=0)
    assert words.letters == ()
    assert words.encode(("Rome",)).tolist() == [[3, SHAPES.index("capitalised")]]


@pytest.mark.parametrize(
    ("values", "message"), [("text", "reads words, got text"), (("a", ""), "at least one character")]
)
def test_other_values_are_refused(words, values, message):
    with pytest.raises(DataError, match=message):
        words.encode(values)


def test_one_character_is_refused():
    with pytest.raises(SettingError, match="characters must be 0, or 2 or more for each word, got 1"):
        WordInput((), (), characters=1)
