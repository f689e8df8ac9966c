import errno
import os
import tomllib
from datetime import date

import pytest

from unrolled.errors import FolderError
from unrolled.training.run_folder import RunFolder


def test_default_folders_are_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [str(RunFolder("lm").path) for _ in range(3)]
    assert names == [f"runs/lm-{date.today()}-{n}" for n in (1, 2, 3)]


def test_a_folder_that_is_not_empty_is_never_written_to(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(FolderError, match="not empty; name a new one with --run"):
        RunFolder("lm", tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(FolderError, match=r"thesis.tex: is a file"):
        RunFolder("lm", tmp_path / "thesis.tex")


def test_config_and_lines(tmp_path):
    run = RunFolder("lm", tmp_path / "a" / "b")
    run.write_config({"task": "lm", "training": {"steps": 3, "clip": 0.5}})
    run.add_metrics({"update": 1})
    run.add_metrics({"update": 2})
    run.add_sample({"text": "ñ\n"})
    assert tomllib.loads((run.path / "config.toml").read_text())["training"] == {"steps": 3, "clip": 0.5}
    assert (run.path / "metrics.jsonl").read_text() == '{"update": 1}\n{"update": 2}\n'
    assert (run.path / "samples.jsonl").read_text() == '{"text": "ñ\\n"}\n'


def test_a_read_only_place_is_refused_with_the_cure(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "mkdir", refuse)
    for path in (None, tmp_path / "run"):
        with pytest.raises(FolderError, match=r"\(Read-only file system\); choose a folder you may write to"):
            RunFolder("lm", path)
