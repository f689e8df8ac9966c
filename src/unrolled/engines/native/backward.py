"""Backward runs: gradients in, gradients of everything out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from unrolled.engines.native.call import Data, Shifts, call, padded, real, whole_vectors
from unrolled.engines.native.forward import Setting
from unrolled.engines.past import timeline
from unrolled.equations.adjoint import GRADIENT


def backward(
    setting: Setting,
    tensors: dict[str, Tensor],
    results: tuple[Tensor, ...],
    gradients: tuple[Tensor, ...],
    of_input: bool,
) -> list[Tensor | None]:
    """The gradient of every tensor of a run, in the order of its names."""
    return _Backward(setting, tensors, results, gradients, of_input).run()


class _Backward:
    """One backward run."""

    def __init__(
        self,
        setting: Setting,
        tensors: dict[str, Tensor],
        results: tuple[Tensor, ...],
        gradients: tuple[Tensor, ...],
        of_input: bool,
    ) -> None:
        self.setting = setting
        self.plan = setting.plan
        self.back = setting.plan.backward(of_input)
        self.tensors = tensors
        plan = self.plan
        looped, positions = sorted(plan.looped), plan.further
        count = 1 + len(looped)
        self.sequences = {plan.graph.output: results[0]}
        self.sequences |= dict(zip(positions, results[count : count + len(positions)], strict=True))
        self.sequences |= dict(zip(plan.kept, results[count + len(positions) :], strict=True))
        self.of_output = gradients[0]
        self.of_final = dict(zip(looped, gradients[1:count], strict=True))
        self.of_sequence = dict(zip(positions, gradients[count : count + len(positions)], strict=True))
        self.dtype = results[0].dtype
        steps = setting.steps
        self.steps = replace(steps, reverse=not steps.reverse)
        self.resets = self._turned_resets()
        self.timeline = timeline(self.steps, self.resets, results[0].device)
        self.fresh = self._reset_first()

    def _turned_resets(self) -> Tensor | None:
        """The same cuts, for a run in the other direction: before the step that stood ahead of the cut."""
        if self.setting.resets is None:
            return None
        plain = timeline(self.setting.steps, None, self.setting.resets.device)
        source = plain.source(1, 0, plain.moments)
        inside = source < self.setting.steps.total
        turned = torch.zeros_like(self.setting.resets)
        turned[source[inside]] = self.setting.resets[inside]
        return turned

    def _reset_first(self) -> Tensor | None:
        """The rows that are reset before their first step, (B, 1)."""
        if self.setting.resets is None:
            return None
        moments = self.setting.timeline.moments
        first = (moments.age == 0) & self.setting.resets
        fresh = torch.zeros(self.steps.rows, dtype=torch.bool)
        fresh[moments.row[first]] = True
        return fresh[:, None]

    def run(self) -> list[Tensor | None]:
        self.given = call(self.back.ready, self._data())
        found: dict[str, Tensor | None] = {}
        self._of_x(found)
        self._of_states(found)
        self._of_parameters(found)
        self._of_statics(found)
        for name, position in self.back.adjoint.forced:
            found[f"forced:{name}"] = self._sequence(position, self.tensors[f"forced:{name}"].shape[-1])
        return [found.get(name) for name in self.setting.names]

    # --- what the program reads ------------------------------------------------------------------

    def _value(self, position: int) -> Tensor:
        """A value of the forward run as a padded sequence."""
        if position == self.plan.graph.leaf[self.plan.input]:
            return padded(self.tensors["x"])
        return padded(self.sequences[position])

    def _data(self) -> Data:
        back, plan = self.back, self.plan
        leaf = plan.graph.leaf[plan.input]
        sequences = {GRADIENT: padded(self.of_output)}
        for name in back.lowered.external:
            if name.startswith("v") and name != f"v{leaf}":
                sequences[name] = self._value(int(name[1:]))
            elif name == f"v{leaf}":
                sequences[name] = padded(self.tensors["x"])
            elif name.startswith("d_"):
                sequences[name] = padded(self.of_sequence[int(name[2:])])
            elif name != GRADIENT:
                sequences[name] = padded(self.tensors[name])
        return Data(
            steps=self.steps,
            timeline=self.timeline,
            dtype=self.dtype,
            sequences=sequences,
            matrices={n: v for n, v in self.tensors.items() if v.dim() == 2 and n.startswith("p")},
            indices={} if self.setting.indices is None else {f"v{leaf}": self.setting.indices},
            rings=self._rings(),
            shifts=self._shifts(),
            clock=self.setting.clock,
            resets=self.resets,
            collect=self.resets is not None,
            results=self._result_shapes(),
            forward=self.setting.timeline,
        )

    def _rings(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Gradients that arrive from after the last step: those of final states."""
        found = {}
        kept = self.back.graph.delays()
        deepest = self.plan.graph.delays()
        for name, (state, delay) in zip(
            self.back.graph.signature.states, self.back.adjoint.carried, strict=True
        ):
            like = self.tensors[f"state:{state}"]
            initial = like.new_zeros(kept[name], like.shape[1], whole_vectors(like.shape[2]))
            if delay == deepest[state] and state in self.of_final:
                initial[:, :, : like.shape[2]] = self.of_final[state].flip(0)
            found[name] = (initial, torch.zeros_like(initial[0]))
        return found

    def _shifts(self) -> dict[Any, Shifts]:
        found = {}
        for earlier in self.back.lowered.histories:
            if earlier.source.startswith("own:"):
                continue
            state = earlier.state
            if earlier.source.startswith("forced:"):
                values = self.tensors[earlier.source]
            else:
                values = self.sequences[self.plan.next[state]]
            before, start = self.tensors[f"state:{state}"], self.tensors[f"start:{state}"]
            found[earlier] = Shifts(padded(values), padded(before), padded(start))
        return found

    def _result_shapes(self) -> list[tuple[int, ...]]:
        shapes: list[tuple[int, ...]] = []
        sizes = self.back.lowering.sizes
        for outer in self.back.lowered.program.outers:
            for delta in outer.deltas:
                shapes.append((delta.out, delta.rows, outer.columns, outer.lookup))
        flat = sorted(shapes)
        found: list[tuple[int, ...]] = [
            (columns, whole_vectors(rows)) if lookup >= 0 else (rows, whole_vectors(columns))
            for _, rows, columns, lookup in flat
        ]
        return found + [(whole_vectors(sizes[position]),) for _, position in self.back.vectors]

    # --- what it gives ---------------------------------------------------------------------------

    def _sequence(self, position: int, width: int) -> Tensor:
        return real(self.given.sequences[position], width)

    def _of_x(self, found: dict[str, Tensor | None]) -> None:
        position = self.back.adjoint.input
        if "x" in self.tensors and position is not None:
            found["x"] = self._sequence(position, self.tensors["x"].shape[-1])

    def _of_parameters(self, found: dict[str, Tensor | None]) -> None:
        matrices = self.given.results[: len(self.back.matrices)]
        for (name, vector), result in zip(self.back.matrices, matrices, strict=True):
            shape = self.tensors[name].shape
            turned = str(self.back.graph.nodes[vector].value) in self.back.lowering.indices
            piece = result.t()[: shape[0]] if turned else result[:, : shape[1]]
            known = found.get(name)
            found[name] = piece if known is None else known + piece
        for (name, _), result in zip(self.back.vectors, self.given.results[len(matrices) :], strict=True):
            found[name] = result[: self.tensors[name].shape[0]]

    def _of_statics(self, found: dict[str, Tensor | None]) -> None:
        row = self.setting.timeline.moments.row
        for leaf, position in self.back.adjoint.statics:
            name = str(self.plan.graph.nodes[leaf].value)
            like = self.tensors[name]
            found[name] = torch.zeros_like(like).index_add(0, row, self._sequence(position, like.shape[-1]))

    def _of_states(self, found: dict[str, Tensor | None]) -> None:
        """What arrives before the first step, and what resets cut off."""
        for state in self.plan.graph.signature.states:
            found[f"state:{state}"] = torch.zeros_like(self.tensors[f"state:{state}"])
            found[f"start:{state}"] = torch.zeros_like(self.tensors[f"start:{state}"])
        # The longest delay first: what a step still hands over is added up in the order of the loop.
        names = zip(self.back.graph.signature.states, self.back.adjoint.carried, strict=True)
        for name, (state, delay) in sorted(names, key=lambda named: -named[1][1]):
            before, start = found[f"state:{state}"], found[f"start:{state}"]
            assert before is not None and start is not None
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
        before, start = self._rings()[name]
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
