import io
import os
import threading

import pytest

from unrolled.data import corpus as module
from unrolled.data.corpus import Corpus
from unrolled.data.text import read_texts
from unrolled.errors import DataError, SettingError


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 16)


def joined(pieces):
    """The texts of the documents, and which of them end."""
    found = []
    for piece in pieces:
        if not found or found[-1][0] != piece.document or found[-1][2]:
            found.append([piece.document, "", False])
        found[-1][1] += piece.text
        found[-1][2] = piece.ends
    return [tuple(document) for document in found]


def write(path, text):
    path.write_bytes(text.encode())
    return path


def test_pieces_are_the_text_and_come_again_with_every_loop(tmp_path, small_pieces):
    text = "".join(f"línea {i}\n" for i in range(30)) + "sin final"
    corpus = Corpus([write(tmp_path / "a", text), write(tmp_path / "b", "otro")])
    expected = [(str(tmp_path / "a"), text, True), (str(tmp_path / "b"), "otro", True)]
    assert joined(corpus) == joined(corpus) == expected
    assert corpus.characters == len(text) + 4
    assert corpus.documents == (str(tmp_path / "a"), str(tmp_path / "b"))


def test_pieces_end_with_a_line_end_and_a_line_without_end_is_cut(tmp_path, small_pieces):
    pieces = [piece.text for piece in Corpus([write(tmp_path / "a", "one two\nthree\n" * 20)])]
    assert len(pieces) > 10 and all(text.endswith("\n") for text in pieces)
    pieces = [piece.text for piece in Corpus([write(tmp_path / "b", "x" * 200)])]
    assert max(map(len, pieces)) <= 32 and "".join(pieces) == "x" * 200


def test_crlf_becomes_lf_wherever_a_piece_ends(tmp_path, small_pieces):
    for length in range(12, 20):
        corpus = Corpus([write(tmp_path / "a", "x" * length + "\r\n\rb\r")])
        assert joined(corpus)[0][1] == "x" * length + "\n\rb\r"
        assert corpus.converted == 1
    assert Corpus([write(tmp_path / "a", "a\rb")]).converted == 0


@pytest.mark.parametrize("start", [0, 3, 5, 6, 9])
@pytest.mark.parametrize("stop", [9, 10, 11, 14])
def test_a_part_is_those_characters(tmp_path, small_pieces, start, stop):
    texts = ["hello", "a\nb\nc", "end"]
    corpus = Corpus([write(tmp_path / str(i), text) for i, text in enumerate(texts)])
    part = corpus.part(start, stop)
    found = joined(part)
    assert "".join(text for _, text, _ in found) == "".join(texts)[start:stop]
    assert part.characters == stop - start
    assert part.documents == len(found)
    lasts = {5, 10, 13}
    places = [start + sum(len(text) for _, text, _ in found[: i + 1]) for i in range(len(found))]
    assert [ends for _, _, ends in found] == [place in lasts for place in places]


def test_standard_input_and_pipes_are_read_more_than_once(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("ñ\r\n".encode())))
    corpus = Corpus(["-"])
    assert joined(corpus) == joined(corpus) == [("standard input", "ñ\n", True)]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("through a pipe"))
    writer.start()
    corpus = Corpus([pipe])
    writer.join()
    assert joined(corpus) == joined(corpus) == [(str(pipe), "through a pipe", True)]


def test_without_a_path_it_is_the_language_reference():
    from pydoc_data.topics import topics

    assert {name: text for name, text, _ in joined(Corpus())} == {
        f"python reference: {name}": text for name, text in topics.items()
    }


def test_a_folder_with_files_that_are_no_text(tmp_path):
    write(tmp_path / "a", "text")
    (tmp_path / "b").write_bytes(b"\0")
    corpus = Corpus([tmp_path])
    assert corpus.documents == (str(tmp_path / "a"),)
    assert corpus.skipped == [f"{tmp_path}/b: byte 0 (line 1) is NUL, so this is not a text file"]


def test_a_named_encoding_is_used_for_every_file(tmp_path):
    (tmp_path / "a").write_bytes("año".encode("latin-1"))
    assert joined(Corpus([tmp_path / "a"], "latin-1"))[0][1] == "año"
    assert read_texts([tmp_path / "a"], "latin-1").documents[0].text == "año"
    with pytest.raises(DataError, match="is not UTF-8"):
        Corpus([tmp_path / "a"])
    with pytest.raises(SettingError, match="--encoding"):
        Corpus([tmp_path / "a"], "latin-99")


def test_a_file_that_becomes_shorter_is_noticed(tmp_path):
    corpus = Corpus([write(tmp_path / "a", "long enough")])
    write(tmp_path / "a", "short")
    with pytest.raises(DataError, match="became shorter while it was read"):
        list(corpus)
    (tmp_path / "a").unlink()
    with pytest.raises(DataError, match="no such file"):
        list(corpus)


def test_a_share_outside_zero_and_one_is_refused():
    with pytest.raises(SettingError, match="validation share must be between 0 and 1, got 1"):
        Corpus().split(1)
