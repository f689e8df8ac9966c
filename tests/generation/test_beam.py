"""Beam search against enumerating every text of a tiny vocabulary."""

import itertools
import math

import pytest
import torch

from unrolled.data.vocabulary import END, Vocabulary
from unrolled.errors import SettingError
from unrolled.generation.beam import LanguageSteps, beam, search
from unrolled.generation.choices import Choices
from unrolled.generation.constraint import Constraint
from unrolled.generation.regular import Regular
from unrolled.generation.sampling import sample
from unrolled.generation.score import score
from unrolled.models.language import LanguageModel


def model_of(text="ab", seed=1, **settings):
    torch.manual_seed(seed)
    model = LanguageModel(Vocabulary.from_text([text]), "gru", hidden_size=6, **settings)
    for parameter in model.parameters():
        parameter.data *= 3  # far from uniform
    return model


@torch.no_grad()
def log_probability(model, prompt, symbols):
    """By reading the whole text once more, in the model's own dtype."""
    tokens = [END, *model.vocabulary.encode(prompt).tolist(), *symbols]
    logs = model(torch.tensor(tokens[:-1])[:, None])[0][:, 0].double().log_softmax(-1)
    return sum(float(logs[-len(symbols) + i, s]) for i, s in enumerate(symbols))


def everything(model, prompt, length, penalty=0.0):
    """Every text that ends within `length` symbols or is cut there: score and symbols, the best first."""
    found = []
    for n in range(1, length + 1):
        for body in itertools.product(range(2, len(model.vocabulary)), repeat=n - 1):
            last = [END] if n < length else range(1, len(model.vocabulary))
            found += [(*body, symbol) for symbol in last]
    scored = [(log_probability(model, prompt, s) / len(s) ** penalty, s) for s in found]
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("settings", [{}, {"adaptive": (3,)}], ids=["plain", "adaptive"])
def test_wide_enough_it_is_exhaustive(penalty, settings):
    for seed in range(3):
        model = model_of("abc", seed, **settings)
        expected = everything(model, "ab", 4, penalty)[:20]
        found = beam(model, "ab", length=4, width=200, n_best=20, length_penalty=penalty)
        assert [one.symbols for one in found] == [symbols for _, symbols in expected]
        for one, (value, symbols) in zip(found, expected, strict=True):
            assert one.score == pytest.approx(value, abs=1e-5)
            assert one.log_probability == pytest.approx(log_probability(model, "ab", symbols), abs=1e-5)
            assert one.ended == (symbols[-1] == END)
            assert one.text == model.vocabulary.decode(s for s in symbols if s != END)


def naive(model, width, length):
    """The search as it is told: lists, and every beginning read again from its first symbol."""
    alive, found = [((), 0.0)], []
    for _ in range(length):
        tokens = [(*s, k) for s, _ in alive for k in range(1, len(model.vocabulary))]
        grown = [(new, log_probability(model, "", new)) for new in tokens]
        grown.sort(key=lambda one: -one[1])
        found += [one for one in grown[:width] if one[0][-1] == END]
        alive = [one for one in grown if one[0][-1] != END][:width]
    return max([*found, *alive], key=lambda one: one[1])


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_narrow_beam_is_the_plain_search(width):
    differ = 0
    for seed in range(8):
        model = model_of("abc", seed)
        symbols, value = naive(model, width, 5)
        (one,) = beam(model, length=5, width=width)
        assert one.symbols == symbols
        assert one.log_probability == pytest.approx(value, abs=1e-5)
        (best,) = beam(model, length=5, width=81)
        differ += symbols != best.symbols
    assert differ or width > 2, "narrow beams must miss something"


def test_width_one_is_greedy():
    ended = set()
    for seed in range(20):
        model = model_of("abcd", seed)
        (one,) = beam(model, "ab", length=12, width=1)
        assert one.text == "".join(sample(model, "ab", length=12, temperature=0))
        ended.add(one.ended)
    assert ended == {True, False}


def test_log_probabilities_are_those_of_score():
    model = model_of("abc", 4)
    for one in beam(model, length=5, width=20, n_best=20):
        assert one.log_probability == pytest.approx(
            score(model, one.text, end=one.ended).log_probability, abs=1e-5
        )


def test_the_prefix_is_read_once_and_rows_go_on_in_one_batch():
    model = model_of("abc")
    read, shapes = model.read, []
    model.read = lambda tokens, *rest: (shapes.append(tuple(tokens.shape)), read(tokens, *rest))[1]
    beam(model, "abcabc", length=6, width=3, n_best=3)
    assert shapes[0] == (7, 1)
    assert len(shapes) <= 6
    assert set(shapes[1:]) == {(1, 3)}


def test_it_stops_as_soon_as_nothing_better_can_come():
    model = model_of("ab")
    model.output.weight.data.zero_()
    model.output.bias.data[:] = torch.tensor([0.0, 5.0, 0.0, 0.0])
    read, steps = model.read, []
    model.read = lambda *arguments: (steps.append(1), read(*arguments))[1]
    (one,) = beam(model, length=10**9, width=4)
    assert (one.text, one.ended, len(steps)) == ("", True, 1)


def test_the_tree_holds_every_beginning():
    model = model_of("abc")
    leaves, tree = search(LanguageSteps(model), length=5, width=3, n_best=3)
    assert tree.parents[0] == -1
    for node in range(1, len(tree.parents)):
        assert tree.parents[node] < node
        path = tree.path(node)
        assert tree.log_probabilities[node] == pytest.approx(log_probability(model, "", path), abs=1e-5)
    assert {tuple(tree.path(leaf.node)) for leaf in leaves} == {
        one.symbols for one in beam(model, length=5, width=3, n_best=3)
    }


class Table:
    """Another kind of model: log P depends on the last symbol only, and its state counts the steps."""

    def __init__(self, logs):
        self.logs = logs

    def start(self):
        return self.logs[END][None], [0]

    def advance(self, symbols, state, rows):
        return self.logs[list(symbols)], [state[row] + 1 for row in rows]


def test_any_model_that_steps_over_rows_can_be_searched():
    """A Markov chain, against the best path by dynamic programming (Viterbi)."""
    logs = torch.randn(5, 5, dtype=torch.float64).mul(2).log_softmax(-1)
    logs[:, END] = -1e9  # never ends: the best path of exactly 7 symbols
    logs[:, 0] = -torch.inf
    best = {END: (0.0, ())}
    for _ in range(7):
        best = {
            k: max((v + float(logs[j, k]), (*path, k)) for j, (v, path) in best.items()) for k in range(2, 5)
        }
    (leaf,), tree = search(Table(logs), length=7, width=3**6)
    value, path = max(best.values())
    assert leaf.score == pytest.approx(value)
    assert tuple(tree.path(leaf.node)) == path


def test_constrained_it_finds_the_likeliest_match():
    for seed in range(2):
        model = model_of("abc", seed)
        expected = [
            one
            for one in everything(model, "", 5)
            if one[1][-1] == END and set(one[1][:-1]) <= {2, 3} and len(one[1]) > 1
        ]
        constraint = Constraint(Regular("[ab]+"), model.vocabulary)
        found = beam(model, length=5, width=64, n_best=8, constraint=constraint)
        assert [one.symbols for one in found] == [symbols for _, symbols in expected[:8]]


def test_constrained_every_choice_is_found_and_cut_ones_come_last():
    model = model_of("abc")
    constraint = Constraint(Choices(["a", "bbbbbb", "cc"]), model.vocabulary)
    found = beam(model, length=4, width=5, n_best=3, constraint=constraint)
    assert {one.text for one in found[:2]} == {"a", "cc"}
    assert [(one.text, one.ended) for one in found[2:]] == [("bbbb", False)]


def test_a_length_of_nothing_is_the_empty_text():
    (one,) = beam(model_of(), "a", length=0)
    assert (one.text, one.symbols, one.score, one.ended) == ("", (), 0.0, False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length of a sample must be 0 or more, got -1"),
        ({"width": 0}, "width of the beam must be at least 1, got 0"),
        ({"width": 2, "n_best": 3}, "number of texts must be from 1 to the width of the beam, 2, got 3"),
        ({"n_best": 0}, "number of texts must be from 1"),
        ({"length_penalty": -1}, "length penalty must be 0 .* got -1"),
        ({"length_penalty": math.nan}, "length penalty"),
    ],
)
def test_out_of_range(options, message):
    with pytest.raises(SettingError, match=message):
        beam(model_of(), **options)


def test_with_a_length_penalty_it_waits_for_longer_texts_that_may_become_better():
    logs = torch.tensor([[1e-9] * 3, [1e-9, 0.6, 0.4], [1e-9, 0.001, 0.999]], dtype=torch.float64).log()
    (short,), _ = search(Table(logs), length=6, width=2)
    assert short.score == pytest.approx(math.log(0.6))
    (long,), tree = search(Table(logs), length=6, width=2, length_penalty=1.0)
    assert tree.path(long.node) == [2] * 6
    assert long.score == pytest.approx((math.log(0.4) + 5 * math.log(0.999)) / 6)
