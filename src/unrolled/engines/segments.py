"""A run in segments: only what is carried from one to the next is kept, and each is run again for its gradients.

Chen et al. 2016 (arXiv:1604.06174), Gruslys et al. 2016 (arXiv:1606.03401): with segments of sqrt(T) steps a
sequence of T steps needs memory for about 2 sqrt(T) of them, for the time of one more forward run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.engines.engine import Engine, Job, Outcome, Steps
from unrolled.equations import Graph, Schedule
from unrolled.equations.adjoint import adjoint
from unrolled.equations.interior import interior
from unrolled.errors import SettingError

Named = dict[tuple[str, str], Tensor]  # (field of the job, name): the tensor
BY_STEP = ("x", "forced")
BY_NAME = ("states", "start", "forced", "static", "parameters")


def run_within(engine: Engine, job: Job, checkpoint: str | int | None) -> Outcome:
    """The outcome of a job: at once, or in segments that `checkpoint` allows."""
    if checkpoint is None:
        return engine.run(job)
    row_bytes = job.steps.rows * next(iter(job.states.values())).element_size()
    time = len(job.steps.counts)
    length = segment_length(job.schedule, job.letters, time, row_bytes, checkpoint)
    return run_in_segments(engine, job, length)


def run_in_segments(engine: Engine, job: Job, length: int) -> Outcome:
    """The outcome of a job that keeps, for its gradients, the states between segments of `length` steps."""
    tensors = _tensors(job)
    wanted = torch.is_grad_enabled() and any(value.requires_grad for value in tensors.values())
    if not wanted or length >= len(job.steps.counts):
        return engine.run(job)
    segments = Segments(engine, job, length)
    output, clock, *rest = _Run.apply(segments, tuple(tensors), *tensors.values())  # type: ignore[no-untyped-call]
    states, records = list(job.states), [name for name, _ in job.schedule.records]
    return Outcome(
        output=output,
        states=dict(zip(states, rest[: len(states)], strict=True)),
        clock=clock,
        records=dict(zip(records, rest[len(states) :], strict=True)),
    )


def checked_checkpoint(value: object) -> str | int | None:
    """ "sqrt", a number of bytes, or None."""
    if isinstance(value, str) and value == "sqrt":
        return value
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise SettingError(
        f"checkpoint must be 'sqrt' or a number of bytes > 0, got {value!r}. Use one of these."
    )


def segment_length(
    schedule: Schedule, letters: Mapping[str, int], time: int, row_bytes: int, budget: str | int
) -> int:
    """How many steps a segment has: "sqrt", or the longest whose memory stays within `budget` bytes.

    `row_bytes`: bytes of one number, times the rows. SettingError when even the best length needs more.
    """
    if budget == "sqrt":
        return isqrt(max(time - 1, 0)) + 1
    border, step = _floats(schedule, letters)

    def needed(length: int) -> int:
        return row_bytes * (-(-time // length) * border + length * step)

    assert isinstance(budget, int)
    least = max(1, min(time, isqrt(time * border // max(step, 1))))
    best = min(least, min(least + 1, max(time, 1)), key=needed)
    if needed(best) > budget:
        raise SettingError(
            f"checkpoint={budget} bytes is too little for {time} steps of this layer: it needs {needed(best)} at "
            f"least. Give it that much, or run fewer steps at once."
        )
    low, high = best, max(time, 1)  # memory grows with the length from the best one on
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= budget else (low, middle - 1)
    return low


def _floats(schedule: Schedule, letters: Mapping[str, int]) -> tuple[int, int]:
    """Numbers of one row between segments, and by step within one: saved values, the output and its gradient."""
    graph = interior(schedule).graph
    following = dict(zip(graph.signature.states, graph.next_states, strict=True))
    saved = {_source(graph, following, i) for _, i in adjoint(graph, schedule.forced, ()).saved}
    further = saved - {graph.output, graph.leaf[graph.signature.input]}
    depths = graph.delays()
    border = sum(depths[name] * graph.size(i).value(letters) for name, i in following.items())
    return border, sum(graph.size(i).value(letters) for i in (*further, graph.output, graph.output))


def _source(graph: Graph, following: Mapping[str, int], position: int) -> int:
    """A saved value itself, or the next state that it is an earlier value of."""
    node = graph.nodes[position]
    if node.operation == "delayed":
        return following[str(graph.nodes[node.operands[0]].value)]
    return following[str(node.value)] if node.operation == "state" else position


def _tensors(job: Job) -> Named:
    """Everything that may carry a gradient."""
    found: Named = {("x", ""): job.x} if job.x.is_floating_point() else {}
    for field in BY_NAME:
        found |= {(field, name): value for name, value in getattr(job, field).items()}
    return found


@dataclass(frozen=True)
class Segment:
    """Some steps of a run: their positions in the packed batch."""

    steps: Steps
    positions: slice


class Segments:
    """A job, cut in the order in which it runs."""

    def __init__(self, engine: Engine, job: Job, length: int) -> None:
        self.engine = engine
        self.job = replace(job, x=job.x.detach(), states={}, start={}, forced={}, static={}, parameters={})
        self.length = length
        self.states = list(job.states)

    @cached_property
    def parts(self) -> list[Segment]:
        """The segments, the first to run first."""
        steps, known = self.job.steps, dict[tuple[int, ...], Steps]()
        offsets = (*steps.offsets, steps.total)
        parts = []
        for begin in range(0, len(steps.counts), self.length):
            end = min(begin + self.length, len(steps.counts))
            counts = steps.counts[begin:end]
            same = known.setdefault(counts, Steps(counts, steps.rows, steps.reverse))
            parts.append(Segment(same, slice(offsets[begin], offsets[end])))
        return parts[::-1] if steps.reverse else parts

    def run(self, part: Segment, tensors: Named, clock: Tensor) -> Outcome:
        """One segment; `tensors` hold its own piece of what goes by step."""
        fields: dict[str, dict[str, Tensor]] = {field: {} for field in BY_NAME}
        for (field, name), value in tensors.items():
            if field != "x":
                fields[field][name] = value
        resets = self.job.resets
        job = replace(
            self.job,
            **fields,  # type: ignore[arg-type]  # each field is named
            steps=part.steps,
            x=tensors.get(("x", ""), self.job.x[part.positions]),
            clock=clock,
            resets=None if resets is None else resets[part.positions],
        )
        return self.engine.run(job)

    def piece(self, part: Segment, tensors: Named, states: Sequence[Tensor]) -> Named:
        """What one segment reads when it begins with `states`."""
        found = {key: value[part.positions] if key[0] in BY_STEP else value for key, value in tensors.items()}
        return found | {("states", name): value for name, value in zip(self.states, states, strict=True)}


def _sequences(outcome: Outcome) -> list[Tensor]:
    return [outcome.output, *outcome.records.values()]


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, segments: Segments, names: tuple[tuple[str, str], ...], *tensors: Tensor) -> Any:
        given = dict(zip(names, tensors, strict=True))
        clock = segments.job.clock
        states = [given["states", name] for name in segments.states]
        kept, sequences = list[tuple[Tensor, list[Tensor]]](), list[Tensor]()
        for part in segments.parts:
            kept.append((clock, states))
            outcome = segments.run(part, segments.piece(part, given, states), clock)
            clock, states = outcome.clock, [outcome.states[name] for name in segments.states]
            pieces = _sequences(outcome)
            sequences = sequences or [p.new_empty(segments.job.steps.total, *p.shape[1:]) for p in pieces]
            for whole, piece in zip(sequences, pieces, strict=True):
                whole[part.positions] = piece
        ctx.segments, ctx.names, ctx.kept = segments, names, kept
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(clock)
        return (sequences[0], clock, *states, *sequences[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_output: Tensor | None, _: Any, *rest: Tensor | None) -> tuple[Any, ...]:
        given = dict(zip(ctx.names, ctx.saved_tensors, strict=True))
        wanted = {key for key, needed in zip(ctx.names, ctx.needs_input_grad[2:], strict=True) if needed}
        count = len(ctx.segments.states)
        backward = _Backward(ctx.segments, given, wanted, [of_output, *rest[count:]])
        found = backward.run(ctx.kept, list(rest[:count]))
        return (None, None, *(found.get(key) for key in ctx.names))


class _Backward:
    """The segments once more, the last one first, each with its gradients."""

    def __init__(
        self, segments: Segments, given: Named, wanted: set[tuple[str, str]], gradients: list[Tensor | None]
    ) -> None:
        self.segments = segments
        self.given = {key: value.detach() for key, value in given.items()}
        self.wanted = wanted
        self.gradients = gradients
        self.found: Named = {}

    def run(self, kept: list[tuple[Tensor, list[Tensor]]], of_states: list[Tensor | None]) -> Named:
        """The gradient of every tensor that wants one."""
        device = self.segments.job.clock.device.type
        with torch.enable_grad(), torch.autocast(device, enabled=False):
            for part, (clock, states) in zip(self.segments.parts[::-1], kept[::-1], strict=True):
                of_states = self._segment(part, clock, states, of_states)
        for name, gradient in zip(self.segments.states, of_states, strict=True):
            if gradient is not None and ("states", name) in self.wanted:
                self.found["states", name] = gradient
        return self.found

    def _segment(
        self, part: Segment, clock: Tensor, states: list[Tensor], of_states: list[Tensor | None]
    ) -> list[Tensor | None]:
        """Adds up what one segment gives, and returns the gradients of the states it began with."""
        begun = [state.detach().requires_grad_() for state in states]
        leaves = self.segments.piece(part, self.given, begun)
        asked = [key for key in leaves if key in self.wanted or key[0] == "states"]
        for key in asked:
            leaves[key] = leaves[key].detach().requires_grad_()
        outcome = self.segments.run(part, leaves, clock)
        ends = [outcome.states[name] for name in self.segments.states]
        above = [None if g is None else g[part.positions] for g in self.gradients]
        pairs = [
            (value, gradient)
            for value, gradient in zip([*_sequences(outcome), *ends], [*above, *of_states], strict=True)
            if gradient is not None and value.requires_grad
        ]
        if not pairs:
            return [None] * len(states)
        values, gradients = zip(*pairs, strict=True)
        given = torch.autograd.grad(values, [leaves[key] for key in asked], gradients, allow_unused=True)
        named = dict(zip(asked, given, strict=True))
        for key, gradient in named.items():
            if gradient is not None and key[0] != "states":
                self._add(part, key, gradient)
        return [named["states", name] for name in self.segments.states]

    def _add(self, part: Segment, key: tuple[str, str], gradient: Tensor) -> None:
        if key not in self.found:
            self.found[key] = torch.zeros_like(self.given[key])
        place = self.found[key][part.positions] if key[0] in BY_STEP else self.found[key]
        place += gradient
