"""Forward runs: what a call gives the core, and what it takes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from unrolled.engines.engine import Job, Steps
from unrolled.engines.native.call import Data, Shifts, call, real
from unrolled.engines.native.memory import empty
from unrolled.engines.native.plan import Plan, Ready
from unrolled.engines.past import Timeline
from unrolled.engines.reference import Reference


@dataclass
class Setting:
    """What a run needs beside tensors that may carry a gradient; `names` say what those tensors are, in order."""

    plan: Plan
    steps: Steps
    timeline: Timeline
    started: Tensor
    clock: Tensor | None
    resets: Tensor | None
    indices: Tensor | None
    names: tuple[str, ...]
    room: int  # so many steps of all rows have room on the tape

    def named(self, tensors: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The tensors by name: x, state:h, start:h, forced:h, and parameters and static inputs of the interior."""
        return dict(zip(self.names, tensors, strict=True))


def forward(setting: Setting, tensors: Mapping[str, Tensor], keep: bool) -> tuple[Tensor, ...]:
    """Output, final rings, further sequences and, when `keep`, the tape that the backward run reads."""
    plan = setting.plan
    ready = plan.training if keep else plan.inference
    data = _forward_data(setting, tensors, ready)
    if keep:
        tape = empty((plan.tape.entries(setting.room),), data.dtype)
        data.places = plan.tape.places(tape, setting.room)
    given = call(ready, data)
    output, *rest = [real(given.sequences[i], width) for i, width in plan.given]
    finals = [real(given.rings[n], tensors[f"state:{n}"].shape[-1]) for n in plan.carried]
    return (output, *finals, *rest, *((tape,) if keep else ()))


def _forward_data(setting: Setting, tensors: Mapping[str, Tensor], ready: Ready) -> Data:
    plan = setting.plan
    shifts = {
        earlier: Shifts(*(tensors[f"{kind}:{earlier.state}"] for kind in ("forced", "state", "start")))
        for earlier in ready.lowered.histories
        if earlier.state in plan.forced
    }
    rings = {n: (tensors[f"state:{n}"], tensors[f"start:{n}"]) for n in plan.graph.signature.states}
    return Data(
        steps=setting.steps,
        timeline=setting.timeline,
        dtype=next(iter(rings.values()))[0].dtype,
        tensors={plan.input: tensors["x"], **tensors} if setting.indices is None else tensors,
        indices=setting.indices,
        rings=rings,
        shifts=shifts,
        clock=setting.clock,
        resets=setting.resets,
    )


def twin(setting: Setting, tensors: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """What `forward` gives without a tape, by the reference engine: every operation of it is torch's."""
    plan = setting.plan
    states = plan.graph.signature.states
    job = Job(
        schedule=plan.recording(tuple(plan.further)),
        letters=plan.letters,
        parameters={name: tensors[name] for name, _ in plan.inside.parameters},
        steps=setting.steps,
        x=tensors["x"] if setting.indices is None else setting.indices,
        states={name: tensors[f"state:{name}"] for name in states},
        start={name: tensors[f"start:{name}"] for name in states},
        clock=setting.started,
        resets=setting.resets,
        forced={name: tensors[f"forced:{name}"] for name in plan.forced},
        static={name: tensors[name] for name, _ in plan.inside.statics},
    )
    outcome = Reference().run(job)
    finals = [outcome.states[name] for name in plan.carried]
    return (outcome.output, *finals, *(outcome.records[str(i)] for i in plan.further))
