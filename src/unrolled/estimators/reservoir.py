"""Reservoirs with scikit-learn's fit, predict and score, over lists of sequences of any lengths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from unrolled.equations import Cell
from unrolled.equations.operations import is_finite_number
from unrolled.errors import DataError, SettingError
from unrolled.estimators.estimator import Estimator
from unrolled.layers.ragged import Ragged
from unrolled.models.echo_state import EchoState, EchoStateNetwork
from unrolled.models.ridge import RidgePath

Floats = NDArray[np.float64]
RIDGES = tuple(10.0**k for k in range(-8, 1))
BATCH = 256  # rows that are run at a time


class ReservoirClassifier(Estimator):
    """Classes of sequences: a fixed random recurrent network, and a ridge readout of its states.

    The inputs are standardised by the mean and deviation of the training data. The strength of the ridge is chosen on
    a part of the rows that is held out class by class, and the readout then found on all of them.

    Args:
        cell: a `Cell` or the name of one in the catalogue.
        hidden_size: H, or one for each layer.
        leak: the cell's constant of that name, where it has one; None for the cell's own.
        bidirectional: read the sequence in both directions.
        readout: of the "mean" or the "last" states.
        reads_input: the readout also sees the input.
        spectral_radius, density, input_scaling, bias_scaling: see `unrolled.layers.reservoir`.
        ridges: one strength, or several to choose from.
        validation: the share of each class to choose on.
        seed: of the weights and of the rows that are held out.

    After `fit`: `classes_`, `network_` (an `EchoStateNetwork`), `path_` (all strengths), `mean_`, `scale_`.

    Example:
        >>> t = np.arange(40.0)
        >>> rows = [np.sin(t[: 20 + n] * (0.3 if n % 2 else 0.6))[:, None] for n in range(20)]
        >>> labels = ["slow" if n % 2 else "fast" for n in range(20)]
        >>> model = ReservoirClassifier(hidden_size=50).fit(rows, labels)
        >>> model.predict(rows[:2]).tolist(), model.score(rows, labels)
        (['fast', 'slow'], 1.0)

    Paper: Jaeger et al. 2007, Optimization and applications of echo state networks with leaky-integrator neurons.
    """

    _kind, _learned = "classifier", "network_"

    def __init__(
        self,
        cell: Cell | str = "leaky",
        hidden_size: int | Sequence[int] = 400,
        *,
        leak: float | None = None,
        bidirectional: bool = False,
        readout: str = "mean",
        reads_input: bool = False,
        spectral_radius: float = 0.9,
        density: float = 0.1,
        input_scaling: float = 0.3,
        bias_scaling: float = 0.5,
        ridges: float | Sequence[float] = RIDGES,
        validation: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.cell, self.hidden_size, self.leak = cell, hidden_size, leak
        self.bidirectional, self.readout, self.reads_input = bidirectional, readout, reads_input
        self.spectral_radius, self.density = spectral_radius, density
        self.input_scaling, self.bias_scaling = input_scaling, bias_scaling
        self.ridges, self.validation, self.seed = ridges, validation, seed

    def fit(self, X: Iterable[ArrayLike], y: Iterable[Any]) -> ReservoirClassifier:
        """Learn from sequences (T_i, I) or (T_i,) and their classes, any values that can be compared.

        Raises:
            DataError: sequences of different widths or without steps, not a class for each, fewer than two classes.
            SettingError: unknown options, a readout that is not of whole sequences.
        """
        if self.readout not in ("mean", "last"):
            raise SettingError(
                f"readout must be mean or last for classes of sequences, got {self.readout!r}."
            )
        rows, labels = _rows(X), np.asarray(list(y))
        if labels.shape != (len(rows),):
            raise DataError(
                f"each of the {len(rows)} sequences needs one class, got {labels.shape}. Correct y."
            )
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"there must be at least two classes, got {self.classes_.tolist()}. Give more data."
            )
        self.mean_, self.scale_ = _standard(rows)
        self.network_ = EchoStateNetwork(
            self.cell,
            rows[0].shape[1],
            self.hidden_size,
            len(self.classes_),
            bidirectional=self.bidirectional,
            leak=self.leak,
            spectral_radius=self.spectral_radius,
            density=self.density,
            input_scaling=self.input_scaling,
            bias_scaling=self.bias_scaling,
            readout=self.readout,
            reads_input=self.reads_input,
            seed=self.seed,
        )
        self.path_ = self._fit(rows, numbers)
        return self

    def _fit(self, rows: list[Floats], numbers: NDArray[np.intp]) -> RidgePath:
        if not isinstance(self.ridges, Sequence):
            return self.network_.fit(self._batches(rows, numbers), self.ridges)
        held = _held_out(numbers, _share(self.validation), self.seed)
        if held.all() or not held.any():
            raise DataError(
                f"validation={self.validation} of {len(rows)} sequences leaves nothing on one side. "
                "Give one ridge, or more data."
            )
        parts = [([rows[i] for i in np.flatnonzero(side)], numbers[side]) for side in (~held, held)]
        training, judged = (self._batches(*part) for part in parts)
        return self.network_.fit(training, self.ridges, validation=judged, refit=True)

    def _batches(
        self, rows: list[Floats], numbers: NDArray[np.intp] | None = None
    ) -> Iterator[tuple[Ragged, Tensor]]:
        for begin in range(0, len(rows), BATCH):
            some = [(row - self.mean_) / self.scale_ for row in rows[begin : begin + BATCH]]
            wanted = np.zeros(len(some), int) if numbers is None else numbers[begin : begin + BATCH]
            yield _batch(some, self._fitted()), torch.from_numpy(np.array(wanted))

    @torch.no_grad()
    def decision_function(self, X: Iterable[ArrayLike]) -> Floats:
        """The readout's answers (B, classes): near 1 for the class of a sequence, near 0 for others."""
        network, rows = self._fitted(), _rows(X)
        _same_width(rows, len(self.mean_))
        return np.concatenate([network(batch)[0].double().numpy() for batch, _ in self._batches(rows)])

    def predict(self, X: Iterable[ArrayLike]) -> NDArray[Any]:
        """The class of each sequence (T_i, I)."""
        best = self.decision_function(X).argmax(1)
        answers: NDArray[Any] = self.classes_[best]
        return answers

    def score(self, X: Iterable[ArrayLike], y: Iterable[Any]) -> float:
        """The share of sequences whose class is found."""
        return float(np.mean(self.predict(X) == np.asarray(list(y))))


class ReservoirForecaster(Estimator):
    """How series go on: a fixed random recurrent network that is fed with the series, and then with its own forecast.

    The series are standardised by the mean and deviation of the training data, and forecast in their own units.

    Args:
        cell: a `Cell` or the name of one in the catalogue.
        hidden_size: H, or one for each layer.
        leak: the cell's constant of that name, where it has one; None for the cell's own.
        spectral_radius, density, feedback_scaling, bias_scaling: see `unrolled.layers.reservoir`.
        washout: first steps of every series that do not count.
        ridges: one strength, or several to choose from, by the one-step error on the last part of every series.
        validation: the share of the steps of every series to choose on.
        seed: of the weights.

    After `fit`: `network_` (an `EchoStateNetwork`), `path_` (all strengths), `mean_`, `scale_`.

    Example:
        >>> series = np.sin(np.arange(400.0) / 5)[:, None]
        >>> model = ReservoirForecaster(hidden_size=60).fit([series])
        >>> [ahead] = model.predict([series[:300]], steps=50)
        >>> bool(np.abs(ahead - series[300:350]).max() < 0.05)
        True

    Paper: Jaeger & Haas 2004, Harnessing nonlinearity, Science 304.
    """

    _kind, _learned = "regressor", "network_"

    def __init__(
        self,
        cell: Cell | str = "leaky",
        hidden_size: int | Sequence[int] = 400,
        *,
        leak: float | None = None,
        spectral_radius: float = 0.9,
        density: float = 0.1,
        feedback_scaling: float = 0.5,
        bias_scaling: float = 0.3,
        washout: int = 50,
        ridges: float | Sequence[float] = RIDGES,
        validation: float = 0.2,
        seed: int = 0,
    ) -> None:
        self.cell, self.hidden_size, self.leak = cell, hidden_size, leak
        self.spectral_radius, self.density = spectral_radius, density
        self.feedback_scaling, self.bias_scaling, self.washout = feedback_scaling, bias_scaling, washout
        self.ridges, self.validation, self.seed = ridges, validation, seed

    def fit(self, X: Iterable[ArrayLike], y: None = None) -> ReservoirForecaster:
        """Learn from series (T_i, I) or (T_i,); each value from those before it.

        Raises:
            DataError: series of different widths, or no steps beyond the washout.
            SettingError: unknown options.
        """
        rows = _rows(X)
        self.mean_, self.scale_ = _standard(rows)
        width = rows[0].shape[1]
        self.network_ = EchoStateNetwork(
            self.cell,
            0,
            self.hidden_size,
            width,
            leak=self.leak,
            spectral_radius=self.spectral_radius,
            density=self.density,
            feedback_scaling=self.feedback_scaling,
            bias_scaling=self.bias_scaling,
            washout=self.washout,
            seed=self.seed,
            dtype="float64",
        )
        standard = [(row - self.mean_) / self.scale_ for row in rows]
        if not isinstance(self.ridges, Sequence):
            self.path_ = self.network_.fit([(None, _batch(standard, self.network_))], self.ridges)
            return self
        parts = [self._parted(row) for row in standard]
        sides = [[(None, _batch([part[k] for part in parts], self.network_))] for k in (0, 1)]
        self.path_ = self.network_.fit(sides[0], self.ridges, validation=sides[1], refit=True)
        return self

    def _parted(self, row: Floats) -> tuple[Floats, Floats]:
        """The first part of a series, and the last one with the washout before it."""
        begin = round(len(row) * (1 - _share(self.validation)))
        return row[:begin], row[max(0, begin - self.washout) :]

    @torch.no_grad()
    def predict(self, X: Iterable[ArrayLike], steps: int = 1) -> list[Floats]:
        """The next `steps` values (steps, I) of each series (T_i, I), in its own units."""
        network, rows = self._fitted(), _rows(X)
        _same_width(rows, len(self.mean_))
        if not isinstance(steps, int) or steps < 1:
            raise SettingError(f"steps must be a whole number >= 1, got {steps!r}. Correct it.")
        ahead = []
        for begin in range(0, len(rows), BATCH):
            standard = [(row - self.mean_) / self.scale_ for row in rows[begin : begin + BATCH]]
            state: EchoState = network(None, targets=_batch(standard, network))[1]
            outputs = network.generate(steps, state)[0].double().numpy() * self.scale_ + self.mean_
            ahead += list(outputs.transpose(1, 0, 2))
        return ahead

    def score(self, X: Iterable[ArrayLike], y: None = None, steps: int = 1) -> float:
        """R^2 of forecasts of the last `steps` values of each series from those before: 1 - squared error / variance.

        The variance is that of the values to be forecast, around the mean of the training data.
        """
        rows = _rows(X)
        if any(len(row) <= steps for row in rows):
            raise DataError(
                f"series must have more than steps={steps} values to be scored. Give fewer steps."
            )
        ahead = np.concatenate(self.predict([row[:-steps] for row in rows], steps))
        wanted = np.concatenate([row[-steps:] for row in rows])
        return float(1 - np.square(ahead - wanted).sum() / np.square(wanted - self.mean_).sum())


# --- what both read ------------------------------------------------------------------------------


def _rows(X: Iterable[ArrayLike]) -> list[Floats]:
    """Sequences as (T_i, I) in float64."""
    rows = []
    for i, given in enumerate(X):
        try:
            row = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(
                f"sequence {i} must be numbers (T, I), got {type(given).__name__}. Correct it."
            ) from None
        row = row[:, None] if row.ndim == 1 else row
        if row.ndim != 2 or not len(row):
            raise DataError(
                f"sequence {i} must be (T, I) with at least one step, got {row.shape}. Correct it."
            )
        if not np.isfinite(row).all():
            raise DataError(
                f"sequence {i} must be finite numbers, got nan or inf. Fill or leave out what is missing."
            )
        rows.append(row)
    if not rows:
        raise DataError("at least one sequence must be given, got none. Give a list of arrays (T, I).")
    _same_width(rows, rows[0].shape[1])
    return rows


def _same_width(rows: list[Floats], width: int) -> None:
    for i, row in enumerate(rows):
        if row.shape[1] != width:
            raise DataError(
                f"all sequences must have I={width} numbers a step, sequence {i} has {row.shape[1]}."
            )


def _standard(rows: list[Floats]) -> tuple[Floats, Floats]:
    """Mean and deviation (I,) of all steps; 1 for what never changes."""
    steps = np.concatenate(rows)
    deviation = steps.std(0)
    return steps.mean(0), np.where(deviation > 0, deviation, 1.0)


def _batch(rows: list[Floats], network: EchoStateNetwork) -> Ragged:
    return Ragged.from_rows([torch.from_numpy(np.ascontiguousarray(row)) for row in rows]).to(
        network.output.weight.dtype
    )


def _held_out(numbers: NDArray[np.intp], share: float, seed: int) -> NDArray[np.bool_]:
    """Which rows are held out: `share` of each class, drawn."""
    drawn = np.random.default_rng(seed).permutation(len(numbers))
    held = np.zeros(len(numbers), bool)
    for number in np.unique(numbers):
        members = drawn[numbers[drawn] == number]
        held[members[: round(share * len(members))]] = True
    return held


def _share(value: float) -> float:
    if not is_finite_number(value) or not 0 < value < 1:
        raise SettingError(f"validation must be a share between 0 and 1, got {value!r}. Use 0.2.")
    return value
