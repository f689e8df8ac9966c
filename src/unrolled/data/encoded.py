"""Text files as what a language model is trained and validated on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unrolled.data.borders import divided
from unrolled.data.corpus import Corpus, Part, Piece
from unrolled.data.encoding import Store, encoded_parts
from unrolled.data.fitting import Fitted, fit_vocabulary
from unrolled.data.text_settings import DataSettings
from unrolled.data.vocabulary import END, UNKNOWN, StoredIds, Vocabulary
from unrolled.errors import DataError

_LISTED, _LONG = 8, 24
"""Notes name so many skipped files and pieces left out, and show so many characters of a piece."""


@dataclass(frozen=True)
class Coverage:
    """What of a text a vocabulary knows.

    `<eos>` is not counted, nor an `<unk>` that stands in the text itself.

    Attributes:
        unit: of the vocabulary, a noun.
        kept: V without `<unk>` and `<eos>`.
        distinct: different symbols of the training part, kept or left out; of bytes and byte pairs as `kept`.
        training: share of the training symbols that are in the vocabulary.
        validation: the same of the validation symbols.
        left_out: the pieces of either part read as `<unk>` and how often they occur, the most frequent first.
        characters_per_symbol: mean over the training part.
        trained: whether the training part holds an `<unk>` to learn from.
    """

    unit: str
    kept: int
    distinct: int
    training: float
    validation: float
    left_out: tuple[tuple[str, int], ...]
    characters_per_symbol: float
    trained: bool

    def lines(self) -> tuple[str, ...]:
        """What is worth saying before training: nothing of bytes, nor of characters if all are in the vocabulary."""
        if self.unit == "byte" or (self.unit == "character" and self.training == 1):
            return ()
        if self.unit == "byte pair":
            length = f"{self.characters_per_symbol:.1f} characters each in the training text"
            return (f"vocabulary: {counted(self.kept, self.unit)}, {length}",)
        cover = f"{_percent(self.training)} of the training text, {_percent(self.validation)} of the validation text"
        line = f"vocabulary: {self.kept:,} of {counted(self.distinct, self.unit)} cover {cover}"
        if self.left_out:
            shown = " ".join(_short(piece) for piece, _ in self.left_out[:_LISTED])
            line += f"; left out most often: {shown}{' ...' if len(self.left_out) > _LISTED else ''}"
        return (line, *self._warnings())

    def _warnings(self) -> tuple[str, ...]:
        if self.validation == 1 or self.trained:
            return ()
        return (
            "<unk> never occurs in the training text, so its probability is not learned; --minimum-count 2 makes it "
            "occur",
        )


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
    training, validation, read = _parts(Corpus(paths, settings.encoding), settings)
    fitted = fit_vocabulary(settings.symbols(), training)
    vocabulary = fitted.vocabulary
    learned, kept_out = _encoded(vocabulary, training), _encoded(vocabulary, validation, listed=True)
    for part, text in (("training", learned), ("validation", kept_out)):
        if not len(text.ids):
            raise DataError(f"the text is too short: no {vocabulary.unit} is left for {part}; use more text")
    coverage = _coverage(fitted, learned, kept_out, training.characters)
    return EncodedText(
        vocabulary,
        learned.ids,
        kept_out.ids,
        coverage,
        (*reading_notes(read), *fitted.notes, *_unseen_note(vocabulary, kept_out.unseen), *coverage.lines()),
        sum(len(corpus.documents) for corpus in read),
        (training.characters, validation.characters),
    )


def _parts(corpus: Corpus, settings: DataSettings) -> tuple[Part, Part, list[Corpus]]:
    """What is trained on, what is validated on, and where both are from."""
    if settings.validate_on is not None:
        other = Corpus([settings.validate_on], settings.encoding)
        return corpus.part(0, corpus.characters), other.part(0, other.characters), [corpus, other]
    return *divided(corpus, settings), [corpus]


@dataclass(frozen=True)
class _Encoded:
    """One part: its indices, how many are known pieces, whether `<unk>` is among them, and what it stands for."""

    ids: StoredIds
    known: int
    unknown: bool
    unseen: Counter[str]


def _encoded(vocabulary: Vocabulary, pieces: Iterable[Piece], listed: bool = False) -> _Encoded:
    """Encode a part; with `listed` what is read as `<unk>` is counted."""
    store, unseen, known, unknown = Store(len(vocabulary)), Counter[str](), 0, False
    for text, ids in encoded_parts(vocabulary, pieces):
        store.add(ids)
        known += int((ids > END).sum())
        if UNKNOWN in ids:
            unknown = True
            unseen.update(vocabulary.missing(text) if listed else ())
    return _Encoded(store.array(), known, unknown, unseen)


def _coverage(fitted: Fitted, learned: _Encoded, kept_out: _Encoded, characters: int) -> Coverage:
    vocabulary = fitted.vocabulary
    known = set(vocabulary.symbols[2:])
    left_out = Counter({piece: count for piece, count in fitted.counts.items() if piece not in known})
    both = left_out + kept_out.unseen
    return Coverage(
        vocabulary.unit,
        len(known),
        len(fitted.counts) or len(known),
        _share(fitted.counts.total() - left_out.total(), left_out.total()),
        _share(kept_out.known, kept_out.unseen.total()),
        tuple(sorted(both.items(), key=lambda item: (-item[1], item[0]))),
        characters / len(learned.ids),
        learned.unknown,
    )


def _share(known: int, unknown: int) -> float:
    return known / (known + unknown) if known + unknown else 1.0


def reading_notes(read: Sequence[Corpus]) -> list[str]:
    """What a person should know of how texts were read: line ends that were changed, files that were skipped."""
    converted = sum(corpus.converted for corpus in read)
    skipped = [reason for corpus in read for reason in corpus.skipped]
    notes = []
    if converted:
        notes.append(f"line ends CRLF read as LF in {counted(converted, 'file')}")
    notes += [f"skipped {reason}" for reason in skipped[:_LISTED]]
    if len(skipped) > _LISTED:
        notes.append(f"skipped {counted(len(skipped) - _LISTED, 'more file')}")
    return notes


def _unseen_note(vocabulary: Vocabulary, unseen: Counter[str]) -> list[str]:
    if not unseen or vocabulary.unit != "character":  # of others the coverage says it
        return []
    shown = " ".join(repr(symbol) for symbol in list(unseen)[:_LISTED])
    more = " ..." if len(unseen) > _LISTED else ""
    number = counted(len(unseen), vocabulary.unit)
    return [f"not in the vocabulary, read as <unk>: {number} of the validation text, {shown}{more}"]


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it should be."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(piece: str) -> str:
    return repr(piece if len(piece) <= _LONG else piece[:_LONG] + "…")


def _percent(share: float) -> str:
    """Never 100.0 % where something is missing."""
    return f"{int(share * 1000) / 10:.1f} %"
