"""One cell at one size: how fast it runs here, beside the loop over its steps and, where there is one, torch.nn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from unrolled.equations import Cell
from unrolled.errors import EngineError, SettingError
from unrolled.inspection.speed import (
    Call,
    fma_peak,
    interleaved,
    matrix_entries,
    median,
    operations,
    spread,
)
from unrolled.inspection.torch_networks import equal_network, network
from unrolled.layers import Recurrent

Tell = Callable[[str], None]
Run = Callable[[Tensor], Tensor]

TOLERANCE = 1e-3
"""The largest difference of outputs and gradients, as a share of the largest value; float32."""


@dataclass(frozen=True)
class Size:
    """T steps, B rows, I input size, H hidden size; named sizes of a cell are H."""

    steps: int = 100
    batch: int = 32
    input_size: int = 64
    hidden_size: int = 128

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.input_size, self.hidden_size) < 1:
            raise SettingError(
                "steps, batch, input and hidden must be 1 or more, got "
                f"{self.steps}, {self.batch}, {self.input_size} and {self.hidden_size}. Correct them."
            )


@dataclass(frozen=True)
class Timed:
    """One contender in one mode: median seconds, the middle half of the samples, speed in operations per second."""

    name: str
    mode: str
    seconds: float
    spread: float
    speed: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. `torch_network` is the class of torch.nn that is the same cell, or None."""

    cell: str
    size: Size
    entries: int
    engine: str
    torch_network: str | None
    peak: float
    difference: float
    timed: tuple[Timed, ...]


def compare(cell: Cell, size: Size, rounds: int = 5, tell: Tell = lambda line: None) -> Comparison:
    """Time a layer over `cell` against the reference engine and torch.nn, forward and training, in turns.

    Training is forward, backward and all gradients, the input's too. Nobody is timed who does not agree.

    Raises:
        EngineError: two answers differ by more than TOLERANCE.
        SettingError: sizes or rounds below 1.
    """
    if rounds < 1:
        raise SettingError(f"rounds must be 1 or more, got {rounds}. Correct it.")
    contest = _Contest(cell, size)
    peaks = [fma_peak(torch.get_num_threads())]
    tell("checking that all give the same")
    difference = contest.agree()
    timed = []
    for mode, calls in (("forward", contest.forward()), ("training", contest.training())):
        tell(f"timing, {mode}")
        samples = interleaved(calls, rounds)
        peaks.append(fma_peak(torch.get_num_threads()))
        work = operations(contest.entries, size.steps * size.batch, mode == "training")
        for name, values in samples.items():
            seconds = median(values)
            timed.append(Timed(name, mode, seconds, spread(values), work / seconds))
    return Comparison(
        cell.name,
        size,
        contest.entries,
        contest.layer.engine,
        contest.torch_network,
        median(peaks),
        difference,
        tuple(timed),
    )


class _Contest:
    """The contenders with one set of weights and one input."""

    def __init__(self, cell: Cell, size: Size) -> None:
        torch.manual_seed(0)
        self.size = size
        sizes = dict.fromkeys(cell.named_sizes, size.hidden_size)
        self.entries = matrix_entries(cell, size.input_size, size.hidden_size, **sizes)
        self.layer, self.loop = (
            Recurrent(cell, size.input_size, size.hidden_size, sizes=sizes, engine=engine)
            for engine in (None, "reference")
        )
        self.loop.load_state_dict(self.layer.state_dict())
        self.x = torch.randn(size.steps, size.batch, size.input_size, requires_grad=True)
        self.gradient = torch.randn(size.steps, size.batch, self.layer.output_size)
        self.static = {name: torch.randn(size.batch, sizes[name]) for name in cell.signature.statics}
        self.torch_network: str | None = None
        self.runs: dict[str, tuple[Run, list[Tensor]]] = {
            self.layer.engine: self._run(self.layer),
            "reference": self._run(self.loop),
        }
        self.twin = equal_network(cell)
        if self.twin is not None:
            self._enter_torch(self.twin)

    def _run(self, layer: Recurrent) -> tuple[Run, list[Tensor]]:
        return lambda x: layer(x, static=self.static)[0], list(layer.parameters())

    def _enter_torch(self, name: str) -> None:
        """torch.nn with weights of its own; `agree` compares it with the catalogued cell it equals."""
        self.model = Recurrent(name, self.size.input_size, self.size.hidden_size, engine="reference")
        module = network(name, self.model.cell_weights())
        self.torch_network = f"nn.{type(module).__name__}"
        self.runs[self.torch_network] = lambda x: module(x)[0], list(module.parameters())

    def agree(self) -> float:
        """The largest difference between two answers; EngineError when it is too large."""
        pairs = [(self.layer.engine, self._answers(self.layer.engine), self._answers("reference"))]
        if self.torch_network is not None:
            model = self._answer(*self._run(self.model))
            # Output and gradient of the input: the parameters are stacked otherwise.
            pairs.append((self.torch_network, self._answers(self.torch_network)[:2], model[:2]))
        worst = 0.0
        for name, mine, true in pairs:
            off = max(_difference(a, b) for a, b in zip(mine, true, strict=True))
            if not off <= TOLERANCE:
                raise EngineError(
                    f"{name} differs from the reference engine by {off:.1e} of the largest value, at most "
                    f"{TOLERANCE:.0e} is expected; nothing was timed. Report it with the cell."
                )
            worst = max(worst, off)
        return worst

    def _answers(self, name: str) -> list[Tensor]:
        return self._answer(*self.runs[name])

    def _answer(self, run: Run, parameters: list[Tensor]) -> list[Tensor]:
        """Output, gradient of the input, gradients of the parameters."""
        output = run(self.x)
        return [output.detach(), *torch.autograd.grad(output, [self.x, *parameters], self.gradient)]

    def forward(self) -> Mapping[str, Call]:
        """Calls without gradients."""

        def call(run: Run) -> Call:
            def forward() -> Tensor:
                with torch.no_grad():
                    return run(self.x)

            return forward

        return {name: call(run) for name, (run, _) in self.runs.items()}

    def training(self) -> Mapping[str, Call]:
        """Calls down to all gradients."""

        def call(run: Run, parameters: list[Tensor]) -> Call:
            return lambda: torch.autograd.grad(run(self.x), [self.x, *parameters], self.gradient)

        return {name: call(run, parameters) for name, (run, parameters) in self.runs.items()}


def _difference(value: Tensor, true: Tensor) -> float:
    if value.shape != true.shape or not bool(value.isfinite().all()):
        return float("inf")
    largest = float(true.abs().max()) or 1.0
    return float((value - true).abs().max()) / largest
