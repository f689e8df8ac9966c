"""Text files as what a language model is trained and validated on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unrolled.data.corpus import Corpus, Part, Piece
from unrolled.data.encoding import Store, coming_whole, encode_whole
from unrolled.data.fitting import fit_vocabulary
from unrolled.data.text_settings import DataSettings
from unrolled.data.vocabulary import UNKNOWN, StoredIds, Vocabulary
from unrolled.errors import DataError

_LISTED = 8
"""Notes name so many skipped files and pieces left out, and count the others."""


@dataclass(frozen=True)
class Coverage:
    """What of a text a vocabulary knows.

    Attributes:
        unit: of the vocabulary, a noun.
        kept: V without `<unk>` and `<eos>`.
        training: share of the training symbols that are in the vocabulary.
        validation: the same of the validation symbols.
        left_out: the pieces read as `<unk>` in either part, the most frequent first, with their counts.
        characters_per_symbol: mean over the training part.
    """

    unit: str
    kept: int
    training: float
    validation: float
    left_out: tuple[tuple[str, int], ...]
    characters_per_symbol: float

    def lines(self) -> tuple[str, ...]:
        """What is worth saying before training."""
        return ()


@dataclass(frozen=True)
class EncodedText:
    """Text as symbols: what is trained on, and what is kept out and never shapes the vocabulary.

    Attributes:
        vocabulary: fitted on the training part alone.
        training: indices `(N,)`, int64 in memory or a memory map of smaller integers.
        validation: the same of the part kept out.
        coverage: what of the text the vocabulary knows.
        notes: what a person should know before training, `coverage.lines()` among it.
        documents: number of texts.
        characters: of the training part and of the validation part.
    """

    vocabulary: Vocabulary
    training: StoredIds
    validation: StoredIds
    coverage: Coverage
    notes: tuple[str, ...]
    documents: int
    characters: tuple[int, int]


def encode_corpus(paths: Sequence[str | Path] = (), settings: DataSettings | None = None) -> EncodedText:
    """Read files, folders or `-`, fit the vocabulary on the training part, and encode both parts once.

    Texts may be larger than memory: they are read piece by piece, and their indices are kept in a temporary file
    where they are many.

    Raises:
        DataError: text that cannot be read, or too little of it.
        SettingError: an encoding that Python does not know.
        MissingExtra: byte pairs without the package tokenizers.

    Example:
        >>> text = encode_corpus()  # the Python language reference
        >>> len(text.vocabulary) > 90 and len(text.training) > 8 * len(text.validation)
        True
    """
    settings = settings or DataSettings()
    corpus = Corpus(paths, settings.encoding)
    training, validation, read = _parts(corpus, settings)
    vocabulary, _ = fit_vocabulary(settings.symbols(), training)
    encoded = _encoded(vocabulary, training)
    kept_out, unseen = _encoded_with_unseen(vocabulary, validation)
    coverage = Coverage(
        vocabulary.unit, len(vocabulary) - 2, 1.0, 1.0, (), training.characters / max(1, len(encoded))
    )
    return EncodedText(
        vocabulary,
        encoded,
        kept_out,
        coverage,
        (*_notes(read), *_unseen_note(vocabulary, unseen), *coverage.lines()),
        sum(len(part.documents) for part in read),
        (training.characters, validation.characters),
    )


def _parts(corpus: Corpus, settings: DataSettings) -> tuple[Part, Part, list[Corpus]]:
    """What is trained on, what is validated on, and where both are from."""
    if settings.validate_on is not None:
        other = Corpus([settings.validate_on], settings.encoding)
        return corpus.part(0, corpus.characters), other.part(0, other.characters), [corpus, other]
    cut = corpus.split(settings.validation)
    training, validation = corpus.part(0, cut), corpus.part(cut, corpus.characters)
    if not training.characters or not validation.characters:
        part = "validation" if training.characters else "training"
        raise DataError(f"the text is too short: no character is left for {part}; use more text")
    return training, validation, [corpus]


def _encoded(vocabulary: Vocabulary, pieces: Iterable[Piece]) -> StoredIds:
    return _encoded_with_unseen(vocabulary, pieces)[0]


def _encoded_with_unseen(vocabulary: Vocabulary, pieces: Iterable[Piece]) -> tuple[StoredIds, Counter[str]]:
    """The indices, and how often each piece stands among those read as `<unk>`."""
    store, unseen = Store(len(vocabulary)), Counter[str]()
    for text, ended in coming_whole(vocabulary, pieces):
        ids = encode_whole(vocabulary, text, ended)
        store.add(ids)
        where = np.flatnonzero(ids == UNKNOWN)
        if len(where):
            split = vocabulary.split(text)
            unseen.update(split[i] for i in where)
    return store.array(), unseen


def _notes(read: Sequence[Corpus]) -> list[str]:
    converted = sum(corpus.converted for corpus in read)
    skipped = [reason for corpus in read for reason in corpus.skipped]
    notes = []
    if converted:
        notes.append(f"line ends CRLF read as LF in {_counted(converted, 'file')}")
    notes += [f"skipped {reason}" for reason in skipped[:_LISTED]]
    if len(skipped) > _LISTED:
        notes.append(f"skipped {_counted(len(skipped) - _LISTED, 'more file')}")
    return notes


def _unseen_note(vocabulary: Vocabulary, unseen: Counter[str]) -> list[str]:
    if not unseen:
        return []
    shown = " ".join(repr(symbol) for symbol in list(unseen)[:_LISTED])
    more = " ..." if len(unseen) > _LISTED else ""
    number = _counted(len(unseen), vocabulary.unit)
    return [f"not in the vocabulary, read as <unk>: {number} of the validation text, {shown}{more}"]


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
