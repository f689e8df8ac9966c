import itertools
import math
from collections import Counter

import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import SettingError
from unrolled.generation.beam import beam
from unrolled.generation.filters import Filters
from unrolled.generation.following import next_symbols, next_words
from unrolled.generation.sampling import Sampler, sample, samples
from unrolled.generation.score import score
from unrolled.models.language import LanguageModel
from unrolled.models.language_dropouts import Dropouts


def model_of(text="abc", **settings):
    torch.manual_seed(1)
    model = LanguageModel(Vocabulary.from_text([text]), "gru", hidden_size=6, **settings)
    for parameter in model.parameters():
        parameter.data *= 3  # far from uniform
    return model


def fixed(logits):
    """A model that draws every symbol from the same distribution."""
    model = model_of("ab")
    model.output.weight.data.zero_()
    model.output.bias.data[:] = torch.tensor(logits)
    return model


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"temperature": -1}, "temperature must be 0 .* got -1"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_k": 0}, "top-k must be at least 1, got 0"),
        ({"top_p": 0}, "top-p must be above 0 and at most 1, got 0"),
        ({"top_p": 1.1}, "top-p"),
        ({"min_p": 2}, "min-p must be above 0 and at most 1, got 2"),
        ({"repetition_penalty": 0}, "repetition penalty must be above 0 .* got 0"),
        ({"length": -1}, "length of a sample must be 0 or more, got -1"),
        ({"seed": 2**70}, "seed"),
    ],
)
def test_filters_out_of_range_are_refused_before_anything_is_drawn(filters, message):
    with pytest.raises(SettingError, match=message):
        sample(model_of(), **filters)


def chi_square(counts, probabilities):
    total = sum(counts.values())
    return sum((counts[key] - total * p) ** 2 / (total * p) for key, p in probabilities.items())


def test_frequencies_are_the_probabilities_chi_square():
    logits = [2.0, 0.0, math.log(2), math.log(5)]
    drawn = Counter(sample(fixed(logits), length=1600, seed=0, stop_at_end=False))
    assert (
        chi_square(Counter({"<eos>": 500, "a": 1000, "b": 2500}), {"<eos>": 1 / 8, "a": 2 / 8, "b": 5 / 8})
        == 0
    )
    assert set(drawn) == {"<eos>", "a", "b"}
    # 2 degrees of freedom: above 13.8 once in a thousand.
    assert chi_square(drawn, {"<eos>": 1 / 8, "a": 2 / 8, "b": 5 / 8}) < 13.8


def test_filtered_frequencies_chi_square():
    filters = Filters(temperature=2.0, top_k=2)
    texts = samples(fixed([2.0, 0.0, 0.7, 1.6]), number=80, length=50, seed=0, filters=filters)
    drawn = Counter("".join(texts))
    weight = [math.exp(0.35), math.exp(0.8)]
    # 1 degree of freedom: above 10.8 once in a thousand.
    assert chi_square(drawn, {"a": weight[0] / sum(weight), "b": weight[1] / sum(weight)}) < 10.8


def test_two_symbols_are_drawn_as_often_as_score_says():
    """Sampling carries the state right: pairs follow the chain rule, not only single symbols."""
    model = model_of("ab")
    model.output.bias.data[:2] = -1e9  # neither <unk> nor <eos>
    pairs = ["".join(pair) for pair in itertools.product("ab", repeat=2)]
    expected = {pair: math.exp(score(model, pair).log_probability) for pair in pairs}
    assert sum(expected.values()) == pytest.approx(1)
    drawn = Counter(samples(model, number=1000, length=2, seed=0))
    # 3 degrees of freedom: above 16.3 once in a thousand.
    assert chi_square(drawn, expected) < 16.3


def test_a_prompt_conditions_what_follows_as_score_does():
    model = model_of("ab")
    model.output.bias.data[:2] = -1e9
    given = score(model, "abba").log_probability
    p = math.exp(score(model, "abbaa").log_probability - given)
    drawn = Counter(samples(model, "abba", number=1000, length=1, seed=0))
    assert chi_square(drawn, {"a": p, "b": 1 - p}) < 10.8


def test_greedy_takes_the_likeliest_at_every_step():
    model = model_of()
    text = "".join(sample(model, length=20, temperature=0, stop_at_end=False)).replace("<eos>", "\1")
    symbols = [1]
    for character in text:
        logits = model(torch.tensor(symbols)[:, None])[0][-1, 0]
        logits[0] = -torch.inf
        symbols.append(int(logits.argmax()))
        assert character == ("\1" if symbols[-1] == 1 else model.vocabulary.symbols[symbols[-1]])


def test_the_same_seed_draws_the_same_text_and_no_seed_a_new_one():
    model = fixed([0.0, -20.0, 1.0, 1.0])

    def draw(seed=None):
        return "".join(sample(model, length=64, seed=seed))

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)
    assert draw() != draw()


def test_eos_ends_a_sample_unless_told_otherwise():
    model = fixed([0.0, 20.0, 0.0, 0.0])
    assert list(sample(model, length=5, seed=0)) == []
    assert list(sample(model, length=3, seed=0, stop_at_end=False)) == ["<eos>"] * 3


def test_unknown_is_never_drawn_and_an_unseen_prompt_is_read_as_unknown():
    model = model_of("ab")
    model.output.bias.data[0] = 1e9
    assert "<unk>" not in list(sample(model, length=200, seed=0, stop_at_end=False))
    assert list(sample(model, "ж", 50, seed=1)) == list(sample(model, "q", 50, seed=1))


def counting(model):
    """The widths of all batches that a model reads from now on."""
    read, widths = model.read, []
    model.read = lambda tokens, *rest: (widths.append(tokens.shape[1]), read(tokens, *rest))[1]
    return widths


def test_characters_come_as_they_are_drawn():
    model = fixed([0.0, -20.0, 1.0, 1.0])
    steps = counting(model)
    characters = sample(model, length=10**9, seed=0)
    assert next(characters) in "ab"
    assert len(steps) == 1  # the prompt
    next(characters)
    assert len(steps) == 2


def test_the_callers_gradients_stay_on_between_characters():
    for _ in sample(model_of(), length=3, seed=0):
        assert torch.is_grad_enabled()


SETTINGS = {
    "gru": {},
    "embedding": {"embedding_size": 5},
    "projection": {"embedding_size": 5, "projection": 5, "tied": True},
    "adaptive": {"adaptive": (4,)},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_a_text_is_the_same_whatever_the_number(settings):
    model = model_of("abcdefgh", **settings)
    if model.tied:  # untrained, it would read every symbol as the next one
        model.embedding.weight.data *= 0.1
    everything = samples(model, "abc", number=19, length=30, seed=5)
    assert len(set(everything)) > 5
    assert len({len(text) for text in everything}) > 3, "rows must end at different times"
    for number in (1, 2, 8, 9):
        assert samples(model, "abc", number=number, length=30, seed=5) == everything[:number]
    assert "".join(sample(model, "abc", length=30, seed=5)) == everything[0]


def test_a_row_has_the_same_bits_in_any_batch():
    """Not only the same text: the logits that every symbol was drawn from are equal bit for bit."""

    def logits_of(number):
        model = model_of("abcdefgh" + "".join(map(chr, range(300, 500))))
        sampler = Sampler(model, "ab", number, 12, seed=1)
        kept = {}
        draw = sampler._draw
        sampler._draw = lambda logits, rows: (
            [kept.setdefault((row, len(sampler.symbols[row])), logits[i]) for i, row in enumerate(rows)],
            draw(logits, rows),
        )[1]
        list(sampler.run())
        read_whole(model, sampler, kept)
        return kept

    def read_whole(model, sampler, kept):
        """Rows that leave the batch must not shift the states of those that stay."""
        assert len(set(map(len, sampler.symbols))) > 1 or len(sampler.symbols) == 1
        for row, symbols in enumerate(sampler.symbols):
            tokens = torch.tensor([1, *sampler.prompt, *symbols])[:, None]
            expected = model(tokens)[0][len(sampler.prompt) :, 0]
            for step in range(min(len(symbols) + 1, 12)):
                torch.testing.assert_close(kept[row, step], expected[step])

    alone, beside = logits_of(1), logits_of(11)
    assert len(alone) > 3
    for key, logits in alone.items():
        assert torch.equal(logits, beside[key])


def test_rows_that_have_ended_leave_the_batch():
    model = fixed([0.0, 1.0, 1.0, 1.0])
    widths = counting(model)
    drawn = samples(model, number=20, length=50, seed=0)
    # <eos> has a third of the weight: a row with n characters is read in n steps after the prompt.
    assert widths[0] == 1
    assert widths[1:] == [sum(len(text) > step for text in drawn) for step in range(max(map(len, drawn)))]


def test_rows_are_independent_draws_from_the_probabilities():
    texts = samples(fixed([2.0, 0.0, math.log(2), math.log(5)]), number=4000, length=1, seed=0)
    assert chi_square(Counter(texts), {"": 1 / 8, "a": 2 / 8, "b": 5 / 8}) < 13.8


def test_ended_tells_the_end_from_the_length():
    sampler = Sampler(fixed([0.0, 1.0, 1.0, 1.0]), number=30, length=2, seed=0)
    texts = [""] * 30
    for row, piece in sampler.run():
        texts[row] += piece
    assert set(sampler.ended) == {True, False}
    # Two symbols leave no room for <eos>.
    assert all(ended == (len(text) < 2) for ended, text in zip(sampler.ended, texts, strict=True))
    alphabet = Vocabulary.from_text(["ab"])
    assert sampler.symbols == [alphabet.encode(text).tolist() for text in texts]


def test_a_length_of_nothing():
    assert samples(model_of(), "a", number=3, length=0) == ["", "", ""]


@pytest.mark.parametrize("number", [0, -1])
def test_a_number_below_one_is_refused(number):
    with pytest.raises(SettingError, match=f"number of samples must be at least 1, got {number}"):
        samples(model_of(), number=number)


def test_the_repetition_penalty_looks_at_the_prompt_and_back_so_far_as_the_window():
    # Greedy, "b" is likelier than "a" until it is penalised: 2 / 2 < 1.5.
    model = fixed([0.0, -20.0, 1.5, 2.0])

    def greedy(prompt, window):
        filters = Filters(temperature=0, repetition_penalty=2.0, repetition_window=window)
        return samples(model, prompt, length=6, filters=filters)[0]

    assert greedy("", 1) == "bababa"
    assert greedy("b", 1) == "ababab"
    # Within two symbols "b" is always penalised; both are, and "b" leads, as soon as "a" stands there too.
    assert greedy("", 2) == "babbab"
    assert "".join(sample(model, length=6, temperature=0, repetition_penalty=2.0)) == greedy("", 64)


def test_nothing_is_dropped_and_no_random_number_of_the_caller_moves_while_a_model_still_trains():
    model = model_of(dropouts=Dropouts(input=0.5, output=0.5, connections=0.5), embedding_size=3)
    asked = (
        lambda: samples(model, "ab", number=2, length=9, seed=1),
        lambda: beam(model, "ab", length=4)[0].score,
        lambda: score(model, "abc").log_probability,
        lambda: next_symbols(model, "ab"),
        lambda: next_words(model, "ab"),
    )
    before = torch.get_rng_state()
    training = [ask() for ask in asked]
    assert model.training and model.recurrent.training and torch.equal(before, torch.get_rng_state())
    model.eval()
    assert training == [ask() for ask in asked]
    assert not model.training
