import itertools
import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from unrolled.data.units.bytes import Bytes
from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN, Listed, Vocabulary
from unrolled.errors import SettingError
from unrolled.generation import following
from unrolled.generation.following import first_word, next_symbols, next_words, part_read, unfinished_word
from unrolled.models.language import LanguageModel

WORD = re.compile(r"\s*([a-zé]+(?:'[a-zé]+)*|[.'\ufffd])")
EVERYTHING = 10**6


@dataclass(frozen=True)
class Pieces(Listed):
    """Pieces of several characters, the longest that fits taken first."""

    unit = "piece"

    def split_part(self, text):
        pieces = []
        while text:
            fitting = [symbol for symbol in self.symbols[2:] if text.startswith(symbol)]
            pieces.append(max(fitting, key=len, default=text[0]))
            text = text[len(pieces[-1]) :]
        return pieces


def tiny(vocabulary, seed=0):
    torch.manual_seed(seed)
    model = LanguageModel(vocabulary, "gru", hidden_size=6)
    for parameter in model.parameters():
        parameter.data *= 3
    model.output.bias.data[UNKNOWN] = -1e9  # it has no text, and is never taken
    return model.eval()


def by_enumeration(model, context, kept, required, longest, taken=None, shown=str):
    """P of every word that has ended after `longest` symbols: all sequences of so many (of those taken), one batch."""
    taken = range(len(model.vocabulary)) if taken is None else taken
    every = torch.tensor(list(itertools.product(taken, repeat=longest))).T
    before = torch.tensor([END, *context])[:, None].expand(-1, every.shape[1])
    with torch.no_grad():
        logits, _ = model(torch.cat([before, every[:-1]]))
    logs = torch.log_softmax(logits[-longest:].double(), -1).gather(2, every[..., None])[..., 0]
    words, spelled = defaultdict(float), 0.0
    for symbols, each in zip(every.T.tolist(), logs.T.tolist(), strict=True):
        ended = END in symbols
        symbols = symbols[: symbols.index(END)] if ended else symbols
        text = kept + "".join(model.vocabulary.texts[i] for i in symbols)
        if not text.startswith(kept + required):
            continue
        p = np.exp(sum(each))
        spelled += p
        text = shown(text)
        match = WORD.match(text)
        rest = text[match.end() :] if match else ""
        if match and (ended or match[1] in ".'\ufffd" or rest not in ("", "'")):
            words[match[1]] += p
    return {word: p / (spelled if required else 1) for word, p in words.items()}


@pytest.mark.parametrize(("text", "kept"), [("", ""), ("ab ", ""), ("ab. b", "b"), ("b a'", "a'")])
def test_a_wide_beam_finds_what_enumeration_finds(monkeypatch, text, kept):
    model = tiny(Vocabulary.from_text(["ab '."]))
    monkeypatch.setattr(following, "_LONGEST", 4)
    expected = by_enumeration(model, model.vocabulary.encode(text).tolist(), kept, "", 4)
    found = dict(next_words(model, text, k=EVERYTHING, beam=EVERYTHING))
    assert len(found) > 9 and found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-4)
    assert 0.1 < sum(found.values()) <= 1


@pytest.mark.parametrize(
    ("text", "context", "kept", "required"),
    [
        ("a ab", "a", "", " ab"),  # the blank and the half word are spelled again
        ("b ab", "b ", " ", "ab"),
        ("ab ", "ab", "", " "),
        ("b.", "b.", "", ""),
        ("bba", "", "", "bba"),
        ("b xa", "b x", "x", "a"),  # but nothing that is unknown,
        ("a c", "a", "", " c"),  # unless it begins something known
    ],
)
def test_symbols_of_several_characters_spell_the_word_anew(monkeypatch, text, context, kept, required):
    model = tiny(Pieces((*SPECIAL, "a", "b", " ", ".", "ab", " a", "b ", "ca")))
    monkeypatch.setattr(following, "_LONGEST", 4)
    symbols = model.vocabulary.encode(text).tolist()
    symbols = symbols[: len(model.vocabulary.encode(context))]
    expected = by_enumeration(model, symbols, kept, required, 4)
    found = dict(next_words(model, text, k=EVERYTHING, beam=EVERYTHING))
    assert len(found) > 2 and found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("text", "kept"), [("é ", ""), ("aé", "aé")])
def test_bytes_are_words_once_their_characters_are_complete(monkeypatch, text, kept):
    model = tiny(Bytes())
    taken = [END, *model.vocabulary.encode("éa '").tolist()]
    others = [i for i in range(len(model.vocabulary)) if i not in taken]
    model.output.bias.data[others] = -1e9
    monkeypatch.setattr(following, "_LONGEST", 4)

    def shown(text):
        return text.encode("latin-1").removesuffix(b"\xc3").decode("utf-8", "replace")

    context, kept = model.vocabulary.encode(text).tolist(), kept.encode().decode("latin-1")
    expected = by_enumeration(model, context, kept, "", 4, taken, shown)
    expected.pop("\ufffd", None)  # bytes that are no character are no word
    found = dict(next_words(model, text, k=EVERYTHING, beam=EVERYTHING))
    assert any("é" in word for word in found) and found == pytest.approx(expected, rel=1e-4)


def test_what_is_spelled_again_is_not_read():
    model = tiny(Pieces((*SPECIAL, "a", "b", " ", "ab", "ca")))
    assert part_read(model.vocabulary, "a c") == "a"
    assert part_read(model.vocabulary, "a x") == "a x"
    assert part_read(Vocabulary.from_text(["ab "]), "a b") == "a b"


def test_the_narrow_beam_finds_the_best_words_with_their_probabilities():
    model = tiny(Vocabulary.from_text(["abc '."]))
    wide = next_words(model, "a c", k=5, beam=2000)
    assert next_words(model, "a c", k=5, beam=20) == [(word, pytest.approx(p)) for word, p in wide]
    assert [p for _, p in wide] == sorted((p for _, p in wide), reverse=True)


def test_it_learns_to_complete_words():
    text = "cansada de ler. " * 200
    model = tiny(Vocabulary.from_text([text]))
    ids = torch.from_numpy(model.vocabulary.encode(text)[:960].reshape(4, -1).T.copy())
    adam = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(150):
        logits, _ = model(ids[:-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten())
        adam.zero_grad()
        loss.backward()
        adam.step()
    for prompt, word in [
        ("cansa", "cansada"),
        ("cansada ", "de"),
        ("cansada de le", "ler"),
        ("de ler", "ler"),
    ]:
        (best, p), *_ = next_words(model, prompt)
        assert best == word and p > 0.5


def test_next_symbols_are_those_of_the_softmax():
    model = tiny(Vocabulary.from_text(["ab"]))
    logits = model(torch.tensor([END, *model.vocabulary.encode("ab")])[:, None])[0][-1, 0]
    p = torch.softmax(logits, 0).tolist()
    order = sorted(range(4), key=lambda i: -p[i])
    assert next_symbols(model, "ab", 9) == [
        (model.vocabulary.symbols[i], pytest.approx(p[i], rel=1e-5)) for i in order
    ]
    assert next_symbols(model, "ab", 2) == next_symbols(model, "ab", 9)[:2]


def test_a_model_of_words_gives_them_at_once():
    @dataclass(frozen=True)
    class Words(Listed):
        unit = "word"

        def split_part(self, text):
            return text.split()

    model = tiny(Words((*SPECIAL, "de", "ler", "cansada")))
    every = dict(next_symbols(model, "cansada de", 5))
    expected = {word: p for word, p in every.items() if word not in SPECIAL}
    assert dict(next_words(model, "cansada de", 5)) == expected and len(expected) == 3
    assert next_words(model, "cansada de", 1) == [max(expected.items(), key=lambda pair: pair[1])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", False)),
        ("  ", ("", False)),
        ("cansa", ("cansa", False)),
        (" cansada ", ("cansada", True)),
        ("d'acc", ("d'acc", False)),
        ("d'", ("d", False)),
        ("d' ", ("d", True)),
        ("3.", ("3", False)),
        ("3.5,", ("3.5", False)),
        ("3.a", ("3", True)),
        ("a.b", ("a", True)),
        ("¿qué", ("¿", True)),
        ("नमस्ते।", ("नमस्ते", True)),
        ("пам'ять-", ("пам'ять", False)),
        ("東京", ("東", True)),
        ("a東", ("a", True)),
    ],
)
def test_where_a_word_ends(text, expected):
    assert first_word(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("a b ", ""), ("a b", "b"), ("(d'ac", "d'ac"), ("fim.", ""), ("x.y-", "y-"), ("3.", "3.")],
)
def test_what_word_a_text_ends_in(text, expected):
    assert unfinished_word(text) == expected


def test_what_cannot_be_asked_is_refused():
    model = tiny(Vocabulary.from_text(["ab"]))
    with pytest.raises(SettingError, match=r"the number of words \(-k\) must be at least 1, got 0"):
        next_words(model, "a", 0)
    with pytest.raises(SettingError, match="the beam must be at least 1, got 0"):
        next_words(model, "a", 1, beam=0)
    with pytest.raises(SettingError, match=r"the number of symbols \(-k\) must be at least 1, got -1"):
        next_symbols(model, "a", -1)

    @dataclass(frozen=True)
    class Events(Pieces):
        unit = "event"

    with pytest.raises(SettingError, match=r"events have no words; ask for the next symbols \(--symbols\)"):
        next_words(tiny(Events((*SPECIAL, "a"))), "a")
