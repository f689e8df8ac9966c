import pytest

from unrolled.data.unit import Unit
from unrolled.errors import SettingError


@pytest.mark.parametrize("name", ["character", "word", "byte", "bpe"])
def test_the_kind_of_a_unit_is_its_name(name):
    assert Unit(name).kind == name and Unit(name).length == 0


@pytest.mark.parametrize(("name", "length"), [("2-gram", 2), ("3-grams", 3), ("12-gram", 12)])
def test_the_length_of_n_grams(name, length):
    assert Unit(name).kind == "n-gram" and Unit(name).length == length


@pytest.mark.parametrize("name", ["", "words", "1-gram", "0-gram", "-2-gram", "n-gram", "character "])
def test_other_names_are_refused(name):
    with pytest.raises(
        SettingError, match=r"--unit must be one of character, word, byte, bpe .*2-gram, 3-gram, ..., got"
    ):
        Unit(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lower": True}, "--lower is for --unit word, got --unit character; leave it out"),
        ({"digits": True}, "--digits is for --unit word, got --unit character"),
        ({"name": "bpe", "pretokenized": True}, "--pretokenized is for --unit word, got --unit bpe"),
        ({"name": "word", "pretokenized": True, "lower": True}, "--lower changes them"),
        ({"name": "word", "pretokenized": True, "digits": True}, "--digits changes them"),
        ({"name": "word", "pretokenized": True, "ends": "sentence"}, "goes with --ends line or text, got"),
        ({"name": "byte", "size": 5}, "always has 256 symbols, so --vocabulary means nothing"),
        ({"name": "byte", "minimum_count": 2}, "so --minimum-count means nothing"),
        (
            {"name": "bpe", "size": 255},
            "--vocabulary must be at least 256 with --unit bpe, one for every byte, got 255",
        ),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused(options, message):
    with pytest.raises(SettingError, match=message):
        Unit(**options)
