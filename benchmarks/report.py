"""What was measured, as rows of text: for the terminal, and for the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.competitors import COMPETITORS, OURS

BUSY = 0.7
"""Load before the run, in processes that wanted to run: other programs were at work."""


@dataclass(frozen=True)
class Table:
    """A title, a note on how to read it, and cells of text; columns from `numbers` on are numbers."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: int = 1


def label(record: dict[str, Any]) -> str:
    """`T100 B32 I64 H128`."""
    return " ".join(f"{letter}{size}" for letter, size in record["shape"].items())


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} us"


def tables(found: dict[str, Any]) -> list[Table]:
    """Every table that has rows."""
    made = [
        _runs(found, ragged=False),
        _runs(found, ragged=True),
        _elementwise(found),
        _streaming(found),
        _saved(found),
    ]
    return [table for table in made if table.rows]


def heading(found: dict[str, Any]) -> list[str]:
    """Where it was measured, and how far to trust it."""
    machine, peak, load = found["machine"], found["peak"], found["load"]
    low, high = min(peak["samples"]), max(peak["samples"])
    lines = [
        f"{machine['processor']}, {machine['threads']} threads, {machine['instruction_set']}, float32; "
        f"unrolled {machine['unrolled']}, torch {machine['torch']}, Python {machine['python']}; {machine['time']}",
        f"peak of multiply-adds {peak['gigaflops']:.0f} GF/s (median of {len(peak['samples'])}, "
        f"{low:.0f} to {high:.0f}); load of the machine {load[0]:.1f} before, {load[1]:.1f} after",
    ]
    if load[0] >= BUSY:
        lines.append("the machine was busy before this run began: do not quote these figures")
    return lines + ["interrupted: what follows is not everything"] * found["interrupted"]


def left_out(found: dict[str, Any]) -> list[str]:
    """One line for each reason why somebody is missing, and where."""
    places: dict[tuple[str, str], list[str]] = {}
    for record in found["runs"]:
        for name, reason in record["left_out"].items():
            if reason == "forward only":
                continue
            place = f"{record['cell']}{' ragged' * record['ragged']}"
            if reason.startswith("not timed"):
                place += f" {label(record)}"
            places.setdefault((name, reason), []).append(place)
    return [
        f"{name}: {reason}"
        + ("" if reason.startswith("not inst") else f" ({', '.join(dict.fromkeys(where))})")
        for (name, reason), where in places.items()
    ]


def print_tables(found: dict[str, Any]) -> None:
    """Everything, on standard output."""
    from rich.console import Console
    from rich.table import Table as Shown

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    for line in heading(found):
        console.print(line, soft_wrap=True)
    for table in tables(found):
        console.print(f"\n[bold]{table.title}[/bold]\n{table.note}\n", soft_wrap=True)
        shown = Shown(box=None, pad_edge=False, header_style="dim")
        for place, name in enumerate(table.head):
            shown.add_column(name, justify="right" if place >= table.numbers else "left", no_wrap=True)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    for line in left_out(found):
        console.print(f"left out: {line}", soft_wrap=True)


# --- one table each ------------------------------------------------------------------------------


def others(runs: list[dict[str, Any]]) -> list[str]:
    """The competitors that were timed at least once, in order."""
    return [
        one.name
        for one in COMPETITORS
        if one.name != OURS and any(one.name in record["results"] for record in runs)
    ]


def _runs(found: dict[str, Any], ragged: bool) -> Table:
    runs = [record for record in found["runs"] if record["ragged"] == ragged]
    rivals = others(runs)
    title = "Ragged batches, lengths from 10 to 100 % of T, by real step" if ragged else "Dense batches"
    note = (
        f"Times of {OURS}, then how many times longer the others take. +- is the middle half of the samples. "
        "peak: share of the multiply-adds this machine can do."
    )
    if ragged:
        note += (
            " by step: time by real step of one row; of dense: that speed as a share of the one of a batch whose rows "
            "all have T steps, timed in turns with it."
        )
    dense = ("by step", "of dense") if ragged else ()
    return Table(
        title,
        note,
        ("cell", "shape", "mode", OURS, "+-", "GF/s", "peak", *dense, *rivals),
        [_run_row(record, rivals) for record in runs],
        numbers=3,
    )


def _run_row(record: dict[str, Any], rivals: list[str]) -> tuple[str, ...]:
    results = record["results"]
    return (
        record["cell"],
        label(record),
        record["mode"],
        *_own(results.get(OURS)),
        *(_by_step(record) if record["ragged"] else ()),
        *_ratios(results, rivals),
    )


def _by_step(record: dict[str, Any]) -> tuple[str, str]:
    if OURS not in record["results"]:
        return ("-", "-")
    share = record.get("share_of_dense")
    by_step = seconds(record["results"][OURS]["seconds"] / record["steps"])
    return (by_step, "-" if share is None else f"{share:.0%}")


def _own(result: dict[str, Any] | None) -> tuple[str, str, str, str]:
    if result is None:
        return ("-",) * 4
    return (
        seconds(result["seconds"]),
        f"{result['spread']:.0%}",
        f"{result['gigaflops']:.0f}",
        f"{result['share_of_peak']:.0%}",
    )


def _ratios(results: dict[str, Any], rivals: list[str]) -> Iterator[str]:
    for name in rivals:
        result = results.get(name)
        if result is None:
            yield "-"
        elif result["ratio"] is None:
            yield seconds(result["seconds"])
        else:
            compiled = sum(value for key, value in result.items() if key.startswith("compile_"))
            yield f"{result['ratio']:.2f}x" + (f" (compiled {compiled:.0f} s)" if compiled else "")


def _elementwise(found: dict[str, Any]) -> Table:
    rows = [
        (
            one["cell"],
            label(one),
            f"{one['bytes'] / 2**20:.0f} MB",
            seconds(one["seconds"]),
            seconds(one["once_seconds"]),
            f"{one['times_once']:.2f}x",
        )
        for one in found["elementwise"]
    ]
    note = (
        "The whole forward call, against reading what enters the time loop and writing the output once, at the "
        "speed of a copy into memory used before."
    )
    head = ("cell", "shape", "data", OURS, "once", "times once")
    return Table("Cells without a recurrent matrix", note, head, rows, numbers=2)


def _streaming(found: dict[str, Any]) -> Table:
    rows = []
    for cell, ways in found["streaming"].items():
        best = next(iter(ways.values()))["seconds"]
        rows += [(cell, way, seconds(v["seconds"]), f"{v['seconds'] / best:.2f}x") for way, v in ways.items()]
    note = "B1 I64 H128, one thread, called from Python; the state is carried."
    return Table("One step", note, ("cell", "", "one step", "times the first"), rows, numbers=2)


def _saved(found: dict[str, Any]) -> Table:
    rivals = list(dict.fromkeys(name for one in found["saved"] for name in one["bytes"]))
    rows = []
    for one in found["saved"]:
        unit = 4 * one["shape"]["H"]
        cells = (
            f"{one['bytes'][n]:,.0f} ({one['bytes'][n] / unit:.1f} H)" if n in one["bytes"] else "-"
            for n in rivals
        )
        rows.append((one["cell"], label(one), *cells))
    note = "Bytes by step and row, beside input, output and parameters; in brackets as float32 vectors of H."
    return Table("Kept for the backward run", note, ("cell", "shape", *rivals), rows, numbers=2)
