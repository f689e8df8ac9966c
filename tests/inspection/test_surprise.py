"""Surprise against the score of the same text and a softmax written out."""

import math

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import END, Vocabulary
from unrolled.errors import DataError, SettingError
from unrolled.generation.score import score
from unrolled.inspection import surprise as module
from unrolled.inspection.surprise import surprise
from unrolled.models import LanguageModel

TEXT = "hola, que tal? hola hola. <&>"
VOCABULARY = Vocabulary.from_text([TEXT])


def model_of():
    torch.manual_seed(1)
    model = LanguageModel(VOCABULARY, "gru", 8)
    with torch.no_grad():
        model.output.weight.mul_(10)
    return model


def shares_of(model, text):
    ids = VOCABULARY.encode(text)
    logits, _ = model(torch.tensor([END, *ids.tolist()[:-1]])[:, None])
    values = np.exp(logits[:, 0].double().detach().numpy())
    return ids, values / values.sum(1, keepdims=True)


def test_numbers_by_hand(monkeypatch):
    monkeypatch.setattr(module, "_WINDOW", 7)
    model = model_of()
    found = surprise(model, TEXT, worst=4, context=5, expected=3)
    ids, shares = shares_of(model, TEXT)
    own = shares[np.arange(len(ids)), ids]
    np.testing.assert_allclose(found.probabilities, own, rtol=1e-5)
    np.testing.assert_allclose(found.bits, -np.log2(own), rtol=1e-5)
    np.testing.assert_allclose(found.entropies, -(shares * np.log2(shares)).sum(1), rtol=1e-5)
    np.testing.assert_array_equal(found.ranks, (shares > own[:, None]).sum(1))
    assert found.accuracy == pytest.approx((shares.argmax(1) == ids).mean())
    scored = score(model, TEXT)
    assert found.bits_per_symbol == pytest.approx(scored.bits_per_character)
    assert found.perplexity == pytest.approx(scored.perplexity)
    wrong = [t for t in np.argsort(own) if shares[t].argmax() != ids[t]][:4]
    assert [one.position for one in found.mistakes] == wrong
    worst = found.mistakes[0]
    assert worst.symbol == TEXT[worst.position]
    assert worst.before == TEXT[max(0, worst.position - 5) : worst.position]
    best = np.argsort(-shares[worst.position])[:3]
    assert [symbol for symbol, _ in worst.expected] == [VOCABULARY.symbols[i] for i in best]
    np.testing.assert_allclose([p for _, p in worst.expected], shares[worst.position][best], rtol=1e-5)
    assert f"{worst.bits:.1f} bits" in str(worst)


def test_figure_and_plain_data():
    found = surprise(model_of(), TEXT * 4)
    drawn = found.figure().data[0]
    assert drawn.z.shape == drawn.text.shape == (math.ceil(len(TEXT) * 4 / 80), 80)
    np.testing.assert_array_equal(drawn.z[0], found.bits[:80])
    assert drawn.text[0][:29].tolist()[-5:] == [".", "␣", "&lt;", "&amp;", "&gt;"]
    assert found.to_dict()["mistakes"][0]["position"] == found.mistakes[0].position


def test_unknown_characters_are_shown_as_they_came():
    found = surprise(model_of(), "hola ✓")
    assert found.characters == tuple("hola ✓")


def test_what_cannot_be_done_is_refused():
    with pytest.raises(DataError, match="at least one symbol, got none"):
        surprise(model_of(), "")
    with pytest.raises(SettingError, match="must be 1 or more, got 0, 40 and 5"):
        surprise(model_of(), TEXT, worst=0)
