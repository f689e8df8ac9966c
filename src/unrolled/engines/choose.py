"""Which engine runs a schedule, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unrolled.engines.engine import Engine
from unrolled.engines.native.engine import Native
from unrolled.engines.reference import Reference
from unrolled.engines.torch_kernels import TorchKernels
from unrolled.equations import Schedule
from unrolled.errors import EngineError

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Native(), TorchKernels(), Reference())}


def preferred(device: torch.device) -> tuple[str, ...]:
    """The engines in the order of preference there. Off CUDA torch's kernels come last: they run when named."""
    if device.type == "cuda":
        return tuple(ENGINES)
    return (*(name for name in ENGINES if name != TorchKernels.name), TorchKernels.name)


def choose(schedule: Schedule, device: torch.device, dtype: torch.dtype, name: str | None = None) -> Engine:
    """The engine called `name`, or the first that accepts; EngineError with the reason when none does."""
    if name is not None and name not in ENGINES:
        raise EngineError(
            f"engine must be one of {', '.join(ENGINES)}, got {name!r}. Leave it out to have one chosen."
        )
    reasons = {}
    for engine in (ENGINES[one] for one in ([name] if name else preferred(device))):
        reason = engine.accepts(schedule, device, dtype)
        if reason is None:
            return engine
        reasons[engine.name] = reason
    told = "; ".join(f"{engine}: {reason}" for engine, reason in reasons.items())
    raise EngineError(f"no engine can run {schedule.graph.signature.name} on {device} in {dtype} ({told}).")


@dataclass(frozen=True)
class Verdict:
    """What `choose` thinks of one engine: `reason` says why it cannot run the schedule, None when it can."""

    name: str
    runs: str
    reason: str | None
    chosen: bool


def explain(schedule: Schedule, device: torch.device, dtype: torch.dtype) -> Sequence[Verdict]:
    """Every engine in the order of preference: the first that can run the schedule is chosen."""
    reasons = {name: ENGINES[name].accepts(schedule, device, dtype) for name in preferred(device)}
    first = next((name for name, reason in reasons.items() if reason is None), None)
    return [
        Verdict(name, ENGINES[name].runs, reason, chosen=name == first) for name, reason in reasons.items()
    ]
