"""One job of the native engine: its tensors to the core, its results to an outcome."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from unrolled.engines.engine import Job, Outcome
from unrolled.engines.native.autograd import Run
from unrolled.engines.native.forward import Setting, forward
from unrolled.engines.native.outside import Outside
from unrolled.engines.native.plan import plan_for
from unrolled.engines.past import timeline
from unrolled.engines.reference import Reference


@torch.compiler.disable  # type: ignore[untyped-decorator]  # the core is no torch operation: a compiled model runs it as it is
def run(job: Job) -> Outcome:
    """Run one layer in one direction; under `torch.func` transforms every operation must be torch's."""
    if torch._C._are_functorch_transforms_active():
        return Reference().run(job)
    return _Run(job).outcome()


class _Run:
    """One job, from its tensors to its outcome."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.timeline = timeline(job.steps, job.resets, job.clock.device)
        self.plan = plan_for(job.schedule, job.letters, not job.x.is_floating_point())
        self.inside = self.plan.inside

    def tensors(self) -> dict[str, Tensor]:
        job = self.job
        dtype = next(iter(job.states.values())).dtype
        outside = Outside(self.plan.whole.graph, job.letters, {**job.parameters, **job.static}, dtype)
        found = {} if self.plan.indices else {"x": job.x}
        for name in job.states:
            found |= {f"state:{name}": job.states[name], f"start:{name}": job.start[name]}
        found |= {f"forced:{name}": value for name, value in job.forced.items()}
        return found | {name: outside.value(i) for name, i in (*self.inside.parameters, *self.inside.statics)}

    def outcome(self) -> Outcome:
        tensors = self.tensors()
        setting = Setting(
            self.plan,
            self.job.steps,
            self.timeline,
            self.job.clock,
            self._clock(),
            None if self.job.resets is None else self.job.resets.contiguous(),
            self.job.x if self.plan.indices else None,
            tuple(tensors),
        )
        looped = sorted(self.plan.looped)
        keep = torch.is_grad_enabled() and any(value.requires_grad for value in tensors.values())
        if keep:
            results: tuple[Tensor, ...] = Run.apply(setting, keep, *tensors.values())  # type: ignore[no-untyped-call]
        else:
            results = forward(setting, tensors, keep=False)
        output, *rest = results
        finals = dict(zip(looped, rest[: len(looped)], strict=True))
        sequences = dict(zip(self.plan.further, rest[len(looped) :], strict=False))
        sequences[self.plan.graph.output] = output
        return Outcome(
            output=output,
            states={name: self._final(name, finals, sequences, tensors) for name in self.job.states},
            clock=self.timeline.final_clock(self.job.clock),
            records={name: sequences[i] for name, i in self.inside.records},
        )

    def _clock(self) -> Tensor | None:
        if not self.plan.has_clock:
            return None
        return self.timeline.clock(self.job.clock, self.timeline.moments).contiguous()

    def _final(
        self,
        name: str,
        finals: Mapping[str, Tensor],
        sequences: Mapping[int, Tensor],
        given: Mapping[str, Tensor],
    ) -> Tensor:
        if name in finals:
            return finals[name]
        values = given[f"forced:{name}"] if name in self.plan.forced else sequences[self.plan.next[name]]
        before, start = given[f"state:{name}"], given[f"start:{name}"]
        kept = range(1, len(before) + 1)
        return torch.stack([self.timeline.earlier(values, before, start, k, self.timeline.end) for k in kept])
