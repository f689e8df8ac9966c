from collections import Counter

import numpy as np
import pytest

from unrolled.data.encoded_pairs import EncodedPairs, coverage, fit_pairs, fit_texts
from unrolled.data.pairs import Pair, Usable
from unrolled.data.records import Place
from unrolled.data.unit import Unit
from unrolled.errors import DataError

TEXTS = ["the cat saw the dog", "the dog", "a bird"]


def pairs(*sides):
    return [Pair(source, target, Place("a.tsv", line)) for line, (source, target) in enumerate(sides, 1)]


def test_rows_are_sources_and_targets_with_their_end():
    given = pairs(("the cat", "le chat"), ("dog", "un chien noir"))
    fitted = fit_texts(Unit("word"), (pair.source + " " + pair.target for pair in given)).vocabulary
    encoded = EncodedPairs.of(given, fitted, fitted)
    sources, targets = encoded.batch(np.array([1, 0]))
    assert [fitted.decode(row.tolist()) for row in sources] == ["dog", "the cat"]
    assert [fitted.decode(row.tolist()) for row in targets] == ["un chien noir<eos>", "le chat<eos>"]
    assert encoded.lengths.tolist() == [2 + 3, 1 + 4]


@pytest.mark.parametrize("unit", ["word", "character", "2-gram"])
def test_vocabularies_are_those_of_counting(unit):
    counts = Counter()
    for text in TEXTS:
        pieces = text.split() if unit == "word" else text
        counts.update([text[i : i + 2] for i in range(0, len(text), 2)] if unit == "2-gram" else pieces)
    fitted = fit_texts(Unit(unit, size=3), TEXTS)
    assert fitted.counts == counts
    best = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))[:3]
    assert set(fitted.vocabulary.symbols[2:]) == set(best)
    share = sum(counts[symbol] for symbol in best) / counts.total()
    said = f"source vocabulary: 3 of {len(counts)} {unit}s, {share:.1%} of what is trained on"
    assert coverage("source", fitted) == said


def test_bytes_and_byte_pairs():
    assert len(fit_texts(Unit("byte"), TEXTS).vocabulary) == 258
    fitted = fit_texts(Unit("bpe", size=260), TEXTS * 3)
    assert fitted.vocabulary.decode(fitted.vocabulary.encode("the été")) == "the été"
    assert coverage("target", fitted) == "target vocabulary: 260 byte pairs"


def test_a_pair_that_is_too_long_is_no_part_of_the_vocabulary():
    given = pairs(("a b", "x"), ("c " * 7, "y"), ("a", "z " * 8))
    units = Unit("word"), Unit("word")
    with pytest.raises(DataError, match=r"^a.tsv, line 2: the source has 7 words, more than --longest 6; "):
        fit_pairs(given, units, 6, Usable(False))
    usable = Usable(True)
    kept, source, target = fit_pairs(given, units, 6, usable)
    assert [pair.place.line for pair in kept] == [1]
    assert (source.vocabulary.symbols[2:], target.vocabulary.symbols[2:]) == (("a", "b"), ("x",))
    assert usable.notes() == ["2 pairs left out: 2 of more than 6 words"]


def test_nothing_left_is_refused():
    units = Unit("word", minimum_count=2), Unit("word")
    with pytest.raises(
        DataError, match=r"^no word of the sources occurs 2 times, so nothing is learned; give more"
    ):
        fit_pairs(pairs(("a", "x")), units, 9, Usable(False))
    with pytest.raises(DataError, match=r"^no pair is left to train on"):
        fit_pairs(pairs(("a a a", "x")), units, 2, Usable(True))
