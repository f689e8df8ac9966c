import re
from collections import Counter

import pytest

from unrolled.data import fitting
from unrolled.data.corpus import Corpus
from unrolled.data.fitting import fit_vocabulary
from unrolled.data.unit import Unit

TEXT = "The cat saw the 3 cats.\nThe cats saw 2 dogs.\n" * 3 + "Once only"


@pytest.fixture
def training(tmp_path):
    (tmp_path / "a").write_text(TEXT)
    corpus = Corpus([tmp_path / "a"])
    return corpus.part(0, corpus.characters)


def spaced(text):
    """With blanks around everything that is a word of its own."""
    return text.replace(".", " .")


def brute_force(pieces):
    counts = Counter(pieces)
    return sorted(counts, key=lambda piece: (-counts[piece], piece))


@pytest.mark.parametrize(
    ("unit", "symbols"),
    [
        (Unit(), sorted(set(TEXT))),
        (Unit(size=5), sorted(brute_force(TEXT)[:5])),
        (Unit(minimum_count=3), sorted(c for c, n in Counter(TEXT).items() if n >= 3)),
        (Unit(ends="line"), sorted(set(TEXT) - {"\n"})),
        (Unit("3-gram"), brute_force(TEXT[i : i + 3] for i in range(0, len(TEXT), 3))),
        (Unit("word"), brute_force(spaced(TEXT).replace("\n", " \n ").split(" "))),
        (Unit("word", pretokenized=True), brute_force(TEXT.split())),
        (Unit("word", pretokenized=True, size=4), brute_force(TEXT.split())[:4]),
        (Unit("word", lower=True, ends="line"), brute_force(spaced(TEXT.lower()).split())),
        (Unit("word", digits=True, ends="sentence"), brute_force(re.sub("[23]", "0", spaced(TEXT)).split())),
    ],
    ids=str,
)
def test_the_symbols_are_what_was_counted_by_hand(training, unit, symbols):
    vocabulary = fit_vocabulary(unit, training).vocabulary
    assert list(vocabulary.symbols[2:]) == symbols


def test_bytes_need_no_text(training):
    assert len(fit_vocabulary(Unit("byte"), training).vocabulary) == 258


def test_byte_pairs_of_a_large_text_are_learned_from_a_part_of_it(tmp_path, monkeypatch):
    pytest.importorskip("tokenizers")
    from unrolled.data import corpus as module

    monkeypatch.setattr(module, "PIECE", 64)
    monkeypatch.setattr(fitting, "SAMPLED", 1000)
    (tmp_path / "a").write_text("ab ab ab ab ab\n" * 200 + "xy xy xy xy xy\n" * 200)
    corpus = Corpus([tmp_path / "a"])
    training = corpus.part(0, corpus.characters)
    fitted = fit_vocabulary(Unit("bpe", size=300), training)
    assert fitted.notes == ("byte pairs learned from 17% of the training text, taken evenly from all of it",)
    assert {" ab", " xy"} <= set(fitted.vocabulary.symbols)
    taken = [piece.text for piece in fitting._spread(training, 1000 / 6000)]
    assert 900 <= sum(map(len, taken)) <= 1000
    assert 450 <= sum("ab" in text for text in taken) / len(taken) * 1000 <= 550
    monkeypatch.setattr(fitting, "SAMPLED", 6000)
    assert fit_vocabulary(Unit("bpe", size=300), training).notes == ()
