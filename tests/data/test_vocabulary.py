import pytest

from unrolled.data.units.characters import Characters
from unrolled.data.vocabulary import END, UNKNOWN, Vocabulary
from unrolled.errors import DataError, SettingError


def test_symbols_are_in_order_of_their_code_points_after_the_two_special_ones():
    assert Vocabulary.from_text(["hola", "año"]).symbols == ("<unk>", "<eos>", "a", "h", "l", "o", "ñ")


def test_encode_and_decode_invert_each_other_also_beyond_the_basic_plane():
    text = "héλ😀\n"
    vocabulary = Vocabulary.from_text([text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_encode_agrees_with_a_dictionary_when_the_symbols_are_not_sorted():
    vocabulary = Characters(("<unk>", "<eos>", "z", "a", "m"))
    index = {symbol: i for i, symbol in enumerate(vocabulary.symbols)}
    assert vocabulary.encode("azmq!a").tolist() == [index.get(symbol, UNKNOWN) for symbol in "azmq!a"]


def test_unseen_characters_become_unknown_and_are_listed_once_each():
    vocabulary = Vocabulary.from_text(["abc"])
    assert vocabulary.encode("aжbжq").tolist() == [2, UNKNOWN, 3, UNKNOWN, UNKNOWN]
    assert vocabulary.unseen("aжbжq") == "жq"


def test_the_text_of_a_special_symbol_is_not_the_symbol():
    vocabulary = Vocabulary.from_text(["<eos>"])
    assert END not in vocabulary.encode("<eos>")
    assert vocabulary.unseen("<unk>") == "unk"


def test_a_byte_of_the_command_line_that_is_not_utf8_is_unknown():
    assert Vocabulary.from_text(["a"]).encode("a\udcff").tolist() == [2, UNKNOWN]


def test_minimum_count_turns_rare_characters_into_unknown():
    assert Vocabulary.from_text(["aab", "bc"], minimum_count=2).symbols == ("<unk>", "<eos>", "a", "b")
    with pytest.raises(SettingError, match="minimum_count must be at least 1, got 0"):
        Vocabulary.from_text(["a"], minimum_count=0)


def test_an_empty_vocabulary_knows_nothing():
    assert Vocabulary.from_text([]).encode("ab").tolist() == [UNKNOWN, UNKNOWN]


def test_json_round_trip():
    vocabulary = Vocabulary.from_text(["hola\n\t"])
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"symbols": ["<unk>", "<eos>"]}, 'must say "unit": "character"'),
        ([], 'must say "unit": "character"'),
        ({"unit": "character", "symbols": "abc"}, "list of strings"),
        ({"unit": "character", "symbols": ["a", "b"]}, "must begin with <unk>, <eos>"),
        ({"unit": "character", "symbols": ["<unk>", "<eos>", "ab"]}, "single characters"),
        ({"unit": "character", "symbols": ["<unk>", "<eos>", "a", "a"]}, "'a' twice"),
    ],
)
def test_json_that_is_no_vocabulary_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        Vocabulary.from_json(content)
