import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from unrolled.data import encoding
from unrolled.data.encoded import Coverage, encode_corpus
from unrolled.data.streams import Stream
from unrolled.data.text import read_texts
from unrolled.data.text_settings import DataSettings
from unrolled.data.vocabulary import END, UNKNOWN, Vocabulary
from unrolled.errors import DataError, SettingError

LINES = "".join(f"The cat number {i % 7} saw {'Ana' if i % 3 else 'Zoë'}. It ran!\n" for i in range(60))
REST = "The dog saw 19 owls. It slept.\n" * 6


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(LINES + REST)
    return path


def encoded(path, **settings):
    return encode_corpus([path], DataSettings(**settings))


def by_characters(texts, share=0.1):
    """The texts before and behind the character with which the last share of all begins."""
    texts = list(texts)
    left = round((1 - share) * sum(map(len, texts)))
    before, behind = [], []
    for text in texts:
        before.append(text[:left])
        behind.append(text[left:])
        left = max(0, left - len(text))
    return [text for text in before if text], [text for text in behind if text]


def test_characters_are_split_and_encoded_as_documents_in_memory_are():
    """The figures that were published were measured on this split."""
    text = encode_corpus()
    training, validation = by_characters(document.text for document in read_texts().documents)
    vocabulary = Vocabulary.from_text(training)
    assert text.vocabulary == vocabulary
    for found, texts in ((text.training, training), (text.validation, validation)):
        whole = [np.append(vocabulary.encode(one), END) for one in texts]
        expected = np.concatenate(whole)
        # The text on the border is cut in two, and only its second part has an end.
        np.testing.assert_array_equal(found, expected[:-1] if texts is training else expected)
    assert text.documents == len(read_texts().documents)
    assert text.characters == tuple(sum(map(len, part)) for part in (training, validation))
    assert text.notes == ()


def test_words_of_a_text_by_hand(text):
    found = encoded(text, unit="word", validation=0.12)
    left = round(0.88 * len(LINES + REST))
    cut = next(i for i in range(left, left + 20) if (LINES + REST)[i - 1].isspace())
    training, validation = text.read_text()[:cut], text.read_text()[cut:]
    assert found.characters == (len(training), len(validation))
    assert found.vocabulary.decode(found.training) == training.rstrip(" ")
    known = [i for i in found.validation.tolist() if i > END]
    words = re.sub("([.!])", r" \1", validation).replace("\n", " \n ").split(" ")
    words = [word for word in words if word]
    assert len(found.validation) == len(words) + 1 and found.validation[-1] == END
    left_out = [word for word in words if word not in found.vocabulary.symbols]
    assert len(known) == len(words) - len(left_out)
    coverage = found.coverage
    assert coverage.training == 1 and coverage.validation == pytest.approx(len(known) / len(words))
    assert dict(coverage.left_out) == {word: left_out.count(word) for word in set(left_out)}
    assert coverage.characters_per_symbol == pytest.approx(len(training) / len(found.training))
    assert (coverage.kept, coverage.distinct) == (len(found.vocabulary) - 2,) * 2


def test_the_share_of_the_training_text_that_a_small_vocabulary_covers(text):
    found = encoded(text, unit="word", vocabulary=5, pretokenized=True)
    words = text.read_text()[: found.characters[0]].split()
    kept = set(found.vocabulary.symbols[2:])
    assert len(kept) == 5
    assert found.coverage.training == pytest.approx(sum(word in kept for word in words) / len(words))
    assert found.coverage.distinct == len(set(words))
    ids = np.asarray(found.training)
    assert (ids == UNKNOWN).sum() == sum(word not in kept for word in words)
    assert (ids == END).sum() == text.read_text()[: found.characters[0]].count("\n")


def test_what_is_said_about_the_coverage():
    left = (("cats", 9), ("x" * 50, 2), *((f"w{i}", 1) for i in range(9)))
    coverage = Coverage("word", 10_000, 23_412, 0.96399, 0.9999, left, 5.2, True)
    assert coverage.lines() == (
        "vocabulary: 10,000 of 23,412 words cover 96.3 % of the training text, 99.9 % of the validation text; "
        f"left out most often: 'cats' '{'x' * 24}…' 'w0' 'w1' 'w2' 'w3' 'w4' 'w5' ...",
    )
    (_, warning) = Coverage("word", 9, 9, 1.0, 0.5, left[:1], 5.2, False).lines()
    assert warning.startswith("<unk> never occurs in the training text") and "--minimum-count 2" in warning
    assert Coverage("byte pair", 8000, 8000, 1.0, 1.0, (), 3.94, False).lines() == (
        "vocabulary: 8,000 byte pairs, 3.9 characters each in the training text",
    )
    assert Coverage("byte", 256, 256, 1.0, 1.0, (), 1.0, False).lines() == ()
    assert Coverage("character", 80, 80, 1.0, 0.9, (("ñ", 1),), 1.0, False).lines() == ()
    assert Coverage("character", 80, 85, 0.99, 0.9, (("ñ", 1),), 1.0, True).lines() == (
        "vocabulary: 80 of 85 characters cover 99.0 % of the training text, 90.0 % of the validation text; "
        "left out most often: 'ñ'",
    )


def test_unk_in_the_text_itself_is_no_gap_of_the_vocabulary(tmp_path):
    path = tmp_path / "a"
    path.write_text("the <unk> cat\n" * 20)
    found = encoded(path, unit="word", pretokenized=True, validate_on=path)
    assert found.training.tolist() == found.validation.tolist() == [3, UNKNOWN, 2, END] * 20
    assert found.coverage.training == found.coverage.validation == 1
    assert found.coverage.left_out == () and found.coverage.trained


def test_nothing_is_missing_from_a_validation_text_without_known_words(tmp_path):
    (tmp_path / "a").write_text("the cat\n" * 20)
    (tmp_path / "b").write_text("<unk>\n")
    found = encoded(tmp_path / "a", unit="word", pretokenized=True, validate_on=tmp_path / "b")
    assert found.coverage.validation == 1 and len(found.coverage.lines()) == 1


@pytest.mark.parametrize(
    ("usual", "change"),
    [
        ({}, {"unit": "byte"}),
        ({}, {"unit": "word"}),
        ({}, {"unit": "2-gram"}),
        ({}, {"unit": "bpe"}),
        ({}, {"vocabulary": 5}),
        ({}, {"minimum_count": 70}),
        ({}, {"ends": "line"}),
        ({}, {"ends": "sentence"}),
        ({}, {"validation": 0.3}),
        ({}, {"encoding": "latin-1"}),
        ({"unit": "word"}, {"lower": True}),
        ({"unit": "word"}, {"digits": True}),
        ({"unit": "word"}, {"pretokenized": True}),
        ({"unit": "word", "pretokenized": True}, {"ends": "text"}),
        ({"unit": "bpe"}, {"vocabulary": 260}),
        ({"unit": "bpe"}, {"minimum_count": 40}),
        ({"unit": "3-gram"}, {"ends": "line"}),
    ],
    ids=str,
)
def test_every_setting_changes_the_symbols(text, usual, change):
    if "bpe" in (usual.get("unit"), change.get("unit")):
        pytest.importorskip("tokenizers")
    before, after = encoded(text, **usual), encoded(text, **usual, **change)
    assert before.training.tolist() != after.training.tolist()


def test_a_file_of_its_own_to_validate_on(tmp_path, text):
    other = tmp_path / "other"
    other.write_text("¡Ana!\r\n")
    found = encoded(text, validate_on=str(other))
    assert found.vocabulary.decode(found.training) == text.read_text() + "<eos>"
    assert found.vocabulary.decode(found.validation) == "<unk>Ana!\n<eos>"
    assert found.documents == 2 and found.characters == (len(LINES + REST), 6)
    assert found.notes == (
        "line ends CRLF read as LF in 1 file",
        "not in the vocabulary, read as <unk>: 1 character of the validation text, '¡'",
    )


@pytest.mark.parametrize("unit", ["character", "word", "bpe", "3-gram"])
def test_indices_in_a_file_are_those_in_memory(text, unit, monkeypatch):
    if unit == "bpe":
        pytest.importorskip("tokenizers")
    in_memory = encoded(text, unit=unit)
    monkeypatch.setattr(encoding, "IN_MEMORY", 10)
    in_file = encoded(text, unit=unit)
    assert isinstance(in_file.training, np.memmap) and in_file.training.dtype.itemsize < 4
    assert in_file.training.tolist() == in_memory.training.tolist()
    assert in_file.validation.tolist() == in_memory.validation.tolist()
    for a, b in zip(
        Stream(in_file.training, 3, (2,)).windows(7),
        Stream(in_memory.training, 3, (2,)).windows(7),
        strict=True,
    ):
        assert a[0].tolist() == b[0].tolist() and a[1].tolist() == b[1].tolist()


@pytest.mark.parametrize(
    ("content", "settings", "part"),
    [
        ("a", {}, "validation"),
        ("ab", {}, "validation"),
        ("ab", {"validation": 0.9}, "training"),
    ],
)
def test_a_text_of_nearly_nothing_is_refused(tmp_path, content, settings, part):
    path = tmp_path / "a"
    path.write_text(content)
    with pytest.raises(DataError, match=f"too short: no character is left for {part}; use more text"):
        encoded(path, **settings)


def test_a_part_without_a_word_is_refused(tmp_path, text):
    blank = tmp_path / "blank"
    blank.write_text("\n\n")
    with pytest.raises(DataError, match="no word is left for validation"):
        encoded(text, unit="word", ends="line", validate_on=blank)


def test_what_cannot_be_read_is_refused(tmp_path, text):
    with pytest.raises(DataError, match="no such file"):
        encoded(text, validate_on=tmp_path / "nothing")
    with pytest.raises(SettingError, match="--encoding must be"):
        encoded(text, encoding="latin-99")


MEASURED = """
import sys
from unrolled.data import encoding
from unrolled.data.encoded import encode_corpus
from unrolled.data.text_settings import DataSettings

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

encoding.IN_MEMORY = 1 << 20
before = peak()
text = encode_corpus([sys.argv[1]], DataSettings(unit=sys.argv[2]))
print((peak() - before) // 1024, sum(text.characters), type(text.training).__name__)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
@pytest.mark.parametrize("unit", ["character", "word", "byte", "bpe"])
def test_memory_does_not_grow_with_the_text(tmp_path, unit):
    """As one string the text takes 60 MB, and its characters as int64 240 MB."""
    if unit == "bpe":
        pytest.importorskip("tokenizers")
    path = tmp_path / "long"
    line = "Зоряна ніч, un cielo con 123 estrellas y luna; the cat sat on the mat.\n"
    with path.open("w", encoding="utf-8") as file:
        for i in range(34_000_000 // len(line.encode())):
            file.write(line.replace("123", str(i % 1000)))
    found = subprocess.check_output([sys.executable, "-c", MEASURED, str(path), unit], text=True)
    peak, characters, kind = found.split()
    assert int(characters) > 29_000_000 and kind == "memmap"
    assert int(peak) < 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_traced_memory_does_not_grow_with_the_text(tmp_path, monkeypatch):
    """The same seen by Python, which counts every object; of a prepared text, for tracing takes long."""
    path = tmp_path / "long"
    path.write_text("the cat sat on the mat and the <unk> sat on the dog\n" * 600_000)
    monkeypatch.setattr(encoding, "IN_MEMORY", 1 << 20)
    tracemalloc.start()
    found = encoded(path, unit="word", pretokenized=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(found.characters) > 30_000_000
    assert peak < 60e6
