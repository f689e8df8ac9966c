"""The forecaster with fit, predict and score: how series go on."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unrolled.data.panel import Panel, Series
from unrolled.equations import Cell
from unrolled.errors import DataError, SettingError
from unrolled.estimators.estimator import TrainedEstimator
from unrolled.estimators.given import listed, numbers
from unrolled.models.forecaster import Forecaster
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.forecasting import forecasting_task

Floats = NDArray[np.float64]


class SequenceForecaster(TrainedEstimator):
    """How series go on: a recurrent network that reads the last steps and forecasts the next, trained as
    `unrolled train forecast` does.

    X is one series, an array (T, K) or (T,), or a list of series. The parameters are the settings of the command,
    with the same defaults: what is None is chosen by the data. The last share of every series is kept out, and the
    weights that were best on it are kept.

    Args:
        horizon: n, steps that are forecast at once; beyond it the model reads its own forecasts.
        cell: a `Cell`, or the name of one in the catalogue.
        hidden_size, num_layers: of the recurrent layers; dropout: the share dropped while training.
        shape: "many-to-one" reads a window for each forecast, "many-to-many" the whole series.
        window, bptt_steps: the steps of a window, and for many-to-many those that gradients go back.
        quantiles: such as (0.1, 0.5, 0.9), to forecast instead of the mean.
        relative, read, season, scale, log: how numbers are scaled; see `unrolled.data.scaling`.
        batch, updates, epochs, minutes: windows or series of an update, and limits of the training.
        optimizer, momentum: `adam`, `sgd` or `rmsprop`, and how the last two go on.
        learning_rate, schedule, decay, plateau_patience, warmup: the steps; as in `unrolled train forecast --help`.
        weight_decay, clip: of the weights, and of the gradient's norm.
        validation, validate_every, patience: the share kept out, and when it says that it is enough.
        average, average_after: whether the mean of the weights behind many updates is kept.
        seed: fixes everything that is drawn.
        verbose: show the progress.
        run: a folder to leave the run in, which must not exist yet; None writes nothing.

    After `fit`: `model_` (a `Forecaster`, to be kept by `save_model`), `history_` (a row for each validation),
    `outcome_`, `n_features_in_`: K.

    Example:
        >>> series = np.sin(np.arange(200.0) / 5)
        >>> model = SequenceForecaster(horizon=5, hidden_size=16, epochs=20, learning_rate=0.02).fit(series[:190])
        >>> bool(np.abs(model.predict(series[:190], steps=10)[:, 0] - series[190:]).max() < 0.2)
        True
    """

    _kind = "regressor"
    _task = "forecast"
    _options: ClassVar = {**TrainedEstimator._options, "steps": "bptt_steps"}
    model_: Forecaster

    def __init__(
        self,
        horizon: int = 1,
        cell: Cell | str = "gru",
        hidden_size: int | None = None,
        num_layers: int = 1,
        *,
        shape: str = "many-to-one",
        window: int | None = None,
        bptt_steps: int | None = None,
        quantiles: Sequence[float] | None = None,
        relative: str | None = None,
        read: str | None = None,
        season: int | None = None,
        scale: str | None = None,
        log: bool = False,
        dropout: float = 0.0,
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
        validation: float = 0.15,
        validate_every: int | None = None,
        patience: int = 20,
        average: str = "none",
        average_after: int = 5,
        seed: int = 0,
        verbose: bool = False,
        run: str | Path | None = None,
    ) -> None:
        self.horizon, self.cell, self.hidden_size, self.num_layers = horizon, cell, hidden_size, num_layers
        self.shape, self.window, self.bptt_steps, self.quantiles = shape, window, bptt_steps, quantiles
        self.relative, self.read, self.season, self.scale, self.log = relative, read, season, scale, log
        self.dropout, self.batch, self.updates = dropout, batch, updates
        self.epochs, self.minutes = epochs, minutes
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.warmup, self.clip = warmup, clip
        self.optimizer, self.momentum, self.schedule = optimizer, momentum, schedule
        self.decay, self.plateau_patience = decay, plateau_patience
        self.validation, self.validate_every, self.patience = validation, validate_every, patience
        self.average, self.average_after = average, average_after
        self.seed, self.verbose, self.run = seed, verbose, run

    def fit(self, X: Any, y: None = None) -> SequenceForecaster:
        """Learn from series, each value from those before it.

        Raises:
            DataError: series that cannot be used, or are too short; says which.
            SettingError: a parameter out of range, a loss that is not finite.
            FolderError: the folder `run` is not empty or cannot be written.
        """
        with self._said_here():
            model = self._settings(ForecasterSettings, quantiles=_listed_quantiles(self.quantiles))
            training = self._settings(ForecastSettings)
            rows, one = _series(X)
            # Numbers as names: what is forecast later goes by its place, and is none of these.
            series = [_named("X" if one else str(i), row, _place(i, one)) for i, row in enumerate(rows)]
            panel = Panel(tuple(series), tuple(str(k + 1) for k in range(rows[0].shape[1])))
            self._learn(lambda cell: forecasting_task(panel, cell, model, training), model, training)
        self._finish(rows[0].shape[1])
        return self

    def predict(self, X: Any, steps: int | None = None) -> Any:
        """The next `steps` values of each series (T_i, K), by default the horizon.

        (steps, K), or of quantiles (steps, K, Q); one array for one series, a list of them for a list. Where one
        series was trained on, others are scaled as it was; else by their own history.

        Raises:
            DataError: series of another width than in training, or too short; says which.
        """
        self._fitted()
        with self._said_here():
            steps = self._steps(steps)
            rows, one = _series(X, self.n_features_in_)
            found = [self._ahead(row, steps, _place(i, one)) for i, row in enumerate(rows)]
        return found[0] if one else found

    def _ahead(self, row: Floats, steps: int, place: str) -> Floats:
        return self.model_.forecast_series(_named(place, row, place), steps, only=True)

    def score(self, X: Any, y: None = None, steps: int | None = None) -> float:
        """R^2 of forecasts of the last `steps` values of each series from those before, the horizon without; 1 at best.

            1 - sum (y - f)^2 / sum (y - m)^2

        m is the mean of the values before, so that a forecast no better than it has 0; with several numbers a step
        the mean of their R^2. With quantiles f is the one nearest to the median.
        """
        self._fitted()
        with self._said_here():
            steps = self._steps(steps)
            rows, one = _series(X, self.n_features_in_)
            for i, row in enumerate(rows):
                if len(row) <= steps:
                    raise DataError(
                        f"{_place(i, one)}: to score {steps} steps there must be more, got {len(row)}; give a longer "
                        "series, or fewer steps"
                    )
            made = [self._ahead(row[:-steps], steps, _place(i, one)) for i, row in enumerate(rows)]
        middle = [values[..., self.model_.middle] if self.model_.quantiles else values for values in made]
        errors = sum(np.square(a - row[-steps:]).sum(0) for a, row in zip(middle, rows, strict=True))
        usual = sum(np.square(row[:-steps].mean(0) - row[-steps:]).sum(0) for row in rows)
        # Series that stay at their mean leave nothing to explain.
        shares = np.where(usual > 0, errors / np.where(usual > 0, usual, 1), np.where(errors > 0, 1.0, 0.0))
        return float(1 - shares.mean())

    def _steps(self, steps: int | None) -> int:
        found = self.model_.horizon if steps is None else steps
        if not isinstance(found, int | np.integer) or found < 1:
            raise SettingError(f"steps must be a whole number from 1, got {steps!r}; correct it")
        return int(found)


def _series(X: Any, width: int | None = None) -> tuple[list[Floats], bool]:
    """Series (T_i, K), and whether X was one series and not a list of them."""
    given = X if isinstance(X, np.ndarray) else listed(X, "X")
    one = (
        given.ndim < 3 and given.dtype != object
        if isinstance(given, np.ndarray)
        else _begins_with_number(given)
    )
    rows = [numbers(each, _place(i, one)) for i, each in enumerate([given] if one else given)]
    if not rows:
        raise DataError("X must hold at least one series, got none; give a list of them")
    for i, row in enumerate(rows):
        if not len(row):
            raise DataError(f"{_place(i, one)}: the series is empty; remove it, or give it at least one step")
        if row.shape[1] != (width or rows[0].shape[1]):
            raise DataError(
                f"{_place(i, one)}: series must have {width or rows[0].shape[1]} numbers a step, got {row.shape[1]}; "
                "correct it"
            )
    return rows, one


def _listed_quantiles(quantiles: Sequence[float] | None) -> str | None:
    """As the settings take them."""
    if quantiles is None or not len(quantiles):
        return None
    return ",".join(str(one) for one in quantiles)


def _begins_with_number(given: list[Any]) -> bool:
    return bool(given) and isinstance(given[0], Real)


def _place(index: int, one: bool) -> str:
    return "X" if one else f"X[{index}]"


def _named(name: str, values: Floats, place: str) -> Series:
    nothing = np.zeros((len(values), 0))
    return Series(name, place, values, nothing, nothing[:0])
