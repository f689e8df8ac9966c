"""What a forward run keeps for its backward run, by step and row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from benchmarks.competitors import OURS, torch_nn
from benchmarks.workloads import Shape, Workload, layer_of, make_case
from unrolled.inspection.torch_networks import NETWORKS, network

Run = Callable[[Tensor], Tensor]


def kept_bytes(run: Run, x: Tensor, at_hand: Iterable[Tensor]) -> int:
    """Bytes of all memory that autograd keeps, once each; not that of the input, the output and `at_hand`."""
    kept: list[Tensor] = []

    def keep(value: Tensor) -> Tensor:
        kept.append(value)  # alive, so that no address is used again
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        output = run(x.requires_grad_())
    known = {value.untyped_storage().data_ptr() for value in (x, output, *at_hand)}
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in kept}
    return sum(size for address, size in storages.items() if address not in known)


def measure(cell: str, shape: Shape) -> dict[str, Any]:
    """Bytes by step and row, ours and torch.nn's."""
    case = make_case(Workload(cell, shape))
    layer = layer_of(case.workload)
    runs: dict[str, tuple[Run, list[Tensor]]] = {OURS: (lambda x: layer(x)[0], list(layer.parameters()))}
    if cell in NETWORKS:
        module = network(cell, case.weights)
        runs[torch_nn.COMPETITOR.name] = (lambda x: module(x)[0], list(module.parameters()))
    steps = case.workload.steps
    return {
        "cell": cell,
        "shape": {"T": shape.T, "B": shape.B, "I": shape.I, "H": shape.H},
        "bytes": {
            name: kept_bytes(run, case.x.clone(), known) / steps for name, (run, known) in runs.items()
        },
    }
