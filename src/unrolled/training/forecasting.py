"""From numeric series to a trained forecaster in a run folder: what `unrolled train forecast` calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.cells import find
from unrolled.data.panel import Panel
from unrolled.data.panel_reader import read_panel
from unrolled.data.panel_settings import PanelSettings
from unrolled.data.sequences import ahead
from unrolled.data.windows import Batch, Frames, Part, Streams, Windows
from unrolled.equations import Cell
from unrolled.errors import DataError, SettingError
from unrolled.inspection.floors import floor_errors
from unrolled.models.forecaster import Forecaster
from unrolled.training.events import Prepared, Report
from unrolled.training.forecast_plan import border, planned_hidden, planned_scaling, planned_window
from unrolled.training.forecast_settings import ForecasterSettings, ForecastSettings
from unrolled.training.language import Run
from unrolled.training.objectives import Judgement, Unpenalised
from unrolled.training.plan import counted, planned
from unrolled.training.reservoir_settings import ForecastReservoirSettings
from unrolled.training.reservoirs import ReservoirTask, drawn, forecaster_pieces, with_leak
from unrolled.training.run_folder import RunFolder
from unrolled.training.task import Task

_AT_ONCE = 512
_ROWS_AT_ONCE = 64


class Forecasting(Unpenalised):
    """Squared errors of scaled forecasts, or the pinball loss of their quantiles.

    MSE      1/n sum (y - f)^2
    pinball  1/n sum max(q (y - f_q), (q - 1)(y - f_q))
    """

    scale = 1.0

    def __init__(
        self,
        model: Forecaster,
        training: Windows | Streams,
        validation: Windows | Streams | None,
        settings: ForecastSettings,
    ) -> None:
        assert settings.batch is not None, "chosen() fills what was left open"
        self.model, self.training, self.validation = model, training, validation
        self.batch = settings.batch
        self.generator = np.random.default_rng(settings.seed)
        self.unit = "pinball loss" if model.quantiles else "squared error"
        windows = -(-len(training) // self.batch) if isinstance(training, Windows) else len(training)
        self.batches_per_epoch = windows
        self.quantiles = torch.tensor(model.quantiles)

    def batches(self) -> Iterator[Batch]:
        if isinstance(self.training, Streams):
            return ahead(self.training.batches())
        windows = self.training
        order = self.generator.permutation(len(windows))
        pieces = (order[i : i + self.batch] for i in range(0, len(order), self.batch))
        return ahead(windows.batch(index) for index in pieces)

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, int, Any]:
        output, end = self.model(batch.x, None if batch.begins else state, batch.ahead, batch.lengths)
        errors = self._errors(output, batch)
        count = batch.weights.sum()
        return (
            errors / count.clamp(min=1) / batch.targets.shape[-1],
            int(count),
            end if self.model.many else None,
        )

    def _errors(self, output: Tensor, batch: Batch) -> Tensor:
        """The sum over all targets that count."""
        if not self.model.quantiles:
            return ((output - batch.targets).square() * batch.weights[..., None]).sum()
        above = batch.targets[..., None] - output
        pinball = torch.maximum(self.quantiles * above, (self.quantiles - 1) * above).mean(-1)
        return (pinball * batch.weights[..., None]).sum()

    @torch.no_grad()
    def validate(self) -> Judgement | None:
        if self.validation is None:
            return None
        total, count, squares = 0.0, 0.0, np.zeros(len(self.model.targets))
        state = None
        for batch in chunks(self.validation):
            output, state = self.model(batch.x, None if batch.begins else state, batch.ahead, batch.lengths)
            total += float(self._errors(output, batch))
            count += float(batch.weights.sum())
            squares += self._squares(output, batch)
        rmse = np.sqrt(squares / count)
        names = self.model.targets
        scores = {
            f"RMSE {name}" if len(names) > 1 else "RMSE": float(e)
            for name, e in zip(names, rmse, strict=True)
        }
        return Judgement(total / count / len(names), scores)

    def _squares(self, output: Tensor, batch: Batch) -> NDArray[np.float64]:
        """Squared errors in the units of the data, (K,)."""
        scaling = self.model.scaling
        made = self.model.values(output.double().numpy(), batch)
        made = made[..., self.model.middle] if self.model.quantiles else made
        wanted = scaling.values(batch.base + batch.spread * batch.targets.double().numpy())
        errors: NDArray[np.float64] = np.square(made - wanted) * batch.weights.numpy()[..., None]
        found: NDArray[np.float64] = errors.reshape(-1, errors.shape[-1]).sum(0)
        return found

    def sample(self) -> str:
        return ""


def chunks(part: Windows | Streams) -> Iterator[Batch]:
    """Everything once, in order."""
    if isinstance(part, Streams):
        yield from part.batches()
        return
    for start in range(0, len(part), _AT_ONCE):
        yield part.batch(np.arange(start, min(len(part), start + _AT_ONCE)))


def train_forecaster(
    paths: Sequence[str | Path],
    reading: PanelSettings | None = None,
    model: ForecasterSettings | None = None,
    training: ForecastSettings | None = None,
    run: str | Path | None = None,
    report: Report = lambda event: None,
    reservoir: ForecastReservoirSettings | None = None,
) -> Run:
    """Read numeric series, train a forecaster on them, and leave a run folder.

    The last share of every series is kept out to validate on: nothing of it is trained on, or enters the scaling.
    Nothing is written before the data has been read and checked.

    Raises:
        DataError: data that cannot be used, with file and line; series too short, with the steps that are needed.
        SettingError: options that do not fit together, a loss that is not finite.
        FolderError: the run folder is not empty or cannot be written.
        MissingExtra: the package that reads this kind of file is not installed.
    """
    panel = read_panel(paths, reading or PanelSettings())
    return train_on_panel(
        panel, model, training, run, report, [str(path) for path in paths], reading, reservoir
    )


def train_on_panel(
    panel: Panel,
    model: ForecasterSettings | None = None,
    training: ForecastSettings | None = None,
    run: str | Path | None = None,
    report: Report = lambda event: None,
    paths: Sequence[str] = (),
    reading: PanelSettings | None = None,
    reservoir: ForecastReservoirSettings | None = None,
) -> Run:
    """Train on series in memory; else as `train_forecaster`."""
    reservoir, reading = reservoir or ForecastReservoirSettings(), reading or PanelSettings()
    model, training = reservoir.applied(model or ForecasterSettings(), training or ForecastSettings())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        task = forecasting_task(panel, find(model.cell), model, training, reading, reservoir)
        used = task.reservoir if isinstance(task, ReservoirTask) else reservoir
        folder = RunFolder("forecast", run)
        folder.write_config(
            {
                "task": "forecast",
                "paths": list(paths),
                "reading": reading.model_dump(exclude_none=True, by_alias=True),
                **used.used(model, task.settings),
            }
        )
        return Run(folder.path, task.train(folder, report))


def forecasting_task(
    panel: Panel,
    cell: Cell,
    model: ForecasterSettings,
    training: ForecastSettings,
    reading: PanelSettings | None = None,
    reservoir: ForecastReservoirSettings | None = None,
) -> Task:
    """From series to what can be trained; the weights are drawn from torch's seed.

    Raises:
        DataError: series that cannot be used, or are too short.
        SettingError: options that do not fit together.
    """
    reservoir, reading = reservoir or ForecastReservoirSettings(), reading or PanelSettings()
    _check_options(model, training)
    reservoir.check_panel(bool(training.validation), panel.known)
    borders = [border(one, training.validation, model.horizon) for one in panel]
    if not any(borders):
        longest = max(panel, key=len)
        raise DataError(
            f"{longest.place}: too short, of {len(longest)} steps none is left to train on; give a longer series, or a "
            "smaller --horizon or --validation"
        )
    scaling, notes = planned_scaling(panel, model, borders)
    window = planned_window(panel, model, scaling)
    frames = Frames.of(panel, scaling)
    parts = [(0, end) for end in borders]
    held = [(end, len(one)) for end, one in zip(borders, panel, strict=True)]
    settings, trained, kept_out = _laid_out(frames, model, training, window, parts, held)
    network = Forecaster(
        panel.targets,
        model.horizon,
        with_leak(cell, reservoir),
        planned_hidden(model, sum(borders) * len(panel.targets)),
        model.layers,
        shape=model.shape,
        window=window,
        quantiles=model.probabilities,
        inputs=panel.inputs,
        known=panel.known,
        dropout=model.dropout,
        scaling=scaling,
        reading={**reading.model_dump(exclude_none=True, by_alias=True), **panel.facts},
        trained_until={one.name: one.date(end - 1) for one, end in zip(panel, borders, strict=True) if end},
    )
    if reservoir.reservoir:
        reservoir = drawn(network, reservoir, settings.seed)
    objective = Forecasting(network, trained, kept_out, settings)
    notes = [*panel.notes, *notes, *_floor_note(frames, kept_out, model.horizon, held)]
    prepared = _prepared(network, objective, settings, panel, borders, notes)
    if reservoir.reservoir:
        return reservoir_task(objective, settings, prepared, reservoir)
    return Task(objective, settings, prepared)


def reservoir_task(
    objective: Forecasting,
    settings: ForecastSettings,
    prepared: Prepared,
    reservoir: ForecastReservoirSettings,
) -> ReservoirTask:
    """A forecaster whose output is found by least squares, over whole series or over windows."""
    model, training, validation = objective.model, objective.training, objective.validation
    if isinstance(training, Streams):
        # Updates cut series into pieces; here each is read from its start.
        training = Streams(
            training.frames, model.horizon, training.parts, _ROWS_AT_ONCE, _AT_ONCE, whole=True
        )
    return ReservoirTask(
        objective,
        settings,
        prepared,
        reservoir,
        lambda: forecaster_pieces(model, chunks(training), reservoir.washout),
        None if validation is None else lambda: forecaster_pieces(model, chunks(validation)),
        training.count,
    )


def _check_options(model: ForecasterSettings, training: ForecastSettings) -> None:
    if model.shape == "many-to-many" and model.window is not None:
        raise SettingError(
            "--window is for many-to-one; many-to-many reads the whole series, leave it out (--steps cuts gradients)"
        )
    if model.shape == "many-to-one" and training.steps is not None:
        raise SettingError("--steps is for many-to-many; many-to-one reads windows, use --window")
    if model.shape == "many-to-many" and model.scale == "window":
        raise SettingError(
            "--scale window is for many-to-one; many-to-many has no windows, use series or panel"
        )


def _laid_out(
    frames: Frames,
    model: ForecasterSettings,
    training: ForecastSettings,
    window: int,
    parts: Sequence[Part],
    held: Sequence[Part],
) -> tuple[ForecastSettings, Windows | Streams, Windows | Streams | None]:
    """What is trained and validated on, and the settings that fit its size."""
    many = model.shape == "many-to-many"
    trained: Windows | Streams
    kept_out: Windows | Streams | None = None
    settings = training
    if many:
        settings = training.chosen_streams()
        assert settings.batch is not None and settings.steps is not None
        trained = Streams(frames, model.horizon, parts, settings.batch, settings.steps)
        settings = settings.limited(len(trained))
        if training.validation:
            kept_out = Streams(frames, model.horizon, held, _ROWS_AT_ONCE, _AT_ONCE, whole=True)
    else:
        trained = Windows(frames, window, model.horizon, parts)
        settings = training.chosen(len(trained))
        if training.validation:
            kept_out = Windows(frames, window, model.horizon, held)
    needed = _needed(frames, model, training, window)
    if not trained.count or (kept_out is not None and not kept_out.count):
        longest = max(frames.panel, key=len)
        raise DataError(
            f"{longest.place}: too short, {needed} steps are needed to train and validate, got {len(longest)}; give "
            "a longer series, or a smaller --horizon, --window or --season"
        )
    return settings, trained, kept_out


def _needed(frames: Frames, model: ForecasterSettings, training: ForecastSettings, window: int) -> int:
    """The fewest steps that leave a place to train from, and one to validate on."""
    first = frames.origin(1 if model.shape == "many-to-many" else window)
    least = first + 1 + model.horizon
    return next(
        steps
        for steps in range(least, 100 * (least + 1))
        if steps - (max(model.horizon, round(training.validation * steps)) if training.validation else 0)
        >= least
    )


def _floor_note(
    frames: Frames, kept_out: Windows | Streams | None, horizon: int, held: Sequence[Part]
) -> list[str]:
    """What simple rules reach on the validation part."""
    if kept_out is None or len(frames.panel.targets) > 1:
        return []
    window = kept_out.window if isinstance(kept_out, Windows) else 1
    floors = floor_errors(Windows(frames, window, horizon, held))
    shown = ", ".join(f"{name} {errors.rmse[0]:.4g}" for name, errors in floors.items())
    return [f"RMSE of simple rules on the validation part: {shown}"]


def _prepared(
    model: Forecaster,
    objective: Forecasting,
    settings: ForecastSettings,
    panel: Panel,
    borders: Sequence[int],
    notes: Sequence[str],
) -> Prepared:
    recurrent = model.recurrent
    reads = "the whole series" if model.many else f"windows of {model.window} steps"
    found = f"quantiles {', '.join(map(str, model.quantiles))}" if model.quantiles else "the mean"
    each = f"{settings.batch} series x {settings.steps} steps" if model.many else f"{settings.batch} windows"
    return Prepared(
        None,
        f"{model.cell.name}, {recurrent.num_layers} x {recurrent.hidden_size} units, {model.number_of_parameters:,} "
        f"parameters; reads {reads}, forecasts {found} of {counted(model.horizon, 'step')}",
        f"{len(panel):,} series of "
        f"{counted(panel.steps, 'step')} in all, {sum(borders):,} to train on, {panel.steps - sum(borders):,} to "
        "validate on",
        planned(settings, objective.batches_per_epoch, f"{each} each"),
        tuple(notes),
        "data",
        objective.unit,
        "forecasts",
    )
