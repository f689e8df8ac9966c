"""`unrolled engines`: what runs cells here, and why one engine is chosen over another."""

from __future__ import annotations

import dataclasses
import json as json_format
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unrolled.cli.options import Switch
from unrolled.errors import SettingError

if TYPE_CHECKING:
    import torch

    from unrolled.engines import Verdict
    from unrolled.equations import Cell

DTYPES = ("float32", "float64", "bfloat16", "float16")


def engines(
    *, explain: str | None = None, device: str = "cpu", dtype: str = "float32", json: Switch = False
) -> None:
    """The engines there are, what each runs, and whether it can run here.

    A cell is a list of equations; an engine is what runs them. All engines give the same results up to rounding,
    and differ in speed and in where they run. Nobody has to choose: a layer takes the first engine of this list
    that accepts its equations, device and dtype, and `layer.engine` says which one that is. An engine asked for by
    name, `Recurrent(..., engine="reference")`, runs or is refused with the reason: nothing falls back in silence.

    Examples:

    - `unrolled engines`
    - `unrolled engines --explain lstm`
    - `unrolled engines --explain slide.tex --dtype bfloat16` (equations of your own)

    Parameters
    ----------
    explain
        A cell of the catalogue, or a file of equations: say which engine runs it, and why the others do not.
    device
        Where the parameters are: cpu, cuda, cuda:1, mps.
    dtype
        What the parameters are: float32, float64, bfloat16 or float16.
    json
        Print JSON instead of text.
    """
    from unrolled.cells import elman, find
    from unrolled.engines import explain as verdicts_on

    cell = elman if explain is None else find(explain)
    place, kind = _place(device), _kind(dtype)
    verdicts = verdicts_on(cell.schedule(), place, kind)
    if json:
        found = {"cell": None if explain is None else cell.name, "device": str(place), "dtype": dtype}
        print(json_format.dumps({**found, "engines": [dataclasses.asdict(one) for one in verdicts]}))
    elif explain is None:
        _list(verdicts, f"{dtype} on {place}")
    else:
        _explain(cell, verdicts, f"{dtype} on {place}")


def _place(device: str) -> torch.device:
    import torch

    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError):
        raise SettingError(f"--device {device} is no device of this machine. Try cpu.") from None


def _kind(dtype: str) -> torch.dtype:
    import torch

    if dtype not in DTYPES:
        raise SettingError(f"--dtype must be one of {', '.join(DTYPES)}, got {dtype}. Use one of these.")
    kind = getattr(torch, dtype)
    assert isinstance(kind, torch.dtype)
    return kind


def _list(verdicts: Sequence[Verdict], where: str) -> None:
    width = max(len(verdict.name) for verdict in verdicts)
    for verdict in verdicts:
        here = "can run here" if verdict.reason is None else f"cannot run here: {verdict.reason}"
        print(f"{verdict.name:<{width}}  {verdict.runs}\n{'':<{width}}  {where}: {here}")
    print("\nThe first that can run a layer does. unrolled engines --explain CELL says which one and why.")


def _explain(cell: Cell, verdicts: Sequence[Verdict], where: str) -> None:
    chosen = next(verdict.name for verdict in verdicts if verdict.chosen)
    width = max(len(verdict.name) for verdict in verdicts)
    print(f"{cell.name} in {where} runs on the {chosen} engine\n")
    for verdict in verdicts:
        print(f"  {verdict.name:<{width}}  {_why(verdict, chosen)}")
    print(f"\n  frame by frame, layer.stream(): {_streams(cell, chosen)}")


def _why(verdict: Verdict, chosen: str) -> str:
    if verdict.chosen:
        return f"chosen, the first that can: {verdict.runs}"
    if verdict.reason is not None:
        return f"not chosen, it cannot: {verdict.reason}"
    return (
        f'not chosen, {chosen} comes first; it can, ask for it with engine="{verdict.name}": {verdict.runs}'
    )


def _streams(cell: Cell, chosen: str) -> str:
    if chosen != "native":
        return f"a call of the {chosen} engine at every step"
    from unrolled.engines.native.stream import refusal

    reason = refusal(cell.schedule())
    return "packed once, then kept in the core" if reason is None else f"a call at every step: {reason}"
