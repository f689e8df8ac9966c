import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from unrolled.data.units.words import Words
from unrolled.data.vocabulary import SPECIAL, Listed, Vocabulary
from unrolled.errors import DataError
from unrolled.generation.score import Score, compare, log_probabilities, score
from unrolled.models.language import LanguageModel


@pytest.fixture(params=["gru", "lstm", "jordan"])
def model(request):
    torch.manual_seed(2)
    model = LanguageModel(Vocabulary.from_text(["ab"]), request.param, hidden_size=5)
    for parameter in model.parameters():
        parameter.data *= 3
    return model


def test_all_strings_of_a_length_sum_to_one(model):
    strings = itertools.product(range(4), repeat=3)
    total = sum(math.exp(log_probabilities(model, torch.tensor(string)).sum()) for string in strings)
    assert total == pytest.approx(1, abs=1e-6)


def test_texts_with_their_end_and_those_still_going_on_sum_to_one(model):
    model.output.bias.data[0] = -1e9  # <unk> has no text
    ended = ["".join(text) for n in range(3) for text in itertools.product("ab", repeat=n)]
    going_on = ["".join(text) for text in itertools.product("ab", repeat=3)]
    total = sum(math.exp(score(model, text, end=True).log_probability) for text in ended)
    total += sum(math.exp(score(model, text).log_probability) for text in going_on)
    assert total == pytest.approx(1, abs=1e-6)


def test_the_score_is_the_sum_of_its_steps_in_numpy(model):
    text, state, expected = "abba", None, []
    symbols = [1, *model.vocabulary.encode(text).tolist()]
    for symbol, following in itertools.pairwise(symbols):
        logits, state = model.step(symbol, state)
        logits = logits.detach().numpy().astype(float)
        expected.append(logits[following] - np.log(np.exp(logits).sum()))
    got = score(model, text)
    assert got.log_probability == pytest.approx(sum(expected), abs=1e-5)
    assert [symbol for symbol, _ in got.symbols] == list(text)
    assert [p for _, p in got.symbols] == pytest.approx(np.exp(expected), abs=1e-6)


def test_an_end_that_the_text_holds_counts_once():
    words = Words((*SPECIAL, "a", "b"), "line", pretokenized=True)
    torch.manual_seed(0)
    model = LanguageModel(words, "gru", hidden_size=4)
    without = score(model, "a b", end=True)
    for text in ("a b\n", "a b <eos>"):
        held = score(model, text, end=True)
        assert held.log_probability == without.log_probability == score(model, text).log_probability
        assert len(held.symbols) == 3 and not held.end
    assert without.end and score(model, "", end=True).end


def test_perplexity_and_bits_by_hand():
    half = Score("abc", math.log(1 / 8), [("a", 1 / 2), ("b", 1 / 2), ("c", 1 / 2)])
    assert half.perplexity == pytest.approx(2)
    assert half.bits_per_character == pytest.approx(1)
    assert Score("a", -1e6, [("a", 0.0)]).perplexity == math.inf
    words = Score(
        "ab cd", math.log(1 / 64), [("ab", 1 / 4), ("cd", 1 / 4), ("<eos>", 1 / 4)], "word", end=True
    )
    assert words.perplexity == pytest.approx(4)
    assert words.bits_per_character == pytest.approx(1)  # five characters and the end


def test_a_long_text_in_windows_is_the_same(model, monkeypatch):
    symbols = torch.randint(1, 4, (50,))
    whole = log_probabilities(model, symbols)
    monkeypatch.setattr("unrolled.generation.score._WINDOW", 7)
    torch.testing.assert_close(log_probabilities(model, symbols), whole, atol=1e-6, rtol=0)


def test_the_end_is_one_more_character(model):
    without, with_end = score(model, "ab"), score(model, "ab", end=True)
    assert with_end.symbols[:2] == without.symbols
    assert with_end.symbols[2][0] == "<eos>"
    assert with_end.log_probability == pytest.approx(
        without.log_probability + math.log(with_end.symbols[2][1])
    )


def test_an_unseen_character_counts_as_unknown(model):
    assert score(model, "aж").log_probability == score(model, "aq").log_probability


def test_nothing_has_no_score(model):
    with pytest.raises(DataError, match="an empty text has no characters to score; give at least one"):
        score(model, "")
    assert score(model, "", end=True).symbols[0][0] == "<eos>"


def test_texts_are_compared_where_they_part():
    pear = Score("pear", math.log(1 / 8), [("p", 1 / 2), ("e", 1 / 4), ("ar", 1.0)])
    pair = Score("pair", math.log(1 / 16), [("p", 1 / 2), ("a", 1 / 8), ("ir", 1.0)])
    found = compare(pear, pair)
    assert found.odds == pytest.approx(2) and found.log_odds == pytest.approx(math.log(2))
    assert (found.place, found.symbols) == (1, (("e", 1 / 4), ("a", 1 / 8)))
    begun = compare(Score("p", math.log(1 / 2), [("p", 1 / 2)]), pear)
    assert (begun.place, begun.symbols) == (1, (None, ("e", 1 / 4)))
    assert compare(pear, pear).place is None and compare(pear, pear).odds == 1
    assert compare(pear, Score("x", -1e6, [("x", 0.0)])).odds == math.inf


def test_any_unit_shows_its_pieces():
    @dataclass(frozen=True)
    class Words(Listed):
        unit = "word"

        def split_part(self, text):
            return text.split()

    model = LanguageModel(Words((*SPECIAL, "apple", "pear")), hidden_size=4)
    got = score(model, "apple pear", end=True)
    assert [piece for piece, _ in got.symbols] == ["apple", "pear", "<eos>"] and got.unit == "word"
    assert got.bits_per_character == pytest.approx(-got.log_probability / 11 / math.log(2))
    assert score(model, "apple pair").log_probability == score(model, "apple <unk>").log_probability
    with pytest.raises(DataError, match="an empty text has no words to score"):
        score(model, " ")
