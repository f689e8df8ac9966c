import re
import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.units.words import Words
from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN, Vocabulary
from unrolled.errors import DataError

EMPTY = Words(SPECIAL)


def of(text, **options):
    empty = Words(SPECIAL, **options)
    return empty.of(Counter(empty.counted(text)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop", ["Don't", "stop"]),
        ("l'homme, aujourd’hui", ["l'homme", ",", "aujourd’hui"]),
        ("об'єкт комп’ютер мʼята", ["об'єкт", "комп’ютер", "мʼята"]),
        ("guarda-chuva bem-te-vi -- sim", ["guarda-chuva", "bem-te-vi", "-", "-", "sim"]),
        ("cuesta 3.14 o 1.000,50.", ["cuesta", "3.14", "o", "1.000,50", "."]),
        ("1, 2", ["1", ",", "2"]),
        ("10-20 3-gram 2nd", ["10", "-", "20", "3-gram", "2nd"]),
        ("¿Qué? «Sí»", ["¿", "Qué", "?", "«", "Sí", "»"]),
        ("हिन्दी में लिखा है।", ["हिन्दी", "में", "लिखा", "है", "।"]),
        ("cafe\u0301 nai\u0308ve", ["cafe\u0301", "nai\u0308ve"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("中文123和abc。", ["中", "文", "123", "和", "abc", "。"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("👍🏽 ok", ["👍🏽", "ok"]),
        ("a_b 'x'", ["a", "_", "b", "'", "x", "'"]),
        ("one\n\ntwo\tx\u00a0y", ["one", "\n", "\n", "two", "x", "y"]),
        ("", []),
    ],
)
def test_words_by_hand(text, words):
    assert EMPTY.split(text) == words


@given(st.text())
def test_no_character_is_lost_but_blanks(text):
    assert "".join(EMPTY.split(text)).replace("\n", "") == re.sub(r"\s", "", text)


@given(st.text(st.characters(categories=["L", "M", "Nd"]), min_size=1))
def test_a_run_of_letters_marks_and_digits_that_begins_with_a_letter_is_a_word(text):
    """Read off the Unicode categories, one character after the other."""
    spaced = [c for c in text if unicodedata.category(c) in {"Lu", "Ll", "Mn", "Mc", "Nd"} and ord(c) < 0xE00]
    word = "a" + "".join(spaced)
    assert EMPTY.split(f"{word} {word}") == [word, word]


def test_symbols_stand_by_falling_frequency_and_equally_frequent_ones_in_their_order():
    text = "b a c a b a d"
    assert of(text).symbols[2:] == ("a", "b", "c", "d")
    counts = Counter(EMPTY.counted(text))
    assert EMPTY.of(counts, size=3).symbols[2:] == ("a", "b", "c")
    assert EMPTY.of(counts, minimum_count=2).symbols[2:] == ("a", "b")


def test_what_was_left_out_is_unknown_and_listed_once():
    vocabulary = of("the cat")
    assert vocabulary.encode("the dog, the dog").tolist() == [3, UNKNOWN, UNKNOWN, 3, UNKNOWN]
    assert vocabulary.unseen("the dog, the dog") == ["dog", ","]


def test_small_letters_and_digits():
    lower, digits = of("The CAT the 1999", lower=True), of("in 1999 in 2001", digits=True)
    assert lower.symbols[2:] == ("the", "1999", "cat")
    assert lower.encode("THE Cat").tolist() == [2, 4]
    assert lower.split("THE Cat") == ["THE", "Cat"]
    assert digits.symbols[2:] == ("0000", "in")
    assert UNKNOWN not in digits.encode("3456")
    assert of("२०").encode("२०").tolist() == [2]
    assert of("12", digits=True).encode("२०").tolist() == [2]


def test_a_special_symbol_in_an_ordinary_text_is_only_its_characters():
    assert not {UNKNOWN, END} & set(of("<eos> <unk>").encode("<eos> <unk>").tolist())


def test_a_prepared_text_is_taken_as_it_stands():
    text = " the <unk> N-1 said , \n\n  \n it 's <unk> \n"
    vocabulary = of(text, ends="line", pretokenized=True)
    words = [*"the <unk> N-1 said ,".split(), "<eos>", *"it 's <unk>".split(), "<eos>"]
    assert [vocabulary.symbols[i] for i in vocabulary.encode(text)] == words
    assert vocabulary.split(text) == [word.replace("<eos>", "\n") for word in words]
    assert sorted(vocabulary.symbols[2:]) == sorted(set(words) - set(SPECIAL))
    assert vocabulary.unseen(text) == []
    assert vocabulary.unseen("the cat <unk>") == ["cat"]
    assert vocabulary.decode(vocabulary.encode(text)) == "the <unk> N-1 said ,\nit 's <unk>\n"


def test_a_literal_eos_in_a_prepared_text_is_the_end_and_no_second_one_follows():
    vocabulary = of("a b <eos> \nc\n", ends="line", pretokenized=True)
    assert vocabulary.encode("a b <eos> \nc\n").tolist() == [2, 3, END, 4, END]
    assert vocabulary.split("a b <eos> \nc\n") == ["a", "b", "<eos>", "c", "\n"]
    one = of("a <eos> b", pretokenized=True)
    assert one.encode("a <eos> b\nb").tolist() == [2, END, 3, 3]


@pytest.mark.parametrize("options", [{"ends": "line"}, {"ends": "text"}])
@given(st.text("ab \n\t\u3000"))
def test_a_prepared_text_is_what_str_split_makes_of_each_line(options, text):
    vocabulary = of("a b aa ab", pretokenized=True, **options)
    lines = text.split("\n") if options["ends"] == "line" else [text]
    expected = []
    for number, line in enumerate(lines, 1):
        expected += [vocabulary.index.get(word, UNKNOWN) for word in line.split()]
        if line.split() and number < len(lines):
            expected.append(END)
    assert vocabulary.encode(text).tolist() == expected
    assert len(vocabulary.split(text)) == len(expected)


def test_lines_end_with_eos_and_empty_ones_are_passed_over():
    vocabulary = of("one two", ends="line")
    assert vocabulary.encode("\none\n \n\ntwo").tolist() == [2, END, 3]
    assert vocabulary.split("\none\n \n\ntwo") == ["one", "\n", "two"]
    assert vocabulary.decode([2, END, 3, 2]) == "one\ntwo one"


def test_sentences_end_with_eos():
    vocabulary = of("Llueve. No salgo.", ends="sentence")
    assert vocabulary.split("Llueve. No\nsalgo.\n\nNo") == [
        "Llueve",
        ".",
        "\n",
        "No",
        "salgo",
        ".",
        "\n",
        "No",
    ]
    ids = vocabulary.encode("Llueve. No\nsalgo.")
    assert vocabulary.decode(ids) == "Llueve.\nNo salgo."
    assert len(ids) == 6


@pytest.mark.parametrize(
    "text",
    [
        "El perro, ¿no?, ladra (mucho): «¡sí!»",
        'She said "no" and "yes, (maybe) 50%".',
        "„Так“, – сказав він.",
        "“So” it’s a/b, user_name at 3.5 °C!",
        "今天天气好。他说：「好」 ok",
        "one, two\nthree. \nfour",
        "It costs $5 or £6.",
    ],
)
def test_the_writer_puts_blanks_where_they_belong(text):
    expected = text.replace(" °", "°").replace(" \n", "\n")
    vocabulary = of(text)
    assert vocabulary.decode(vocabulary.encode(text)) == expected


def test_the_writer_writes_what_decode_gives_word_by_word():
    vocabulary = of('a "b" c.\nd')
    ids = [*vocabulary.encode('a "b" c.\nd "a'), UNKNOWN, END, *vocabulary.encode("a b")]
    writer = vocabulary.writer()
    pieces = [writer.write(int(i)) for i in ids]
    assert "".join(pieces) + writer.end() == vocabulary.decode(ids) == 'a "b" c.\nd "a <unk><eos>a b'
    assert pieces[:3] == ["a", ' "', "b"]


def test_texts_have_the_blank_before_them_where_one_usually_stands():
    vocabulary = of("cat . ( \n 中")
    shown = dict(zip(vocabulary.symbols, vocabulary.texts, strict=True))
    assert shown == {"<unk>": "", "<eos>": "", "cat": " cat", ".": ".", "(": " (", "\n": "\n", "中": "中"}
    assert of(". a", pretokenized=True).texts[2:] == (" .", " a")


@pytest.mark.parametrize(
    "options",
    [{}, {"lower": True}, {"digits": True}, {"pretokenized": True, "ends": "line"}, {"ends": "sentence"}],
)
def test_json_round_trip(options):
    vocabulary = of("Uno 2 tres", **options)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary and type(again) is Words
    assert again.encode("UNO 3 tres\nUno").tolist() == vocabulary.encode("UNO 3 tres\nUno").tolist()


def test_json_that_is_no_vocabulary_of_words_is_refused():
    content = {"unit": "word", "symbols": [*SPECIAL, "a"]}
    with pytest.raises(DataError, match='true or false under "lower"'):
        Vocabulary.from_json({**content, "lower": "yes"})
    with pytest.raises(DataError, match='must say "ends": "text", "line", "sentence", got \'page\''):
        Vocabulary.from_json({**content, "ends": "page"})
    with pytest.raises(DataError, match="'a' twice"):
        Vocabulary.from_json({"unit": "word", "symbols": [*SPECIAL, "a", "a"]})
