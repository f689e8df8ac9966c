import gzip
import io

import numpy as np
import pytest

from unrolled.data.conll import ConllReader
from unrolled.data.readers import kind_of, open_records
from unrolled.data.settings import ReadSettings
from unrolled.data.tables import TableReader
from unrolled.errors import DataError, SettingError


def written(folder, name, data=b"x"):
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", "text"),
        ("A.TSV.GZ", "text"),
        ("a.ndjson", "text"),
        ("v1.2.parquet", "text"),
        ("a.conll.txt", "conll"),
        ("a.conllu.xz", "conll"),
        ("a.wav.txt", "text"),
        ("a.FASTA", "dna"),
        ("a.fq.gz", "dna"),
        ("a.flac", "audio"),
        ("a.mp4", "video"),
        ("a.ts", "series"),
        ("train-images-idx3-ubyte", "images"),
        ("t10k-labels.idx1-ubyte.gz", "images"),
        ("README", None),
        ("a.data", None),
    ],
)
def test_a_name_says_what_a_file_holds(tmp_path, name, kind):
    assert kind_of(written(tmp_path, name)) == kind


BEGINNINGS = {
    ">s1 donor\r\nACGTN\r\n": "dna",
    "# made by hand\n>s1\nacgt\nMKV*\n": "dna",
    "@r1\nACGT\n+\nIIII\n": "dna",
    '\ufeff{"text": 1}\n': "text",
    "RIFF\x01\x01\x01\x01WAVEfmt": "audio",
    "RIFF\x01\x01\x01\x01AVI LIST": "video",
    "fLaC": "audio",
    "\0\0\0\x18ftypmp42": "video",
    "@r1 is what I said\nand then more": None,
    "> quoted words, as in a letter\nand the answer.\n": None,
    "a,b\n": None,
    "": None,
}


@pytest.mark.parametrize("start", BEGINNINGS)
def test_where_the_name_says_nothing_the_beginning_does(tmp_path, start):
    assert kind_of(written(tmp_path, "a.data", start)) == BEGINNINGS[start]
    assert kind_of(written(tmp_path, "b.data", gzip.compress(start.encode()))) == BEGINNINGS[start]


def test_files_of_numpy_and_pictures_by_their_beginning(tmp_path):
    for start in (b"\x89PNG\r\n", b"\xff\xd8\xff\xe0", np.array([0, 0, 8, 3], np.uint8).tobytes()):
        assert kind_of(written(tmp_path, "a", start)) == "images"


@pytest.mark.parametrize(
    ("data", "kind"),
    [(">a\nACGTACGTAC\nAC\n>b\nA\n", "dna"), ("> hello\nA cat, a dog\n", "text"), (">a\nMKVLAAG\n", "text")],
)
def test_a_text_that_is_fasta(tmp_path, data, kind):
    assert kind_of(written(tmp_path, "a.txt", data)) == kind


def test_a_text_that_is_fasta_is_read_as_dna(tmp_path):
    pytest.importorskip("dnaio")
    (record,) = open_records([written(tmp_path, "a.txt", ">a\nACGTACGTAC\nAC\n")], labelled=False)
    assert record.values == "ACGTACGTACAC"


def test_files_are_read_in_the_order_given(tmp_path):
    b, a = written(tmp_path, "b.csv", "text,label\nb,1\n"), written(tmp_path, "f/a.csv", "text,label\na,0\n")
    reader = open_records([b, tmp_path / "f", a])
    assert isinstance(reader, TableReader)
    assert [record.values for record in reader] == ["b", "a", "a"]


def test_strangers_in_a_folder_are_left_out_and_said(tmp_path):
    written(tmp_path, "d/a.conll", "w O\n")
    for name in ("README.md", "LICENSE", "notes.csv", ".hidden.conll"):
        written(tmp_path, f"d/{name}", "x\n")
    with pytest.raises(
        DataError, match=r"files must be of one kind, got conll \(.*a\.conll\), text .*--kind"
    ):
        open_records([tmp_path / "d"])
    reader = open_records([tmp_path / "d"], ReadSettings(kind="conll"))
    assert isinstance(reader, ConllReader) and len(list(reader)) == 1
    assert "left out, by their names not conll: LICENSE, README.md, notes.csv (3)" in reader.notes


def test_a_kind_that_is_named_reads_files_whose_names_say_nothing(tmp_path):
    written(tmp_path, "d/a.data", "w O\n")
    written(tmp_path, "d/b.data", "v O\n")
    with pytest.raises(
        DataError, match=r"a\.data: neither name nor beginning say what it holds; .*--kind \(text, conll"
    ):
        open_records([tmp_path / "d"])
    assert len(list(open_records([tmp_path / "d"], ReadSettings(kind="conll")))) == 2
    assert len(list(open_records([tmp_path / "d/a.data"], ReadSettings(kind="conll")))) == 1


def test_a_beginning_does_not_matter_beside_names_that_say_it(tmp_path):
    written(tmp_path, "d/a.csv", "text,label\na,1\n")
    written(tmp_path, "d/package", '{"name": "x"}')
    assert [record.values for record in open_records([tmp_path / "d"])] == ["a"]


def test_standard_input_for_kinds_of_lines(monkeypatch):
    def given(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    given(b"one, two\nthree\n")
    assert [r.values for r in open_records(["-"], labelled=False)] == ["one, two", "three"]
    given(b'{"text": "a", "label": "b"}\n')
    assert [(r.values, r.label) for r in open_records(["-"])] == [("a", "b")]
    given(b"a B-X\n")
    (record,) = open_records(["-"], ReadSettings(kind="conll"))
    assert record.label == ("B-X",) and str(record.place) == "standard input, line 1"
    with pytest.raises(DataError, match="standard input must hold text, conll, dna, got audio; name files"):
        open_records(["-"], ReadSettings(kind="audio"))


def test_paths_that_hold_nothing(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(DataError, match="no data was named"):
        open_records([])
    with pytest.raises(DataError, match="no file in this folder"):
        open_records([tmp_path / "d"])
    with pytest.raises(DataError, match="no such file or folder"):
        open_records([tmp_path / "no.csv"])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("a.csv", {"features": "mfcc"}, "--features is for audio, and the data is text"),
        ("a.csv", {"frames_per_second": 3}, "--frames-per-second is for video, and the data is text"),
        ("a.fasta", {"workers": 2}, "--workers is for audio, video, images, and the data is dna"),
        ("a.ts", {"bands": 8}, "--bands is for audio, and the data is series"),
        ("a.ts", {"delimiter": ";"}, "--delimiter is for tables and texts, and .*a.ts is neither"),
        ("a.npz", {"encoding": "latin-1"}, "--encoding is for tables and texts, and .*a.npz is neither"),
        ("a.wav", {"header": True}, "--header is for tables and texts, and .*a.wav is neither"),
        ("a.wav", {"picture": 64}, "--picture is for video, images, and the data is audio"),
        ("a-idx3-ubyte", {"encoding": "utf-8"}, "--encoding is for tables and texts"),
        ("a.conll", {"header": False}, "--header is for tables; files of words and tags name no columns"),
    ],
)
def test_what_means_nothing_for_the_data_is_refused(tmp_path, name, settings, message):
    path = written(tmp_path, name, "a,b\nc,d\n")
    with pytest.raises(SettingError, match=message):
        open_records([path], ReadSettings(**settings))


def test_sounds_are_no_text(tmp_path):
    path = written(tmp_path / "folder", "a.wav", b"RIFF\1\1\1\1WAVEfmt")
    for named in (path, path.parent):
        with pytest.raises(
            DataError, match=r"a\.wav: audio by its name, where text is wanted; name other data"
        ):
            open_records([named], ReadSettings(kind="text"), labelled=False)


def test_bytes_that_are_no_text_are_not_an_encoding(tmp_path):
    path = written(tmp_path, "a.csv", b"text,label\n\xff\xd8\0\1\n")
    with pytest.raises(DataError, match=r"a\.csv, line 2: not UTF-8, and holds NUL as no text does"):
        open_records([path])
    path.write_bytes("відгук,клас\nтак,1\n".encode("cp1251"))
    with pytest.raises(DataError, match=r"line 1: not UTF-8; name the encoding .*latin-1 \(or cp1251 for"):
        open_records([path])
