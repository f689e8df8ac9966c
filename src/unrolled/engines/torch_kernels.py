"""The torch_kernels engine: torch's own LSTM, GRU and RNN, oneDNN and cuDNN among them, for cells that are these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import _VF, Tensor
from torch.nn import functional

from unrolled.engines.engine import Job, Outcome, Steps
from unrolled.engines.past import timeline
from unrolled.engines.reference import Reference
from unrolled.engines.torch_networks import Match, match
from unrolled.engines.torch_resets import Pieces
from unrolled.engines.zeros import is_traced
from unrolled.equations import Schedule


class TorchKernels:
    """Torch's own kernels for the cells that equal its networks."""

    name = "torch_kernels"
    runs = "LSTM, GRU and RNN as torch.nn has them, on the CPU and on CUDA: torch's own kernels, cuDNN among them"

    def accepts(self, schedule: Schedule, device: torch.device, dtype: torch.dtype) -> str | None:
        """It runs cells that equal torch's networks up to names, with nothing forced or recorded."""
        if not dtype.is_floating_point:
            return f"cells compute in floating point, got {dtype}"
        if device.type not in ("cpu", "cuda"):
            return f"it runs on the CPU and on CUDA, the parameters are on {device}"
        if schedule.forced or schedule.records:
            what = "forces" if schedule.forced else "records"
            return f"it runs whole networks, and this schedule {what} {', '.join(_names(schedule))}"
        if match(schedule.graph) is None:
            return f"{schedule.graph.signature.name} is not one of torch's networks: LSTM, GRU (reset after) and RNN"
        return None

    def run(self, job: Job) -> Outcome:
        """Run one layer in one direction; under `torch.func` transforms every operation must be torch's."""
        if job.steps.total == 0 or torch._C._are_functorch_transforms_active():
            return Reference().run(job)
        return _run(job) if job.resets is None else _run_pieces(job)


def _names(schedule: Schedule) -> Sequence[str]:
    return schedule.forced or [name for name, _ in schedule.records]


def _run(job: Job) -> Outcome:
    found = match(job.schedule.graph)
    assert found is not None, "the engine was asked whether it accepts the schedule"
    steps, names = job.steps, [found.state(name) for name in found.network.states]
    order = flipped(steps, job.clock.device) if steps.reverse else None
    x = _vectors(job, found)
    output, *ends = _kernel(
        found.network.function,
        x if order is None else x[order],
        steps,
        [job.states[name][:, : steps.counts[0]] for name in names],
        _joined(found.weights(job.parameters, job.letters)),
    )
    ends = [
        torch.cat([end, job.states[name][:, steps.counts[0] :]], 1)
        for end, name in zip(ends, names, strict=True)
    ]
    return Outcome(
        output=output if order is None else output[order],
        states=dict(zip(names, ends, strict=True)),
        clock=timeline(steps, None, job.clock.device).final_clock(job.clock),
        records={},
    )


def _run_pieces(job: Job) -> Outcome:
    """Torch's kernels have no resets: what lies between two resets runs as a row of its own."""
    found = match(job.schedule.graph)
    assert found is not None, "the engine was asked whether it accepts the schedule"
    known = timeline(job.steps, job.resets, job.clock.device)
    pieces, names = Pieces.of(job, known), [found.state(name) for name in found.network.states]
    output, *ends = _kernel(
        found.network.function,
        pieces.pack(_vectors(job, found)),
        pieces.steps,
        [pieces.begin(job.states[name], job.start[name]) for name in names],
        _joined(found.weights(job.parameters, job.letters)),
    )
    return Outcome(
        output=output[pieces.position],
        states={name: pieces.end(end, job.states[name]) for name, end in zip(names, ends, strict=True)},
        clock=known.final_clock(job.clock),
        records={},
    )


def _vectors(job: Job, found: Match) -> Tensor:
    """The input (N, I); indices become the one-hot vectors they stand for."""
    if job.x.is_floating_point():
        return job.x
    dtype = job.states[found.state("h")].dtype
    return functional.one_hot(job.x.long(), job.letters["I"]).to(dtype)


def _joined(weights: list[Tensor]) -> list[Tensor]:
    """The same tensors, on CUDA one after the other in one piece of memory, as cuDNN wants them."""
    if not weights[0].is_cuda:
        return weights
    pieces = torch.cat([value.reshape(-1) for value in weights]).split([value.numel() for value in weights])
    return [piece.view(value.shape) for piece, value in zip(pieces, weights, strict=True)]


def _kernel(
    function: str, x: Tensor, steps: Steps, states: list[Tensor], weights: list[Tensor]
) -> tuple[Tensor, ...]:
    """Output (N, n) and final states (1, B, n) of torch's function for a network of one layer, forward."""
    run: Any = getattr(_VF, function)
    before = states if function == "lstm" else states[0]
    # Biases, layers, dropout, training (cuDNN keeps what its backward reads only then), both directions.
    options = (len(weights) > 3, 1, 0.0, torch.is_grad_enabled(), False)
    if steps.counts[0] == steps.counts[-1]:
        found = run(x.view(len(steps.counts), -1, x.shape[-1]), before, weights, *options, False)
        return found[0].flatten(0, 1), *found[1:]
    counts = torch.tensor(steps.counts)
    result: tuple[Tensor, ...] = run(x, counts, before, weights, *options)
    return result


def flipped(steps: Steps, device: torch.device) -> Tensor:
    """Where each step of each row goes (N,) when every row is turned round; the same way back."""
    if is_traced():  # made-up tensors are not for keeping
        return _flipped(steps, device)
    key = ("flipped", device)
    if key not in steps.known:
        with torch.inference_mode(False):
            steps.known[key] = _flipped(steps, device)
    found = steps.known[key]
    assert isinstance(found, Tensor)
    return found


def _flipped(steps: Steps, device: torch.device) -> Tensor:
    known = timeline(steps, None, device)
    row, age = known.moments.row, known.moments.age  # in reverse the age of a step counts from its row's end
    return known.offsets[age] + row
