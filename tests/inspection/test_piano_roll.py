import numpy as np

from unrolled.data.piano_roll import Piece
from unrolled.inspection.piano_roll import as_chords, as_text, piano_roll_figure

PIECE = Piece.of([[60, 64], [60, 64], [60], [62]])


def bars(figure):
    """Every bar as name, note, begin and length."""
    return [
        (trace.name, note, begin, length)
        for trace in figure.data
        for note, begin, length in zip(trace.y, trace.base, trace.x, strict=True)
    ]


def test_every_note_is_a_bar_and_the_given_part_has_its_own_colour():
    figure = piano_roll_figure(PIECE, primed=1, grid=2)
    assert bars(figure) == [
        ("given", 60, 0.0, 0.5),
        ("given", 64, 0.0, 0.5),
        ("drawn", 60, 0.5, 1.0),
        ("drawn", 64, 0.5, 0.5),
        ("drawn", 62, 1.5, 0.5),
    ]
    assert figure.data[0].marker.color != figure.data[1].marker.color
    assert figure.layout.showlegend and figure.layout.shapes[0].x0 == 0.5
    assert list(figure.layout.yaxis.ticktext) == ["C4", "C♯4", "D4", "E♭4", "E4"]
    assert list(figure.layout.yaxis.tickvals) == [60, 61, 62, 63, 64]


def test_without_a_prime_there_is_one_colour():
    figure = piano_roll_figure(PIECE)
    assert {bar[0] for bar in bars(figure)} == {"drawn"} and not figure.layout.showlegend


def test_of_many_keys_some_are_named():
    figure = piano_roll_figure(Piece.of([[40], [100]]))
    assert list(figure.layout.yaxis.ticktext)[:3] == ["G2", "C3", "G3"]
    assert not piano_roll_figure(Piece.of([[]])).data


def test_text():
    struck = PIECE.struck.copy()
    struck[1, 60 - 21] = True
    again = Piece("", PIECE.frames, 21, struck)
    assert as_text(again) == "E4 █▒··\nD4 ···█\nC4 ██▒·"
    assert as_text(PIECE, primed=2) == "E4 █▒│··\nD4 ··│·█\nC4 █▒│▒·"
    assert as_text(Piece("", np.zeros((3, 2), bool), 60)) == "(silence)"


def test_long_pieces_go_on_below():
    piece = Piece.of([[60]] * 10 + [[62]] * 5)
    assert as_text(piece, width=14) == "C4 █▒▒▒▒▒▒▒▒▒\n\nD4 █▒▒▒▒"
    assert as_text(piece, primed=11, width=14).split("\n")[-1] == "D4 █│▒▒▒▒"


def test_chords_in_a_line():
    assert as_chords(PIECE) == "C4+E4 = C4 D4"
    struck = PIECE.struck.copy()
    struck[1, 60 - 21] = True
    assert as_chords(Piece("", PIECE.frames, 21, struck)) == "C4+E4 C4+E4 C4 D4"
    assert as_chords(Piece.of([[], [], [60]])) == "- - C4"
