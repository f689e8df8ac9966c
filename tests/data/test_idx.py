import gzip
import struct

import numpy as np
import pytest

from unrolled.data.readers import open_records
from unrolled.data.settings import ReadSettings
from unrolled.errors import DataError

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 9, 9)).astype(np.uint8)
LABELS = [3, 1, 4, 1, 5]


def packed(magic, *sizes, content):
    return struct.pack(f">I{len(sizes)}I", magic, *sizes) + bytes(content)


def pictures(count=5, height=9, width=9, magic=0x803, content=None):
    content = PICTURES.tobytes() if content is None else content
    return packed(magic, count, height, width, content=content)


def labels(count=5, magic=0x801, content=LABELS):
    return packed(magic, count, content=content)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(pictures())
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels())
    return tmp_path


def read(path, labelled=True, **settings):
    reader = open_records([path], ReadSettings(kind="images", **settings), labelled)
    return list(reader), reader


def check(records):
    np.testing.assert_allclose([record.values for record in records], PICTURES / 255, rtol=1e-6)
    assert [record.label for record in records] == ["3", "1", "4", "1", "5"]


def test_pictures_and_the_labels_beside_them(folder):
    records, reader = read(folder / "train-images-idx3-ubyte")
    check(records)
    assert records[1].columns == {"picture": "2"} and records[1].values.dtype == np.float32
    assert reader.facts == {"picture": 9}


def test_a_folder_is_read_without_its_labels_as_pictures(folder):
    (folder / "README").write_text("x")
    records, reader = read(folder)
    check(records)
    assert reader.notes == ["left out, by their names of another kind: README (1)"]


@pytest.mark.parametrize(
    "names", [("train-images.idx3-ubyte.gz", "train-labels.idx1-ubyte.gz"), ("images.idx", "labels.idx")]
)
def test_other_names_and_compressed(tmp_path, names):
    for name, data in zip(names, (pictures(), labels()), strict=True):
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    check(read(tmp_path / names[0])[0])


def test_compressed_labels_beside_plain_pictures(folder):
    (folder / "train-labels-idx1-ubyte").unlink()
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels()))
    check(read(folder / "train-images-idx3-ubyte")[0])


def test_scaled_to_another_side(folder):
    pytest.importorskip("PIL")
    records, reader = read(folder, picture=18)
    assert records[0].values.shape == (18, 18) and reader.facts == {"picture": 18}
    assert reader.notes == ["pictures of 9 x 9 pixels are scaled to 18 x 18"]
    assert abs(records[0].values.mean() - PICTURES[0].mean() / 255) < 0.02


def test_no_labels_are_needed_for_predictions(folder):
    (folder / "train-labels-idx1-ubyte").unlink()
    assert [record.label for record in read(folder, labelled=False)[0]] == [None] * 5
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: no file with the labels beside it"):
        read(folder)


def test_labels_alone_are_refused(folder):
    (folder / "train-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match="labels without pictures"):
        read(folder)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pictures(magic=0x804), r"must begin with 00000803, .* got 00000804"),
        (b"", r"must begin with 00000803, .* got an empty file"),
        (pictures()[:12], r"must begin with 00000803"),
        (pictures(count=0, content=b""), r"holds nothing, its sizes are 0 x 9 x 9"),
        (pictures()[:-1], r"must hold 5 pictures, ends after 4; copy it again"),
        (pictures() + b"x", r"longer than it says in its header"),
    ],
)
def test_pictures_that_do_not_fit_their_header(folder, data, message):
    (folder / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(DataError, match=rf"train-images-idx3-ubyte: {message}"):
        read(folder / "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (labels(magic=0x803), r"must begin with 00000801"),
        (
            labels(count=4, content=LABELS[:4]),
            r"must hold a label for each of the 5 pictures of train-images.*, got 4",
        ),
        (labels()[:-2], r"must hold 5 labels, ends after 3"),
        (labels() + b"x", r"longer than it says"),
    ],
)
def test_labels_that_do_not_fit(folder, data, message):
    (folder / "train-labels-idx1-ubyte").write_bytes(data)
    with pytest.raises(DataError, match=rf"train-labels-idx1-ubyte: {message}"):
        read(folder / "train-images-idx3-ubyte")


def test_a_compressed_file_that_is_cut_off(folder):
    data = gzip.compress(pictures())
    (folder / "train-images-idx3-ubyte").write_bytes(data[:-40])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: cannot be read \(.*end-of-stream"):
        read(folder)
