import json

import pytest
import torch

from unrolled.cli.sample_music import sample_music
from unrolled.data.midi import read_midi, write_midi
from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Piece
from unrolled.errors import DataError, FolderError, SettingError
from unrolled.generation.music import draw_music
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel

pytest.importorskip("mido")

USUAL = {
    "prime": None,
    "output": None,
    "picture": None,
    "length": 8,
    "temperature": 1.0,
    "seed": 3,
    "number": 1,
    "json": False,
}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MusicModel("gru", 4, low=60, keys=6, grid=2)


def draw(model, **options):
    sample_music(model, **{**USUAL, **options})


def trimmed(piece):
    """Notes without silence at either end, which a MIDI file does not keep."""
    notes = piece.notes()
    while notes and not notes[0]:
        notes = notes[1:]
    while notes and not notes[-1]:
        notes = notes[:-1]
    return notes


@pytest.mark.parametrize("kind", ["frames", "events"])
def test_what_is_drawn_is_written_as_midi(model, tmp_path, kind, capsys):
    if kind == "events":
        model = LanguageModel(EventVocabulary.for_keys(60, 6, 4, grid=2), "gru", 4)
        model.output.bias.data[1] = -20
    draw(model, output=tmp_path / "a.mid")
    expected = draw_music(model, 8, 1.0, 3)[0]
    assert read_midi(tmp_path / "a.mid", 2, 60, 6).piece.notes() == trimmed(expected)
    assert capsys.readouterr().out == f"written: {tmp_path / 'a.mid'}\n"


def test_several_pieces_are_several_files(model, tmp_path):
    draw(model, output=tmp_path / "a.mid", picture=tmp_path / "a.html", number=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.html", "a-1.mid", "a-2.html", "a-2.mid"]
    expected = draw_music(model, 8, 1.0, 3, number=2)
    for number, piece in enumerate(expected, 1):
        assert read_midi(tmp_path / f"a-{number}.mid", 2, 60, 6).piece.notes() == trimmed(piece)


def test_it_goes_on_from_a_file(model, tmp_path, capsys):
    write_midi(Piece.of([[60], [62, 64], [65]]), tmp_path / "prime.mid", grid=2)
    draw(model, prime=tmp_path / "prime.mid", json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["primed"] == 3 and said["grid"] == 2 and len(said["pieces"][0]) == 11
    assert said["pieces"][0][:3] == [[60], [62, 64], [65]]
    (tmp_path / "prime.json").write_text(json.dumps([[[60]], [[61]]]))
    draw(model, prime=tmp_path / "prime.json", json=True)
    found = capsys.readouterr()
    assert json.loads(found.out)["pieces"][0][0] == [60] and "the first of 2 pieces" in found.err


def test_without_files_it_is_shown(model, capsys):
    draw(model, number=2, length=5)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "piece 1 of 2: 5 steps, 2 in a quarter note"
    assert any(line.startswith("piece 2 of 2") for line in lines)
    assert any("█" in line for line in lines)


def test_the_picture_holds_the_notes(model, tmp_path):
    draw(model, picture=tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert "8 steps drawn, 2 in a quarter note" in page and "plotly" in page


def test_files_that_cannot_be_written_are_refused_before_anything_is_drawn(model, tmp_path):
    with pytest.raises(SettingError, match=r"--output must end in \.mid or \.midi, got .*a\.wav"):
        draw(model, output=tmp_path / "a.wav")
    with pytest.raises(SettingError, match=r"--picture must end in \.html"):
        draw(model, picture=tmp_path / "a.png")
    (tmp_path / "a.mid").touch()
    with pytest.raises(FolderError, match="exists already"):
        draw(model, output=tmp_path / "a.mid")
    with pytest.raises(FolderError, match="no such folder"):
        draw(model, output=tmp_path / "none" / "a.mid")
    with pytest.raises(DataError, match="no such file"):
        draw(model, prime=tmp_path / "none.mid")
