"""The loss over many symbols, in memory and time: `python -m benchmarks.large_vocabulary`.

N rows of H numbers, a linear map to V symbols, the mean cross-entropy and all gradients: ours
(`linear_cross_entropy`) against torch's (`cross_entropy` of `linear`). The two must agree before anything is
measured; runs are interleaved, and medians are compared.

Memory is what the operating system counts. For each way a new process makes weight, bias, x and targets, runs once
on a few rows, and sets the peak of its resident memory back to what it holds (/proc/self/clear_refs, Linux only);
then it computes the loss, goes backward, and reads the peak (VmHWM) above that. So everything made on the way
counts: logits, gradients, work space of the matrix products. The gradient of the weight has to exist in the end
whoever computes it; how much there is besides shows a second process, in which the weight is fixed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.agreement import TOLERANCE, Disagreement, difference, distance
from unrolled.errors import SettingError
from unrolled.inspection.speed import Samples, interleaved, median, spread
from unrolled.layers.linear_cross_entropy import linear_cross_entropy

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
OURS, THEIRS = "unrolled", "torch"
PROCESS = Path("/proc/self")
MEGABYTE = 1e6
FEW = 8


@dataclass(frozen=True)
class Size:
    """N rows, V symbols, H numbers a row."""

    N: int
    V: int
    H: int

    @classmethod
    def read(cls, text: str) -> Size:
        """`N2240V50000H512`."""
        found = re.fullmatch(r"N(\d+),?V(\d+),?H(\d+)", text, re.IGNORECASE)
        if found is None or min(map(int, found.groups())) < 1:
            raise SettingError(f"a size must be written as N2240V50000H512, all at least 1, got {text!r}")
        return cls(*map(int, found.groups()))

    def __str__(self) -> str:
        return f"N{self.N} V{self.V} H{self.H}"


LARGE = Size(2240, 50_000, 512)
SMALL = Size(3200, 65, 128)


def plain(x: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    """Torch's own: the logits of all rows at once."""
    return functional.cross_entropy(functional.linear(x, weight, bias), targets)


WAYS: dict[str, Loss] = {OURS: linear_cross_entropy, THEIRS: plain}


def make(size: Size) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, weight, bias and targets: the same for the same size."""
    torch.manual_seed(0)
    x = torch.randn(size.N, size.H, requires_grad=True)
    weight = torch.randn(size.V, size.H).mul_(size.H**-0.5).requires_grad_()
    return x, weight, torch.randn(size.V, requires_grad=True), torch.randint(size.V, (size.N,))


def training(loss: Loss, size: Size) -> Callable[[], list[Tensor]]:
    """A call that gives the loss and all gradients."""
    x, weight, bias, targets = make(size)

    def run() -> list[Tensor]:
        found = loss(x, weight, bias, targets)
        return [found.detach(), *torch.autograd.grad(found, (x, weight, bias))]

    return run


def check(size: Size) -> None:
    """Refuse answers that are not the same but for rounding."""
    (mine, *ours), (true, *theirs) = ([one.numpy() for one in training(way, size)()] for way in WAYS.values())
    off = max(distance(one, other) for one, other in zip(ours, theirs, strict=True))
    if not (difference(mine, true) <= TOLERANCE["output"] and off <= TOLERANCE["gradients"]):
        raise Disagreement(f"{size}: losses {mine} and {true}, gradients off by {off:.1e}")


def timed(size: Size, rounds: int) -> Samples:
    """Seconds of every sample."""
    return interleaved({name: training(way, size) for name, way in WAYS.items()}, rounds)


def peak(name: str, size: Size, learned: bool) -> int:
    """Bytes at the peak of loss and backward, above what there was before; measured in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as process:
        return process.apply(_peak, (name, size, learned, torch.get_num_threads()))


def _peak(name: str, size: Size, learned: bool, threads: int) -> int:
    torch.set_num_threads(threads)
    x, weight, bias, targets = make(size)
    weight.requires_grad_(learned)
    x.grad, bias.grad = torch.ones_like(x), torch.ones_like(bias)
    few = (torch.ones(FEW, size.H, requires_grad=True), torch.ones(FEW, size.H), torch.ones(FEW))
    WAYS[name](*few, torch.zeros(FEW, dtype=torch.int64)).backward()
    (PROCESS / "clear_refs").write_text("5")
    before = _resident_peak()
    WAYS[name](x, weight, bias, targets).backward()
    return _resident_peak() - before


def _resident_peak() -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def memory_table(size: Size) -> str:
    """Both ways, with the gradient of the weight and without."""
    gradient = size.V * size.H * 4 / MEGABYTE
    peaks = {(name, learned): peak(name, size, learned) for name in WAYS for learned in (True, False)}
    rows = [
        f"peak of memory above the weight, the bias, x and their gradients but that of the weight: {size}",
        f"{'':<10}{'all gradients':>16}{'weight fixed':>16}",
    ]
    for name in WAYS:
        rows.append(
            f"{name:<10}" + "".join(f"{peaks[name, one] / MEGABYTE:>13.1f} MB" for one in (True, False))
        )
    shares = (peaks[THEIRS, learned] / peaks[OURS, learned] for learned in (True, False))
    rows.append(f"{'torch/ours':<10}" + "".join(f"{share:>16.1f}" for share in shares))
    rows.append(
        f"the gradient of the weight has {gradient:.1f} MB, all logits {size.N * size.V * 4 / MEGABYTE:.1f} MB"
    )
    return "\n".join(rows)


def time_table(size: Size, samples: Samples) -> str:
    """Medians, their spread, and how they compare."""
    rows = [f"loss and all gradients: {size}"]
    rows += [f"{name:<10}{median(of) * 1e3:10.2f} ms  +- {spread(of):.0%}" for name, of in samples.items()]
    rows.append(f"torch takes {median(samples[THEIRS]) / median(samples[OURS]):.2f} times as long")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_vocabulary",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=7, help="samples of each at the large size [7]")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--large", type=Size.read, default=LARGE, help="time and memory [N2240V50000H512]")
    parser.add_argument(
        "--small", type=Size.read, default=SMALL, help="time, ten times the rounds [N3200V65H128]"
    )
    asked = parser.parse_args(arguments)
    if not (PROCESS / "clear_refs").exists():
        raise SystemExit("the peak of memory is read from /proc/self, which only Linux has; run this there")
    torch.set_num_threads(asked.threads)
    print(f"{asked.threads} threads, torch {torch.__version__}")
    for size in (asked.large, asked.small):
        check(size)
    print(f"\n{memory_table(asked.large)}")
    for size, rounds in ((asked.large, asked.rounds), (asked.small, 10 * asked.rounds)):
        print(f"\n{time_table(size, timed(size, rounds))}", flush=True)


if __name__ == "__main__":
    main()
