"""`unrolled cells`: the catalogue, and one cell from every side."""

from __future__ import annotations

import json as json_format
import math
from typing import TYPE_CHECKING, Any

from unrolled.cli.options import Switch, Whole
from unrolled.errors import SettingError

if TYPE_CHECKING:
    from unrolled.equations import Cell


def cells(
    name: str | None = None,
    /,
    *,
    input: Whole = 64,
    hidden: Whole = 128,
    latex: Switch = False,
    mathml: Switch = False,
    backward: Switch = False,
    style: str = "separate",
    json: Switch = False,
) -> None:
    """The cells there are; with a name, that cell's equations, shapes and schedule.

    Without a name: every cell of the catalogue with one line and its paper. With one: the equations, the shape of
    every parameter and their number for one layer, and the schedule (what is computed once, what before the time
    loop, what in every step of it, and what after).

    Examples:

    - `unrolled cells`
    - `unrolled cells lstm --input 64 --hidden 128`
    - `unrolled cells gru --latex`
    - `unrolled cells elman --backward` (the derivatives of one step, as lectures derive them by hand)
    - `unrolled cells gru --latex --style gates`
    - `unrolled cells slide.tex` (equations of your own: LaTeX, Markdown, plain text, or a Python function)

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
    backward
        Print the backward pass, and nothing else: the derivatives of one step, the gradients of the parameters,
        what is saved for them by the forward run, and what must wait for the time loop.
    style
        How --latex and --mathml print products: separate (W x + U h), stacked (W [x, h]) or gates (one matrix).
    json
        Print JSON instead of text.
    """
    from unrolled.cells import catalogue, find

    if name is None:
        if latex or mathml or backward:
            raise SettingError(
                "--latex and --mathml print one cell; name it, such as: unrolled cells lstm --latex"
                if not backward
                else "--backward prints one cell; name it, such as: unrolled cells lstm --backward"
            )
        everything = catalogue().values()
        print(json_format.dumps([_summary(cell) for cell in everything])) if json else _list(list(everything))
        return
    if input < 0 or hidden < 1:
        raise SettingError(f"--input must be 0 or more and --hidden 1 or more, got {input} and {hidden}")
    cell = find(name)
    if backward:
        print(cell.backward())
    elif latex or mathml:
        print(cell.latex(style) if latex else cell.mathml(style))
    elif json:
        print(json_format.dumps(_details(cell, input, hidden)))
    else:
        _show(cell, input, hidden)


def _summary(cell: Cell) -> dict[str, Any]:
    """The first line of the docstring, parted into what the cell is and where it comes from."""
    text = cell.summary.rstrip(".")
    start = _last_bracket(text)
    return {"name": cell.name, "summary": text[:start].rstrip(), "paper": text[start + 1 : -1]}


def _last_bracket(text: str) -> int:
    """Where the bracket opens that closes at the very end; the length of the text if there is none."""
    depth = 0
    for place in range(len(text) - 1, -1, -1):
        depth += (text[place] == ")") - (text[place] == "(")
        if depth == 0:
            return place if text[place] == "(" else len(text)
    return len(text)


def _list(everything: list[Cell]) -> None:
    """One line each where there is room or nobody looks; on a narrow terminal the paper goes below."""
    from rich.console import Console
    from rich.text import Text

    rows = [_summary(cell) for cell in everything]
    name, summary, paper = (max(len(row[key]) for row in rows) for key in ("name", "summary", "paper"))
    console = Console(highlight=False)
    narrow = console.is_terminal and console.width < name + summary + paper + 4
    for row in rows:
        line = Text(f"{row['name']:<{name}}  ", style="bold")
        line.append(row["summary"].ljust(0 if narrow else summary), style="not bold")
        line.append(f"\n{'':<{name}}  " if narrow else "  ")
        line.append(row["paper"], style="not bold dim")
        console.print(line, soft_wrap=not narrow)
    console.print("\nunrolled cells NAME shows the equations, shapes and schedule of one.", soft_wrap=True)


def _shapes(cell: Cell, input_size: int, hidden_size: int) -> dict[str, tuple[int, ...]]:
    sizes = dict.fromkeys(cell.named_sizes, hidden_size)
    return cell.parameter_shapes(input_size, hidden_size, **sizes)


def _number(shapes: dict[str, tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


def _details(cell: Cell, input_size: int, hidden_size: int) -> dict[str, Any]:
    shapes = _shapes(cell, input_size, hidden_size)
    return {
        **_summary(cell),
        "text": cell.text,
        "equations": cell.equations(),
        "states": list(cell.states),
        "constants": cell.graph.constants,
        "input_size": input_size,
        "hidden_size": hidden_size,
        "parameters": {name: list(shape) for name, shape in shapes.items()},
        "number_of_parameters": _number(shapes),
        "schedule": str(cell.schedule()),
        "backward": cell.backward(),
    }


def _show(cell: Cell, input_size: int, hidden_size: int) -> None:
    shapes = _shapes(cell, input_size, hidden_size)
    number = _number(shapes)
    print(f"{cell.name}: {cell.summary}\n" if cell.doc else f"{cell.name}\n")
    print(_indented(cell.equations()))
    print(f"\n{_roles(cell)}")
    for name, value in cell.graph.constants.items():
        print(f"  {name} = {_constant(value)}, a constant: {cell.name}.set({name}=...) changes it")
    print(
        f"\nParameters, for input size I = {input_size} and hidden size H = {hidden_size}: {number:,} in one layer\n"
    )
    width = max((len(name) for name in shapes), default=0)
    for name, shape in shapes.items():
        print(f"  {name:<{width}}  {' x '.join(map(str, shape))}")
    print(f"\n{cell.schedule()}")
    _, when, advice = cell.doc.partition("\nUse it ")
    if when:
        print(f"\nUse it {' '.join(advice.split())}")


def _constant(value: float | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return f"{value:.15g}"


def _roles(cell: Cell) -> str:
    """Who is what, each with its size in letters."""
    graph, signature = cell.graph, cell.signature
    sized = {name: f"{name} ({graph.size(graph.leaf[name])})" for name in (signature.input, *cell.states)}
    output = next((name for name, i in graph.named.items() if i == graph.output), "the last line")
    parts = [f"Input {sized[signature.input]}", f"state {', '.join(sized[name] for name in cell.states)}"]
    parts += [f"given {', '.join(signature.statics)}"] if signature.statics else []
    return "; ".join([*parts, f"output {output} ({graph.size(graph.output)})"])


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
