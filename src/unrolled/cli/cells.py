"""`unrolled cells`: the catalogue, and one cell from every side."""

from __future__ import annotations

import json as json_format
import math
import re
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unrolled.errors import SettingError

if TYPE_CHECKING:
    from unrolled.equations import Cell


def cells(
    name: str | None = None,
    /,
    *,
    input: int = 64,
    hidden: int = 128,
    latex: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    mathml: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> None:
    """The cells there are; with a name, that cell's equations, shapes and schedule.

    Without a name: every cell of the catalogue with one line and its paper. With one: the equations, the shape of
    every parameter and their number for one layer, and the schedule (what is computed once, what before the time
    loop, what in every step of it, and what after).

    Examples:

    - `unrolled cells`
    - `unrolled cells lstm --input 64 --hidden 128`
    - `unrolled cells gru --latex`
    - `unrolled cells my_cell.txt` (equations of your own)

    Parameters
    ----------
    name
        A cell of the catalogue, or a file of equations.
    input
        Input size I, for the shapes.
    hidden
        Hidden size H, for the shapes. Other named sizes of a cell are H too.
    latex
        Print the equations in LaTeX, and nothing else.
    mathml
        Print the equations in MathML, and nothing else.
    json
        Print JSON instead of text.
    """
    from unrolled.cells import catalogue, find

    if name is None:
        if latex or mathml:
            raise SettingError("--latex and --mathml print one cell; name it, such as: unrolled cells lstm --latex")
        everything = catalogue().values()
        print(json_format.dumps([_summary(cell) for cell in everything])) if json else _list(list(everything))
        return
    if input < 0 or hidden < 1:
        raise SettingError(f"--input must be 0 or more and --hidden 1 or more, got {input} and {hidden}")
    cell = find(name)
    if latex or mathml:
        print(cell.latex() if latex else cell.mathml())
    elif json:
        print(json_format.dumps(_details(cell, input, hidden)))
    else:
        _show(cell, input, hidden)


def _summary(cell: Cell) -> dict[str, Any]:
    """The first line of the docstring, parted into what the cell is and where it comes from."""
    match = re.fullmatch(r"(.*?)\s*\(([^()]*\d{4}[^()]*)\)\.?", cell.summary)
    text, paper = match.groups() if match else (cell.summary, "")
    return {"name": cell.name, "summary": text.rstrip("."), "paper": paper}


def _list(everything: list[Cell]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("cell", "what it is", "paper"):
        table.add_column(column, header_style="bold", no_wrap=column == "cell")
    for cell in everything:
        table.add_row(*(Text(value) for value in _summary(cell).values()))
    console = Console(highlight=False)
    console.print(table)
    console.print("\nunrolled cells NAME shows the equations, shapes and schedule of one.")


def _shapes(cell: Cell, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    sizes = {name: hidden_size for name in cell.named_sizes}
    return cell.parameter_shapes(input_size, hidden_size, **sizes)


def _details(cell: Cell, input_size: int, hidden_size: int) -> dict[str, Any]:
    shapes = _shapes(cell, input_size, hidden_size)
    return {
        **_summary(cell),
        "text": cell.text,
        "equations": cell.equations(),
        "states": list(cell.states),
        "input_size": input_size,
        "hidden_size": hidden_size,
        "parameters": {name: list(shape) for name, shape in shapes.items()},
        "number_of_parameters": sum(math.prod(shape) for shape in shapes.values()),
        "schedule": str(cell.schedule()),
    }


def _show(cell: Cell, input_size: int, hidden_size: int) -> None:
    shapes = _shapes(cell, input_size, hidden_size)
    number = sum(math.prod(shape) for shape in shapes.values())
    print(f"{cell.name}: {cell.summary}\n")
    print(_indented(cell.equations()))
    print(f"\nParameters, for input size I = {input_size} and hidden size H = {hidden_size}: {number:,} in one layer\n")
    width = max((len(name) for name in shapes), default=0)
    for name, shape in shapes.items():
        print(f"  {name:<{width}}  {' x '.join(map(str, shape))}")
    print("\nSchedule\n")
    print(_indented(str(cell.schedule())))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
