"""Many windows of one long run, as rows of a batch that is differentiated without being run again.

Windows that end one step apart share nearly all their steps. A sequence is therefore run once; what the backward run of
the native engine reads of each step is then handed to every window that has this step. Other engines run the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unrolled.engines.engine import Engine, Job, Outcome
from unrolled.engines.past import timeline
from unrolled.equations.schedule import Schedule, plan
from unrolled.errors import SettingError
from unrolled.inspection.reading import Call
from unrolled.layers.packing import Packing
from unrolled.layers.state import CellState, State

if TYPE_CHECKING:
    from unrolled.engines.native.layout import Tape


@dataclass(frozen=True)
class Ran:
    """One layer's run over the sequence: its job and outcome, the state (K, T, n) before each step, the clocks (T,).

    `kept` is what the native engine keeps for a backward run, None of other engines.
    """

    job: Job
    outcome: Outcome
    before: CellState
    kept: tuple[Tensor, ...] | None


class Trajectory:
    """A layer's run over one sequence, B = 1, without gradients; `x` (T, 1, I) are numbers.

    Raises SettingError for a bidirectional layer or several rows.
    """

    def __init__(self, call: Call) -> None:
        layer = self.layer = call.layer
        if layer.bidirectional or call.rows != 1:
            raise SettingError(
                f"windows are cut from one sequence that runs forward, got {call.rows} rows and "
                f"bidirectional={layer.bidirectional}. Give one row, and a layer with bidirectional=False."
            )
        self.call = call
        self.schedule = _recording(layer.running_cell.schedule())
        self.engine = layer._engine(self.schedule, layer._like())
        self.ran: list[Ran] = []
        packing = Packing.dense(call.steps, 1)
        state = layer._start_state(1) if call.state is None else call.state
        resets = None if call.resets is None else call.resets[:, 0].contiguous()
        values = call.x[:, 0]
        with torch.no_grad():
            for index in range(layer.num_layers):
                job = Job(
                    schedule=self.schedule,
                    letters=layer._letters[index],
                    parameters=layer.cell_weights(layer._names()[index]),
                    steps=packing.steps,
                    x=values,
                    states=state.cells[index].values,
                    start=layer._start(index, 1, layer._like()),
                    clock=state.cells[index].clock,
                    resets=resets,
                    static=call.static,
                )
                outcome, kept = _run(self.engine, job)
                self.ran.append(Ran(job, outcome, _before(job, outcome), kept))
                values = layer.depth.joined(index, values, [outcome.output])

    def states(self, name: str, layer: int) -> Tensor:
        """A state (T, n) after every step."""
        return self.ran[layer].outcome.records[name]

    def state_before(self, steps: Sequence[int]) -> State:
        """The state before each of these steps, as the rows of one state."""
        chosen = torch.as_tensor(steps)
        return State([_rows(one.before, chosen) for one in self.ran])

    def last_outputs(self, x: Tensor, starts: Tensor, stops: Tensor) -> Tensor:
        """The output (B, n) of the last step of windows that read `x` (W, B, I) from `starts` up to `stops` (B,).

        `x` is the input of the trajectory at these steps, and the result is differentiable by it. Window b has
        stops[b] - starts[b] steps, W is the largest of these numbers; what lies beyond is not read.
        """
        lengths = stops - starts
        longest, rows = x.shape[0], x.shape[1]
        uniform = bool((lengths == longest).all())
        packing = Packing.of(longest, rows, None if uniform else lengths, x.device)
        steps = (starts + torch.arange(longest)[:, None]).clamp(max=self.call.steps - 1)
        taken = packing.pack(steps)
        values, stack = packing.pack(x), list[Tensor]()
        for index in range(self.layer.num_layers):
            outcome = self._windows(index, values, packing, taken, starts)
            values = self.layer.depth.joined(index, values, [outcome.output])
            stack.append(values)
        output = packing.unpack(self.layer.depth.output(stack))
        return output[lengths - 1, torch.arange(rows)]

    def _windows(self, index: int, x: Tensor, packing: Packing, taken: Tensor, starts: Tensor) -> Outcome:
        """One layer over all windows: run again, or as it is known to have run."""
        ran = self.ran[index]
        begun = _rows(ran.before, starts)
        resets = None if ran.job.resets is None else ran.job.resets[taken]
        job = replace(
            ran.job,
            steps=packing.steps,
            x=x,
            states={name: packing.sort(value, 1) for name, value in begun.values.items()},
            start=self.layer._start(index, packing.rows, self.layer._like()),
            clock=packing.sort(begun.clock, 0),
            resets=None if resets is None or not resets.any() else resets,
            static={name: value.expand(packing.rows, -1) for name, value in ran.job.static.items()},
        )
        if ran.kept is None or not x.requires_grad:
            return self.engine.run(job)
        return _again(job, ran, taken)


def _recording(schedule: Schedule) -> Schedule:
    """The same run, which also gives the sequences of all states, whatever local values are called."""
    graph = schedule.graph
    return plan(graph, (), tuple(zip(graph.signature.states, graph.next_states, strict=True)))


def _run(engine: Engine, job: Job) -> tuple[Outcome, tuple[Tensor, ...] | None]:
    if engine.name != "native":
        return engine.run(job), None
    from unrolled.engines.native.run import run_and_keep  # needs the extension

    return run_and_keep(job, job.steps.total)


def _again(job: Job, ran: Ran, taken: Tensor) -> Outcome:
    """A job whose steps have all been run: step n of it was step taken[n]."""
    from unrolled.engines.native.plan import plan_for
    from unrolled.engines.native.run import again

    assert ran.kept is not None
    *sequences, tape = ran.kept
    layout = plan_for(job.schedule, job.letters, False).tape
    kept = [value.index_select(0, taken) for value in sequences]
    kept.append(_tape(layout, tape, ran.job.steps.total, taken))
    # The states after the last step are results nobody reads; only their shape counts.
    ends = {name: torch.zeros_like(value) for name, value in job.states.items()}
    return again(job, len(taken), ran.outcome.output.index_select(0, taken), ends, kept)


def _tape(layout: Tape, tape: Tensor, room: int, taken: Tensor) -> Tensor:
    """The same sequences on a tape of the taken steps."""
    from unrolled.engines.native.layout import BEYOND
    from unrolled.engines.native.memory import empty

    found = empty((layout.entries(len(taken)),), tape.dtype)
    source = target = 0
    for step in layout.steps.values():
        rows = tape[source : source + room * step].view(room, step)
        place = found[target : target + len(taken) * step].view(len(taken), step)
        torch.index_select(rows, 0, taken, out=place)
        source += room * step + BEYOND
        target += len(taken) * step + BEYOND
    return found


def _before(job: Job, outcome: Outcome) -> CellState:
    """The state before every step: its last values (K, T, n), and the clock (T,)."""
    line = timeline(job.steps, job.resets, job.clock.device)
    moments = line.moments
    values = {}
    for name, given in job.states.items():
        sequence, start = outcome.records[name], job.start[name]
        kept = range(1, len(given) + 1)
        values[name] = torch.stack([line.earlier(sequence, given, start, k, moments) for k in kept])
    return CellState(values, line.clock(job.clock, moments))


def _rows(state: CellState, chosen: Tensor) -> CellState:
    return CellState(
        {name: v.index_select(1, chosen) for name, v in state.values.items()}, state.clock[chosen]
    )
