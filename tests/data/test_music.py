import json

import pytest

from unrolled.data.midi import write_midi
from unrolled.data.music import read_music
from unrolled.data.piano_roll import Piece
from unrolled.errors import DataError

pytest.importorskip("mido")


def rolls(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_folder_of_midi(tmp_path):
    (tmp_path / "in").mkdir()
    write_midi(Piece.of([[60], [62]]), tmp_path / "in" / "b.MIDI", grid=4)
    write_midi(Piece.of([[20, 64]], low=20), tmp_path / "a.mid", grid=4)
    (tmp_path / "notes.txt").write_text("about it")
    music = read_music([tmp_path])
    assert [piece.notes() for piece in music.pieces] == [[[64]], [[60], [62]]]
    assert music.grid == 4 and not music.valid and not music.test
    assert music.notes == (
        "left out, by their names no music: notes.txt (1)",
        "notes left out, outside of 21 to 108: 1",
    )
    assert read_music([tmp_path], grid=8).pieces[0].notes() == [[64], [64]]


def test_parts_of_piano_rolls(tmp_path):
    first = rolls(tmp_path / "a.json", {"train": [[[60]]], "valid": [[[61]]]})
    second = rolls(tmp_path / "b.json", {"train": [[[70]]], "test": [[[71]]]})
    music = read_music([first, second])
    found = [[piece.notes()[0][0] for piece in part] for part in (music.pieces, music.valid, music.test)]
    assert found == [[60, 70], [61], [71]] and music.grid == 1
    assert read_music([first], grid=2).grid == 2


def test_what_does_not_go_together(tmp_path):
    first = rolls(tmp_path / "a.json", {"train": [[[60]]]})
    second = rolls(tmp_path / "b.json", [[[60]]])
    with pytest.raises(DataError, match="must say their parts, or none"):
        read_music([first, second])
    write_midi(Piece.of([[60]]), tmp_path / "a.mid")
    with pytest.raises(DataError, match="got both"):
        read_music([tmp_path])
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"a\.txt: music must be a \.mid"):
        read_music([tmp_path / "a.txt"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"no \.mid, \.midi or \.json file in it"):
        read_music([tmp_path / "empty"])
