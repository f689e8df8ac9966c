"""Workloads x competitors in one process: `python -m benchmarks`.

Whoever does not agree with the reference engine is not timed. Runs are interleaved and medians are compared; the
peak is that of multiply-adds, measured between the workloads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import elementwise, measure, report, saved, streaming
from benchmarks.competitors import COMPETITORS, OURS
from benchmarks.competitors.competitor import Competitor
from benchmarks.page import write_page
from benchmarks.timing import Peak
from benchmarks.workloads import CELLS, SHAPES, Shape, Workload, recurrent_cells
from unrolled import __version__
from unrolled.cells import find
from unrolled.errors import SettingError, UnrolledError

PARTS = ("dense", "ragged", "elementwise", "streaming", "saved")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, write JSON and the page. Interrupted, it reports what it has."""
    try:
        asked = read(arguments)
        torch.set_num_threads(asked.threads)
        found = run(asked)
    except UnrolledError as error:
        sys.exit(f"benchmarks: {error}")
    report.print_tables(found)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
        page = asked.html or asked.json.with_suffix(".html")
    else:
        page = asked.html
    if page:
        write_page(found, page)
        print(f"\n{page}")


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 11, 16 MB instead of 64")
    parser.add_argument("--only", default=",".join(CELLS), help="cells by name, with commas; all: every one")
    parser.add_argument("--shapes", nargs="+", help="such as T100B32I64H128 [the five of the table]")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"[{','.join(PARTS)}]")
    names = ", ".join(f"{one.name}{' (slow, off)' * one.optional}" for one in COMPETITORS)
    parser.add_argument("--against", help=f"competitors by name, with commas: {names}")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile too: minutes for every workload"
    )
    parser.add_argument("--rounds", type=int, help="samples of every call")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--json", type=Path, help="write everything measured; a page of the same name beside it"
    )
    parser.add_argument("--html", type=Path, help="where to write the page")
    asked = parser.parse_args(arguments)
    asked.cells = recurrent_cells() if asked.only == "all" else tuple(asked.only.split(","))
    asked.shapes = tuple(map(Shape.read, asked.shapes)) if asked.shapes else SHAPES
    asked.parts = tuple(asked.parts.split(","))
    asked.rounds = asked.rounds or (3 if asked.quick else 11)
    asked.competitors = chosen(asked.against, asked.compile)
    for cell in asked.cells:
        find(cell)
    if odd := set(asked.parts) - set(PARTS):
        raise SettingError(f"--parts must be among {', '.join(PARTS)}, got {', '.join(sorted(odd))}")
    if asked.rounds < 1 or asked.threads < 1:
        raise SettingError("--rounds and --threads must be 1 or more")
    return asked


def chosen(against: str | None, compiled: bool = False) -> tuple[Competitor, ...]:
    """Ours and the competitors named, or all that are not slow."""
    if against is None:
        return tuple(one for one in COMPETITORS if not one.optional or compiled)
    names = {name.strip().casefold() for name in against.split(",")} - {""}
    known = {one.name.casefold() for one in COMPETITORS}
    if odd := names - known:
        listed = ", ".join(one.name for one in COMPETITORS)
        raise SettingError(f"--against must be among {listed}, got {', '.join(sorted(odd))}")
    return tuple(
        one
        for one in COMPETITORS
        if one.name == OURS or one.name.casefold() in names or (compiled and one.optional)
    )


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Everything asked for, as it goes into JSON."""
    peak = Peak()
    found: dict[str, Any] = {
        "runs": [],
        "elementwise": [],
        "streaming": {},
        "saved": [],
        "interrupted": False,
        "machine": machine(),
    }
    load_before = os.getloadavg()[0]
    try:
        _run_parts(asked, found, peak)
    except KeyboardInterrupt:
        found["interrupted"] = True
    peak.measure()
    _tell("")
    found["peak"] = {"gigaflops": peak.value / 1e9, "samples": [value / 1e9 for value in peak.samples]}
    found["load"] = [load_before, os.getloadavg()[0]]
    for record in found["runs"]:
        for result in record["results"].values():
            result["share_of_peak"] = result["gigaflops"] / found["peak"]["gigaflops"]
    return found


def _run_parts(asked: argparse.Namespace, found: dict[str, Any], peak: Peak) -> None:
    for ragged in (False, True):
        if ("ragged" if ragged else "dense") not in asked.parts:
            continue
        for shape in asked.shapes:
            if ragged and shape.B == 1:
                continue
            for cell in asked.cells:
                peak.measure()
                workload = Workload(cell, shape, ragged)
                found["runs"] += measure.measure(workload, asked.competitors, asked.rounds, _tell)
    if "elementwise" in asked.parts:
        for cell in elementwise.CELLS:
            _tell(f"{cell}: moving data")
            found["elementwise"].append(elementwise.measure(cell, 16 if asked.quick else 64, asked.rounds))
    if "streaming" in asked.parts:
        _tell("streaming, one thread")
        found["streaming"] = streaming.measure(asked.rounds)
    if "saved" in asked.parts:
        for cell in asked.cells:
            _tell(f"{cell}: saved bytes")
            found["saved"].append(saved.measure(cell, asked.shapes[0]))


def _tell(line: str) -> None:
    """What is running, on standard error: one line that replaces itself, and only where a person looks."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """What was measured where."""
    from unrolled import _native

    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "instruction_set": _native.kernels.chosen(),
        "unrolled": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _processor() -> str:
    """The name of the processor; its architecture where nothing tells."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
