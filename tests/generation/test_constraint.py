"""Masks against trying every symbol and every text, and what is drawn under them against Python's `re`."""

import itertools
import re
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.test_regular import EXPRESSIONS, end
from unrolled.data.vocabulary import END, Vocabulary
from unrolled.errors import SettingError
from unrolled.generation import constraint as module
from unrolled.generation.automaton import OverBytes
from unrolled.generation.choices import Choices
from unrolled.generation.constraint import Constraint
from unrolled.generation.filters import Filters
from unrolled.generation.regular import Regular
from unrolled.generation.sampling import Sampler, sample, samples
from unrolled.models.language import LanguageModel


@dataclass
class Pieces:
    """What a constraint reads of a vocabulary."""

    texts: tuple[str, ...]
    unit: str = "3-gram"

    def __len__(self):
        return len(self.texts)


PIECES = Pieces(("", "", "a", "ab", "ba", "bb", "aab"))


def reachable(texts, pattern, begun, longest=8):
    """Whether pieces go on from a text to a match, by trying all."""
    seen, waiting = {begun}, [begun]
    while waiting:
        text = waiting.pop()
        if pattern.fullmatch(text):
            return True
        for piece in texts[2:]:
            longer = text + piece
            if len(longer) <= longest and longer not in seen:
                seen.add(longer)
                waiting.append(longer)
    return False


SMALL = ["(ab)*", "a{0,3}b", "b+a", "(a|bb)*", "[ab]{5}", "bab|aab", "abba?", "(aa)*b?"]


@pytest.mark.parametrize("expression", SMALL)
def test_masks_by_brute_force(expression):
    pattern = re.compile(expression)
    constraint = Constraint(Regular(expression), PIECES)
    waiting = [("", constraint.start)]
    while waiting:
        text, state = waiting.pop()
        allowed = constraint.mask(state).tolist()
        assert allowed[:2] == [False, bool(pattern.fullmatch(text))]
        for symbol in range(2, len(PIECES)):
            longer = text + PIECES.texts[symbol]
            assert allowed[symbol] == reachable(PIECES.texts, pattern, longer), (text, longer)
            if allowed[symbol] and len(longer) <= 3:
                waiting.append((longer, constraint.advance(state, symbol)))


def test_what_the_vocabulary_cannot_write_is_refused_at_the_start():
    vocabulary = Vocabulary.from_text(["abc"])
    with pytest.raises(SettingError, match="no text of this model's characters matches the constraint"):
        Constraint(Regular("a+ñ"), vocabulary)
    with pytest.raises(SettingError, match="no text of this model's 3-grams"):
        Constraint(Choices(["b"]), PIECES)
    # One branch that can be written is enough, and the other one is never begun.
    constraint = Constraint(Regular("aaañ|bc"), vocabulary)
    assert constraint.mask(constraint.start).nonzero().flatten().tolist() == [3]


def test_an_automaton_too_large_to_look_through_may_run_into_a_dead_end(monkeypatch):
    monkeypatch.setattr(module, "_WALKED", 3)
    vocabulary = Vocabulary.from_text(["ab"])
    torch.manual_seed(0)
    model = LanguageModel(vocabulary, "gru", hidden_size=4)
    constraint = Constraint(Regular("aabañ|b{40}"), vocabulary)
    assert constraint.mask(constraint.start).nonzero().flatten().tolist() == [2, 3]
    with pytest.raises(SettingError, match="ran into a dead end: no character of the vocabulary goes on"):
        samples(model, number=10, constraint=constraint, seed=0)


@given(EXPRESSIONS, st.text("ab1é٣ñ\n .ж€😀\u2003", max_size=3))
def test_over_bytes_is_over_characters(expression, text):
    """Alive between the bytes of a character exactly if some character begins so and leads on."""
    characters = Regular(expression)
    over = OverBytes(characters)
    state = over.start
    for place, character in enumerate(text):
        encoded = character.encode()
        for number in range(1, len(encoded) + 1):
            state = over.step(state, chr(encoded[number - 1]))
            before = end(characters, text[:place])
            if number < len(encoded):
                alike = (chr(c) for c in range(0x80, 0x11000) if not 0xD800 <= c < 0xE000)
                some = any(
                    characters.step(before, c) is not None
                    for c in itertools.chain(alike, character)
                    if c.encode()[:number] == encoded[:number]
                )
                assert (state is not None) >= some
            else:
                assert (state is not None) == (end(characters, text[: place + 1]) is not None)
            if state is None:
                return
    assert over.accepting(state) == bool(re.fullmatch(expression, text))


@pytest.mark.parametrize(
    "wrong", [b"\x80", b"\xc1\x81", b"\xe0\x80", b"\xed\xa0", b"\xf4\x90", b"\xf8", b"\xc3a", b"\xff"]
)
def test_bytes_that_are_no_utf8_are_dead(wrong):
    over = OverBytes(Regular("[^x]*"))
    with pytest.raises(UnicodeDecodeError, match="invalid"):
        wrong.decode()
    assert end(over, wrong.decode("latin-1")) is None


def bytes_vocabulary():
    return Pieces(("", "", *map(chr, range(256))), "byte")


def test_masks_of_bytes_write_the_characters_of_the_match():
    constraint = Constraint(Regular("[ñж]|€"), bytes_vocabulary())

    def grown(state):
        if constraint.mask(state)[END]:
            yield b""
        for symbol in constraint.mask(state).nonzero().flatten().tolist():
            if symbol != END:
                for rest in grown(constraint.advance(state, symbol)):
                    yield bytes([symbol - 2]) + rest

    assert sorted(grown(constraint.start)) == sorted(c.encode() for c in "ñж€")


def test_words_bring_a_blank_along_that_is_no_part_of_the_match():
    words = Pieces(("", "", " the", " cat", ","), "word")
    constraint = Constraint(Regular("the cat,"), words)
    state = constraint.start
    for symbol in (2, 3, 4):
        assert constraint.mask(state).nonzero().flatten().tolist() == [symbol]
        state = constraint.advance(state, symbol)
    assert constraint.complete(state)
    for behind, expected in ((False, "the cat,"), (True, " the cat,")):
        writer = constraint.writer(behind)
        assert "".join(map(writer.write, (2, 3, 4))) + writer.end() == expected


@pytest.fixture
def model():
    torch.manual_seed(3)
    return LanguageModel(Vocabulary.from_text(["ab01-. "]), "gru", hidden_size=8)


@pytest.mark.parametrize(
    "expression", [r"\d{4}-\d\d", "(a|b)+", r"\w*", "(ab? )*", "a{1,5}(01)?", "", r"[^\w]+\.", "-?0|1{3}"]
)
def test_what_ends_always_matches(model, expression):
    constraint = Constraint(Regular(expression), model.vocabulary)
    for filters in (Filters(), Filters(temperature=0), Filters(2.0, top_k=3)):
        sampler = Sampler(model, "ab", 40, 12, filters, seed=1, constraint=constraint)
        texts = [""] * 40
        for row, piece in sampler.run():
            texts[row] += piece
        # Of the likeliest symbols alone <eos> may never be one.
        assert any(sampler.ended) or filters != Filters()
        for text, ended in zip(texts, sampler.ended, strict=True):
            assert re.fullmatch(expression, text) or not ended
            assert ended or len(text) == 12
            assert end(Regular(expression), text) is not None


def test_a_match_that_cannot_go_on_has_ended_without_room_for_eos(model):
    constraint = Constraint(Regular(r"\d{4}"), model.vocabulary)
    sampler = Sampler(model, length=4, seed=0, constraint=constraint)
    assert len("".join(piece for _, piece in sampler.run())) == 4
    assert sampler.ended == [True]


def test_constrained_texts_are_drawn_from_the_models_probabilities(model):
    """At every step the probabilities of the symbols that may come, scaled to 1: the chain of them by hand."""
    choices = ["a", "ab", "b0"]
    constraint = Constraint(Choices(choices), model.vocabulary)
    index = {c: int(model.vocabulary.encode(c)[0]) for c in "ab0"}

    def after(text):
        tokens = torch.tensor([END, *(index[c] for c in text)])[:, None]
        with torch.no_grad():
            return model(tokens)[0][-1, 0].double().softmax(0)

    first, second = after(""), after("a")
    a = float(first[index["a"]] / (first[index["a"]] + first[index["b"]]))
    stays = float(second[END] / (second[END] + second[index["b"]]))
    expected = {"a": a * stays, "ab": a * (1 - stays), "b0": 1 - a}
    drawn = samples(model, number=2000, seed=0, constraint=constraint)
    assert set(drawn) == set(choices)
    assert sum((drawn.count(t) - 2000 * p) ** 2 / (2000 * p) for t, p in expected.items()) < 13.8


def test_a_constraint_does_not_go_past_its_end(model):
    constraint = Constraint(Choices(["a"]), model.vocabulary)
    with pytest.raises(SettingError, match="cannot go on past the end"):
        sample(model, stop_at_end=False, constraint=constraint)
