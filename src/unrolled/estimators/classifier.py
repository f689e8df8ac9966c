"""The classifier with fit, predict and score: one class for each sequence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.equations import Cell
from unrolled.errors import DataError
from unrolled.estimators.estimator import TrainedEstimator
from unrolled.estimators.given import InMemory, listed, values_of
from unrolled.inspection.classification import predictions
from unrolled.models.classifier import Classifier
from unrolled.training.classification import classification_task
from unrolled.training.classify_settings import ClassifierSettings, ClassifySettings


class SequenceClassifier(TrainedEstimator):
    """Classes of sequences of any lengths: a recurrent network, trained as `unrolled train classify` does.

    X is a list of arrays (T_i, I) or (T_i,), of texts, or of lists of words. The parameters are the settings of the
    command, with the same defaults: what is None is chosen by how much data there is. A share of every class is kept
    out, and the weights that were best on it are kept.

    Args:
        cell: a `Cell`, or the name of one in the catalogue.
        hidden_size, num_layers, bidirectional: of the recurrent layers.
        pooling: "last", "mean", "max" or "attention": how the outputs of all steps become one vector.
        embedding_size: of symbols or pictures; dropout: the share dropped while training.
        unit, ngram, lower, minimum_count, unknown: how texts become symbols, "word" or "character".
        positions: so many first steps have a learned vector each.
        batch, updates, epochs, minutes: sequences of an update, and limits of the training.
        optimizer, momentum: `adam`, `sgd` or `rmsprop`, and how the last two go on.
        learning_rate, schedule, decay, plateau_patience, warmup: the steps; as in `unrolled train classify --help`.
        weight_decay, clip: of the weights, and of the gradient's norm.
        validation, validate_every, patience: the share kept out, and when it says that it is enough.
        average, average_after: whether the mean of the weights behind many updates is kept.
        smoothing, balance: of labels, and of classes by how often they occur.
        seed: fixes everything that is drawn.
        verbose: show the progress.
        run: a folder to leave the run in, which must not exist yet; None writes nothing.

    After `fit`: `classes_`, `model_` (a `Classifier`, to be kept by `save_model`), `history_` (a row for each
    validation), `outcome_`, and for arrays `n_features_in_`.

    Example:
        >>> t = np.arange(40.0)
        >>> rows = [np.sin(t[: 20 + n] * (0.3 if n % 2 else 0.6)) for n in range(20)]
        >>> labels = ["slow" if n % 2 else "fast" for n in range(20)]
        >>> model = SequenceClassifier(hidden_size=8, epochs=20, learning_rate=0.02).fit(rows, labels)
        >>> model.predict(rows[:2]).tolist(), model.score(rows, labels)
        (['fast', 'slow'], 1.0)
    """

    _kind = "classifier"
    _task = "classify"
    model_: Classifier

    def __init__(
        self,
        cell: Cell | str = "gru",
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        *,
        pooling: str = "max",
        embedding_size: int | None = None,
        dropout: float | None = None,
        unit: str | None = None,
        ngram: int = 1,
        positions: int = 0,
        lower: bool = True,
        minimum_count: int = 1,
        unknown: float = 0.02,
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
        smoothing: float = 0.0,
        balance: bool = False,
        seed: int = 0,
        verbose: bool = False,
        run: str | Path | None = None,
    ) -> None:
        self.cell, self.hidden_size, self.num_layers = cell, hidden_size, num_layers
        self.bidirectional, self.pooling, self.embedding_size = bidirectional, pooling, embedding_size
        self.dropout, self.unit, self.ngram, self.positions = dropout, unit, ngram, positions
        self.lower, self.minimum_count, self.unknown = lower, minimum_count, unknown
        self.batch, self.updates, self.epochs, self.minutes = batch, updates, epochs, minutes
        self.learning_rate, self.weight_decay, self.warmup, self.clip = (
            learning_rate,
            weight_decay,
            warmup,
            clip,
        )
        self.optimizer, self.momentum, self.schedule = optimizer, momentum, schedule
        self.decay, self.plateau_patience = decay, plateau_patience
        self.validation, self.validate_every, self.patience = validation, validate_every, patience
        self.average, self.average_after = average, average_after
        self.smoothing, self.balance, self.seed = smoothing, balance, seed
        self.verbose, self.run = verbose, run

    def fit(self, X: Iterable[Any], y: Iterable[Any]) -> SequenceClassifier:
        """Learn from sequences and their classes, any values that can be sorted.

        Raises:
            DataError: sequences or classes that cannot be used; says which.
            SettingError: a parameter out of range, a loss that is not finite.
            FolderError: the folder `run` is not empty or cannot be written.
        """
        with self._said_here():
            model, training = self._settings(ClassifierSettings), self._settings(ClassifySettings)
            given = InMemory(X)
            classes, numbers = _classes(y, len(given))
            given.labels = [str(classes[k]) for k in numbers]
            self._learn(lambda cell: classification_task(given, cell, model, training), model, training)
        self.classes_ = classes
        self._finish(given.width)
        return self

    def predict_proba(self, X: Iterable[Any]) -> NDArray[np.float32]:
        """P(class | sequence), (B, C) in the order of `classes_`."""
        model: Classifier = self._fitted()
        with self._said_here():
            found = np.stack([one.probabilities for one in predictions(model, InMemory(X))])
        order = [model.labels.index(str(one)) for one in self.classes_]
        probabilities: NDArray[np.float32] = found[:, order]
        return probabilities

    def predict(self, X: Iterable[Any]) -> NDArray[Any]:
        """The class of each sequence, (B,)."""
        best = self.predict_proba(X).argmax(1)
        answers: NDArray[Any] = self.classes_[best]
        return answers

    def score(self, X: Iterable[Any], y: Iterable[Any]) -> float:
        """The share of sequences whose class is found."""
        answers, wanted = self.predict(X), listed(y, "y")
        _check_length(len(wanted), len(answers))
        return float(np.mean([one == other for one, other in zip(answers, wanted, strict=True)]))


def _classes(y: Iterable[Any], count: int) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The distinct classes in order, and the number of each sequence's."""
    given = listed(y, "y")
    _check_length(len(given), count)
    classes, numbers = np.unique(values_of(given), return_inverse=True)
    broken = classes[classes != np.round(classes)] if classes.dtype.kind == "f" else []
    if len(broken):
        raise DataError(f"y must hold classes, got numbers such as {broken[0]}; correct y")
    if len(classes) < 2:
        raise DataError(f"y must hold at least two classes, got {classes.tolist()}; give more data")
    return classes, numbers


def _check_length(labels: int, count: int) -> None:
    if labels != count:
        raise DataError(
            f"y must hold one class for each of the {count} sequences of X, got {labels}; correct y"
        )
