import numpy as np
import pytest

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError, MissingExtra

Image = pytest.importorskip("PIL.Image")


def save(path, pixels, mode=None, **options):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels, mode).save(path, **options)
    return path


def drawn(side=12, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (side, side)).astype(np.uint8)


def read(*paths, labelled=False, **settings):
    reader = open_records(paths, ReadSettings(**settings), labelled)
    return list(reader), reader


def test_a_picture_is_read_row_by_row(tmp_path):
    records, reader = read(save(tmp_path / "a.png", drawn()))
    assert records[0].values.dtype == np.float32
    np.testing.assert_allclose(records[0].values, drawn() / 255, rtol=1e-6)
    assert reader.facts == {"picture": 12} and reader.notes == []


def test_jpeg_is_close(tmp_path):
    smooth = np.add.outer(np.arange(0, 120, 5), np.arange(0, 120, 5)).astype(np.uint8)
    records, _ = read(save(tmp_path / "a.jpg", smooth, quality=95))
    assert abs(records[0].values - smooth / 255).max() < 0.03


def test_colour_becomes_grey(tmp_path):
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[:4], colour[4:] = (255, 0, 0), (0, 255, 0)
    values = read(save(tmp_path / "a.png", colour))[0][0].values
    np.testing.assert_allclose(values[[0, 7], 0], [0.299, 0.587], atol=0.003)  # ITU-R BT.601


def test_sixteen_bits_keep_their_range(tmp_path):
    deep = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    values = read(save(tmp_path / "a.png", deep))[0][0].values
    np.testing.assert_allclose(values, deep / 65535, rtol=1e-6)


def test_what_is_transparent_is_white(tmp_path):
    strokes = np.zeros((8, 8, 4), np.uint8)
    strokes[:4, :, 3] = 255  # black, opaque above, transparent below
    np.testing.assert_array_equal(read(save(tmp_path / "a.png", strokes))[0][0].values[[0, 7], 0], [0, 1])


def test_a_photograph_is_turned_as_it_is_shown(tmp_path):
    pixels = np.zeros((16, 8, 3), np.uint8)
    pixels[:8] = 255
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    records, reader = read(tmp_path / "a.jpg", picture=8)
    np.testing.assert_allclose(records[0].values[:, [0, 7]], [[0, 1]] * 8, atol=0.05)
    assert "pictures of 8 x 16 pixels are scaled to 8 x 8" in reader.notes


def test_sizes_that_differ_are_scaled_and_it_is_said(tmp_path):
    save(tmp_path / "a.png", np.full((40, 20), 51, np.uint8))
    save(tmp_path / "b.png", np.full((64, 64), 102, np.uint8))
    records, reader = read(tmp_path)
    np.testing.assert_allclose(records[0].values, np.full((32, 32), 0.2), rtol=1e-5)
    np.testing.assert_allclose(records[1].values, np.full((32, 32), 0.4), rtol=1e-5)
    assert reader.notes == ["pictures of 40 x 20, 64 x 64 pixels are scaled to 32 x 32"]
    assert reader.facts == {"picture": 32}


def test_scaling_down_averages(tmp_path):
    fine = np.indices((32, 32)).sum(0) % 2 * np.uint8(255)
    values = read(save(tmp_path / "a.png", fine.astype(np.uint8)), picture=8)[0][0].values
    assert abs(values - 0.5).max() < 0.1


def test_labels_are_those_of_folders(tmp_path):
    save(tmp_path / "cat" / "1.png", drawn())
    save(tmp_path / "dog" / "1.png", drawn())
    records, _ = read(tmp_path, labelled=True)
    assert [record.label for record in records] == ["cat", "dog"]


def test_threads_keep_the_order(tmp_path):
    for i in range(9):
        save(tmp_path / f"{i}.png", np.full((8, 8), i, np.uint8))
    assert [round(255 * float(r.values[0, 0])) for r in read(tmp_path, workers=3)[0]] == list(range(9))


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_broken_pictures_are_refused_by_name(tmp_path, ending):
    path = save(tmp_path / f"a.{ending}", drawn(64))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(
        DataError, match=rf"a\.{ending}: cannot be read as a picture \(.*truncated[^\n]*\); replace"
    ):
        read(path)
    path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=rf"a\.{ending}: cannot be read as a picture \(cannot identify"):
        read(path)


def test_the_missing_package_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", drawn())
    monkeypatch.setitem(__import__("sys").modules, "PIL.Image", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[images\]"'):
        read(path)
