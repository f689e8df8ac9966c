"""One workload: agreement first, then everybody in turns, forward and training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.agreement import Disagreement, check, truth
from benchmarks.competitors import OURS
from benchmarks.competitors.competitor import Competitor, Runner
from benchmarks.workloads import Workload, make_case
from unrolled.inspection.speed import Samples, interleaved, median, spread

Record = dict[str, Any]
Tell = Callable[[str], None]
DENSE = "dense"


def measure(workload: Workload, competitors: Sequence[Competitor], repeats: int, tell: Tell) -> list[Record]:
    """Two records, forward and training. A competitor left out is named there with the reason."""
    tell(f"{workload}: the reference answer")
    case = make_case(workload)
    true_output, true_gradients = truth(case)
    runners: dict[str, Runner] = {}
    errors: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    for competitor in competitors:
        if missing := competitor.missing():
            left_out[competitor.name] = f"not installed: {', '.join(missing)}"
            continue
        tell(f"{workload}: does {competitor.name} agree?")
        runner = competitor.make(case)
        if runner is None:
            left_out[competitor.name] = "does not have this"
            continue
        try:
            errors[competitor.name] = check(competitor.name, runner, true_output, true_gradients)
            runners[competitor.name] = runner
        except Disagreement as disagreement:
            left_out[competitor.name] = f"not timed: {disagreement}"
    records, dense = list[Record](), _dense(workload, competitors)
    for mode in ("forward", "training"):
        tell(f"{workload}: {mode}, {repeats} rounds")
        calls = {name: one.forward if mode == "forward" else one.train for name, one in runners.items()}
        if dense is not None:
            calls[DENSE] = dense.forward if mode == "forward" else dense.train
        samples = interleaved({name: call for name, call in calls.items() if call}, repeats)
        beside = samples.pop(DENSE, None)
        record = _record(workload, mode, samples, errors, left_out, runners)
        records.append(record | _against_dense(workload, samples.get(OURS), beside))
    return records


def _dense(workload: Workload, competitors: Sequence[Competitor]) -> Runner | None:
    """Ours on the same batch with every row of T steps, to be timed in turns with the ragged one."""
    ours = next((one for one in competitors if one.name == OURS), None)
    if ours is None or not workload.ragged:
        return None
    return ours.make(make_case(replace(workload, ragged=False)))


def _against_dense(workload: Workload, ours: list[float] | None, dense: list[float] | None) -> Record:
    """The speed by real step, as a share of that of the dense batch."""
    if ours is None or dense is None:
        return {}
    by_step = median(dense) / replace(workload, ragged=False).steps
    return {"share_of_dense": by_step / (median(ours) / workload.steps), "dense_samples": dense}


def _record(
    workload: Workload,
    mode: str,
    samples: Samples,
    errors: dict[str, dict[str, float]],
    left_out: dict[str, str],
    runners: dict[str, Runner],
) -> Record:
    shape, work = workload.shape, workload.operations(mode == "training")
    ours = median(samples[OURS]) if OURS in samples else None
    results = {}
    for name, values in samples.items():
        seconds = median(values)
        results[name] = {
            "seconds": seconds,
            "gigaflops": work / seconds / 1e9,
            "ratio": None if ours is None else seconds / ours,
            "spread": spread(values),
            "samples": values,
            "difference": errors[name],
            **runners[name].notes,
        }
    return {
        "cell": workload.cell,
        "shape": {"T": shape.T, "B": shape.B, "I": shape.I, "H": shape.H},
        "ragged": workload.ragged,
        "mode": mode,
        "steps": workload.steps,
        "operations": work,
        "results": results,
        "left_out": left_out | {n: "forward only" for n in runners if n not in samples},
    }
