import math
import sys
from collections import Counter

import pytest

from unrolled.data.units.bytes import Bytes
from unrolled.data.units.words import Words
from unrolled.errors import MissingExtra
from unrolled.inspection.translation_scores import CorpusScores, exact_match, matches

TEXTS = ["the cat sat on the mat", "he reads a red book today", "no"]
KNOWN = [
    ["the cat is on the mat", "there is a cat on the mat"],
    ["he reads a green book today"],
    ["no", "never", "not at all"],
]


def grams(text, n):
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(texts, references):
    """By the definition: clipped counts over the whole set, the reference of the closest length."""
    logs, length, closest = 0.0, 0, 0
    for text, known in zip(texts, references, strict=True):
        words = len(text.split())
        length += words
        closest += min((abs(len(one.split()) - words), len(one.split())) for one in known)[1]
    for n in range(1, 5):
        right = total = 0
        for text, known in zip(texts, references, strict=True):
            found = grams(text, n)
            most = Counter()
            for one in known:
                most |= grams(one, n)
            right += (found & most).total()
            total += found.total()
        logs += math.log(right / total) / 4
    return 100 * math.exp(min(0.0, 1 - closest / length) + logs)


def test_bleu_is_that_of_the_definition_with_any_number_of_references():
    scores = CorpusScores()
    texts, known = [*TEXTS, "we go to the old house now"], [*KNOWN, ["we go to the old house now", "we go"]]
    found = scores(texts, known)
    assert found["BLEU"] == pytest.approx(bleu(texts, known), abs=1e-6)
    assert "nrefs:var" in scores.signatures["BLEU"]
    one = [[references[0]] for references in known]
    assert scores(texts, one)["BLEU"] == pytest.approx(bleu(texts, one), abs=1e-6)
    assert bleu(texts, one) < found["BLEU"]
    assert "nrefs:1" in scores.signatures["BLEU"]
    assert scores.signatures["chrF"].startswith("nrefs:1|case:mixed")


def test_chrf_of_equal_texts_and_of_others():
    scores = CorpusScores()
    assert scores(TEXTS, [[text] for text in TEXTS])["chrF"] == pytest.approx(100)
    assert 0 < scores(["abcd"], [["abce"]])["chrF"] < 100
    # One order of characters is enough for a text of one: precision 1/2, recall 1, beta 2.
    assert scores(["ab"], [["a"]])["chrF"] == pytest.approx(100 * 5 * 0.5 / (4 * 0.5 + 1))


def test_exact_matches_compare_symbols():
    words = Words(("<unk>", "<eos>"), lower=True)
    assert matches(words, "va!", ["Non", "Va\u202f!"])
    assert not matches(Words(("<unk>", "<eos>")), "va!", ["Va !"])
    assert not matches(Bytes(), "Va!", ["Va !"])
    assert exact_match(words, ["a b", "c", "d"], [["A b"], ["d", "c"], ["e"]]) == pytest.approx(2 / 3)


def test_without_sacrebleu_the_line_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[translate\]"$'):
        CorpusScores()
