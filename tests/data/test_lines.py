import bz2
import gzip
import io
import lzma
import sys

import pytest

from unrolled.data.lines import beginning, encoding_of, open_bytes, text_lines
from unrolled.errors import DataError, MissingExtra, SettingError

PACKED = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def written(folder, data, name="a.txt"):
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return folder / name


@pytest.mark.parametrize("ending", PACKED)
def test_packed_files_are_looked_through_by_their_first_bytes(tmp_path, ending):
    path = written(tmp_path, PACKED[ending]("día\nnoite\n".encode()), "anything")
    assert list(text_lines(path)) == ["día\n", "noite\n"]
    assert beginning(path, 3) == b"d\xc3\xad"


def test_zstd_is_read_by_pyarrow(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    path = tmp_path / "a.txt.zst"
    with pyarrow.CompressedOutputStream(str(path), "zstd") as file:
        file.write(b"one\ntwo\n")
    assert list(text_lines(path)) == ["one\n", "two\n"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[tables\]"'):
        open_bytes(path)


@pytest.mark.parametrize(
    "data",
    [gzip.compress(b"text " * 999)[:40], lzma.compress(b"text " * 999)[:60]],
    ids=[
        "gzip",
        "xz",
    ],  # the bytes themselves hold the time, and tests must have the same names in all processes
)
def test_a_packed_file_that_breaks_off_is_refused(tmp_path, data):
    with pytest.raises(DataError, match=r"a\.txt: cannot be read"):
        list(text_lines(written(tmp_path, data)))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        list(text_lines(tmp_path / "no.txt"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    path = written(tmp_path, "a ї\r\nb\n".encode(encoding))
    assert encoding_of(path, None) == encoding
    assert list(text_lines(path)) == ["a ї\r\n", "b\n"]


def test_the_mark_of_utf_8_is_removed_when_utf_8_is_asked_for(tmp_path):
    assert list(text_lines(written(tmp_path, "a".encode("utf-8-sig")), "utf8")) == ["a"]


def test_an_encoding_can_be_named(tmp_path):
    path = written(tmp_path, "oração\n".encode("latin-1"))
    assert list(text_lines(path, "latin-1")) == ["oração\n"]
    for wrong in ("latin-one", "base64", ""):
        with pytest.raises(SettingError, match="--encoding must be an encoding of texts"):
            list(text_lines(path, wrong))


@pytest.mark.parametrize("lines", [0, 1, 5, 20_000])
def test_the_line_that_is_not_text_is_named_with_the_cure(tmp_path, lines):
    path = written(tmp_path, "ïx\n".encode() * lines + b"fian\xe7\n")
    with pytest.raises(DataError, match=rf"line {lines + 1}: not UTF-8; .* --encoding latin-1"):
        list(text_lines(path))


def test_the_line_where_utf_16_breaks(tmp_path):
    path = written(tmp_path, "one\ntwo\n".encode("utf-16") + b"\x00\xdc\x00\xdc")
    with pytest.raises(DataError, match="line 3: not UTF-16"):
        list(text_lines(path))


def test_nul_is_refused_where_it_stands(tmp_path):
    with pytest.raises(DataError, match="line 2: holds NUL"):
        list(text_lines(written(tmp_path, "ok\nb\0\n")))
    with pytest.raises(DataError, match=r"line 1: holds NUL.*--encoding"):
        list(text_lines(written(tmp_path, "no mark".encode("utf-16-le"))))


def test_standard_input_can_be_gone_through_twice(monkeypatch):
    from pathlib import Path

    for data in (b"one\ntwo\n", b"three\n"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        expected = data.decode().splitlines(keepends=True)
        assert list(text_lines(Path("-"))) == list(text_lines(Path("-"))) == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xff")))
    with pytest.raises(DataError, match="standard input, line 1: not UTF-8"):
        list(text_lines(Path("-")))
