"""Backward runs: gradients in, gradients of everything out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.engines.native.call import Data, Shifts, call, padded, real
from unrolled.engines.native.forward import Setting
from unrolled.engines.past import timeline
from unrolled.engines.zeros import read_only_zeros
from unrolled.equations.adjoint import GRADIENT


def backward(
    setting: Setting,
    tensors: dict[str, Tensor],
    results: tuple[Tensor, ...],
    gradients: Sequence[Tensor | None],
    wanted: Collection[str],
) -> dict[str, Tensor]:
    """The gradients of the tensors of a run that are wanted, by name; a missing one is zero."""
    return _Backward(setting, tensors, results, gradients, wanted).run()


class _Backward:
    """One backward run."""

    def __init__(
        self,
        setting: Setting,
        tensors: dict[str, Tensor],
        results: tuple[Tensor, ...],
        gradients: Sequence[Tensor | None],
        wanted: Collection[str],
    ) -> None:
        self.setting = setting
        self.plan = plan = setting.plan
        self.back = plan.backward("x" in wanted)
        self.tensors = tensors
        self.wanted = wanted
        self.of_states = any(name.startswith(("state:", "start:")) for name in wanted)
        count = 1 + len(plan.carried)
        # The sequences a run gave, and what arrives from after the run: None where nothing does.
        self.sequences: dict[int, Tensor | int] = {plan.graph.output: results[0]}
        self.sequences.update(zip(plan.further, results[count:-1], strict=True))
        self.sequences.update(plan.tape.places(results[-1], setting.room))
        self.of_output = gradients[0]
        self.of_final = dict(zip(plan.carried, gradients[1:count], strict=True))
        self.of_sequence = dict(zip(plan.further, gradients[count:], strict=True))
        self.dtype, self.device = results[0].dtype, results[0].device
        self.steps = setting.steps.turned
        self.resets = None if setting.resets is None else self._turned(setting.resets)
        self.timeline = timeline(self.steps, self.resets, self.device)
        self.fresh = None if setting.resets is None else self._reset_first(setting.resets)

    def _turned(self, resets: Tensor) -> Tensor:
        """The same cuts, for a run in the other direction: before the step that stood ahead of the cut."""
        plain = timeline(self.setting.steps, None, resets.device)
        source = plain.shift(1, 0)
        inside = source < self.setting.steps.total
        turned = torch.zeros_like(resets)
        turned[source[inside]] = resets[inside]
        return turned

    def _reset_first(self, resets: Tensor) -> Tensor:
        """The rows that are reset before their first step, (B, 1)."""
        moments = self.setting.timeline.moments
        first = (moments.age == 0) & resets
        fresh = torch.zeros(self.steps.rows, dtype=torch.bool)
        fresh[moments.row[first]] = True
        return fresh[:, None]

    def run(self) -> dict[str, Tensor]:
        self.rings = self._rings()
        self.given = call(self.back.ready, self._data())
        found: dict[str, Tensor] = {}
        if self.back.adjoint.input is not None:
            found["x"] = self._sequence(self.back.adjoint.input, self.tensors["x"].shape[-1])
        if self.of_states:
            self._of_states(found)
        self._of_parameters(found)
        self._of_statics(found)
        for name, position in self.back.adjoint.forced:
            found[f"forced:{name}"] = self._sequence(position, self.tensors[f"forced:{name}"].shape[-1])
        return found

    # --- what the program reads ------------------------------------------------------------------

    def _data(self) -> Data:
        return Data(
            steps=self.steps,
            timeline=self.timeline,
            dtype=self.dtype,
            tensors=self._tensors(),
            indices=self.setting.indices,
            rings=self.rings,
            shifts=self._shifts(),
            clock=self.setting.clock,
            resets=self.resets,
            collect=self.of_states and self.resets is not None,
            results=self.back.shapes,
            forward=self.setting.timeline,
        )

    def _tensors(self) -> dict[str, Tensor | int]:
        """Values of the forward run, gradients from outside, and the matrices and vectors of the forward run."""
        found: dict[str, Tensor | int] = dict(self.tensors)
        for name in self.back.lowered.external:
            if name == GRADIENT:
                found[name] = self._arriving(self.of_output, self.plan.graph.output)
            elif name.startswith("d_"):
                found[name] = self._arriving(self.of_sequence[int(name[2:])], int(name[2:]))
            elif name.startswith("v"):
                leaf = int(name[1:]) == self.plan.graph.leaf[self.plan.input]
                found[name] = self.tensors["x"] if leaf else self.sequences[int(name[1:])]
        return found

    def _arriving(self, gradient: Tensor | None, position: int) -> Tensor:
        if gradient is not None:
            return gradient
        width = self.plan.graph.size(position).value(self.plan.letters)
        return torch.zeros(self.steps.total, width, dtype=self.dtype)

    def _rings(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Gradients that arrive from after the last step: those of final states."""
        found = {}
        for name, state, slots, step, last in self.back.rings:
            rows = self.steps.rows
            start = read_only_zeros((rows, step), self.dtype, self.device)
            gradient = self.of_final.get(state) if last else None
            if gradient is None:
                initial = read_only_zeros((slots, rows, step), self.dtype, self.device)
            else:
                initial = padded(gradient.flip(0) if slots > 1 else gradient)
            found[name] = (initial, start)
        return found

    def _shifts(self) -> dict[Any, Shifts]:
        found = {}
        for earlier in self.back.lowered.histories:
            if earlier.source.startswith("own:"):
                continue
            state = earlier.state
            forced = earlier.source.startswith("forced:")
            values = self.tensors[earlier.source] if forced else self.sequences[self.plan.next[state]]
            found[earlier] = Shifts(values, self.tensors[f"state:{state}"], self.tensors[f"start:{state}"])
        return found

    # --- what it gives ---------------------------------------------------------------------------

    def _sequence(self, position: int, width: int) -> Tensor:
        return real(self.given.sequences[position], width)

    def _of_parameters(self, found: dict[str, Tensor]) -> None:
        results = self.given.results
        for (name, turned), result in zip(self.back.outer_results, results, strict=False):
            rows, columns = self.tensors[name].shape
            piece = result.t()[:rows] if turned else real(result, columns)
            known = found.get(name)
            found[name] = piece if known is None else known + piece
        for (name, _), result in zip(self.back.vectors, results[len(self.back.matrices) :], strict=True):
            found[name] = real(result, self.tensors[name].shape[0])

    def _of_statics(self, found: dict[str, Tensor]) -> None:
        for leaf, position in self.back.adjoint.statics:
            row = self.setting.timeline.moments.row
            name = str(self.plan.graph.nodes[leaf].value)
            like = self.tensors[name]
            found[name] = torch.zeros_like(like).index_add(0, row, self._sequence(position, like.shape[-1]))

    def _of_states(self, found: dict[str, Tensor]) -> None:
        """What arrives before the first step, and what resets cut off."""
        for state in self.plan.graph.signature.states:
            for name in (f"state:{state}", f"start:{state}"):
                found[name] = torch.zeros_like(self.tensors[name])
        # The longest delay first: what a step still hands over is added up in the order of the loop.
        names = zip(self.back.graph.signature.states, self.back.adjoint.carried, strict=True)
        for name, (state, delay) in sorted(names, key=lambda named: -named[1][1]):
            before, start = found[f"state:{state}"], found[f"start:{state}"]
            width = before.shape[-1]
            last = self._left_over(name, delay, width)
            if self.fresh is not None:  # what a reset before the first step cut off
                start += torch.where(self.fresh, last.sum(0), 0)
                last = torch.where(self.fresh, 0, last)
            for slot in range(delay):
                before[slot] += last[delay - 1 - slot]
            if name in self.given.collected:
                start += self.given.collected[name][:, :width]
            elif self.setting.resets is not None and name not in self.back.looped:
                self._cut_off(name, delay, start)

    def _left_over(self, name: str, delay: int, width: int) -> Tensor:
        """The last values of a backward state (delay, B, n): what it would still hand to earlier steps."""
        if name in self.given.rings:
            return real(self.given.rings[name], width)
        before, start = self.rings[name]
        values = self.given.sequences[self.back.next[name]]
        kept = range(1, delay + 1)
        last = torch.stack([self.timeline.earlier(values, before, start, k, self.timeline.end) for k in kept])
        return last[..., :width]

    def _cut_off(self, name: str, delay: int, start: Tensor) -> None:
        """Gradients that a reset cut off, of a state no loop carries."""
        timeline = self.setting.timeline
        reached = timeline.moments.was_reset & (timeline.moments.since < delay)
        values = self._sequence(self.back.next[name], start.shape[-1])
        start.index_add_(0, timeline.moments.row[reached], values[reached])
