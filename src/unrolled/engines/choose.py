"""Which engine runs a schedule, and why the others do not."""

from __future__ import annotations

import torch

from unrolled.engines.engine import Engine
from unrolled.engines.native.engine import Native
from unrolled.engines.reference import Reference
from unrolled.equations import Schedule
from unrolled.errors import EngineError

# The order of preference.
ENGINES: dict[str, Engine] = {engine.name: engine for engine in (Native(), Reference())}


def choose(schedule: Schedule, device: torch.device, dtype: torch.dtype, name: str | None = None) -> Engine:
    """The engine called `name`, or the first that accepts; EngineError with the reason when none does."""
    if name is not None and name not in ENGINES:
        raise EngineError(
            f"engine must be one of {', '.join(ENGINES)}, got {name!r}. Leave it out to have one chosen."
        )
    reasons = {}
    for engine in [ENGINES[name]] if name else ENGINES.values():
        reason = engine.accepts(schedule, device, dtype)
        if reason is None:
            return engine
        reasons[engine.name] = reason
    told = "; ".join(f"{engine}: {reason}" for engine, reason in reasons.items())
    raise EngineError(f"no engine can run {schedule.graph.signature.name} on {device} in {dtype} ({told}).")
