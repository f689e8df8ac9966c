"""Translations of an encoder-decoder for files, and how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled.data.encoded_pairs import EncodedPairs
from unrolled.data.lines import STANDARD_INPUT
from unrolled.data.pair_settings import PairSettings
from unrolled.data.pairs import Bad, Pair, Pairs, Usable, by_source, checked_pair, checked_source
from unrolled.data.sequences import in_order
from unrolled.errors import DataError
from unrolled.generation.translation import Translation, translate
from unrolled.inspection.evaluation import Evaluation, Grid
from unrolled.inspection.translation_scores import CorpusScores, exact_match
from unrolled.models.encoder_decoder import EncoderDecoder

_AT_ONCE = 512
"""Texts that are read and translated together."""

_ROWS, _EXAMPLES = 256, 5


@dataclass(frozen=True)
class Search:
    """How translations are looked for: `translate`'s own arguments."""

    width: int = 5
    n_best: int = 1
    length_penalty: float = 1.0

    def __call__(self, model: EncoderDecoder, texts: Sequence[str]) -> list[list[Translation]]:
        return translate(
            model, texts, width=self.width, n_best=self.n_best, length_penalty=self.length_penalty
        )


def predict(
    model: EncoderDecoder,
    paths: Sequence[str | Path],
    reading: PairSettings,
    search: Search = Search(),
    usable: Usable | None = None,
) -> Iterator[dict[str, Any]]:
    """A row for each translation: place and text of the source, its rank, the translation and its log P.

    Raises:
        DataError: a text that is empty, too long, or of an unknown alphabet, unless such texts are left out.
    """
    for source, found in translated(model, paths, reading, search, usable):
        if isinstance(source, Bad):
            continue
        for rank, one in enumerate(found, 1):
            yield {
                "file": source.place.file,
                "line": source.place.line,
                "source": source.source,
                "rank": rank,
                "prediction": one.text,
                "score": round(one.score, 6),
                "log P": round(one.log_probability, 6),
            }


def lines(
    model: EncoderDecoder,
    paths: Sequence[str | Path],
    reading: PairSettings,
    search: Search = Search(),
    usable: Usable | None = None,
) -> Iterator[str]:
    """A line for each translation, and an empty one for each text that was left out."""
    for _, found in translated(model, paths, reading, search, usable):
        yield from (" ".join(one.text.split("\n")) for one in found) if found else ("",)


def translated(
    model: EncoderDecoder,
    paths: Sequence[str | Path],
    reading: PairSettings,
    search: Search = Search(),
    usable: Usable | None = None,
) -> Iterator[tuple[Pair | Bad, list[Translation]]]:
    """Every text of the files with its translations, in their order; those that are left out with none.

    What flows into standard input is translated line by line, files many lines at a time. What is left out is counted
    by `usable`.
    """
    usable = usable or Usable(reading.skip_bad, "text")
    for path in paths or [""]:
        found = iter(Pairs([path] if path else [], reading, targets=False))
        at_once = 1 if str(path) == STANDARD_INPUT else _AT_ONCE
        while part := list(islice(found, at_once)):
            yield from _translated(model, part, reading.longest, usable, search)


def _translated(
    model: EncoderDecoder, part: Iterable[Pair | Bad], longest: int, usable: Usable, search: Search
) -> Iterator[tuple[Pair | Bad, list[Translation]]]:
    checked = [checked_source(one, model.source, longest) if isinstance(one, Pair) else one for one in part]
    for one in checked:
        if isinstance(one, Bad):
            usable.leave_out(one)
    good = [one for one in checked if isinstance(one, Pair)]
    found = iter(search(model, [one.source for one in good]) if good else [])
    for one in checked:
        yield one, next(found) if isinstance(one, Pair) else []


def evaluate(
    model: EncoderDecoder, paths: Sequence[str | Path], reading: PairSettings, search: Search = Search()
) -> Evaluation:
    """BLEU, chrF, exact matches, and the mean nats of a symbol of the targets; the floor copies the source.

    A source that stands in several pairs is translated once, and all its targets are references.

    Raises:
        DataError: pairs that cannot be used, unless they are left out.
        MissingExtra: sacrebleu is not installed.
    """
    scores = CorpusScores()
    pairs, usable = Pairs(paths, reading), Usable(reading.skip_bad)
    checked = (
        checked_pair(one, model.source, model.target, reading.longest) if isinstance(one, Pair) else one
        for one in pairs
    )
    known = list(usable(checked))
    if not known:
        raise DataError("no pair is left to evaluate; give files with pairs")
    references = by_source(known)
    sources, wanted = list(references), list(references.values())
    texts = [found[0].text for found in search(model, sources)]
    found = scores(texts, wanted) | {
        "exact match": exact_match(model.target, texts, wanted),
        f"nats per target {model.target.unit}": mean_nats(
            model, EncodedPairs.of(known, model.source, model.target)
        ),
    }
    floors = scores(sources, wanted) | {"exact match": exact_match(model.target, sources, wanted)}
    return Evaluation(
        "translate",
        len(sources),
        "sources",
        found,
        "the source, copied",
        floors,
        (_examples(sources, texts, wanted),),
        (*pairs.notes, *usable.notes(), *_said(known, search, scores)),
    )


@torch.no_grad()
def mean_nats(model: EncoderDecoder, pairs: EncodedPairs) -> float:
    """The mean of -log P over all target symbols of some pairs, each `<eos>` among them."""
    total, symbols = 0.0, 0
    order = np.argsort(pairs.lengths, kind="stable")
    for index in in_order(len(pairs), _ROWS):
        _, nats, number = model.loss(*pairs.batch(order[index]))
        total, symbols = total + nats * number, symbols + number
    return total / symbols


def _examples(sources: Sequence[str], texts: Sequence[str], wanted: Sequence[Sequence[str]]) -> Grid:
    rows = tuple(zip(sources, texts, (known[0] for known in wanted), strict=True))[:_EXAMPLES]
    return Grid("The first translations", ("source", "translation", "reference"), rows)


def _said(known: Sequence[Pair], search: Search, scores: CorpusScores) -> list[str]:
    """How the translations were found and counted."""
    looked = "the likeliest symbol at every step" if search.width == 1 else f"a beam of {search.width}"
    counts = [f"{name}: {signature}" for name, signature in scores.signatures.items()]
    return [f"{len(known):,} pairs; translations by {looked}", *counts]
