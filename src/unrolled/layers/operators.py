"""The native engine as two operators of torch, for what traces a model: `torch.compile`, `torch.export`, fake tensors.

One layer in one direction is one operator, and what belongs to it (packing by lengths, values of parameters only)
happens inside: so a compiled model gives the bits of the layer itself, and nothing depends on the lengths' values.
What runs is said as text, so that an exported program needs nothing but the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.engines import Job, Outcome
from unrolled.engines.derivatives import is_differentiated, refuse_forward_mode
from unrolled.engines.reference import Reference
from unrolled.equations import Cell, Schedule
from unrolled.equations.sizes import INPUT
from unrolled.layers.arguments import check_indices
from unrolled.layers.packing import Packing


def description(cell: str, letters: Mapping[str, int], reverse: bool, names: Sequence[str]) -> str:
    """What runs, as text: the names of the tensors, the sizes, the direction, and the cell's own text.

    Names are x (T, B, I) or (T, B), clock (B,), lengths (B,), resets (T, B), and state:h (K, B, n), start:h (B, n),
    forced:h (T, B, n), static:c (B, n), parameter:W.
    """
    sizes = " ".join([f"{name}={size}" for name, size in letters.items()])
    return "\n".join([" ".join(names), sizes, "reverse" if reverse else "forward", cell])


@dataclass(frozen=True)
class Task:
    """What a description says."""

    names: tuple[str, ...]
    letters: Mapping[str, int]
    reverse: bool
    cell: Cell

    @classmethod
    def of(cls, text: str) -> Task:
        """Read a description; each is read once."""
        return _task(text)

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """The names behind `kind:`, in order."""
        return tuple(name.partition(":")[2] for name in self.names if name.startswith(f"{kind}:"))

    @cached_property
    def schedule(self) -> Schedule:
        """The schedule that runs."""
        return self.cell.schedule(forced=self.of_kind("forced"))

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The names of the states."""
        return self.of_kind("state")

    def named(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """The tensors by their whole names."""
        return dict(zip(self.names, tensors, strict=True))


@lru_cache(maxsize=256)
def _task(text: str) -> Task:
    names, sizes, direction, cell = text.split("\n", 3)
    letters = {name: int(size) for name, size in (entry.split("=") for entry in sizes.split())}
    return Task(tuple(names.split()), letters, direction == "reverse", Cell.from_text(cell))


class _Call:
    """One call of an operator: its packing, its job, and results in the caller's order."""

    def __init__(self, task: Task, tensors: Sequence[Tensor]) -> None:
        self.task = task
        self.given = task.named(tensors)
        time, rows = map(int, self.given["x"].shape[:2])
        self.room = time * rows
        self.packing = Packing.of(time, rows, self.given.get("lengths"), tensors[0].device)

    def _kind(self, kind: str) -> dict[str, Tensor]:
        return {name: self.given[f"{kind}:{name}"] for name in self.task.of_kind(kind)}

    def job(self) -> Job:
        """The job, packed."""
        packing, resets = self.packing, self.given.get("resets")
        return Job(
            schedule=self.task.schedule,
            letters=self.task.letters,
            parameters=self._kind("parameter"),
            steps=packing.direction(self.task.reverse),
            x=packing.pack(self.given["x"]),
            states={name: packing.sort(value, 1) for name, value in self._kind("state").items()},
            start={name: packing.sort(value, 0) for name, value in self._kind("start").items()},
            clock=packing.sort(self.given["clock"], 0),
            resets=None if resets is None else packing.resets(resets, self.task.reverse),
            forced={name: packing.pack(value) for name, value in self._kind("forced").items()},
            static={name: packing.sort(value, 0) for name, value in self._kind("static").items()},
        )

    def check(self) -> None:
        """Refuse indices that are out of range."""
        x = self.given["x"]
        if not x.is_floating_point():
            check_indices(self.packing.pack(x), self.task.letters[INPUT])

    def results(self, outcome: Outcome) -> list[Tensor]:
        """Output (T, B, n), final states and clock."""
        end = self.packing.end(outcome)
        return [
            self.packing.unpack(outcome.output),
            *(end.values[name] for name in self.task.states),
            end.clock,
        ]

    def roomy(self, value: Tensor) -> Tensor:
        """Rows (N, n) with room for all T * B."""
        missing = self.room - len(value)
        return functional.pad(value, (0, 0, 0, missing)) if missing else value


LIBRARY = torch.library.Library("unrolled", "DEF")
LIBRARY.define("run(Tensor[] tensors, str what, bool keep) -> Tensor[]")
LIBRARY.define(
    "run_backward(Tensor[] tensors, str what, Tensor[] results, Tensor[] gradients, bool[] wanted) -> Tensor[]"
)


def run(tensors: Sequence[Tensor], what: str) -> list[Tensor]:
    """Output (T, B, n), the final value of every state (K, B, n), and the clock (B,)."""
    found: list[Tensor] = torch.ops.unrolled.run(list(tensors), what, False)
    return found


# --- on the CPU ------------------------------------------------------------------------------------


def _run(tensors: list[Tensor], what: str, keep: bool) -> list[Tensor]:
    from unrolled.engines.native import run as native  # needs the extension

    call = _Call(Task.of(what), tensors)
    call.check()
    if not keep:
        return call.results(native.run(call.job()))
    outcome, kept = native.run_and_keep(call.job(), call.room)
    return [*call.results(outcome), *map(call.roomy, kept[:-1]), kept[-1]]


def _run_backward(
    tensors: list[Tensor], what: str, results: list[Tensor], gradients: list[Tensor], wanted: list[bool]
) -> list[Tensor]:
    from unrolled.engines.native import run as native

    task = Task.of(what)
    end = 1 + len(task.states)
    with _autograd():
        leaves = [value.detach().requires_grad_(one) for value, one in zip(tensors, wanted, strict=True)]
        call = _Call(task, leaves)
        packing = call.packing
        states = {
            name: packing.sort(value, 1) for name, value in zip(task.states, results[1:end], strict=True)
        }
        kept = [*(value[: packing.steps.total] for value in results[end + 1 : -1]), results[-1]]
        outcome = native.again(call.job(), call.room, packing.pack(results[0]), states, kept)
        found = _pull(call.results(outcome)[:end], [leaf for leaf in leaves if leaf.requires_grad], gradients)
    return _separate(found)


@contextmanager
def _autograd() -> Iterator[None]:
    """Autograd as it is outside of operators, where its keys are left out."""
    included, excluded = (
        torch._C._dispatch_tls_local_include_set(),
        torch._C._dispatch_tls_local_exclude_set(),
    )
    for key in (torch._C.DispatchKey.AutogradCPU, torch._C.DispatchKey.AutogradFunctionality):
        excluded = excluded.remove(key)
    with torch._C._ForceDispatchKeyGuard(included, excluded), torch.enable_grad():
        yield


def _pull(results: Sequence[Tensor], leaves: Sequence[Tensor], gradients: Sequence[Tensor]) -> list[Tensor]:
    pairs = [(r, g) for r, g in zip(results, gradients, strict=True) if r.requires_grad]
    if not pairs:
        return [torch.zeros_like(leaf) for leaf in leaves]
    ends, arriving = zip(*pairs, strict=True)
    return list(torch.autograd.grad(ends, leaves, arriving, materialize_grads=True))


def _separate(values: Sequence[Tensor]) -> list[Tensor]:
    """Contiguous tensors with memory of their own: results of an operator may not share any."""
    seen, found = set[int](), []
    for value in values:
        own = value.contiguous()
        found.append(own.clone() if own.data_ptr() in seen else own)
        seen.add(own.data_ptr())
    return found


LIBRARY.impl("run", _run, "CPU")
LIBRARY.impl("run_backward", _run_backward, "CPU")


# --- shapes ----------------------------------------------------------------------------------------


def _run_shapes(tensors: list[Tensor], what: str, keep: bool) -> list[Tensor]:
    task = Task.of(what)
    given = task.named(tensors)
    (time, rows), graph = given["x"].shape[:2], task.schedule.graph
    states = [given[f"state:{name}"] for name in task.states]
    output = states[0].new_empty(time, rows, graph.size(graph.output).value(task.letters))
    found = [output, *(state.new_empty(state.shape) for state in states)]
    found.append(given["clock"].new_empty(rows))
    if keep:
        from unrolled.engines.native.plan import plan_for

        plan = plan_for(task.schedule, task.letters, not given["x"].is_floating_point())
        found += [output.new_empty(time * rows, width) for _, width in plan.given[1:]]
        found.append(output.new_empty(plan.tape.entries(time * rows)))
    return found


def _run_backward_shapes(
    tensors: list[Tensor], what: str, results: list[Tensor], gradients: list[Tensor], wanted: list[bool]
) -> list[Tensor]:
    return [value.new_empty(value.shape) for value, one in zip(tensors, wanted, strict=True) if one]


torch.library.register_fake("unrolled::run", _run_shapes, lib=LIBRARY)
torch.library.register_fake("unrolled::run_backward", _run_backward_shapes, lib=LIBRARY)


# --- derivatives -----------------------------------------------------------------------------------


class _Derivative(torch.autograd.Function):
    """The first derivative of `run` is `run_backward`."""

    @staticmethod
    def forward(ctx: Any, what: str, *tensors: Tensor) -> tuple[Tensor, ...]:
        with torch._C._AutoDispatchBelowAutograd():
            results = torch.ops.unrolled.run(list(tensors), what, True)
        ctx.what, ctx.count = what, len(tensors)
        ctx.save_for_backward(*tensors, *results)
        return tuple(results[: 2 + len(Task.of(what).states)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        tensors, results = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        wanted = list(ctx.needs_input_grad[1:])
        given = (list(tensors), ctx.what, list(results), list(gradients[:-1]), wanted)
        found = iter(torch.ops.unrolled.run_backward(*given))
        return (None, *(next(found) if one else None for one in wanted))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        refuse_forward_mode()


class _SecondDerivative(torch.autograd.Function):
    """The derivative of `run_backward`, and all further ones, are those of the reference engine."""

    @staticmethod
    def forward(ctx: Any, given: tuple[Any, ...], gradients: int, *values: Tensor) -> tuple[Tensor, ...]:
        what, results, wanted = given
        tensors, arriving = values[gradients:], values[:gradients]
        ctx.given, ctx.gradients = (what, wanted), gradients
        ctx.save_for_backward(*values)
        with torch._C._AutoDispatchBelowAutograd():
            return tuple(
                torch.ops.unrolled.run_backward(list(tensors), what, results, list(arriving), wanted)
            )

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        what, wanted = ctx.given
        arriving, tensors = ctx.saved_tensors[: ctx.gradients], ctx.saved_tensors[ctx.gradients :]
        chosen = [value for value, one in zip(tensors, wanted, strict=True) if one]

        def first(*values: Tensor) -> tuple[Tensor, ...]:
            run = _reference(what, tensors, wanted)
            return tuple(torch.func.vjp(run, *values[: len(chosen)])[1](values[len(chosen) :]))

        pulled = torch.func.vjp(first, *chosen, *arriving)[1](tuple(cotangents))
        found = iter(pulled)
        of_tensors = [next(found) if one else None for one in wanted]
        return (None, None, *found, *of_tensors)


def _reference(
    what: str, tensors: Sequence[Tensor], chosen: Sequence[bool]
) -> Callable[..., tuple[Tensor, ...]]:
    """What `run` gives but for the clock, as a function of the chosen tensors, by operations of torch."""
    task = Task.of(what)

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        given = iter(values)
        whole = [next(given) if one else value for value, one in zip(tensors, chosen, strict=True)]
        return _by_reference(task, whole)[:-1]

    return run


def _by_reference(task: Task, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    call = _Call(task, tensors)
    return tuple(call.results(Reference().run(call.job())))


def _run_with_autograd(tensors: list[Tensor], what: str, keep: bool) -> list[Tensor]:
    if torch._C._are_functorch_transforms_active():
        return _run_in_transforms(tensors, what, keep)
    if not keep and is_differentiated(tensors):
        return list(_Derivative.apply(what, *tensors))  # type: ignore[no-untyped-call]
    with torch._C._AutoDispatchBelowAutograd():
        found: list[Tensor] = torch.ops.unrolled.run(tensors, what, keep)
    return found


def _run_backward_with_autograd(
    tensors: list[Tensor], what: str, results: list[Tensor], gradients: list[Tensor], wanted: list[bool]
) -> list[Tensor]:
    if is_differentiated([*tensors, *gradients]):
        given = (what, results, wanted)
        return list(_SecondDerivative.apply(given, len(gradients), *gradients, *tensors))  # type: ignore[no-untyped-call]
    with torch._C._AutoDispatchBelowAutograd():
        found: list[Tensor] = torch.ops.unrolled.run_backward(tensors, what, results, gradients, wanted)
    return found


LIBRARY.impl("run", _run_with_autograd, "Autograd")
LIBRARY.impl("run_backward", _run_backward_with_autograd, "Autograd")


# --- under torch.func ------------------------------------------------------------------------------


def _run_in_transforms(tensors: list[Tensor], what: str, keep: bool) -> list[Tensor]:
    return list(_by_reference(Task.of(what), tensors))


LIBRARY.impl("run", _run_in_transforms, "FuncTorchBatched")
