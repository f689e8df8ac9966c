"""How well a language model predicts whole files, in units that models of other units can be compared by."""

from __future__ import annotations

import copy
import math
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from unrolled.data.borders import divided
from unrolled.data.corpus import STANDARD_INPUT, Corpus
from unrolled.data.encoded import reading_notes
from unrolled.data.encoding import Store, encode_pieces, encoded_parts
from unrolled.data.streams import IGNORED, Stream
from unrolled.data.text_settings import DataSettings
from unrolled.data.vocabulary import END, UNKNOWN, Ids, StoredIds, Vocabulary
from unrolled.errors import DataError, SettingError, UnrolledError
from unrolled.inspection.evaluation import Evaluation
from unrolled.inspection.reading import evaluating
from unrolled.models.language import LanguageModel
from unrolled.models.ngram import MOST_COUNTED, WittenBell, highest_order

_WINDOW = 1024
"""Symbols run together where nothing is learned from them; the result does not depend on it."""

DYNAMIC_WINDOW = 64
"""Symbols between two steps of dynamic evaluation, if nothing else is said."""


@dataclass(frozen=True)
class Dynamic:
    """Dynamic evaluation: a step of gradient descent at `rate` on every `window` symbols, once they are scored."""

    rate: float
    window: int = DYNAMIC_WINDOW

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise SettingError(f"the rate of dynamic evaluation must be above 0, got {self.rate}")
        if self.window < 1:
            raise SettingError(f"a window must have at least one step, got {self.window}")


@dataclass
class Tally:
    """What a text is made of, every symbol and every `<eos>` counted once.

    `words` stand between blanks; `lines` are line ends, or `<eos>` where lines or sentences end with one.
    """

    symbols: int = 0
    ends: int = 0
    unknown: int = 0
    characters: int = 0
    words: int = 0
    lines: int = 0
    inside_word: bool = False

    def add(self, vocabulary: Vocabulary, text: str, ids: Ids) -> None:
        """A whole text, or the next part of one."""
        ends = int((ids == END).sum())
        self.symbols += len(ids)
        self.ends += ends
        self.unknown += int((ids == UNKNOWN).sum())
        self.characters += len(text)
        self.words += len(text.split()) - (self.inside_word and not text[:1].isspace())
        if len(ids):
            self.inside_word = bool(ids[-1] != END) and not text[-1:].isspace()
        self.lines += text.count("\n") if vocabulary.ends == "text" else ends


def evaluate(
    model: LanguageModel,
    paths: Sequence[str | Path],
    encoding: str | None = None,
    run: str | Path | None = None,
    rows: int = 1,
    dynamic: Dynamic | None = None,
) -> Evaluation:
    """The cross-entropy of whole files, read as in training; memory does not grow with them.

        nats per symbol = -1/n sum_t log P(s_t | all before),    bits = nats / log 2,    perplexity = exp(nats)

    All files are one stream, in one row: the state is carried from the first symbol to the last, and starts anew
    behind `<eos>` if it did in training. Every symbol and every `<eos>` counts once, `<unk>` as the symbol it is. Bits
    per character divide all bits by the characters of the text, and the perplexity per blank-separated word spreads
    all nats over its words and line ends, so that models of different units can be compared.

    `rows` cuts the stream into so many parts of equal length that run side by side, each beginning as a text does,
    with `<eos>` and a zero state: faster, and a little worse. The floor counts the training text of `run`, a run
    folder, and takes the order that is best on these files. With `dynamic` a copy of the model also learns while it
    reads, by plain gradient descent on each window after it was scored.

    Raises:
        DataError: no files, or one that cannot be read or has no symbols.
        SettingError: rows, rate or window out of range; a rate so high that the loss is not finite.

    Papers: Mikolov et al. 2010, Recurrent neural network based language model; Krause et al. 2018, Dynamic evaluation
    of neural sequence models (arXiv:1709.07432).
    """
    if not paths:
        raise DataError("no data was named; give a text file, a folder, or - for standard input")
    corpus = Corpus(paths, encoding)
    tokens, tally = read(model.vocabulary, corpus)
    stream = _stream(tokens, rows)
    nats = total_nats(model, stream)
    scores = figures(nats, tally, model.vocabulary)
    if dynamic is not None:
        learned = figures(dynamic_nats(model, stream, dynamic), tally, model.vocabulary)
        scores |= {f"{name}, dynamic": value for name, value in learned.items()}
    floor, floors, missing = _floor(model.vocabulary, run, tokens, tally)
    return Evaluation(
        "lm",
        tally.symbols,
        f"{model.vocabulary.unit}s",
        scores,
        floor,
        floors,
        notes=(
            *reading_notes([corpus]),
            *_trained_on(paths, run),
            *_conventions(model, tally, rows, dynamic),
            *missing,
        ),
    )


def read(vocabulary: Vocabulary, pieces: Iterable[Any]) -> tuple[StoredIds, Tally]:
    """The symbols of pieces of text (N,), in a temporary file where they are many, and what was counted of them."""
    store, tally = Store(len(vocabulary)), Tally()
    for text, ids in encoded_parts(vocabulary, pieces):
        store.add(ids)
        tally.add(vocabulary, text, ids)
    if not tally.symbols:
        raise DataError("the text has no symbols, only empty lines; give a file with text")
    return store.array(), tally


def _stream(tokens: StoredIds, rows: int) -> Stream:
    if not 1 <= rows <= len(tokens):
        raise SettingError(f"--rows must be from 1 to the {len(tokens):,} symbols of the text, got {rows}")
    return Stream(tokens, rows)


@torch.no_grad()
def total_nats(model: LanguageModel, stream: Stream) -> float:
    """-log P of all symbols of a stream, the state of every row carried through."""
    total, state = 0.0, None
    with evaluating(model):
        for inputs, targets in stream.windows(_WINDOW):
            reading = model.read(inputs, state)
            loss = model.output.loss(reading.output.flatten(0, 1), targets.flatten(), IGNORED)
            total += float(loss) * int((targets != IGNORED).sum())
            state = reading.state
    return total


def dynamic_nats(model: LanguageModel, stream: Stream, dynamic: Dynamic) -> float:
    """The same of a copy of the model that takes a step on the mean loss of every window it has read."""
    total, state = 0.0, None
    model = copy.deepcopy(model).eval().requires_grad_(True)
    steps = torch.optim.SGD(model.parameters(), dynamic.rate)
    for inputs, targets in stream.windows(dynamic.window):
        with torch.enable_grad():
            reading = model.read(inputs, state)
            loss = model.output.loss(reading.output.flatten(0, 1), targets.flatten(), IGNORED)
            if not torch.isfinite(loss):
                raise SettingError(
                    f"with --dynamic {dynamic.rate} the loss is not finite; use a smaller rate"
                )
            steps.zero_grad()
            loss.backward()
        total += float(loss.detach()) * int((targets != IGNORED).sum())
        steps.step()
        state = reading.state.detach()
    return total


def figures(nats: float, tally: Tally, vocabulary: Vocabulary) -> dict[str, float]:
    """All nats of a text as what people compare; a perplexity that is no float is left out."""
    unit, bits = vocabulary.unit, nats / math.log(2)
    found = {
        f"nats per {unit}": nats / tally.symbols,
        f"bits per {unit}": bits / tally.symbols,
        f"perplexity per {unit}": _perplexity(nats, tally.symbols),
    }
    if unit != "character":
        found["bits per character"] = bits / tally.characters
    found["perplexity per blank-separated word"] = _perplexity(nats, tally.words + tally.lines)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _perplexity(nats: float, number: int) -> float:
    try:
        return math.exp(nats / number) if number else math.inf
    except OverflowError:
        return math.inf


def _floor(
    vocabulary: Vocabulary, run: str | Path | None, tokens: StoredIds, tally: Tally
) -> tuple[str, dict[str, float], list[str]]:
    """The name of the floor, its figures, and a note: what was counted, or why nothing could be."""
    training, note = training_symbols(vocabulary, run)
    if training is None:
        return "none", {}, [note]
    nats = WittenBell(training, highest_order(vocabulary.unit), len(vocabulary)).nats(tokens, [END])
    order = int(nats.argmin())
    named = f"counts, Witten-Bell of order {order}"
    return named, figures(float(nats[order]) * tally.symbols, tally, vocabulary), [note]


def training_symbols(vocabulary: Vocabulary, run: str | Path | None) -> tuple[StoredIds | None, str]:
    """The symbols a run was trained on, the last `MOST_COUNTED` of them, read again from its files.

    None where they cannot be had, and why; else what was read.
    """
    config = _config(run)
    if config is None:
        return (
            None,
            "no floor: the training text is named in the config.toml of a run folder; give RUN for it",
        )
    paths = config.get("paths", [])
    if STANDARD_INPUT in paths:
        return None, "no floor: the training text came from standard input"
    try:
        settings = DataSettings.model_validate(config.get("data", {}))
        corpus = Corpus(paths, settings.encoding)
        whole = corpus.part(0, corpus.characters)
        training = whole if settings.validate_on is not None else divided(corpus, settings)[0]
    except (UnrolledError, ValidationError) as error:
        said = str(error).partition("; ")[0].splitlines()[0]
        return (
            None,
            f"no floor: the training text cannot be read again ({said}); evaluate where it was trained",
        )
    symbols = _last(vocabulary, training)
    which = "the last " if len(symbols) == MOST_COUNTED else ""
    counted = f"{which}{len(symbols):,} {vocabulary.unit}s of the run's training text"
    return symbols, f"floor: counts of {counted}, with the order that is best here"


def _last(vocabulary: Vocabulary, pieces: Iterable[Any]) -> StoredIds:
    """The last symbols of a text, `MOST_COUNTED` at most; two times that in memory."""
    parts: list[Ids] = []
    for ids in encode_pieces(vocabulary, pieces):
        parts.append(ids)
        if sum(map(len, parts)) > 2 * MOST_COUNTED:
            parts = [np.concatenate(parts)[-MOST_COUNTED:]]
    return np.concatenate([np.zeros(0, np.int64), *parts])[-MOST_COUNTED:]


def _config(run: str | Path | None) -> Mapping[str, Any] | None:
    """What config.toml of a run folder says, also from inside of it (RUN/model, RUN/checkpoints/last)."""
    if run is None:
        return None
    for folder in (Path(run), *Path(run).resolve().parents[:2]):
        try:
            found = tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if found.get("task") == "lm":
            return found
    return None


def _trained_on(paths: Sequence[str | Path], run: str | Path | None) -> Iterator[str]:
    """A warning for what the run has read already."""
    config = _config(run) or {}
    known = [os.path.realpath(path) for path in config.get("paths", []) if path != STANDARD_INPUT]
    for path in paths:
        place = os.path.realpath(path)
        if any(place == one or place.startswith(one + os.sep) for one in known):
            yield f"{path} is what this run was trained on: these figures say how well it is remembered"


def _conventions(model: LanguageModel, tally: Tally, rows: int, dynamic: Dynamic | None) -> Iterator[str]:
    """How everything was counted, in a line each."""
    vocabulary, share = model.vocabulary, tally.unknown / tally.symbols
    unknown = f"<unk> counted as a {vocabulary.unit} ({100 * share:.3g} %)" if share else "no <unk>"
    yield (
        f"per {vocabulary.unit}: {tally.symbols:,} {vocabulary.unit}s, <eos> counted at {tally.ends:,} "
        f"{vocabulary.ends} {'end' if tally.ends == 1 else 'ends'}, {unknown}"
    )
    yield (
        f"per character: {tally.characters:,} characters; per blank-separated word: {tally.words:,} words and "
        f"{tally.lines:,} line ends"
    )
    if share:
        yield "what is read as <unk> is cheap to predict: only models that know the same words compare"
    if getattr(vocabulary, "lower", False) or getattr(vocabulary, "digits", False):
        yield "small letters or digits read as 0 are cheap to predict: only models that read alike compare"
    state = "goes on" if model.carry else "starts anew"
    yield (
        f"one row: the state is carried through all, and {state} behind <eos>"
        if rows == 1
        else f"{rows} rows side by side: each begins with <eos> and a zero state; the state {state} behind <eos>"
    )
    if dynamic is not None:
        yield (
            f"dynamic: a step of gradient descent at rate {dynamic.rate:g} on every {dynamic.window} "
            f"{vocabulary.unit}s, after they were scored; the model in the folder stays as it is"
        )
