"""Reservoirs as classifiers and forecasters: fixed random weights, and the linear output in closed form."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from unrolled.data.windows import Batch
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers.ragged import Ragged
from unrolled.layers.reservoir import Drawing, draw_reservoir
from unrolled.models.classifier import Classifier
from unrolled.models.forecaster import Forecaster
from unrolled.models.front import Symbols
from unrolled.models.ridge import NormalEquations, Piece, RidgePath, regress
from unrolled.training.events import Outcome, Prepared, Regressed, Report, Validated
from unrolled.training.fit import fit
from unrolled.training.reservoir_settings import ReservoirSettings
from unrolled.training.run_folder import RunRecord
from unrolled.training.task import Task

_SHARPEST = 1e6
_HALVINGS = 60

Given = TypeVar("Given", bound=ReservoirSettings)
Readable = Classifier | Forecaster
Pieces = Callable[[], Iterable[Piece]]
"""Gives what the linear output reads and should say, piece by piece, as often as it is called."""


def with_leak(cell: Cell, settings: ReservoirSettings) -> Cell:
    """The cell with the leak of the settings, if there is one.

    Raises:
        SettingError: the cell has none.
    """
    if settings.leak is None:
        return cell
    if "leak" not in cell.graph.constants:
        raise SettingError(f"{cell.name} has no leak to set; leave --leak out, or use --cell leaky")
    return cell.set(leak=settings.leak)


@torch.no_grad()
def drawn(model: Readable, settings: Given, seed: int) -> Given:
    """Draw the weights of a model anew, and fix all but those of its linear output; the settings with what was open.

    Recurrent layers are drawn by `draw_reservoir`; a layer above another one of n outputs reads them by weights in
    +- 1 / sqrt(n). Vectors of symbols and places are standard normal, so that with the usual input scaling of
    1 / sqrt(I) a unit receives about as much from them as from I standardised channels.
    """
    recurrent = model.recurrent
    scaling = settings.input_scaling
    scaling = recurrent.input_size**-0.5 if scaling is None else scaling
    if isinstance(model, Classifier):
        _draw_vectors(model)
    drawing = Drawing(
        settings.spectral_radius,
        settings.density,
        scaling,
        recurrent.output_size**-0.5,
        settings.bias_scaling,
        seed=seed,
    )
    draw_reservoir(recurrent, drawing)
    model.requires_grad_(False)
    model.output.requires_grad_(True)
    return settings.model_copy(update={"input_scaling": scaling})


def _draw_vectors(model: Classifier) -> None:
    if isinstance(model.front, Symbols) and model.front.embedding is not None:
        nn.init.normal_(model.front.embedding.weight)
    if model.places is not None:
        nn.init.normal_(model.places.vectors)


@dataclass(frozen=True)
class ReservoirTask(Task):
    """A task whose linear output is found by ridge regression, and which is trained by gradients only then, if at all.

        W, c = argmin 1/N sum_i ||y_i - W f_i - c||^2 + r ||W||^2

    f_i is what the linear output of the model reads: of a classifier the pooled states, of a forecaster the state a
    forecast is made from. The strength r with the fewest wrong classes, then the smallest error on the validation
    part, is taken; every strength becomes a line of `metrics.jsonl`, and an event for `report`.

    Args:
        reservoir: the settings.
        training, validation: what the linear output reads and should say.
        symbols: steps or forecasts trained on, for the speed.
    """

    reservoir: ReservoirSettings
    training: Pieces
    validation: Pieces | None
    symbols: int

    def train(self, run: RunRecord, report: Report) -> Outcome:
        """Say what is going to happen, regress, and `fit` where that is wanted.

        Raises:
            DataError: nothing to regress on, or states that are not finite.
            SettingError: in fine-tuning a loss that is not finite.
        """
        report(replace(described(self), run=run.path))
        started = time.perf_counter()
        model = readable(self.objective.model).eval()
        path = solve(model, self.reservoir.strengths, self.training, self.validation)
        for point in path.points:
            event = Regressed(point.ridge, point.norm, point.error, point.wrong, point is path.best)
            run.add_metrics({"event": "ridge", **asdict(event)})
            report(event)
        if self.reservoir.fine_tune:
            model.requires_grad_(True)
            return fit(self.objective, self.settings, run, report)
        return self._judged(run, report, time.perf_counter() - started)

    def _judged(self, run: RunRecord, report: Report, seconds: float) -> Outcome:
        """Validate once, and keep the model."""
        objective = self.objective
        found = objective.validate()
        run.keep_best(objective.model)
        run.keep_last(objective.model)
        loss, scores = (math.nan, {}) if found is None else (found.loss * objective.scale, found.scores)
        event = Validated(0, seconds, None, None if found is None else loss, True, scores)
        run.add_metrics({"event": "validation", **asdict(event)})
        report(event)
        return Outcome("finished", 0, seconds, loss, 0, self.symbols / seconds, objective.unit, scores)


def described(task: ReservoirTask) -> Prepared:
    """What is going to be done, in words."""
    event, strengths = task.prepared, task.reservoir.strengths
    learned = sum(parameter.numel() for parameter in readable(task.objective.model).output.parameters())
    several = f"the best of {len(strengths)} strengths on what is kept out"
    found = f"ridge regression, {several if len(strengths) > 1 else f'strength {strengths[0]:g}'}"
    return replace(
        event,
        model=f"{event.model}; a reservoir, {learned:,} of them in the linear output",
        plan=f"{found}; then all weights by gradients: {event.plan}" if task.reservoir.fine_tune else found,
    )


def readable(model: nn.Module) -> Readable:
    """A model with a linear output."""
    assert isinstance(model, Classifier | Forecaster)
    return model


@torch.no_grad()
def solve(
    model: Readable,
    strengths: Iterable[float],
    training: Pieces,
    validation: Pieces | None = None,
) -> RidgePath:
    """Set the linear output of a model, in evaluation mode, to the ridge solution of the best strength; all of them.

    That of a classifier is then multiplied by `sharpness`, which changes probabilities, and no class.
    """
    equations = NormalEquations(model.output.in_features, model.output.out_features)
    judged = None if validation is None else validation()
    path, weight, bias = regress(equations, training(), list(strengths), judged)
    model.output.weight.copy_(weight)
    model.output.bias.copy_(bias)
    if isinstance(model, Forecaster):
        if model.after is not None:
            nn.init.zeros_(model.after.output.weight)  # what is known in advance is learned by gradients
        return path
    pieces = [(model.output(seen), wanted) for seen, wanted, _ in (validation or training)()]
    answers, wanted = (torch.cat(part).double() for part in zip(*pieces, strict=True))
    factor = sharpness(answers, wanted, model.labels.separator is not None)
    model.output.weight.mul_(factor)
    model.output.bias.mul_(factor)
    return path


def sharpness(answers: Tensor, wanted: Tensor, several: bool = False) -> float:
    """The factor b >= 1 with the smallest cross entropy of softmax(b z), or of sigmoid(b z) where rows have several
    classes.

    Answers z (N, C) of a regression stand around 0 and 1, or -1 and 1, and are no logits: softmax(z) is nearly
    uniform. Targets are q = (N y + 1 / C) / (N + 1), as if one more row were of all classes alike, so that the factor
    stays finite where no row is wrong. At the minimum sum_i (P_i - q_i) . z_i = 0, which rises with b: bisection.

    Paper: Platt 1999, Probabilistic outputs for support vector machines (one factor, and smoothed targets).
    """
    count, classes = len(answers), 2 if several else answers.shape[1]
    share = (wanted + 1) / 2 if several else wanted
    targets = (share * count + 1 / classes) / (count + 1)

    def slope(factor: float) -> float:
        scaled = factor * answers
        found = scaled.sigmoid() if several else scaled.softmax(1)
        return float(((found - targets) * answers).sum())

    low, high = 1.0, _SHARPEST
    if slope(low) >= 0:
        return low
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low


# --- what the linear output reads ----------------------------------------------------------------


def classifier_pieces(model: Classifier, batches: Iterable[tuple[Ragged, Tensor]]) -> Iterator[Piece]:
    """The pooled states of batches, and one-hot classes, or -1 and 1 for each class where rows have several."""
    several = model.labels.separator is not None
    for rows, targets in batches:
        with _read_by(model.output) as seen:
            model(rows)
        yield seen[0], targets * 2 - 1 if several else one_hot(targets, len(model.labels)), not several


def forecaster_pieces(model: Forecaster, batches: Iterable[Batch], washout: int = 0) -> Iterator[Piece]:
    """The states that forecasts are made from and the scaled targets, where all n steps of a forecast count.

    The first `washout` steps of a stream are left out.
    """
    state, passed = None, 0
    for batch in batches:
        with _read_by(model.output) as seen:
            _, state = model(batch.x, None if batch.begins else state, batch.ahead, batch.lengths)
        counted = batch.weights.bool().all(-1)
        if washout:
            passed = 0 if batch.begins else passed
            counted &= (passed + torch.arange(len(counted)) >= washout)[:, None]
            passed += len(counted)
        yield seen[0][counted], batch.targets[counted].flatten(1), False


@contextmanager
def _read_by(layer: nn.Module) -> Iterator[list[Tensor]]:
    """What the layer reads while this is open: the very numbers the model makes there."""
    seen: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        hook.remove()
