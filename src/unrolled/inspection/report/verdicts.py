"""Findings in a plain sentence or two, and the numbers behind them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from unrolled.inspection.course import Course
from unrolled.inspection.gates import Gate, Gates
from unrolled.inspection.gradient_flow import GradientFlow
from unrolled.inspection.memorization import Memorization
from unrolled.inspection.neurons import Match, Neurons
from unrolled.inspection.plain import plain
from unrolled.inspection.report.texts import seen
from unrolled.inspection.spectrum import Spectrum
from unrolled.inspection.surprise import Surprise
from unrolled.inspection.truncation import Truncation

_NEAR = 0.1
"""A truncated gradient with a relative error below this is near the full one."""
_RARE = 0.05
"""Gates that are less often saturated hardly are."""
_FOLLOWS = 0.5
"""Correlation on text held out from which on a unit is said to follow a pattern."""


def of_gradient(flow: GradientFlow, course: Course) -> str:
    """What happens to the gradient in each layer, and what happened while it was trained."""
    several = len(flow.layers) > 1
    lines = [_of_layer(flow, i, f"In {name} it" if several else "It") for i, name in enumerate(flow.layers)]
    return " ".join([f"The gradient is {flow.verdict}.", *lines, *_of_course(course)])


def _of_layer(flow: GradientFlow, number: int, it: str) -> str:
    memory, rate, last = flow.memories[number], flow.rates[number], int(flow.lags[-1])
    if not flow.norms[number].any():
        return f"{it} does not reach back at all."
    pace = "" if math.isnan(rate) else f" (over {last} steps: x {rate:.3f} a step)"
    if flow.verdicts[number] == "exploding":
        return f"{it} grows on its way back{pace}: clip it, or make the recurrent weights smaller."
    if math.isinf(memory):
        return f"{it} still reaches back over all {last} steps looked at{pace}."
    return f"{it} is down to a tenth {memory:.0f} steps back{pace}: what lies further back hardly changes the weights."


def _of_course(course: Course) -> list[str]:
    names = [name for name in course.values if name.endswith(" memory")]
    return [
        f"While it was trained, the reach of {name.removesuffix(' memory')} went from "
        f"{course.values[name][0]:.0f} to {course.values[name][-1]:.0f} steps."
        for name in names
        if np.isfinite(course.values[name][[0, -1]]).all()
    ]


def gradient_numbers(flow: GradientFlow) -> dict[str, Any]:
    """By layer: verdict, rate and memory."""
    rows = zip(flow.layers, flow.verdicts, flow.rates.tolist(), flow.memories.tolist(), strict=True)
    layers = [dict(zip(("layer", "verdict", "rate", "memory"), row, strict=True)) for row in rows]
    return {"gradient": flow.verdict, "lags": int(flow.lags[-1]), "layers": plain(layers)}


def of_spectrum(found: Spectrum) -> str:
    """The largest radius and what it means."""
    if not found.matrices:
        return "No square matrix multiplies a state: nothing here can grow from step to step by itself."
    one = max(found.matrices, key=lambda matrix: matrix.radius)
    meaning = (
        "alone, it makes a change grow from step to step, and gates and saturation must hold it down"
        if one.radius > 1
        else "alone, it makes every change fade"
    )
    return (
        f"The largest spectral radius is {one.radius:.2f}, of {one.name} in {one.layer}: {meaning}. "
        f"One step of it stretches a change up to {one.norm:.2f} times."
    )


def spectrum_numbers(found: Spectrum) -> dict[str, Any]:
    """By matrix: radius and norm."""
    return {
        "matrices": [
            {"layer": m.layer, "name": m.name, "radius": m.radius, "norm": m.norm} for m in found.matrices
        ]
    }


def of_gates(found: Gates) -> str:
    """How long a state is kept, and which gates saturate."""
    if not found.gates:
        return "This cell has no gate."
    keeping = [gate for gate in found.gates if gate.time_constants is not None]
    kept = "No gate of this cell keeps a state."
    if keeping:
        gate = max(keeping, key=_middle)
        assert gate.time_constants is not None
        high = float(np.quantile(gate.time_constants, 0.9))
        kept = (
            f"Half of the units of {gate.layer} keep {gate.keeps} for {_middle(gate):.1f} steps or more, a tenth for "
            f"{high:.1f}."
        )
    return f"{kept} {_saturated(found)}"


def _saturated(found: Gates) -> str:
    closed = max(found.gates, key=lambda gate: gate.closed)
    opened = max(found.gates, key=lambda gate: gate.opened)
    if max(closed.closed, opened.opened) < _RARE:
        return f"Gates hardly saturate: none is beyond 0.1 or 0.9 in {_RARE:.0%} of its values."
    return (
        f"Most often closed is {closed.name} in {closed.layer} ({closed.closed:.0%} of its values below 0.1), most "
        f"often open {opened.name} in {opened.layer} ({opened.opened:.0%} above 0.9)."
    )


def _middle(gate: Gate) -> float:
    return float(np.median(gate.time_constants))  # type: ignore[arg-type]


def gates_numbers(found: Gates) -> dict[str, Any]:
    """By gate: mean, shares closed and open, what it keeps and for how long."""
    rows = [
        {
            "layer": gate.layer,
            "name": gate.name,
            "mean": gate.mean,
            "closed": gate.closed,
            "open": gate.opened,
            "keeps": gate.keeps,
            "median_time_constant": None if gate.time_constants is None else _middle(gate),
        }
        for gate in found.gates
    ]
    return {"gates": plain(rows)}


def of_memorization(found: Memorization) -> str:
    """Within how many symbols the influence lies."""
    half, most = within(found, 0.5), within(found, 0.9)
    return (
        f"On average half of the influence on a prediction lies within the last {_symbols(half)}, nine tenths within "
        f"{_symbols(most)}."
    )


def within(found: Memorization, share: float) -> int:
    """Within how many of the last symbols a share of the mean influence lies."""
    total = np.cumsum(found.by_lag)
    return int(np.searchsorted(total, share * total[-1])) + 1


def _symbols(number: int) -> str:
    return "symbol" if number == 1 else f"{number} symbols"


def memorization_numbers(found: Memorization) -> dict[str, Any]:
    """Half and nine tenths of the influence, and the window."""
    return {"half": within(found, 0.5), "nine_tenths": within(found, 0.9), "window": found.window}


def of_neurons(found: Neurons) -> str:
    """The unit that follows a pattern best."""
    if not found.matches:
        return "No pattern comes and goes within this text: try a longer one."
    best = best_match(found)
    name, value = best.pattern, best.held_out
    if _followed(best) < _FOLLOWS:
        return (
            f"None of the {found.units} units follows a pattern closely; nearest is {best.unit} to “{name}”, "
            f"correlation {value:+.2f} on text held out."
        )
    return f"{best.unit} follows “{name}”: correlation {value:+.2f} on text held out, the best of {found.units} units."


def best_match(found: Neurons) -> Match:
    """The unit that was found to follow a pattern and then followed it best on the text held out."""
    return max((matches[0] for matches in found.matches.values()), key=_followed)


def _followed(match: Match) -> float:
    """0 for a unit that went the other way on the text held out."""
    return abs(match.held_out) if match.held_out * match.correlation > 0 else 0.0


def neurons_numbers(found: Neurons) -> dict[str, Any]:
    """By pattern: the best unit."""
    patterns = {
        name: {
            "unit": str(best[0].unit),
            "correlation": best[0].correlation,
            "held_out": best[0].held_out,
            "auc": best[0].auc,
        }
        for name, best in found.matches.items()
    }
    return {"units": found.units, "patterns": plain(patterns), "skipped": list(found.skipped)}


def of_surprise(found: Surprise) -> str:
    """How good it is on this text, and where it was wrong most."""
    said = (
        f"{found.bits_per_symbol:.2f} bits a symbol (perplexity {found.perplexity:.1f}); the symbol it holds for "
        f"likeliest is the true one in {found.accuracy:.0%}."
    )
    if not found.mistakes:
        return said
    worst = found.mistakes[0]
    before = f"after “{seen(worst.before[-12:])}”" if worst.before else "at the beginning"
    return f"{said} Least expected: “{seen(worst.symbol)}” {before}, {worst.bits:.1f} bits."


def surprise_numbers(found: Surprise) -> dict[str, Any]:
    """Bits, perplexity, accuracy."""
    return plain(  # type: ignore[no-any-return]
        {
            "bits_per_symbol": found.bits_per_symbol,
            "perplexity": found.perplexity,
            "accuracy": found.accuracy,
        }
    )


def of_truncation(found: Truncation, trained: int | None) -> str:
    """How far the gradient must go back, and what the run's own window left out."""
    near = found.k2[found.errors <= _NEAR]
    if len(near):
        said = f"Going back {int(near.min())} steps gives the gradient through all {found.steps:,} within {_NEAR:.0%}."
    elif np.isnan(found.errors).any():
        return "The gradient through the whole text is zero: there is nothing to compare with."
    else:
        said = f"Even going back {int(found.k2.max())} steps is not within {_NEAR:.0%} of the gradient through all."
    if trained is None or trained not in found.k2:
        return said
    error = float(found.errors[found.k2 == trained][0])
    return f"{said} With the {trained} steps it was trained with, the gradient is off by {error:.0%}."


def truncation_numbers(found: Truncation) -> dict[str, Any]:
    """Error and cosine by k2."""
    return {"steps": found.steps, **plain({"k2": found.k2, "errors": found.errors, "cosines": found.cosines})}
