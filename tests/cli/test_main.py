import os
import subprocess
import sys

import pytest

from unrolled import __version__
from unrolled.cli import main


def test_version(unrolled):
    assert unrolled("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    "command", [[], ["train"], ["train", "lm"], ["sample"], ["score"], ["cells"], ["demo"]], ids=" ".join
)
def test_help_of_every_command_teaches(unrolled, command):
    code, out, err = unrolled(*command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(['unrolled', *command])}")
    if command not in ([], ["train"], ["demo"]):
        assert "Examples:" in out
    assert "Try" not in out


def test_help_lists_every_command_and_none_alone_is_help(unrolled):
    out = unrolled("--help")[1]
    assert all(f"│ {name} " in out for name in ("train", "sample", "score", "cells", "demo"))
    assert unrolled()[1] == out


def test_unknown_commands_name_the_nearest(refused):
    said = refused("tarin")
    assert said.startswith(
        'unknown command "tarin". Did you mean "train"? Available commands: train, sample, '
    )
    assert said.endswith("Try: unrolled --help")
    said = refused("train", "ml")
    assert said.startswith('unknown command "ml". Available commands: ')
    assert all(name in said for name in ("lm", "classify", "tag", "forecast"))
    assert said.endswith("Try: unrolled train --help")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "lm", "--help"], ["cells"], ["train", "lm", "--hiden"]]
)
def test_torch_is_not_imported_before_it_is_needed(arguments):
    program = (
        f"import sys; from unrolled.cli import main; main({arguments}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60).returncode == 0


def test_the_command_and_the_module_are_the_same():
    ended = subprocess.run([sys.executable, "-m", "unrolled", "cells", "no"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("unrolled: a cell must be")
    assert "Traceback" not in ended.stderr


def test_ctrl_c_in_a_command_is_one_line(monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr("unrolled.cells.catalogue", interrupt)
    assert main(["cells"]) == 130
    assert capsys.readouterr().err == "unrolled: interrupted\n"


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_sleep_unless_told_otherwise(unrolled, monkeypatch, before, after):
    monkeypatch.setenv("OMP_WAIT_POLICY", before or "")
    if before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    unrolled("--version")
    assert os.environ["OMP_WAIT_POLICY"] == after
