import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.piano_roll import Piece, pitch_name, read_piano_rolls
from unrolled.errors import DataError


def written(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@given(st.lists(st.sets(st.integers(21, 108)), max_size=6))
def test_a_piece_gives_back_its_notes(frames):
    assert Piece.of(frames).notes() == [sorted(frame) for frame in frames]


def test_a_key_is_struck_where_it_begins_to_sound():
    piece = Piece.of([[60], [60, 62], [62], [60]], low=60, keys=3)
    np.testing.assert_array_equal(piece.struck, [[1, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]])


def test_struck_must_fit_the_frames():
    frames = np.array([[True], [True]])
    again = Piece("", frames, 60, np.array([[True], [True]]))
    assert again.struck.all()
    for wrong in ([[False], [True]], [[True]], [[True], [True], [False]]):
        with pytest.raises(DataError, match="struck must mark"):
            Piece("", frames, 60, np.array(wrong))
    with pytest.raises(DataError, match="struck must mark"):
        Piece("", np.array([[False]]), 60, np.array([[True]]))


@given(st.lists(st.sets(st.integers(50, 59), min_size=1), min_size=1, max_size=4), st.integers(-15, 15))
def test_moving_adds_to_every_note_or_is_refused(frames, semitones):
    piece = Piece.of(frames, low=45, keys=20)
    wanted = [[note + semitones for note in sorted(frame)] for frame in frames]
    if all(45 <= note < 65 for frame in wanted for note in frame):
        assert piece.moved(semitones).notes() == wanted
        assert piece.range_of_moves(abs(semitones))[semitones < 0] == semitones
    else:
        with pytest.raises(DataError, match="beyond the keys"):
            piece.moved(semitones)


def test_names_of_pitches():
    assert [pitch_name(note) for note in (21, 60, 61, 69, 108)] == ["A0", "C4", "C♯4", "A4", "C8"]


def test_a_list_of_pieces(tmp_path):
    rolls = read_piano_rolls(written(tmp_path / "a.json", [[[60, 64], []], [[20, 62]]]))
    assert [piece.notes() for piece in rolls.parts[""]] == [[[60, 64], []], [[62]]]
    assert rolls.outside == 1
    assert rolls.parts[""][1].name == f"{tmp_path / 'a.json'}: piece 2"


def test_parts(tmp_path):
    path = written(tmp_path / "a.json", {"train": [[[60]]], "validation": [[[61]]], "test": [[[62]]]})
    rolls = read_piano_rolls(path)
    assert {name: part[0].notes() for name, part in rolls.parts.items()} == {
        "train": [[60]],
        "valid": [[61]],
        "test": [[62]],
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[[60]],\n[60,]]", r"a\.json, line 2: not valid JSON"),
        ("3", r"a\.json: must hold a list of pieces, or .*, got 3;"),
        ({"train": [], "dev": []}, "got an object with 'train', 'dev'"),
        ({"train": 3}, r"a\.json: train: must be a list of pieces, got 3"),
        ({"train": [[[60]], 7]}, r"a\.json: train piece 2: must be a list of frames, got 7"),
        ([[[60], 61]], "piece 1, frame 2: must be a list of notes, got 61"),
        ([[[60], [61, 128]]], "piece 1, frame 2: a note must be a whole number from 0 to 127, got 128"),
        ([[[60.5]]], "a note must be a whole number from 0 to 127, got 60.5"),
        ([[[True]]], "a note must be a whole number .* got true"),
        ([[[60]], [[], []]], "piece 2: no notes from 21 to 108 in it"),
        ([[[5]]], "piece 1: no notes from 21 to 108 in it"),
        ([], "holds no piece"),
        ({"train": []}, "holds no piece"),
    ],
)
def test_what_is_no_piano_roll_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_piano_rolls(written(tmp_path / "a.json", content))
    assert "\n" not in str(caught.value)


def test_files_that_hold_no_text(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff\x00\x01")
    with pytest.raises(DataError, match=r"a\.json"):
        read_piano_rolls(tmp_path / "a.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_piano_rolls(tmp_path / "none.json")
