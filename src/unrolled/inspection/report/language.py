"""All inspections of one language model over one text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.inspection.gates import gates
from unrolled.inspection.gradient_flow import gradient_flow
from unrolled.inspection.memorization import Memorization, memorization
from unrolled.inspection.neurons import Neurons, activities, neurons
from unrolled.inspection.reading import surfaces_of
from unrolled.inspection.report import verdicts
from unrolled.inspection.report.dynamics import gates_page, gradient_page, spectrum_page
from unrolled.inspection.report.figures import titled
from unrolled.inspection.report.pages import Inspected, Page
from unrolled.inspection.report.runs import TrainedRun
from unrolled.inspection.spectrum import spectrum
from unrolled.inspection.surprise import Surprise, surprise
from unrolled.inspection.truncation import truncation
from unrolled.models.language import LanguageModel

LAGS, TRUNCATED = 100, 1000
"""Steps the gradient is followed back; symbols the truncated gradients are compared on."""
_K2 = (1, 2, 4, 8, 16, 32, 64, 128)
_LEAST = 4
"""Symbols that units can be compared with patterns on."""
UNIT_VALUES = 2**20
"""All units are put into the report up to so many values, else those that follow a pattern."""

Tell = Callable[[str], None]


def inspect_language(
    model: LanguageModel,
    text: str,
    run: TrainedRun | None = None,
    *,
    name: str = "model",
    window: int = 256,
    best: int = 5,
    tell: Tell = lambda line: None,
) -> Inspected:
    """Gradient flow, spectrum, gates, memorization, neurons, surprise and truncation of a model on a text.

    Raises:
        DataError: an empty text.
        SettingError: window or best below one.
    """
    run = run or TrainedRun()
    tell("memorization")
    symbols = surfaces_of(model, text)
    count = len(symbols)
    remembered = memorization(
        model, text, window=min(window, max(1, count)) if window > 0 else window, best=best
    )
    tell("surprise and neurons")
    surprised = surprise(model, text)
    followed = neurons(model, text) if count >= _LEAST else Neurons({}, (), 0, 0)
    tell("gradient flow, gates and spectrum")
    pages = [
        gradient_page(gradient_flow(model, text, lags=min(LAGS, count)), run.course),
        spectrum_page(spectrum(model), run.course),
        gates_page(gates(model, text)),
        Page(
            "memorization",
            verdicts.of_memorization(remembered),
            verdicts.memorization_numbers(remembered),
            (titled(remembered.figure(), "Mean influence by distance"),),
        ),
        Page("neurons", verdicts.of_neurons(followed), verdicts.neurons_numbers(followed), _of(followed)),
        Page("surprise", verdicts.of_surprise(surprised), verdicts.surprise_numbers(surprised)),
    ]
    tell("truncation")
    pages.append(_truncation(model, "".join(symbols[:TRUNCATED]), min(count, TRUNCATED), run))
    views = _views(model, text, remembered, surprised, followed)
    return Inspected(name, about(model, run), model.cell.text, tuple(pages), views, symbols)


def about(model: LanguageModel, run: TrainedRun) -> tuple[tuple[str, str], ...]:
    """What the model is, as names and values."""
    layer = model.recurrent
    lines = [
        ("architecture", "language model"),
        ("cell", model.cell.name),
        ("layers", f"{layer.num_layers} x {layer.hidden_size} units"),
        ("input", "one-hot" if model.embedding is None else f"embedding of {model.embedding.embedding_dim}"),
        ("symbols", f"{len(model.vocabulary):,}"),
        ("parameters", f"{model.number_of_parameters:,}"),
    ]
    if run.steps is not None:
        lines.append(("trained with", f"truncated BPTT, windows of {run.steps} steps"))
    return tuple(lines)


def _of(found: Neurons) -> tuple[Any, ...]:
    return (titled(found.figure(), "The best unit for each pattern"),) if found.matches else ()


def _truncation(model: LanguageModel, text: str, count: int, run: TrainedRun) -> Page:
    extra = {run.steps} if run.steps is not None and run.steps <= count else set()
    shorter = {k for k in _K2 if k < count} | extra or {1}
    found = truncation(model, text, k2=sorted(shorter))
    return Page(
        "truncation",
        verdicts.of_truncation(found, run.steps),
        verdicts.truncation_numbers(found),
        (titled(found.figure(), "How far each truncated gradient is from the full one"),),
    )


# --- the arrays of the text views ----------------------------------------------------------------


def packed(values: NDArray[Any]) -> str:
    """The bytes of an array, little endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()).decode()


def _views(
    model: LanguageModel, text: str, remembered: Memorization, surprised: Surprise, followed: Neurons
) -> dict[str, Any]:
    names = list(dict.fromkeys(symbol for row in remembered.guesses for symbol in row))
    number = {symbol: i for i, symbol in enumerate(names)}
    guesses = np.array([[number[symbol] for symbol in row] for row in remembered.guesses], dtype=np.uint32)
    return {
        "window": remembered.window,
        "influence": packed(remembered.connectivity),
        "best": guesses.shape[1],
        "names": names,
        "guesses": packed(guesses),
        "shares": packed(remembered.guess_probabilities.astype(np.float32)),
        "probabilities": packed(remembered.probabilities.astype(np.float32)),
        "bits": packed(surprised.bits.astype(np.float32)),
        "mistakes": [{"position": m.position, "bits": round(m.bits, 2)} for m in surprised.mistakes],
        **_units(model, text, followed),
    }


def _units(model: LanguageModel, text: str, followed: Neurons) -> dict[str, Any]:
    units, values = activities(model, text)
    order = [match.unit for found in followed.matches.values() for match in found]
    if values.size <= UNIT_VALUES:
        order = [*order, *units]
    kept = list(dict.fromkeys(order))
    place = {unit: i for i, unit in enumerate(units)}
    chosen = values[:, [place[unit] for unit in kept]].T
    most = np.abs(chosen).max(1, initial=0.0)
    scaled = np.rint(chosen / np.where(most > 0, most, 1)[:, None] * 127).astype(np.int8)
    index = {unit: i for i, unit in enumerate(kept)}
    patterns = [
        {
            "name": name,
            "units": [
                {"unit": index[m.unit], "held": round(m.held_out, 3), "found": round(m.correlation, 3)}
                for m in found
            ],
        }
        for name, found in followed.matches.items()
    ]
    return {
        "units": [str(unit) for unit in kept],
        "most": [float(f"{value:.4g}") for value in most],
        "values": packed(scaled),
        "patterns": patterns,
        "all_units": len(units),
        "first": _first(followed),
    }


def _first(followed: Neurons) -> int:
    """Which of the matches, counted pattern by pattern, the report begins with."""
    matches = [match for found in followed.matches.values() for match in found]
    if not matches:
        return 0
    best = verdicts.best_match(followed)
    return next(i for i, match in enumerate(matches) if match is best)
