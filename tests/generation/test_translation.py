"""Texts to texts: the same alone and in a batch, copies of unknown words, drawing, refusals."""

import pytest
import torch

from unrolled.data.units.words import Words
from unrolled.data.vocabulary import END, UNKNOWN, Vocabulary
from unrolled.errors import DataError, SettingError
from unrolled.generation.translation import search_tree, translate
from unrolled.models.encoder_decoder import EncoderDecoder

LETTERS = Vocabulary.from_text(["abcdefgh"])
TEXTS = ["abc", "h", "ggfa", "abcdefgh", "ba", "hhhh", "cab"]
ENGLISH = Words(("<unk>", "<eos>", "I", "know", ".", "and"))
SPANISH = Words(("<unk>", "<eos>", "Conozco", "a", ".", "y"))


def made(source=LETTERS, target=LETTERS, condition="attention", **options):
    model = EncoderDecoder(source, target, hidden_size=8, embedding_size=8, condition=condition, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.7)
    return model


@pytest.mark.parametrize("condition", ["attention", "context", "state"])
@pytest.mark.parametrize("options", [{"n_best": 3}, {"n_best": 2, "temperature": 1.5, "seed": 3}], ids=str)
def test_a_text_is_the_same_alone_in_a_batch_and_in_any_order(condition, options):
    model = made(condition=condition)
    together = translate(model, TEXTS, **options)
    for batch in (1, 2, 64):
        turned = translate(model, TEXTS[::-1], batch=batch, **options)[::-1]
        for one, other in zip(together, turned, strict=True):
            assert [t.text for t in one] == [t.text for t in other]
            assert [t.score for t in one] == pytest.approx([t.score for t in other], rel=1e-5)
    assert len({one[0].text for one in together}) > 3


def test_outputs_say_what_they_are():
    model = made()
    for text, outputs in zip(TEXTS, translate(model, TEXTS, n_best=4, length_penalty=0.5), strict=True):
        assert [one.score for one in outputs if one.ended] == sorted(
            (one.score for one in outputs if one.ended), reverse=True
        )
        for one in outputs:
            assert one.score == pytest.approx(one.log_probability / len(one.symbols) ** 0.5)
            assert len(one.symbols) <= 2 * len(text) + 10
            assert one.alignment.shape == (len(one.symbols), len(text))
            torch.testing.assert_close(one.alignment.sum(1), torch.ones(len(one.symbols)))
            shown = one.symbols[: len(one.symbols) - one.ended]
            if UNKNOWN not in shown:
                assert one.text == LETTERS.decode(shown)
    assert translate(made(condition="state"), ["abc"])[0][0].alignment is None
    assert translate(model, []) == []


def test_the_length_is_what_is_asked_for():
    model = made()
    with torch.no_grad():
        model.output.bias[END] = -100.0
    for asked, length in [(None, 2 * 3 + 10), (4, 4)]:
        [[one]] = translate(model, ["abc"], maximum=asked)
        assert len(one.symbols) == length
        assert not one.ended


def speaking(*symbols):
    """A model that writes these symbols, whatever it reads, and attends to the source from left to right."""
    model = made(ENGLISH, SPANISH, tied=False)
    with torch.no_grad():
        model.output.bias.zero_()
        model.output.weight.fill_(-20.0)
        for t, symbol in enumerate(symbols):
            model.output.weight[symbol, t] = 0.0

    def step(given, state, encoded):
        t = int(state.clock[0, 0])
        state = model.decoder(given.reshape(1, -1), state, table=model.target_embedding.weight)[1]
        weights, read = (
            torch.zeros(*given.shape, encoded.memories.values.shape[1]),
            torch.zeros(*given.shape, 8),
        )
        weights[..., min(t, weights.shape[-1] - 1)] = 1.0
        read[..., min(t, len(symbols) - 1)] = 1.0
        return read, state, weights

    model.step = step
    return model


def test_unknown_words_are_copied_from_where_the_model_looks():
    known = [SPANISH.symbols.index(word) for word in ("Conozco", "a", ".", "y")]
    model = speaking(known[0], known[1], UNKNOWN, known[3], UNKNOWN, known[2], END)
    [[one]] = translate(model, ["I know Anna-Lena and Bob."])
    assert one.text == "Conozco a Anna-Lena y Bob."
    assert one.symbols[2] == UNKNOWN
    [[other]] = translate(model, ["I know Anna-Lena and Bob."], copy_unknown=False)
    assert UNKNOWN not in other.symbols
    assert "Anna" not in other.text
    # A word of the target's own that is copied is that word.
    assert translate(model, ["I know a and y."])[0][0].text == "Conozco a a y y."


def test_without_attention_nothing_is_copied():
    model = made(ENGLISH, SPANISH, condition="state")
    with torch.no_grad():
        model.output.bias[UNKNOWN] = 50.0
    assert all(UNKNOWN not in one[0].symbols for one in translate(model, ["I know", "and I"]))


def test_what_is_drawn_depends_on_the_seed():
    model = made()
    first, again, other = (
        [[one.text for one in some] for some in translate(model, TEXTS, n_best=3, top_p=0.9, seed=seed)]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    free = (
        [[one.text for one in some] for some in translate(model, TEXTS, n_best=9, temperature=1.5)]
        for _ in "ab"
    )
    assert next(free) != next(free)
    few = translate(model, TEXTS, n_best=10, top_k=1, seed=1)
    assert all(len({one.text for one in some}) == 1 for some in few)


def test_texts_are_drawn_with_numbers_of_their_own():
    model = made()
    with torch.no_grad():
        model.source_embedding.weight.zero_()  # now all texts of a length mean the same
    first, other = translate(model, ["abc", "hgf"], n_best=5, temperature=1.0, seed=1)
    assert [one.symbols for one in first] != [one.symbols for one in other]
    assert len({one.symbols for one in first}) > 1


def test_the_model_is_left_as_it_was():
    model = made(dropout=0.5).train()
    first = translate(model, TEXTS)
    assert model.training
    model.eval()
    assert [one[0].text for one in translate(model, TEXTS)] == [one[0].text for one in first]
    assert not model.training


def test_the_tree_of_a_text_holds_its_translation():
    model = made()
    [[one]] = translate(model, ["abc"], width=3)
    tree = search_tree(model, "abc", width=3)
    assert one.symbols in {tuple(tree.path(node)) for node in range(len(tree.parents))}


def test_what_does_not_fit_is_refused():
    model = made()
    for options, message in [
        ({"width": 0}, "width of the beam must be at least 1, got 0"),
        ({"n_best": 6}, "at least 1 and at most the width of the beam, 5, got 6"),
        ({"n_best": 0, "top_k": 3}, "at least 1, got 0"),
        ({"width": 5, "temperature": 1.0}, "leave out these or the width"),
        ({"seed": 1}, "beam search draws nothing"),
        ({"seed": -1, "top_k": 2}, "seed must be 0 or more, got -1"),
        ({"length_penalty": -1.0}, "length penalty must be 0"),
        ({"maximum": 0}, "must be at least 1, got 0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"temperature": -1.0}, "temperature must be 0"),
    ]:
        with pytest.raises(SettingError, match=message):
            translate(model, TEXTS, **options)
    with pytest.raises(DataError, match="text 2: must hold something to read, got ''"):
        translate(model, ["abc", ""])
