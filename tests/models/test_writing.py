import errno
import os

import pytest

from unrolled.errors import FolderError
from unrolled.models.writing import make_folder, write_atomically


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.json"
    path.write_bytes(b"old")
    return path


def only_the_old_file(path):
    return path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]


def test_it_replaces_a_file_and_makes_missing_folders(path):
    write_atomically(path, b"new")
    write_atomically(path.parent / "a" / "b" / "c", b"deep")
    assert path.read_bytes() == b"new"
    assert (path.parent / "a" / "b" / "c").read_bytes() == b"deep"
    assert sorted(os.listdir(path.parent)) == ["a", "model.json"]


def test_the_file_is_synced_before_the_rename_and_the_folder_after(path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (calls.append(os.readlink(f"/proc/self/fd/{handle}")), sync(handle))
    )
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_atomically(path, b"new")
    assert [os.path.dirname(calls[0]), *calls[1:]] == [str(path.parent), "rename", str(path.parent)]
    assert calls[0] != str(path)


@pytest.mark.parametrize(
    ("number", "cure"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "choose a folder you may write to")]
)
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(path, monkeypatch, function, number, cure):
    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(FolderError, match=f"cannot be written .{os.strerror(number)}.; {cure}"):
        write_atomically(path, b"new")
    assert only_the_old_file(path)


def test_ctrl_c_in_the_middle_of_a_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    def interrupt(handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert only_the_old_file(path)


def test_a_folder_that_cannot_be_made_is_refused(path):
    with pytest.raises(FolderError, match="cannot be written"):
        make_folder(path / "below a file")
