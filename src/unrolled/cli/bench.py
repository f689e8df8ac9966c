"""`unrolled bench`: how fast a cell runs on this machine, and over how many steps cells remember."""

from __future__ import annotations

import dataclasses
import json as json_format
from typing import TYPE_CHECKING, Any

from cyclopts import App

from unrolled.cli.bench_memory import memory
from unrolled.cli.options import Switch, Whole
from unrolled.errors import SettingError

if TYPE_CHECKING:
    from unrolled.inspection.compare import Comparison

app = App(
    name="bench",
    help_format="markdown",
    help_epilogue="",
    usage="Usage: unrolled bench [CELL] [OPTIONS]\n       unrolled bench memory [TASK] [OPTIONS]",
    sort_key=100,
)


@app.default
def bench(
    cell: str = "gru",
    /,
    *,
    input: Whole = 64,
    hidden: Whole = 128,
    steps: Whole = 100,
    batch: Whole = 32,
    rounds: Whole = 5,
    threads: Whole | None = None,
    json: Switch = False,
) -> None:
    """How fast a cell runs on this machine, at your sizes.

    Times one layer in float32: the engine that is chosen by itself, the reference engine (a loop over the steps in
    plain torch operations), and torch.nn where the equations are those of nn.LSTM, nn.GRU or nn.RNN under any
    names. They take turns, and are timed only when their outputs and gradients agree. GF/s are billions of
    operations per second in the products with matrices; the peak is what the machine reaches in multiply-adds
    alone, measured in the same run. Other programs that run meanwhile change every figure.

    Examples:

    - `unrolled bench lstm --input 256 --hidden 256`
    - `unrolled bench slide.tex --steps 1000 --batch 1` (equations of your own)
    - `unrolled bench memory adding --cell lstm` (another command: over how many steps cells remember)

    Parameters
    ----------
    cell
        A cell of the catalogue, or a file of equations.
    input
        Input size I.
    hidden
        Hidden size H. Other named sizes of a cell are H too.
    steps
        Steps T of every row.
    batch
        Rows B.
    rounds
        Samples of each; the median is shown.
    threads
        Threads to run on. [default: as torch does]
    json
        Print JSON instead of the table; seconds, and operations per second.
    """
    from rich.console import Console

    from unrolled.cells import find

    found = find(cell)
    if threads is not None and threads < 1:
        raise SettingError(f"--threads must be 1 or more, got {threads}")
    import torch

    from unrolled.inspection.compare import Size, compare

    size = Size(steps, batch, input, hidden)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with Console(stderr=True).status("measuring the machine") as status:
            outcome = compare(found, size, rounds, tell=lambda line: status.update(f"{found.name}: {line}"))
        print(json_format.dumps(_as_dict(outcome, torch.get_num_threads())) if json else _text(outcome))
    finally:
        torch.set_num_threads(before)


app.command(memory, help_epilogue="", usage="Usage: unrolled bench memory [TASK] [OPTIONS]")


def _as_dict(outcome: Comparison, threads: int) -> dict[str, Any]:
    return {**dataclasses.asdict(outcome), "threads": threads}


def _text(outcome: Comparison) -> str:
    size = outcome.size
    sizes = f"T {size.steps}, B {size.batch}, I {size.input_size}, H {size.hidden_size}"
    lines = [
        f"{outcome.cell}: {sizes}; {outcome.entries:,} numbers in matrices; float32",
        f"peak of multiply-adds {outcome.peak / 1e9:.0f} GF/s",
    ]
    for mode in ("forward", "training"):
        lines += ["", f"{_TITLES[mode]:<28}{'ms':>10}{'+-':>6}{'GF/s':>8}{'of peak':>9}{'times':>8}"]
        timed = [one for one in outcome.timed if one.mode == mode]
        for one in timed:
            ratio = "" if one is timed[0] else f"{one.seconds / timed[0].seconds:.2f}x"
            share = one.speed / outcome.peak
            lines.append(
                f"  {_NAMES.get(one.name, one.name):<26}{one.seconds * 1e3:>10.2f}{one.spread:>6.0%}"
                f"{one.speed / 1e9:>8.0f}{share:>9.0%}{ratio:>8}".rstrip()
            )
    same = (
        f", and with {outcome.torch_network}, which has the same equations" if outcome.torch_network else ""
    )
    lines += [
        "",
        f"+- is the middle half of the samples; times: how much longer than {outcome.engine}.",
        f"Outputs and gradients agree with the reference engine{same}, to {outcome.difference:.0e}.",
    ]
    return "\n".join(lines)


_TITLES = {"forward": "forward", "training": "forward and backward"}
_NAMES = {"reference": "reference (loop in Python)"}
