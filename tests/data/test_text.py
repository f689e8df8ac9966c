import io
import os

import pytest

from unrolled.data.text import Document, decode, read_texts
from unrolled.errors import DataError


def write(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_without_a_path_it_is_the_python_language_reference():
    from pydoc_data.topics import topics

    texts = read_texts()
    assert texts.characters == sum(map(len, topics.values()))
    assert "python reference: assert" in [document.name for document in texts.documents]


def test_a_file_a_folder_and_standard_input_in_the_order_given(tmp_path, monkeypatch):
    write(tmp_path / "b.txt", "second")
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "a.txt", "third")
    write(tmp_path / "a.txt", "first")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("ñ".encode())))
    texts = read_texts([tmp_path / "b.txt", tmp_path, "-"])
    assert [document.text for document in texts.documents] == ["second", "first", "second", "third", "ñ"]
    assert texts.documents[-1].name == "standard input"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_with_a_mark_give_the_same_text(tmp_path, encoding):
    write(tmp_path / "a.txt", "año\n".encode(encoding))
    assert read_texts([tmp_path / "a.txt"]).documents[0].text == "año\n"


def test_utf16_of_either_byte_order():
    assert decode(b"\xfe\xff\x00a\x00\xf1", "f") == decode(b"\xff\xfea\x00\xf1\x00", "f") == "añ"


def test_crlf_becomes_lf_and_is_counted_and_a_lone_cr_stays(tmp_path):
    write(tmp_path / "a.txt", b"one\r\ntwo\r\n")
    write(tmp_path / "b.txt", b"one\rtwo\n")
    texts = read_texts([tmp_path])
    assert [document.text for document in texts.documents] == ["one\ntwo\n", "one\rtwo\n"]
    assert texts.converted == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"ok\nman\xf1ana", r"a.txt: byte 6 \(line 2\) is not UTF-8; .*iconv -f LATIN1 -t UTF-8 .*a.txt"),
        (b"\xef\xbb\xbfok\n\xff", r"byte 6 \(line 2\) is not UTF-8"),
        (b"\xff\xfea\x00\n\x00\x00\xd8b\x00", r"byte 6 \(line 2\) is not UTF-16"),
        (b"\x7fELF\n\x00\xf1", r"byte 5 \(line 2\) is NUL"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_not_text_is_refused_where_it_stands(tmp_path, data, message):
    with pytest.raises(DataError, match=message) as error:
        read_texts([write(tmp_path / "a.txt", data)])
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_texts([tmp_path / "nothing.txt"])


def test_in_a_folder_what_is_not_text_is_skipped_and_listed_and_hidden_files_are_passed_over(tmp_path):
    write(tmp_path / "good.txt", "good")
    write(tmp_path / "picture.png", b"\x89PNG\0")
    write(tmp_path / "latin.txt", b"\xf1")
    write(tmp_path / "empty.txt", b"")
    write(tmp_path / ".hidden", "no")
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git" / "config", "no")
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    texts = read_texts([tmp_path])
    assert texts.documents == [Document(str(tmp_path / "good.txt"), "good")]
    assert [os.path.basename(reason.split(":")[0]) for reason in texts.skipped] == [
        "empty.txt",
        "latin.txt",
        "picture.png",
    ]
    assert "byte 0 (line 1) is not UTF-8" in texts.skipped[1]


def test_a_folder_without_text_is_refused(tmp_path):
    write(tmp_path / "picture.png", b"\x89PNG\0")
    with pytest.raises(DataError, match="no text file in this folder"):
        read_texts([tmp_path])
