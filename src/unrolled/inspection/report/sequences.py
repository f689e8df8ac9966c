"""What can be seen of models that read whole sequences: spectra, and on data gates and gradient flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from unrolled.data.readers import open_records
from unrolled.data.sequences import Sequences
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError
from unrolled.inspection.gates import gates
from unrolled.inspection.gradient_flow import gradient_flow
from unrolled.inspection.report.document import Report
from unrolled.inspection.report.dynamics import gates_page, gradient_page, spectrum_page
from unrolled.inspection.report.pages import Inspected
from unrolled.inspection.report.runs import TrainedRun
from unrolled.inspection.spectrum import spectrum
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.models.classifier import Classifier
from unrolled.models.forecaster import Forecaster
from unrolled.models.tagger import Tagger

LAGS, ROWS, READ, STEPS = 100, 16, 256, 200
"""Of the first `READ` sequences the `ROWS` longest, all cut to the steps of the shortest of them, `STEPS` at most."""


@dataclass(frozen=True)
class Batch:
    """Sequences as the recurrent layer reads them, (T, B, I) or (T, B), and where they are from."""

    x: Tensor
    source: str


def batch_of(model: Classifier | Tagger, paths: Sequence[str | Path], reading: ReadSettings) -> Batch:
    """Equally long beginnings of sequences, through what stands before the recurrent layer.

    Raises:
        DataError: data that is not of the kind the model was trained on, or shorter than two steps.
    """
    rows = []
    for record in islice(open_records(paths, reading, labelled=False), READ):
        try:
            rows.append(model.input.encode(record.values))
        except DataError as error:
            raise DataError(f"{record.place}: {error}") from error
    longest = sorted(rows, key=len, reverse=True)[:ROWS]
    steps = min((min(len(row), STEPS) for row in longest), default=0)
    if steps < 2:
        raise DataError(
            f"the {len(longest)} longest sequences must have 2 steps or more, the shortest has {steps}; leave short "
            "ones out"
        )
    batch = Sequences(row[:steps] for row in longest).rows(range(len(longest)))
    with torch.no_grad():
        x = _front(model, batch).padded()
    source = f"{len(longest)} sequences of {', '.join(map(str, paths))}, the first {steps} steps of each"
    return Batch(x, source)


def _front(model: Classifier | Tagger, batch: Ragged) -> Ragged:
    read = batch.with_values(model.front(batch.values))
    if isinstance(model, Classifier) and model.places is not None:
        return read.with_values(model.places(read))
    return read


def sequence_report(
    model: Classifier | Tagger | Forecaster,
    batch: Batch | None = None,
    run: TrainedRun | None = None,
    *,
    name: str = "model",
) -> Report:
    """Spectra of the recurrent matrices; with a batch also what its gates do, and how far back the gradient reaches.

    The loss of the gradient flow is the largest logit the output layer gives at one step: the last, or of a
    bidirectional layer the middle one.
    """
    run = run or TrainedRun()
    layer = model.recurrent
    pages = [spectrum_page(spectrum(layer), run.course)]
    if batch is not None:
        flow = gradient_flow(layer, batch.x, lambda output: model.output(output).amax(-1), lags=LAGS)
        pages = [gradient_page(flow, run.course), *pages, gates_page(gates(layer, batch.x))]
    found = Inspected(name, _about(model, layer), model.cell.text, tuple(pages))
    notes = (
        []
        if batch is None
        else ["The gradient is that of the largest logit which the output layer gives at one step."]
    )
    missing = "the weights alone; gates and gradient flow need data"
    return Report((found,), missing if batch is None else batch.source, notes=tuple(notes))


def _about(model: Classifier | Tagger | Forecaster, layer: Recurrent) -> tuple[tuple[str, str], ...]:
    directions = ", both directions" if layer.bidirectional else ""
    return (
        ("architecture", model.architecture),
        ("cell", model.cell.name),
        ("layers", f"{layer.num_layers} x {layer.hidden_size} units{directions}"),
        ("parameters", f"{model.number_of_parameters:,}"),
    )
