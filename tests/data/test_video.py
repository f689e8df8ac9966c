import numpy as np
import pytest

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra

av = pytest.importorskip("av")


def flat(*colours, side=64):
    """One plain picture for each colour."""
    return np.array([np.full((side, side, 3), colour, np.uint8) for colour in colours])


def video(path, pictures, rate=10, codec="mpeg4", rotation=None, container=None):
    path.parent.mkdir(exist_ok=True, parents=True)
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for picture in pictures:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


def read(*paths, labelled=False, **settings):
    reader = open_records(paths, ReadSettings(**settings), labelled)
    return list(reader), reader


COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (120, 120, 120)] * 5


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.mov"])
def test_frames_are_the_pictures_that_were_written(tmp_path, name):
    records, reader = read(video(tmp_path / name, flat(*COLOURS)))
    pictures = records[0].values
    assert pictures.shape == (20, 32, 32, 3) and pictures.dtype == np.uint8
    assert abs(pictures.mean((1, 2)) - np.array(COLOURS)).max() < 12  # the codec loses some
    assert reader.facts == {"picture": 32}


def test_pictures_are_squeezed(tmp_path):
    wide = np.zeros((4, 64, 128, 3), np.uint8)
    wide[:, :16, :64] = 255  # the first quarter of the rows, the left half of the columns
    records, reader = read(video(tmp_path / "a.mp4", wide), picture=16)
    assert records[0].values.shape == (4, 16, 16, 3)
    expected = np.zeros((16, 16))
    expected[:4, :8] = 255
    assert abs(records[0].values[0].mean(-1) - expected).mean() < 8
    assert "frames are squeezed to 16 x 16 pixels" in reader.notes


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_pictures_are_turned_as_they_are_shown(tmp_path, degrees):
    marked = np.zeros((3, 64, 64, 3), np.uint8)
    marked[:, :16, :32] = 255
    plain = read(video(tmp_path / "a.mp4", marked))[0][0].values
    turned = read(video(tmp_path / "b.mp4", marked, rotation=degrees))[0][0].values
    with av.open(str(tmp_path / "b.mp4")) as file:
        counterclockwise = next(file.decode(video=0)).rotation
    assert counterclockwise in (degrees, -degrees) or abs(counterclockwise) == 180
    np.testing.assert_array_equal(turned, np.rot90(plain, counterclockwise // 90, (1, 2)))


@pytest.mark.parametrize(
    ("wanted", "kept"), [(5, range(0, 20, 2)), (2.5, range(0, 20, 4)), (4, None), (10, range(20))]
)
def test_frames_a_second(tmp_path, wanted, kept):
    path = video(tmp_path / "a.mp4", flat(*((12 * i, 128, 255 - 12 * i) for i in range(20))))
    whole = read(path)[0][0].values
    records, reader = read(path, frames_per_second=wanted)
    if kept is None:  # the first frame of every quarter of a second
        kept = [0, 3, 5, 8, 10, 13, 15, 18]
    np.testing.assert_array_equal(records[0].values, whole[list(kept)])
    assert reader.facts == {"picture": 32, "frames_per_second": wanted}


def test_a_video_with_fewer_frames_keeps_them_all_and_it_is_said(tmp_path):
    video(tmp_path / "a_1.mp4", flat(*COLOURS), rate=10)
    video(tmp_path / "a_2.mp4", flat(*COLOURS), rate=25)
    records, reader = read(tmp_path, frames_per_second=20)
    assert len(records[0].values) == 20 and len(records[1].values) == 16
    assert "some files have only 10 frames a second: all of theirs are kept" in reader.notes
    _, reader = read(tmp_path)
    assert any(note.startswith("files have from 10 to 25 frames a second") for note in reader.notes)


def test_labels_from_names_and_folders(tmp_path):
    for name in ("run/1.mp4", "walk/1.mp4"):
        video(tmp_path / name, flat(*COLOURS[:3]))
    records, _ = read(tmp_path, labelled=True)
    assert [record.label for record in records] == ["run", "walk"]
    records, _ = read(tmp_path / "walk", labelled=True, label="*/{label}")
    assert records[0].label == "1"


def test_threads_keep_the_order(tmp_path):
    for i in range(6):
        video(tmp_path / f"{i % 2}_{i}.mp4", flat(*[(40 * i, 0, 0)] * (i + 2)))
    assert [len(record.values) for record in read(tmp_path, workers=3)[0]] == [2, 4, 6, 3, 5, 7]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "whole_header.mp4"])
@pytest.mark.parametrize("share", [0.6, 0.3, 0.02])
def test_a_file_that_is_cut_off_is_refused(tmp_path, name, share):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3)).astype(np.uint8)
    options = {"movflags": "faststart"} if "whole" in name else {}
    path = video(tmp_path / name, noise, container=options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"{name}: [^\n]+; (replace the file or remove it|copy it again)$"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_what_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mp4: cannot be read as video \(Invalid data[^\n]+\); replace"):
        read(tmp_path / "a.mp4")


def test_damage_in_the_middle_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64, 3)).astype(np.uint8)
    path = video(tmp_path / "a.mp4", noise)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.mp4: .*(cannot be read|is damaged)"):
        read(path)


def test_sound_without_pictures_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("aac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with pytest.raises(DataError, match=r"a\.mp4: no video in this file"):
        read(tmp_path / "a.mp4")


def test_the_missing_package_is_named(tmp_path, monkeypatch):
    path = video(tmp_path / "a.mp4", flat(*COLOURS))
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[video\]"'):
        read(path)
