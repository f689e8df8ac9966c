"""Music as a picture: time to the right, pitch upwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from unrolled.data.piano_roll import Piece, pitch_name
from unrolled.generation.music import sounding_notes
from unrolled.inspection.figures import colour, drawing

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ALL_NAMES = 30
"""So many keys have a name each; of more only every C and G."""
_STRUCK, _HELD, _SILENT = "█", "▒", "·"


def as_text(piece: Piece, primed: int = 0, width: int = 72) -> str:
    """A piano roll for a terminal: a line for each key that sounds, `█` where it is struck, `▒` where it goes on.

    Args:
        piece: what is shown.
        primed: a bar stands behind so many steps.
        width: characters of a line; longer pieces go on below.

    Example:
        >>> print(as_text(Piece.of([[60, 64], [60], [62]])))
        E4 █··
        D4 ··█
        C4 █▒·
    """
    used = np.flatnonzero(piece.frames.any(0))[::-1]
    if not len(used):
        return "(silence)"
    names = [pitch_name(int(key) + piece.low) for key in used]
    margin = max(map(len, names))
    room = max(8, width - margin - 2)
    blocks = []
    for start in range(0, len(piece), room):
        part = slice(start, min(len(piece), start + room))
        lines = []
        for name, key in zip(names, used, strict=True):
            if len(piece) > room and not piece.frames[part, key].any():
                continue
            row = "".join(
                _STRUCK if struck else _HELD if sounds else _SILENT
                for sounds, struck in zip(piece.frames[part, key], piece.struck[part, key], strict=True)
            )
            border = primed - start
            if 0 < border < len(row):
                row = f"{row[:border]}│{row[border:]}"
            lines.append(f"{name:<{margin}} {row}")
        blocks.append("\n".join(lines) or "(silence)")
    return "\n\n".join(blocks)


def as_chords(piece: Piece) -> str:
    """A piece in one line: what sounds in each step, `=` where nothing changes, `-` where nothing sounds.

    Example:
        >>> as_chords(Piece.of([[60, 64], [60, 64], [], [62]]))
        'C4+E4 = - D4'
    """
    words = []
    for step, notes in enumerate(piece.notes()):
        same = (
            step > 0 and not piece.struck[step].any() and (piece.frames[step] == piece.frames[step - 1]).all()
        )
        words.append("=" if same and notes else "+".join(map(pitch_name, notes)) or "-")
    return " ".join(words)


def piano_roll_figure(
    piece: Piece, primed: int = 0, grid: int = 1, title: str = "", names: tuple[str, str] = ("given", "drawn")
) -> Figure:
    """A piano roll: every note a bar, from where it is struck to where it ends.

    Args:
        piece: what is shown.
        primed: the first steps, which were given to the model, in a colour of their own.
        grid: steps in a quarter note, which the axis of time counts.
        title: what stands above.
        names: of the two colours.
    """
    from plotly.graph_objects import Bar

    figure = drawing(
        title or f"{len(piece)} steps of music",
        "quarter notes",
        "",
        barmode="overlay",
        bargap=0,
        height=max(360, 120 + 15 * _extent(piece)),
        showlegend=primed > 0,
    )
    notes = list(sounding_notes(piece))
    for number, name in enumerate(names):
        parts = [_within(note, primed, number == 0) for note in notes]
        shown = [part for part in parts if part is not None]
        if not shown:
            continue
        figure.add_trace(
            Bar(
                name=name,
                orientation="h",
                base=[begin / grid for _, begin, _ in shown],
                x=[(end - begin) / grid for _, begin, end in shown],
                y=[note for note, _, _ in shown],
                width=0.8,
                marker={"color": colour(1 - number), "line": {"color": "white", "width": 1}},
                customdata=[[pitch_name(note), begin / grid, end / grid] for note, begin, end in shown],
                hovertemplate="%{customdata[0]} (%{y}), %{customdata[1]} to %{customdata[2]}<extra></extra>",
            )
        )
    if primed:
        figure.add_vline(x=primed / grid, line={"color": "#888888", "width": 1, "dash": "dot"})
    _name_the_keys(figure, piece)
    return figure


def _extent(piece: Piece) -> int:
    """Keys from the lowest to the highest that sounds."""
    used = np.flatnonzero(piece.frames.any(0))
    return int(used[-1] - used[0]) + 1 if len(used) else 1


def _within(note: tuple[int, int, int], primed: int, given: bool) -> tuple[int, int, int] | None:
    """The part of a note that was given, or that was drawn."""
    key, begin, end = note
    begin, end = (begin, min(end, primed)) if given else (max(begin, primed), end)
    return (key, begin, end) if end > begin else None


def _name_the_keys(figure: Figure, piece: Piece) -> None:
    used = np.flatnonzero(piece.frames.any(0))
    if not len(used):
        return
    lowest, highest = int(used[0]) + piece.low, int(used[-1]) + piece.low
    keys = range(lowest, highest + 1)
    if len(keys) > _ALL_NAMES:
        keys_named = [key for key in keys if key % 12 in (0, 7)]
    else:
        keys_named = list(keys)
    figure.update_yaxes(
        tickvals=keys_named, ticktext=[pitch_name(key) for key in keys_named], range=[lowest - 1, highest + 1]
    )
