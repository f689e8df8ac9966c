"""The tagger with fit, predict and score: a label for every step of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.records import Label
from unrolled.equations import Cell
from unrolled.errors import DataError
from unrolled.estimators.estimator import TrainedEstimator
from unrolled.estimators.given import InMemory, listed, values_of
from unrolled.inspection.entities import EntityCounts, marks_entities
from unrolled.inspection.tagging import Tagged, tagged
from unrolled.models.tagger import Tagger
from unrolled.training.tag_settings import TaggerSettings, TagSettings
from unrolled.training.tagging import tagging_task


class SequenceTagger(TrainedEstimator):
    """A label for every step of sequences of any lengths: a recurrent network with a CRF, or a softmax.

    X is a list of lists of words, of texts (a label for every character), or of arrays (T_i, I) or (T_i,); y is a
    list of as many labels for each. The parameters are the settings of `unrolled train tag`, with the same defaults:
    what is None is chosen by how much data there is. A share of the sequences is kept out, and the weights that were
    best on it are kept.

    Args:
        cell: a `Cell`, or the name of one in the catalogue.
        hidden_size, num_layers, bidirectional: of the recurrent layers.
        output: "crf" or "softmax"; constrained: a CRF over BIO tags never answers what the scheme forbids.
        embedding_size: of words, characters or pictures; dropout: the share dropped while training.
        letters, spelling: of words: the embedding of characters, and the units that read them; spelling 0 for none.
        lower, minimum_count, unknown: how words are looked up, and how often they are hidden while training.
        batch, updates, epochs, minutes: sequences of an update, and limits of the training.
        optimizer, momentum: `adam`, `sgd` or `rmsprop`, and how the last two go on.
        learning_rate, schedule, decay, plateau_patience, warmup: the steps; as in `unrolled train tag --help`.
        weight_decay, clip: of the weights, and of the gradient's norm.
        validation, validate_every, patience: the share kept out, and when it says that it is enough.
        average, average_after: whether the mean of the weights behind many updates is kept.
        seed: fixes everything that is drawn.
        verbose: show the progress.
        run: a folder to leave the run in, which must not exist yet; None writes nothing.

    After `fit`: `classes_` (the labels in order), `model_` (a `Tagger`, to be kept by `save_model`), `history_` (a row
    for each validation), `outcome_`, and for arrays `n_features_in_`.

    Example:
        >>> X = [["Ada", "sees", "Rome"], ["Rome", "sees", "Emmy"], ["Ada", "leaves"], ["Emmy", "leaves", "Oslo"]] * 5
        >>> tags = {"Ada": "name", "Emmy": "name", "Rome": "place", "Oslo": "place"}
        >>> y = [[tags.get(word, "-") for word in words] for words in X]
        >>> model = SequenceTagger(hidden_size=8, spelling=4, epochs=20, learning_rate=0.02).fit(X, y)
        >>> model.predict([["Emmy", "sees", "Oslo"]]), model.score(X, y)
        ([['name', '-', 'place']], 1.0)
    """

    _task = "tag"
    model_: Tagger

    def __init__(
        self,
        cell: Cell | str = "lstm",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        *,
        output: str = "crf",
        constrained: bool = True,
        embedding_size: int | None = None,
        letters: int = 30,
        spelling: int = 50,
        dropout: float = 0.5,
        lower: bool = True,
        minimum_count: int = 1,
        unknown: float = 0.5,
        batch: int | None = None,
        updates: int | None = None,
        epochs: float | None = None,
        minutes: float | None = None,
        optimizer: str = "adam",
        momentum: float = 0.0,
        learning_rate: float | None = None,
        schedule: str = "cosine",
        decay: float = 0.25,
        plateau_patience: int = 2,
        weight_decay: float = 0.0,
        warmup: int = 50,
        clip: float = 1.0,
        validation: float = 0.1,
        validate_every: int | None = None,
        patience: int = 20,
        average: str = "none",
        average_after: int = 5,
        seed: int = 0,
        verbose: bool = False,
        run: str | Path | None = None,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.bidirectional, self.output, self.constrained = bidirectional, output, constrained
        self.embedding_size, self.letters, self.spelling = embedding_size, letters, spelling
        self.dropout, self.lower, self.minimum_count, self.unknown = dropout, lower, minimum_count, unknown
        self.batch, self.updates, self.epochs, self.minutes = batch, updates, epochs, minutes
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup, self.clip = warmup, clip
        self.optimizer, self.momentum, self.schedule = optimizer, momentum, schedule
        self.decay, self.plateau_patience = decay, plateau_patience
        self.validation, self.validate_every, self.patience = validation, validate_every, patience
        self.average, self.average_after = average, average_after
        self.seed, self.verbose, self.run = seed, verbose, run

    def fit(self, X: Iterable[Any], y: Iterable[Iterable[Any]]) -> SequenceTagger:
        """Learn from sequences and a label for each of their steps, any values that can be sorted.

        Raises:
            DataError: sequences or labels that cannot be used; says which.
            SettingError: a parameter out of range, a loss that is not finite.
            FolderError: the folder `run` is not empty or cannot be written.
        """
        with self._said_here():
            model, training = self._settings(TaggerSettings), self._settings(TagSettings)
            given = InMemory(X)
            classes, given.labels = _classes(_labels(y, given))
            self._learn(lambda cell: tagging_task(given, cell, model, training), model, training)
        self.classes_ = classes
        self._finish(given.width)
        return self

    def predict(self, X: Iterable[Any]) -> list[list[Any]]:
        """The labels of every step of each sequence."""
        named = {str(one): one for one in self._fitted() and self.classes_.tolist()}
        return [[named[tag] for tag in one.tags] for one in self._tagged(X)]

    def predict_proba(self, X: Iterable[Any]) -> list[NDArray[np.float32]]:
        """P(label | sequence) of every step, (T_i, K) each in the order of `classes_`."""
        model: Tagger = self._fitted()
        order = [model.tags.index(str(one)) for one in self.classes_.tolist()]
        found = self._tagged(X, probabilities=True)
        return [one.probabilities[:, order] for one in found if one.probabilities is not None]

    def _tagged(self, X: Iterable[Any], probabilities: bool = False) -> Iterator[Tagged]:
        with self._said_here():
            yield from tagged(self._fitted(), InMemory(X), probabilities)

    def score(self, X: Iterable[Any], y: Iterable[Iterable[Any]]) -> float:
        """The share of steps whose label is found."""
        given = listed(X, "X")
        answers, wanted = self.predict(given), _labels(y, InMemory(given))
        pairs = zip(answers, wanted, strict=True)
        right = [one == other for row, true in pairs for one, other in zip(row, true, strict=True)]
        return float(np.mean(right))

    def score_entities(self, X: Iterable[Any], y: Iterable[Iterable[Any]]) -> float:
        """F1 of whole entities, where labels mark them as BIO tags do: `B-place`, `I-place`, `O`.

        Raises SettingError for other labels.
        """
        self._fitted()
        names = [str(one) for one in self.classes_.tolist()]
        if not marks_entities(names):
            raise DataError(
                f"entities are counted in BIO tags such as B-place and O, got {names[:4]}; use score"
            )
        given = listed(X, "X")
        answers, wanted = self.predict(given), _labels(y, InMemory(given))
        found = EntityCounts()
        for row, true in zip(answers, wanted, strict=True):
            found.add([str(one) for one in true], [str(one) for one in row])
        return found.f1()


def _labels(y: Iterable[Iterable[Any]], given: InMemory) -> list[list[Any]]:
    """The labels of every sequence, as many as it has steps."""
    rows = listed(y, "y")
    if len(rows) != len(given):
        raise DataError(
            f"y must hold labels for each of the {len(given)} sequences of X, got {len(rows)}; correct y"
        )
    found = []
    for i, (row, values) in enumerate(zip(rows, given.values, strict=True)):
        if not isinstance(row, Iterable):
            raise DataError(
                f"y[{i}] must be a list of labels, one for each step of X[{i}], got {row!r}; correct y"
            )
        labels = row.tolist() if isinstance(row, np.ndarray) else list(row)
        if len(labels) != len(values):
            raise DataError(
                f"y[{i}] must have a label for each of the {len(values)} steps of X[{i}], got {len(labels)}; correct y"
            )
        found.append(labels)
    return found


def _classes(labels: list[list[Any]]) -> tuple[NDArray[Any], list[Label]]:
    """The K labels in order, and the names of those of every sequence."""
    flat = values_of([one for row in labels for one in row])
    classes = np.unique(flat)
    if len(classes) < 2:
        raise DataError(f"y must hold at least two labels, got {classes.tolist()}; give more data")
    names, ends = [str(one) for one in flat.tolist()], np.cumsum([len(row) for row in labels])
    return classes, [tuple(names[end - len(row) : end]) for end, row in zip(ends, labels, strict=True)]
