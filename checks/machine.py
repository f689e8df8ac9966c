"""Is this machine able to build the package? Asked before anything is installed.

Runs on the system's Python, which may be too old: nothing newer than Python 3.6 in this file.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile

WANTED = (3, 11)
SMALL_PROGRAM = """
#include <concepts>
template <std::integral T> T same(T x) { return x; }
int main() { return same(0); }
"""


def cure(debian, fedora):
    return f"    Debian, Ubuntu: apt-get install {debian}\n    Fedora:         dnf install {fedora}"


def version_problem(version=sys.version_info):
    if tuple(version[:2]) >= WANTED:
        return None
    return (
        f"Python 3.11 or newer is needed, {sys.executable} is {version[0]}.{version[1]}. "
        "Install one and name it: make PYTHON=python3.12\n"
        + cure("python3.12-dev python3.12-venv", "python3.12-devel")
    )


def headers_problem(folder=None):
    folder = folder or sysconfig.get_path("include")
    if os.path.exists(os.path.join(folder, "Python.h")):
        return None
    version = "{}.{}".format(*sys.version_info[:2])
    return f"Python.h is needed to build the extension, {folder} does not have it.\n" + cure(
        f"python{version}-dev", f"python{version}-devel (python3-devel for the default Python)"
    )


def venv_problem(modules=("venv", "ensurepip")):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    version = "{}.{}".format(*sys.version_info[:2])
    return (
        f"{' and '.join(missing)} must be there to make .venv, {sys.executable} does not have it.\n"
        + cure(f"python{version}-venv", "python3-libs")
    )


def compiler_problem(wanted=None):
    wanted = wanted or os.environ.get("CXX")
    names = [wanted.split()[0]] if wanted else ["c++", "g++", "clang++"]
    compiler = next(filter(None, map(shutil.which, names)), None)
    if compiler is None:
        return f"A C++ compiler is needed, found none named {' or '.join(names)}.\n" + cure("g++", "gcc-c++")
    if builds(compiler):
        return None
    return f"A compiler of C++20 is needed (gcc 11, clang 14 or newer), {compiler} is not one.\n" + cure(
        "g++", "gcc-c++"
    )


def builds(compiler):
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "small.cpp")
        with open(source, "w") as file:
            file.write(SMALL_PROGRAM)
        command = [compiler, "-std=c++20", source, "-o", os.path.join(folder, "small")]
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0


def main():
    # On a Python that is too old the other answers would name the wrong packages.
    too_old = version_problem()
    problems = [too_old] if too_old else [headers_problem(), venv_problem(), compiler_problem()]
    problems = [problem for problem in problems if problem]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
