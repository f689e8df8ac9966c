"""This library, with the engine it chooses by itself."""

from __future__ import annotations

import torch

from benchmarks.competitors.competitor import Competitor, Runner, torch_runner
from benchmarks.workloads import Case, layer_of


def make(case: Case, engine: str | None = None) -> Runner:
    """A layer with the weights of the case."""
    layer = layer_of(case.workload, engine)
    parameters = layer.cell_weights()
    with torch.no_grad():
        for name, value in parameters.items():
            value.copy_(case.weights[name])
    return torch_runner(
        lambda x: layer(x, lengths=case.lengths)[0],
        case,
        parameters.values(),
        lambda found: dict(zip(parameters, found, strict=True)),
    )


COMPETITOR = Competitor("unrolled", make)
