"""Whether a competitor computes the same; what does not is not timed."""

from __future__ import annotations

import numpy as np

from benchmarks.competitors import unrolled_native
from benchmarks.competitors.competitor import Runner
from benchmarks.workloads import Arrays, Case

TOLERANCE = {"output": 1e-4, "gradients": 5e-4}
"""For float32, summed over T steps: of outputs the largest difference as a share of the largest value; of gradients
the norm of the difference as a share of the norm, since a relu whose sum is next to zero may fall on either side."""
MEASURE = {"output": "largest value", "gradients": "norm"}


class Disagreement(Exception):
    """A competitor's answer is not the reference engine's."""


def truth(case: Case) -> tuple[np.ndarray, Arrays]:
    """Output and gradients of the reference engine: plain torch operations and autograd."""
    runner = unrolled_native.make(case, engine="reference")
    assert runner.train is not None and runner.gradients is not None
    return runner.output(runner.forward()), runner.gradients(runner.train())


def difference(value: np.ndarray, true: np.ndarray) -> float:
    """The largest difference over the largest true value; infinite for other shapes, and where a value is no number."""
    if value.shape != true.shape or not np.isfinite(value).all():
        return float("inf")
    largest = float(np.abs(true).max(initial=0.0))
    return float(np.abs(value - true).max(initial=0.0)) / (largest or 1.0)


def distance(value: np.ndarray, true: np.ndarray) -> float:
    """The norm of the difference over the norm of the true values; infinite for other shapes."""
    if value.shape != true.shape or not np.isfinite(value).all():
        return float("inf")
    return float(np.linalg.norm(value - true)) / (float(np.linalg.norm(true)) or 1.0)


def check(name: str, runner: Runner, true_output: np.ndarray, true_gradients: Arrays) -> dict[str, float]:
    """The differences of output and worst gradient; Disagreement when one of them is too large.

    A competitor with gradients gives all of them: one that leaves some out would have less to do.
    """
    found = {"output": difference(runner.output(runner.forward()), true_output)}
    if runner.train is not None and runner.gradients is not None:
        gradients = runner.gradients(runner.train())
        if gradients.keys() != true_gradients.keys():
            odd = ", ".join(sorted(gradients.keys() ^ true_gradients.keys()))
            raise Disagreement(f"{name} has other gradients than the cell: {odd}")
        found["gradients"] = max(distance(gradients[key], true) for key, true in true_gradients.items())
    for what, size in found.items():
        if not size <= TOLERANCE[what]:
            raise Disagreement(
                f"{name}: {what} off by {size:.1e} of the {MEASURE[what]}, at most {TOLERANCE[what]:.0e}"
            )
    return found
