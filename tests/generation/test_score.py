import itertools
import math

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError
from unrolled.generation.score import Score, log_probabilities, score
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
    assert [symbol for symbol, _ in got.characters] == list(text)
    assert [p for _, p in got.characters] == pytest.approx(np.exp(expected), abs=1e-6)


def test_perplexity_and_bits_by_hand():
    half = Score("abc", math.log(1 / 8), [("a", 1 / 2), ("b", 1 / 2), ("c", 1 / 2)])
    assert half.perplexity == pytest.approx(2)
    assert half.bits_per_character == pytest.approx(1)
    assert Score("a", -1e6, [("a", 0.0)]).perplexity == math.inf


def test_a_long_text_in_windows_is_the_same(model, monkeypatch):
    symbols = torch.randint(1, 4, (50,))
    whole = log_probabilities(model, symbols)
    monkeypatch.setattr("unrolled.generation.score._WINDOW", 7)
    torch.testing.assert_close(log_probabilities(model, symbols), whole, atol=1e-6, rtol=0)


def test_the_end_is_one_more_character(model):
    without, with_end = score(model, "ab"), score(model, "ab", end=True)
    assert with_end.characters[:2] == without.characters
    assert with_end.characters[2][0] == "<eos>"
    assert with_end.log_probability == pytest.approx(
        without.log_probability + math.log(with_end.characters[2][1])
    )


def test_an_unseen_character_counts_as_unknown(model):
    assert score(model, "aж").log_probability == score(model, "aq").log_probability


def test_nothing_has_no_score(model):
    with pytest.raises(DataError, match="at least one character"):
        score(model, "")
    assert score(model, "", end=True).characters[0][0] == "<eos>"
