"""Each missing piece of a machine is named with the package that brings it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from checks import machine

SCRIPT = Path(machine.__file__)


def test_this_machine_passes():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_compiler_fails_the_script():
    environment = {**os.environ, "CXX": "no-such-compiler"}
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "apt-get install g++\n" in done.stderr
    assert "dnf install gcc-c++\n" in done.stderr


def test_a_compiler_that_cannot_build():
    assert "A compiler of C++20 is needed" in machine.compiler_problem("false")


def test_missing_headers(tmp_path):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    problem = machine.headers_problem(str(tmp_path))
    assert f"{tmp_path} does not have it" in problem
    assert f"apt-get install python{version}-dev\n" in problem
    (tmp_path / "Python.h").touch()
    assert machine.headers_problem(str(tmp_path)) is None


def test_missing_venv():
    assert machine.venv_problem(()) is None
    problem = machine.venv_problem(("venv", "no_such_ensurepip"))
    assert problem.startswith("no_such_ensurepip must be there")
    assert "-venv\n" in problem


@pytest.mark.parametrize(("version", "enough"), [((3, 10), False), ((3, 11), True), ((4, 0), True)])
def test_python_version(version, enough):
    assert (machine.version_problem(version) is None) == enough
