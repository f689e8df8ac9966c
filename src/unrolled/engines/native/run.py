"""One job of the native engine: its tensors to the core, its results to an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unrolled.engines.derivatives import is_differentiated
from unrolled.engines.engine import Job, Outcome
from unrolled.engines.native.autograd import Known, Run
from unrolled.engines.native.forward import Setting, forward
from unrolled.engines.native.outside import Outside
from unrolled.engines.native.plan import plan_for
from unrolled.engines.past import timeline
from unrolled.engines.reference import Reference


def run(job: Job) -> Outcome:
    """Run one layer in one direction; under `torch.func` transforms every operation must be torch's."""
    if torch._C._are_functorch_transforms_active():
        return Reference().run(job)
    one = _Run(job)
    if is_differentiated(one.tensors.values()):
        results: tuple[Tensor, ...] = Run.apply(one.setting(), *one.tensors.values())  # type: ignore[no-untyped-call]
    else:
        results = forward(one.setting(), one.tensors, keep=False)
    return one.outcome(results)


def run_and_keep(job: Job, room: int) -> tuple[Outcome, tuple[Tensor, ...]]:
    """What `run` gives, without autograd, and what else `again` needs: (N, n) each, the last one the tape.

    The tape has room for so many steps of all rows.
    """
    one = _Run(job)
    results = forward(one.setting(room), one.tensors, keep=True)
    return one.outcome(results), results[1 + len(one.plan.carried) :]


def again(
    job: Job, room: int, output: Tensor, states: Mapping[str, Tensor], kept: Sequence[Tensor]
) -> Outcome:
    """The outcome of a run that has been, to be differentiated: nothing is computed a second time."""
    one = _Run(job)
    known = (output, *(states[name] for name in one.plan.carried), *kept)
    results = Known.apply(one.setting(room), known, *one.tensors.values())  # type: ignore[no-untyped-call]
    return one.outcome(results)


class _Run:
    """One job: its tensors by name, and an outcome of what the core gave."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.timeline = timeline(job.steps, job.resets, job.clock.device)
        self.plan = plan_for(job.schedule, job.letters, not job.x.is_floating_point())
        self.tensors = self._tensors()

    def _tensors(self) -> dict[str, Tensor]:
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

    def setting(self, room: int | None = None) -> Setting:
        """What the run needs beside its tensors."""
        job, plan = self.job, self.plan
        return Setting(
            plan,
            job.steps,
            self.timeline,
            job.clock,
            self._clock() if plan.has_clock else None,
            None if job.resets is None else job.resets.contiguous(),
            job.x if plan.indices else None,
            tuple(self.tensors),
            job.steps.total if room is None else room,
        )

    def _clock(self) -> Tensor:
        return self.timeline.clock(self.job.clock, self.timeline.moments).contiguous()

    def outcome(self, results: tuple[Tensor, ...]) -> Outcome:
        """The outcome, from what the core gave."""
        plan = self.plan
        count = 1 + len(plan.carried)
        finals = dict(zip(plan.carried, results[1:count], strict=True))
        sequences = dict(zip(plan.further, results[count:], strict=False))
        sequences[plan.graph.output] = results[0]
        return Outcome(
            output=results[0],
            states={
                name: finals[name] if name in finals else self._final(name, sequences)
                for name in self.job.states
            },
            clock=self.timeline.final_clock(self.job.clock),
            records={name: sequences[i] for name, i in plan.inside.records},
        )

    def _final(self, name: str, sequences: Mapping[int, Tensor]) -> Tensor:
        """The last values of a state that no loop carries."""
        given = self.tensors
        values = given[f"forced:{name}"] if name in self.plan.forced else sequences[self.plan.next[name]]
        before, start = given[f"state:{name}"], given[f"start:{name}"]
        kept = range(1, len(before) + 1)
        return torch.stack([self.timeline.earlier(values, before, start, k, self.timeline.end) for k in kept])
