import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.midi import read_midi, write_midi
from unrolled.data.piano_roll import Piece
from unrolled.errors import DataError, FolderError, MissingExtra, SettingError

mido = pytest.importorskip("mido")


def saved(path, *tracks, ticks=480, type=1):
    """Each track a list of (tick, message), in absolute time."""
    file = mido.MidiFile(type=type, ticks_per_beat=ticks)
    for events in tracks:
        track, now = mido.MidiTrack(), 0
        for tick, message in events:
            track.append(message.copy(time=tick - now))
            now = tick
        file.tracks.append(track)
    file.save(path)
    return path


def on(note, channel=0, velocity=64):
    return mido.Message("note_on", note=note, channel=channel, velocity=velocity)


def off(note, channel=0):
    return mido.Message("note_off", note=note, channel=channel)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.mid"


def test_tracks_and_channels_are_one_piece(path):
    saved(
        path,
        [(0, on(60)), (480, off(60)), (480, on(62, 3)), (960, off(62, 3))],
        [(0, on(48)), (960, off(48))],
    )
    assert read_midi(path, grid=1).piece.notes() == [[48, 60], [48, 62]]
    assert read_midi(path, grid=2).piece.notes() == [[48, 60]] * 2 + [[48, 62]] * 2


def test_tempo_changes_move_nothing(path):
    tempo = [(0, mido.MetaMessage("set_tempo", tempo=500000)), (240, mido.MetaMessage("set_tempo", tempo=90))]
    saved(path, tempo, [(0, on(60)), (480, off(60)), (480, on(61)), (1440, off(61))])
    assert read_midi(path, grid=1).piece.notes() == [[60], [61], [61]]


def test_ticks_are_those_of_the_file(path):
    saved(path, [(0, on(60)), (96, off(60)), (96, on(61)), (144, off(61))], ticks=96)
    assert read_midi(path, grid=2).piece.notes() == [[60], [60], [61]]


def test_a_note_on_without_velocity_ends_the_note(path):
    saved(path, [(0, on(60)), (480, on(60, velocity=0)), (960, on(62)), (1440, off(62))])
    assert read_midi(path, grid=1).piece.notes() == [[60], [], [62]]


def test_a_key_struck_again_is_struck_again(path):
    saved(path, [(0, on(60)), (480, off(60)), (480, on(60)), (960, on(60)), (1440, off(60))])
    piece = read_midi(path, grid=1).piece
    assert piece.notes() == [[60]] * 3 and piece.struck.sum() == 3


def test_a_key_held_by_two_channels_sounds_until_both_let_go(path):
    saved(path, [(0, on(60)), (0, on(60, 1)), (480, off(60)), (960, off(60, 1))])
    assert read_midi(path, grid=1).piece.notes() == [[60], [60]]


def test_human_time_goes_to_the_nearest_line(path):
    saved(path, [(0, on(60)), (430, off(60)), (505, on(62)), (990, off(62))])
    assert read_midi(path, grid=1).piece.notes() == [[60], [62]]


def test_short_notes_stay_on_the_lines_of_the_grid_and_go_between_them(path):
    half = [(0, on(60)), (240, off(60)), (240, on(62)), (480, off(62)), (480, on(64)), (540, off(64))]
    saved(path, half)
    read = read_midi(path, grid=1)
    assert read.piece.notes() == [[60], [64]] and read.short == 1
    assert read_midi(path, grid=2).piece.notes() == [[60], [62], [64]]
    assert read_midi(path, grid=2).short == 0


def test_silence_before_the_first_note_is_cut_off(path):
    saved(path, [(4800, on(60)), (5280, off(60)), (6240, on(60)), (6720, off(60))])
    assert read_midi(path, grid=1).piece.notes() == [[60], [], [], [60]]


def test_what_is_left_out_is_counted(path):
    saved(
        path,
        [
            (0, on(36, 9)),
            (0, on(60)),
            (0, on(10)),
            (0, on(109)),
            (480, off(36, 9)),
            (480, off(60)),
            (960, on(61)),
        ],
        [(0, on(50)), (1440, mido.MetaMessage("text", text="end"))],
    )
    read = read_midi(path, grid=1)
    assert (read.drums, read.outside, read.endless) == (1, 2, 4)
    assert read.piece.notes() == [[50, 60], [50], [50, 61]]


def test_other_keys(path):
    saved(path, [(0, on(10)), (0, on(60)), (480, off(10)), (480, off(60))])
    piece = read_midi(path, low=0, keys=50).piece
    assert piece.notes()[0] == [10] and piece.frames.shape[1] == 50 and piece.low == 0


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([[]], "no notes in it; name another"),
        ([[(0, on(36, 9)), (480, off(36, 9))]], "no notes in it but drums"),
        ([[(0, on(5)), (480, off(5))]], "no notes from 21 to 108 in it"),
        ([[(240, on(60)), (250, off(60))]], "shorter than a step"),
    ],
)
def test_files_without_notes(path, tracks, message):
    saved(path, *tracks)
    with pytest.raises(DataError, match=message):
        read_midi(path, grid=1)


def test_files_that_are_no_midi_or_not_whole(path):
    path.write_text("hello")
    with pytest.raises(DataError, match=r"a\.mid: no MIDI file, it does not begin with MThd"):
        read_midi(path)
    saved(path, [(0, on(60)), (480, off(60))])
    data = path.read_bytes()
    for length in range(4, len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"a\.mid: (the file is cut off|damaged)") as caught:
            read_midi(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(data[:12] + b"\xe7\x28" + data[14:])
    with pytest.raises(DataError, match="SMPTE"):
        read_midi(path)
    saved(path, [(0, on(60)), (480, off(60))], type=2)
    with pytest.raises(DataError, match="format 2"):
        read_midi(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_midi(path.with_name("none.mid"))


@settings(max_examples=60)
@given(data=st.data(), grid=st.sampled_from([1, 2, 3, 4, 7, 12]))
def test_what_is_written_is_read_again(tmp_path_factory, data, grid):
    steps = data.draw(st.integers(1, 8))
    bits = data.draw(
        st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=steps, max_size=steps)
    )
    again = data.draw(
        st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=steps, max_size=steps)
    )
    frames = np.array(bits)
    frames[[0, -1], 0] = True
    struck = Piece("", frames, 60).struck | (frames & np.array(again))
    path = tmp_path_factory.mktemp("music") / "a.mid"
    write_midi(Piece("", frames, 60, struck), path, grid)
    read = read_midi(path, grid, 60, 5).piece
    np.testing.assert_array_equal(read.frames, frames)
    np.testing.assert_array_equal(read.struck, struck)


def test_equal_neighbours_are_tied_and_time_is_that_of_the_tempo(path):
    write_midi(Piece.of([[60], [60], [62]]), path, grid=2, tempo=60)
    played, now = [], 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if message.type.startswith("note"):
            played.append((round(now, 6), message.type, message.note))
    assert played == [
        (0.0, "note_on", 60),
        (1.0, "note_off", 60),
        (1.0, "note_on", 62),
        (1.5, "note_off", 62),
    ]
    assert mido.MidiFile(path).length == pytest.approx(1.5)


def test_several_pieces_stand_apart_by_a_bar(path):
    write_midi([Piece.of([[60]]), Piece.of([[62], []])], path, grid=1)
    assert read_midi(path, grid=1).piece.notes() == [[60], [], [], [], [], [62]]
    assert mido.MidiFile(path).length == pytest.approx(7 * 0.6)


def test_options_and_places_that_cannot_be(path, monkeypatch):
    piece = Piece.of([[60]])
    for options, message in (
        ({"grid": 0}, "grid must be 1 to 480"),
        ({"tempo": 0}, "tempo must be 4 to 1000"),
    ):
        with pytest.raises(SettingError, match=message):
            write_midi(piece, path, **options)
    with pytest.raises(SettingError, match="grid must be at least 1"):
        read_midi(path, grid=0)
    with pytest.raises(FolderError, match="cannot be written"):
        write_midi(piece, path / "b.mid")
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[music\]"'):
        write_midi(piece, path)
