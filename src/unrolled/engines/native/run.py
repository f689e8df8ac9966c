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

    def tensors(self) -> dict[str, Tensor]:
        job, plan = self.job, self.plan
        found = {} if plan.indices else {"x": job.x}
        for name in job.states:
            found[f"state:{name}"] = job.states[name]
            found[f"start:{name}"] = job.start[name]
        for name, value in job.forced.items():
            found[f"forced:{name}"] = value
        given = {**job.parameters, **job.static}
        for name, source in plan.taken:
            found[name] = given[source]
        if plan.derived:
            dtype = next(iter(job.states.values())).dtype
            outside = Outside(plan.whole.graph, job.letters, given, dtype)
            found |= {name: outside.value(i) for name, i in plan.derived}
        return found

    def outcome(self) -> Outcome:
        job, plan, tensors = self.job, self.plan, self.tensors()
        setting = Setting(
            plan,
            job.steps,
            self.timeline,
            job.clock,
            self._clock(),
            None if job.resets is None else job.resets.contiguous(),
            job.x if plan.indices else None,
            tuple(tensors),
            job.steps.total,
        )
        if torch.is_grad_enabled() and any(value.requires_grad for value in tensors.values()):
            results: tuple[Tensor, ...] = Run.apply(setting, *tensors.values())  # type: ignore[no-untyped-call]
        else:
            results = forward(setting, tensors, keep=False)
        count = 1 + len(plan.carried)
        finals = dict(zip(plan.carried, results[1:count], strict=True))
        sequences = dict(zip(plan.further, results[count:], strict=False))
        sequences[plan.graph.output] = results[0]
        return Outcome(
            output=results[0],
            states={name: self._final(name, finals, sequences, tensors) for name in job.states},
            clock=self.timeline.final_clock(job.clock),
            records={name: sequences[i] for name, i in plan.inside.records},
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
