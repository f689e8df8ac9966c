"""The forecaster: numbers in, the numbers of the next steps out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from unrolled.cells import find
from unrolled.data.panel import Panel, Series
from unrolled.data.scaling import Numbers, Scaling
from unrolled.data.windows import Batch, Frames, stream_batch, window_batch
from unrolled.equations import Cell
from unrolled.errors import DataError, SettingError, ShapeError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import State
from unrolled.models.kept import Kept, check_no_statics

SHAPES = ("many-to-one", "many-to-many")


class Forecaster(Kept):
    """Numbers of the next n steps from those before: recurrent layers -> linear.

        many-to-one     y_{T+1} ... y_{T+n} = V h_T + c              a window is read, all steps come at once
        many-to-many    y_{t+1} ... y_{t+n} = V h_t + c at every t   teacher-forced: it reads what really came

    With inputs known in advance, a_{t+k} for the step forecast, v . relu(P h_t + R a_{t+k}) is added for every k.
    Quantiles cannot cross: each is the one below plus softplus of a number.

    Args:
        targets: the columns to forecast, or K.
        horizon: n.
        cell: a `Cell`, or the name of one in the catalogue.
        hidden_size, num_layers, dropout: of the recurrent layers; dropout also before the linear map.
        shape: "many-to-one" or "many-to-many".
        window: steps T read for one forecast, where that is many-to-one.
        quantiles: such as (0.1, 0.5, 0.9), trained by the pinball loss; none: the mean, by squared errors.
        inputs: further columns that are read, or X.
        known: which of these are known in advance.
        scaling: how numbers of the data become those that `forward` reads and gives; by default they do so unchanged
            but for mean and deviation of the history.

    Example:
        >>> model = Forecaster(1, horizon=3, cell="gru", hidden_size=8, window=5)
        >>> output, state = model(torch.zeros(5, 2, 1))  # (T, B, I) to (B, n, K)
        >>> output.shape
        torch.Size([2, 3, 1])
        >>> model.forecast(np.arange(20.0), steps=7).shape
        (7, 1)

    Raises:
        SettingError: an unknown cell or shape, quantiles that do not rise from 0 to 1.
        DataError: in `forecast`, a history that is too short.

    Papers: Koenker and Bassett 1978, Regression quantiles (pinball loss).
    """

    architecture: ClassVar[str] = "forecaster"

    def __init__(
        self,
        targets: Sequence[str] | int = 1,
        horizon: int = 1,
        cell: Cell | str = "gru",
        hidden_size: int = 32,
        num_layers: int = 1,
        *,
        shape: str = "many-to-one",
        window: int = 24,
        quantiles: Sequence[float] = (),
        inputs: Sequence[str] | int = (),
        known: Sequence[bool] = (),
        dropout: float = 0.0,
        scaling: Scaling | None = None,
        reading: Mapping[str, Any] | None = None,
        trained_until: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.targets, self.inputs = _named(targets), _named(inputs)
        self.known = tuple(known) or (False,) * len(self.inputs)
        self.quantiles = tuple(quantiles)
        self.horizon, self.shape, self.window = horizon, shape, window
        self.scaling = scaling or Scaling()
        self._check()
        self.cell = find(cell) if isinstance(cell, str) else cell
        check_no_statics(self.cell, "forecaster")
        self.reading, self.trained_until = dict(reading or {}), dict(trained_until or {})
        self.recurrent = Recurrent(
            self.cell,
            len(self.targets) * self.scaling.channels + len(self.inputs),
            hidden_size,
            num_layers,
            sizes=dict.fromkeys(self.cell.named_sizes, hidden_size),
            dropout=dropout if num_layers > 1 else 0.0,
        )
        self.rate = dropout
        self.dropout = nn.Dropout(dropout)
        size = self.recurrent.output_size
        self.output = nn.Linear(size, horizon * self.numbers)
        self.after = Known(size, sum(self.known), self.numbers) if any(self.known) else None

    def _check(self) -> None:
        if self.shape not in SHAPES:
            raise SettingError(f"shape must be {' or '.join(SHAPES)}, got {self.shape!r}; use one of these")
        for name, value in (
            ("horizon", self.horizon),
            ("window", self.window),
            ("targets", len(self.targets)),
        ):
            if value < 1:
                raise SettingError(f"{name} must be at least 1, got {value}; correct it")
        edges = (0.0, *self.quantiles, 1.0)
        if any(a >= b for a, b in pairwise(edges)):
            raise SettingError(
                f"quantiles must rise between 0 and 1, got {list(self.quantiles)}; correct them"
            )
        if len(self.known) != len(self.inputs):
            raise SettingError(
                f"known must say yes or no for {len(self.inputs)} inputs, got {len(self.known)}"
            )
        if self.shape == "many-to-many" and self.scaling.scale == "window":
            raise SettingError("many-to-many has no windows to scale by; set the scale to series or panel")

    @property
    def numbers(self) -> int:
        """Numbers forecast for each step: K, or K times the quantiles."""
        return len(self.targets) * max(1, len(self.quantiles))

    @property
    def many(self) -> bool:
        """Whether there is a forecast at every step."""
        return self.shape == "many-to-many"

    # --- the network -----------------------------------------------------------------------------

    def forward(
        self,
        x: Tensor,
        state: State | None = None,
        ahead: Tensor | None = None,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Tensor, State]:
        """Scaled numbers in, scaled forecasts out.

        Args:
            x: (T, B, I): the features of the targets, and the inputs.
            state: what an earlier call returned.
            ahead: inputs known in advance at the steps to be forecast, (B, n, Kn), many-to-many (T, B, n, Kn).
            lengths: (B,) the steps of each row.

        Returns:
            (B, n, K) after the last step of every row, or many-to-many (T, B, n, K); with quantiles one more
            dimension, of rising numbers. And the `State`.
        """
        hidden, end = self.recurrent(x, state, lengths=lengths)
        if not self.many:
            hidden = _last(hidden, lengths)
        hidden = self.dropout(hidden)
        output = self.output(hidden).unflatten(-1, (self.horizon, self.numbers))
        if self.after is not None:
            if ahead is None:
                raise ShapeError(
                    f"ahead must hold {sum(self.known)} inputs known in advance, got none; give them"
                )
            output = output + self.after(hidden, ahead)
        return self._rising(output), end

    def _rising(self, output: Tensor) -> Tensor:
        if not self.quantiles:
            return output
        output = output.unflatten(-1, (len(self.targets), len(self.quantiles)))
        return torch.cat([output[..., :1], softplus(output[..., 1:])], -1).cumsum(-1)

    # --- in the units of the data ----------------------------------------------------------------

    @torch.no_grad()
    def forecasts(self, batch: Batch, state: State | None = None) -> tuple[Numbers, State]:
        """The forecasts of a batch in the units of the data, and the state after it."""
        output, state = self(batch.x, state, batch.ahead, batch.lengths)
        return self.values(output.double().numpy(), batch), state

    def values(self, output: Numbers, batch: Batch) -> Numbers:
        """Outputs of the network in the units of the data."""
        base, spread = batch.base, batch.spread
        if self.quantiles:
            base, spread = base[..., None], spread[..., None]
        return self.scaling.values(base + spread * output)

    def forecast(
        self, history: Any, steps: int, inputs: Any = None, ahead: Any = None, name: str = ""
    ) -> Numbers:
        """The steps that follow a history, in its units.

        Beyond the horizon the model reads its own forecasts (of quantiles the middle one, so that quantiles do not
        widen any further: train with the horizon that is wanted).

        Args:
            history: (T, K), or (T,) of one target.
            steps: how many.
            inputs: (T, X) further inputs, where the model reads some.
            ahead: (steps, Kn) inputs known in advance.
            name: the series; one that was trained on is scaled as it was then, others by their history.

        Returns:
            (steps, K), with quantiles (steps, K, Q).

        Raises:
            DataError: a history that is too short, inputs that are missing; more steps than the horizon although
                some input is known only up to now.
        """
        return self.forecast_series(self._series(history, inputs, ahead, name), steps, name == "")

    def _series(self, history: Any, inputs: Any, ahead: Any, name: str) -> Series:
        values = np.asarray(history, np.float64)
        values = values[:, None] if values.ndim == 1 else values
        given = np.zeros((len(values), 0)) if inputs is None else np.asarray(inputs, np.float64)
        future = np.full((0 if ahead is None else len(ahead), len(self.inputs)), np.nan)
        if ahead is not None:
            future[:, np.array(self.known, bool)] = ahead
        for what, array, width in (
            ("history", values, len(self.targets)),
            ("inputs", given, len(self.inputs)),
        ):
            if array.ndim != 2 or array.shape[1] != width or len(array) != len(values):
                raise DataError(
                    f"{what} must be (T, {width}), got {array.shape}; give every column the model reads"
                )
            if not np.isfinite(array).all():
                raise DataError(
                    f"{what} must be finite numbers, got NaN or infinity; fill in what is missing"
                )
        return Series(name, name or "the history", values, given, future)

    def forecast_series(self, series: Series, steps: int, only: bool = False) -> Numbers:
        """The `steps` that follow a series; see `forecast`. `only`: it is scaled as the only one trained on."""
        self.eval()
        self._check_ahead(series, steps)
        panel = Panel((series,), self.targets, self.inputs, self.known)
        frames = Frames.of(panel, self.scaling, only)
        first = frames.origin(1 if self.many else self.window)
        if len(series) <= first:
            raise DataError(
                f"{series.place}: a forecast needs {first + 1} steps before it, got {len(series)}; give a longer "
                "history"
            )
        u = frames.u[: len(series)]
        pieces: list[Numbers] = []
        state, read = None, first
        while len(pieces) * self.horizon < steps:
            output, state = self._next(frames.extended(u), read, len(u), state)
            pieces.append(output)
            middle = output[..., self.middle] if self.quantiles else output
            read, u = len(u), np.concatenate([u, self.scaling.transformed(middle, series.place)])
        return np.concatenate(pieces)[:steps]

    def _next(self, frames: Frames, read: int, end: int, state: State | None) -> tuple[Numbers, State]:
        """The n steps behind `end`; a stream reads on from the step `read`."""
        one = np.zeros(1, np.int64)
        if not self.many:
            batch = window_batch(frames, one + end - 1, one, self.window, self.horizon)
            output, state = self.forecasts(batch)
            return output[0], state
        batch = stream_batch(frames, np.arange(read, end)[:, None], one, self.horizon)
        output, state = self.forecasts(batch, state)
        return output[-1, 0], state

    @property
    def middle(self) -> int:
        """Which quantile is nearest to the median."""
        return min(range(len(self.quantiles)), key=lambda i: abs(self.quantiles[i] - 0.5))

    def _check_ahead(self, series: Series, steps: int) -> None:
        if steps < 1:
            raise SettingError(f"steps must be at least 1, got {steps}; correct it")
        if any(self.known) and len(series.ahead) < steps:
            names = ", ".join(name for name, known in zip(self.inputs, self.known, strict=True) if known)
            raise DataError(
                f"{series.place}: {steps} steps need {names} for as many steps after the last value, got "
                f"{len(series.ahead)}; add rows with them and without a target, or forecast fewer steps"
            )
        if not all(self.known) and steps > self.horizon:
            names = ", ".join(name for name, known in zip(self.inputs, self.known, strict=True) if not known)
            raise DataError(
                f"{series.place}: {names} is known only up to now, so {self.horizon} steps can be forecast, got "
                f"{steps}; ask for fewer, or train with a longer --horizon"
            )

    # --- in a model folder -----------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and options."""
        return {
            "horizon": self.horizon,
            "hidden_size": self.recurrent.hidden_size,
            "num_layers": self.recurrent.num_layers,
            "shape": self.shape,
            "window": self.window,
            "quantiles": list(self.quantiles),
            "dropout": self.rate,
        }

    @property
    def contents(self) -> dict[str, Any]:
        """The columns, how their numbers are scaled, how files are read, and until when it was trained."""
        return {
            "targets": list(self.targets),
            "inputs": list(self.inputs),
            "known": list(self.known),
            "scaling": self.scaling.to_json(),
            "reading": self.reading,
            "trained_until": self.trained_until,
        }

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A model of the same structure, with weights still to be filled."""
        given = {**contents, "scaling": Scaling.from_json(contents["scaling"])}
        targets = given.pop("targets")
        return cls(targets, cell=cell, **settings, **given)


class Known(nn.Module):
    """v . relu(P h + R a_k + b) for what is known in advance of every step k: (..., H), (..., n, Kn) to (..., n, K)."""

    def __init__(self, size: int, known: int, numbers: int) -> None:
        super().__init__()
        self.state = nn.Linear(size, size)
        self.ahead = nn.Linear(known, size, bias=False)
        self.output = nn.Linear(size, numbers, bias=False)

    def forward(self, hidden: Tensor, ahead: Tensor) -> Tensor:
        found: Tensor = self.output((self.state(hidden)[..., None, :] + self.ahead(ahead)).relu())
        return found


def _last(hidden: Tensor, lengths: Tensor | Sequence[int] | None) -> Tensor:
    """The output after the last step of every row, (B, H)."""
    if lengths is None:
        return hidden[-1]
    ends = torch.as_tensor(lengths, device=hidden.device) - 1
    return hidden[ends, torch.arange(hidden.shape[1], device=hidden.device)]


def _named(columns: Sequence[str] | int) -> tuple[str, ...]:
    return tuple(str(k) for k in range(1, columns + 1)) if isinstance(columns, int) else tuple(columns)
