import zipfile

import pytest

from unrolled.data.lines import text_lines
from unrolled.data.zipped import member
from unrolled.errors import DataError


def archive(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "."), text)
    return path


def test_the_file_inside_is_read_and_notes_beside_it_are_not(tmp_path):
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in {
            "_about.txt": "about",
            "__MACOSX/a/._fra.txt": "junk",
            "a/": "",
            "a/fra.txt": "Va\u202f!\nÇa\n",
        }.items():
            made.writestr(name, text)
    assert list(text_lines(path)) == ["Va\u202f!\n", "Ça\n"]
    assert member(path).filename == "a/fra.txt"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"a.txt": "1", "b.txt": "2"}, r"got 2 \(a.txt, b.txt\); unpack it"),
        ({"_a.txt": "1"}, "got none; unpack"),
    ],
)
def test_an_archive_must_hold_one_file(tmp_path, files, found):
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    with pytest.raises(DataError, match=rf"^{path}: must hold one file, .*{found}"):
        list(text_lines(path))


def test_an_archive_that_is_cut_off_or_damaged_is_refused(tmp_path):
    path = archive(tmp_path / "pairs.zip", a__txt="the same line again and again\n" * 2000)
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(DataError, match=rf"^{path}: not a whole zip archive \("):
        list(text_lines(path))
    path.write_bytes(whole[:60] + bytes(byte ^ 255 for byte in whole[60:70]) + whole[70:])
    with pytest.raises(DataError, match=rf"^{path}: cannot be read \("):
        list(text_lines(path))


def test_a_file_behind_a_password_is_refused(tmp_path):
    path = archive(tmp_path / "pairs.zip", a__txt="1\n")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=rf"^{path}: a.txt asks for a password; unpack it"):
        list(text_lines(path))
