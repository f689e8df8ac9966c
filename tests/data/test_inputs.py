import numpy as np
import pytest

from unrolled.data.inputs import FrameInput, PictureInput, TextInput, input_from_json
from unrolled.data.labels import Labels
from unrolled.data.records import Place
from unrolled.errors import DataError, SettingError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't well-known, naïve?", ["Don't", "well-known", ",", "naïve", "?"]),
        ("Я не знаю — п'ять!", ["Я", "не", "знаю", "—", "п'ять", "!"]),
        ("¿Qué tal…", ["¿", "Qué", "tal", "…"]),
        ("  \t\n", []),
        ("3,5 kg😀", ["3", ",", "5", "kg", "😀"]),
    ],
)
def test_words_of_any_script(text, words):
    assert TextInput(()).tokens(text) == words


def test_the_most_frequent_symbols_come_first_and_rare_ones_are_unknown():
    text = TextInput.fitted(["b b a c a b", "A"], "word", minimum_count=2)
    assert text.symbols == ("<unk>", "b", "a")
    assert text.encode("c a A b").tolist() == [0, 2, 0, 1]
    assert TextInput.fitted(["b b a", "A"], "word", lower=True).encode("A B").tolist() == [1, 2]


def test_words_given_as_words_are_not_cut_again():
    assert TextInput(["<unk>", "New York"]).encode(("New York", "New")).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("unit", "text", "tokens"),
    [
        ("character", "abcd", ["abc", "bcd"]),
        ("character", "ab", ["ab"]),
        ("word", "to be or not", ["to be or", "be or not"]),
        ("word", "", []),
    ],
)
def test_overlapping_n_grams(unit, text, tokens):
    assert TextInput((), unit, ngram=3).tokens(text) == tokens


def test_mean_and_deviation_are_those_of_all_frames_even_far_from_zero():
    rng = np.random.default_rng(0)
    data = [rng.normal(1e4, 0.1, (n, 3)).astype(np.float32) for n in (5, 1, 40)]
    frames = FrameInput.fitted(data)
    everything = np.concatenate(data).astype(np.float64)
    np.testing.assert_allclose(frames.mean, everything.mean(0))
    np.testing.assert_allclose(frames.deviation, everything.std(0), rtol=1e-6)


@pytest.mark.parametrize(
    "one", [TextInput(["<unk>", "é"], "character", True, 2), FrameInput([1.0], [2.0]), PictureInput(3, 4)]
)
def test_inputs_come_back_from_json(one):
    again = input_from_json(one.to_json())
    assert type(again) is type(one) and again.to_json() == one.to_json()


@pytest.mark.parametrize(
    ("one", "values", "message"),
    [
        (
            FrameInput.of(2),
            np.zeros((4, 3), np.float32),
            "reads frames of 2 channels, got frames of 3 channels",
        ),
        (FrameInput.of(2), "text", "reads frames of 2 channels, got text"),
        (TextInput(["<unk>"]), np.zeros((4, 3), np.float32), "reads text, got frames of 3 channels"),
        (
            PictureInput(2, 2),
            np.zeros((1, 2, 3, 3), np.uint8),
            r"pictures of 2 x 2 pixels, got an array of shape \(1,",
        ),
    ],
)
def test_values_of_another_kind_are_refused(one, values, message):
    with pytest.raises(DataError, match=message):
        one.encode(values)


def test_an_unknown_unit_is_refused():
    with pytest.raises(SettingError, match="unit must be word or character, got 'syllable'"):
        TextInput((), "syllable")


def test_labels_are_ordered_numbers_before_texts():
    assert Labels.fitted(["10", "9", "b", "a", "-1", "nan"]).names == ("-1", "9", "10", "a", "b", "nan")


def test_labels_remember_how_often_each_occurred():
    found = Labels.fitted(["x", "y", "y"])
    assert (found.counts, found.total, found.most_frequent) == ((1, 2), 3, 1)
    assert Labels.from_json(found.to_json()).to_json() == found.to_json()


def test_a_label_never_seen_is_refused_where_it_stands():
    with pytest.raises(
        DataError, match=r"a.csv, line 7: the label 'z' was never seen in training, known: x, y;"
    ):
        Labels(["x", "y"]).index("z", Place("a.csv", 7))


@pytest.mark.parametrize(("given", "message"), [(["x", "x"], "two classes, got only 'x'"), ([], "got none")])
def test_one_class_only_is_refused(given, message):
    with pytest.raises(DataError, match=message):
        Labels.fitted(given)
