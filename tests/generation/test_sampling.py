import itertools
import math
from collections import Counter

import pytest
import torch

from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import SettingError
from unrolled.generation.sampling import filtered_probabilities, sample
from unrolled.generation.score import score
from unrolled.models.language import LanguageModel

# Index 0 is <unk>: whatever its logit, it never counts.
LOGITS = torch.tensor([50.0, math.log(1), math.log(2), math.log(3), math.log(4)])


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
    ("filters", "expected"),
    [
        ({}, [0, 0.1, 0.2, 0.3, 0.4]),
        ({"temperature": 0.5}, [0, 1 / 30, 4 / 30, 9 / 30, 16 / 30]),
        ({"temperature": 0}, [0, 0, 0, 0, 1]),
        ({"top_k": 2}, [0, 0, 0, 3 / 7, 4 / 7]),
        ({"top_k": 99}, [0, 0.1, 0.2, 0.3, 0.4]),
        ({"top_p": 0.7}, [0, 0, 0, 3 / 7, 4 / 7]),
        ({"top_p": 0.71}, [0, 0, 2 / 9, 3 / 9, 4 / 9]),
        ({"top_p": 1e-9}, [0, 0, 0, 0, 1]),
        ({"top_p": 1}, [0, 0.1, 0.2, 0.3, 0.4]),
        # top-p counts what top-k has left: 4/7 < 0.6, so both stay; without it 0.4 + 0.3 would stay too.
        ({"top_k": 2, "top_p": 0.57}, [0, 0, 0, 0, 1]),
        # temperature comes first: 16/30 alone reaches 0.5.
        ({"temperature": 0.5, "top_p": 0.5}, [0, 0, 0, 0, 1]),
    ],
)
def test_filters_by_hand(filters, expected):
    got = filtered_probabilities(LOGITS.double(), **filters)
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64))


def test_equal_logits_are_cut_in_the_order_of_the_vocabulary():
    got = filtered_probabilities(torch.zeros(5), top_k=2)
    assert got.tolist() == [0, 0.5, 0.5, 0, 0]
    # Two quarters reach a half: the third symbol is not needed.
    assert filtered_probabilities(torch.zeros(5), top_p=0.5).tolist() == [0, 0.5, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"temperature": -1}, "temperature must be 0 .* got -1"),
        ({"temperature": math.nan}, "temperature"),
        ({"top_k": 0}, "top-k must be at least 1, got 0"),
        ({"top_p": 0}, "top-p must be above 0 and at most 1, got 0"),
        ({"top_p": 1.1}, "top-p"),
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
    drawn = Counter(sample(fixed(logits), length=4000, seed=0, stop_at_end=False))
    assert (
        chi_square(Counter({"<eos>": 500, "a": 1000, "b": 2500}), {"<eos>": 1 / 8, "a": 2 / 8, "b": 5 / 8})
        == 0
    )
    assert set(drawn) == {"<eos>", "a", "b"}
    # 2 degrees of freedom: above 13.8 once in a thousand.
    assert chi_square(drawn, {"<eos>": 1 / 8, "a": 2 / 8, "b": 5 / 8}) < 13.8


def test_filtered_frequencies_chi_square():
    drawn = Counter(sample(fixed([2.0, 0.0, 0.7, 1.6]), length=4000, seed=0, temperature=2.0, top_k=2))
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
    drawn = Counter("".join(sample(model, length=2, seed=seed)) for seed in range(1000))
    # 3 degrees of freedom: above 16.3 once in a thousand.
    assert chi_square(drawn, expected) < 16.3


def test_a_prompt_conditions_what_follows_as_score_does():
    model = model_of("ab")
    model.output.bias.data[:2] = -1e9
    given = score(model, "abba").log_probability
    p = math.exp(score(model, "abbaa").log_probability - given)
    drawn = Counter("".join(sample(model, "abba", length=1, seed=seed)) for seed in range(1000))
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


def test_characters_come_as_they_are_drawn():
    model = fixed([0.0, -20.0, 1.0, 1.0])
    steps = []
    step = model.step
    model.step = lambda *arguments: (steps.append(1), step(*arguments))[1]
    characters = sample(model, length=10**9, seed=0)
    assert next(characters) in "ab"
    assert len(steps) == 0
    next(characters)
    assert len(steps) == 1


def test_the_callers_gradients_stay_on_between_characters():
    for _ in sample(model_of(), length=3, seed=0):
        assert torch.is_grad_enabled()
