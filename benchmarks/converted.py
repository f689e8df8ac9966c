"""A model of torch.nn against the same after `unrolled.convert`: `python -m benchmarks.converted`.

An embedding, a GRU of two layers and a linear layer read T100 B32 symbols, H 128: the loss and all gradients. The two
must agree before they are timed; runs are interleaved, and medians are compared.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

import unrolled
from benchmarks.agreement import TOLERANCE, Disagreement, difference, distance
from benchmarks.workloads import Shape
from unrolled.inspection.speed import interleaved, median, spread

SHAPE = Shape(T=100, B=32, I=128, H=128)
SYMBOLS = 256


class Tagger(nn.Module):
    """Guesses from the symbols (T, B) so far the next one: (T, B, SYMBOLS)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Embedding(SYMBOLS, shape.I)
        self.read = nn.GRU(shape.I, shape.H, num_layers=2)
        self.out = nn.Linear(shape.H, SYMBOLS)

    def forward(self, symbols: Tensor) -> Tensor:
        scores: Tensor = self.out(self.read(self.embed(symbols))[0])
        return scores


@dataclass(frozen=True)
class Found:
    """Seconds of every sample, forward and backward, and what `convert` said."""

    theirs: list[float]
    ours: list[float]
    report: str

    @property
    def ratio(self) -> float:
        """How many times longer torch takes."""
        return median(self.theirs) / median(self.ours)

    def __str__(self) -> str:
        rows = [
            f"{name:<10}{median(samples) * 1e3:8.2f} ms  +- {spread(samples):.0%}"
            for name, samples in (("torch.nn", self.theirs), ("converted", self.ours))
        ]
        return "\n".join([self.report, "", *rows, f"converted is {self.ratio:.2f} times as fast"])


def measure(rounds: int, shape: Shape = SHAPE) -> Found:
    """Both models in turns; Disagreement when they do not compute the same."""
    torch.manual_seed(0)
    theirs = Tagger(shape)
    ours, report = unrolled.convert(copy.deepcopy(theirs))
    symbols = torch.randint(SYMBOLS, (shape.T + 1, shape.B))
    calls = {name: training(one, symbols) for name, one in (("theirs", theirs), ("ours", ours))}
    check(calls["theirs"](), calls["ours"]())
    samples = interleaved(calls, rounds)
    return Found(samples["theirs"], samples["ours"], str(report))


def training(model: nn.Module, symbols: Tensor) -> Callable[[], list[Tensor]]:
    """A call that gives the loss and the gradients of all parameters."""
    parameters = list(model.parameters())

    def run() -> list[Tensor]:
        scores = model(symbols[:-1])
        loss = functional.cross_entropy(scores.flatten(0, 1), symbols[1:].flatten())
        return [loss.detach(), *torch.autograd.grad(loss, parameters)]

    return run


def check(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> None:
    """Refuse answers that are not the same but for rounding."""
    (loss, *gradients), (other, *others) = ([one.numpy() for one in found] for found in (theirs, ours))
    off = max(distance(mine, true) for mine, true in zip(others, gradients, strict=True))
    if not (difference(other, loss) <= TOLERANCE["output"] and off <= TOLERANCE["gradients"]):
        raise Disagreement(f"the converted model: losses {loss} and {other}, gradients off by {off:.1e}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.converted", description=__doc__)
    parser.add_argument("--rounds", type=int, default=21, help="samples of each [21]")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--shape", type=Shape.read, default=SHAPE, help="[T100B32I128H128]")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    print(f"{asked.shape}, {SYMBOLS} symbols, {asked.threads} threads, torch {torch.__version__}")
    print(measure(asked.rounds, asked.shape))


if __name__ == "__main__":
    main()
