"""What may follow a text: the likeliest next symbols, and the likeliest next words."""

from __future__ import annotations

import codecs
import heapq
import math
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from unrolled.data.units.bytes import utf8
from unrolled.data.units.words import UNSPACED
from unrolled.data.vocabulary import END, UNKNOWN, Vocabulary
from unrolled.errors import SettingError
from unrolled.generation.constraint import OF_BYTES
from unrolled.layers.state import State
from unrolled.models.kept import evaluating
from unrolled.models.language import LanguageModel

_JOINTS, _NUMERIC_JOINTS = "'’-", ".,"
"""What stands inside a word if letters stand on both sides, and inside a number if digits do."""

_LONGEST = 64
"""Symbols a word may have; no language writes words that long."""

BEAM = 64
"""Beginnings of words kept after every symbol, if nothing else is said."""

_LOOKED_AT = 64
"""Continuations looked at for each beam, the likeliest ones."""

_NO_TEXT = "\N{REPLACEMENT CHARACTER}"
"""What bytes become that are no character."""

Continuations = list[tuple[str, float]]
"""Texts and their probabilities, the likeliest first."""


def next_symbols(model: LanguageModel, text: str, k: int = 5) -> Continuations:
    """The `k` likeliest symbols after a text, `<unk>` and `<eos>` too, as the vocabulary shows them.

    Raises:
        SettingError: k below 1.
    """
    _check("the number of symbols (-k)", k)
    logs, _ = _after(model, [END, *model.vocabulary.encode(text).tolist()])
    top = logs[0].topk(min(k, len(model.vocabulary)))
    names = [model.vocabulary.symbols[i] for i in top.indices.tolist()]
    return list(zip(names, top.values.exp().tolist(), strict=True))


def next_words(model: LanguageModel, text: str, k: int = 5, beam: int = BEAM) -> Continuations:
    """The `k` likeliest next words after a text; behind half a word, the likeliest ways to end it.

    A model of words gives them at once, without `<unk>` and `<eos>`; the last word of the text is taken as complete.
    For any other unit a beam search goes on symbol by symbol until the word has ended: a word counts with the
    probability that it ends there, summed over all its spellings in symbols that were found.

        P(w) = sum over s that spell w and then what ends it:  prod_i P(s_i | text, s_1 ... s_{i-1})

    Blanks before the word are passed over; a mark such as a full stop is a word of its own; apostrophes and hyphens
    between letters belong to the word. `beam` beginnings are kept after every symbol: with more, rarer words are
    found. Where several symbols may spell a word (byte pairs), those the text ends with are chosen anew too.

    Raises:
        SettingError: k or beam below 1; a model of events, which have no words.

    Example:
        >>> model = LanguageModel(Vocabulary.from_text(["hola"]), "gru", hidden_size=8)
        >>> sum(p for word, p in next_words(model, "ho", k=100)) <= 1
        True
    """
    _check("the number of words (-k)", k)
    _check("the beam", beam)
    if model.vocabulary.unit == "event":
        raise SettingError("events have no words; ask for the next symbols (--symbols)")
    if model.vocabulary.unit == "word":
        found = next_symbols(model, text, k + 2)
        specials = (model.vocabulary.symbols[UNKNOWN], model.vocabulary.symbols[END])
        return [(word, p) for word, p in found if word not in specials][:k]
    return _Search(model, text, k, beam).run()


def unfinished_word(text: str) -> str:
    """The word a text ends in the middle of; empty behind a blank or a mark.

    Example:
        >>> unfinished_word("Estou cansa"), unfinished_word("Estou "), unfinished_word("¿Qué?")
        ('cansa', '', '')
    """
    rest = "" if text[-1:].isspace() else (text.split() or [""])[-1]
    while rest:
        word, complete = first_word(rest)
        if not complete:
            return rest
        rest = rest[len(word) :]
    return ""


def first_word(text: str) -> tuple[str, bool]:
    """The word a text begins with, blanks before it passed over, and whether it has ended whatever follows.

    Example:
        >>> first_word(" d'accord, oui"), first_word("d'"), first_word("...")
        (("d'accord", True), ('d', False), ('.', True))
    """
    text = text.lstrip()
    if not text or not _inside(text[0]):
        return text[:1], bool(text)
    if _unspaced().match(text):
        return text[0], True
    place = 1
    while place < len(text):
        if _unspaced().match(text[place]):
            return text[:place], True
        if _inside(text[place]):
            place += 1
        elif not _joins(text, place):
            return text[:place], True
        elif place + 1 == len(text):
            return text[:place], False
        else:
            place += 2
    return text, False


def _inside(character: str) -> bool:
    """Letters with their combining marks, and digits."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"


@cache
def _unspaced() -> re.Pattern[str]:
    """A character of a script that puts no blanks between words: a word, as in vocabularies of words."""
    return re.compile(f"[{UNSPACED}]")


def _joins(text: str, place: int) -> bool:
    """Whether the character goes on with the word before it, as far as the text is known."""
    if text[place] in _NUMERIC_JOINTS:
        return text[place - 1].isdigit() and (text[place + 1 :] or "0")[0].isdigit()
    return text[place] in _JOINTS and _inside((text[place + 1 :] or "a")[0])


@dataclass(frozen=True)
class _Path:
    """A path that goes on: the row of its beginning, its last symbol, its text and log P."""

    row: int
    symbol: int
    path: str
    score: float


class _Search:
    """A beam search for whole words. `ended` holds P of every word found, `spelled` that of the text spelled again.

    Paths are texts in the characters of `vocabulary.texts`, for bytes one character each. `kept` is what the context
    holds of the word to complete, `required` what of it every path begins with.
    """

    def __init__(self, model: LanguageModel, text: str, k: int, beam: int) -> None:
        self.model, self.vocabulary, self.k, self.beam = model, model.vocabulary, k, beam
        self.symbols, self.kept, self.required = _context(model.vocabulary, text)
        self.ended: defaultdict[str, float] = defaultdict(float)
        self.spelled = 0.0

    def run(self) -> Continuations:
        logs, state = _after(self.model, [END, *self.symbols])
        paths, scores = [""], logs.new_zeros(1)
        for _ in range(_LONGEST):
            extended = self._extended(paths, scores[:, None] + logs)
            if not extended:
                break
            paths = [one.path for one in extended]
            scores = logs.new_tensor([one.score for one in extended])
            state = state.rows([one.row for one in extended])
            logs, state = _step(self.model, [one.symbol for one in extended], state)
        found = sorted(self.ended.items(), key=lambda pair: (-pair[1], pair[0]))[: self.k]
        # Given that the text goes on as it was: without anything to spell again it does.
        given = self.spelled if self.required else 1.0
        return [(word, p / given) for word, p in found]

    def _extended(self, paths: list[str], scores: Tensor) -> list[_Path]:
        """One symbol behind every path, log P (B, V): words that end are counted; the likeliest others go on."""
        scores[:, UNKNOWN] = -torch.inf
        rests = [self.required[len(path) :] for path in paths]
        for rest in filter(None, dict.fromkeys(rests)):
            same = torch.tensor([one == rest for one in rests])
            scores[same] = scores[same].masked_fill(~self._spelling(rest), -torch.inf)
        top = scores.flatten().topk(min(scores.numel(), max(self.beam, 64) * _LOOKED_AT))
        going_on = []
        for score, place in zip(top.values.tolist(), top.indices.tolist(), strict=True):
            if score == -math.inf:
                break
            row, symbol = divmod(place, scores.shape[1])
            path = paths[row] + self.vocabulary.texts[symbol]
            if not self._counted(paths[row], path, symbol, math.exp(score)):
                going_on.append(_Path(row, symbol, path, score))
        # No word can become one of the k best from a path that is less likely than they are.
        worth = heapq.nlargest(self.k, self.ended.values())[-1] if len(self.ended) >= self.k else 0.0
        return [one for one in going_on[: self.beam] if math.exp(one.score) > worth]

    def _counted(self, before: str, path: str, symbol: int, p: float) -> bool:
        """Count the word if the path has ended it."""
        if len(before) < len(self.required) <= len(path):
            self.spelled += p
        word, complete = first_word(_as_text(self.kept + path, self.vocabulary))
        if symbol != END and (not complete or len(path) < len(self.required)):
            return False
        if word not in ("", _NO_TEXT) and p > 0:
            self.ended[word] += p
        return True

    def _spelling(self, wanted: str) -> Tensor:
        """Which symbols (V,) begin with what is wanted, or with a part of it."""
        return torch.tensor([bool(text) and _agree(text, wanted) for text in self.vocabulary.texts])


def _agree(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def part_read(vocabulary: Vocabulary, text: str) -> str:
    """What of a text `next_words` reads as it stands; the end of it may be spelled again, in other symbols."""
    respelled = _as_text(_context(vocabulary, text)[2], vocabulary)
    return text[: len(text) - len(respelled)]


def _context(vocabulary: Vocabulary, text: str) -> tuple[list[int], str, str]:
    """The symbols to read, the part of the unfinished word among them, and the part to be spelled again.

    Where symbols have several characters, a text may end with others than it would have with the word complete.
    """
    symbols = vocabulary.encode(text).tolist()
    word = unfinished_word(text)
    tail = text[len(text) - len(word) - text[: len(text) - len(word)][-1:].isspace() :]
    tail = _as_symbols(tail, vocabulary)
    required = ""
    if vocabulary.unit != "word" and max(map(len, vocabulary.texts)) > 1:
        pieces = vocabulary.split(text)
        while symbols and len(required) < len(tail):
            unknown = symbols[-1] == UNKNOWN
            longer = (pieces[len(symbols) - 1] if unknown else vocabulary.texts[symbols[-1]]) + required
            # What is unknown alone may be the beginning of something known.
            if not tail.endswith(longer) or (
                unknown and not any(_agree(t, longer) for t in vocabulary.texts[2:])
            ):
                break
            required = longer
            symbols.pop()
    return symbols, tail[: len(tail) - len(required)], required


def _as_symbols(text: str, vocabulary: Vocabulary) -> str:
    """A text in the characters of `vocabulary.texts`."""
    if vocabulary.unit in OF_BYTES:
        return utf8(text).decode("latin-1")
    return text


def _as_text(path: str, vocabulary: Vocabulary) -> str:
    """A path as text; the first bytes of a character that is not complete are left out."""
    if vocabulary.unit not in OF_BYTES:
        return path
    return codecs.getincrementaldecoder("utf-8")("replace").decode(path.encode("latin-1"))


@torch.no_grad()
def _after(model: LanguageModel, symbols: list[int]) -> tuple[Tensor, State]:
    """log P (1, V) of what follows the symbols, float64, and the state behind them."""
    with evaluating(model):
        reading = model.read(torch.tensor(symbols)[:, None])
    return torch.log_softmax(model.output.logits(reading.output[-1]).double(), -1), reading.state


@torch.no_grad()
def _step(model: LanguageModel, symbols: list[int], state: State) -> tuple[Tensor, State]:
    """The same for one symbol more in each of B rows: (B, V)."""
    with evaluating(model):
        logits, state = model(torch.tensor([symbols]), state)
    return torch.log_softmax(logits[0].double(), -1), state


def _check(name: str, value: int) -> None:
    if value < 1:
        raise SettingError(f"{name} must be at least 1, got {value}")
