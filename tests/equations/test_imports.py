"""The language starts alone: without torch, without anything heavy, and without scheduling the catalogue."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "pydantic", "rich", "cyclopts", "plotly", "safetensors", "scipy", "pandas", "matplotlib")


def modules_after(code: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    return set(shown.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import unrolled",
        "import unrolled.equations",
        "import unrolled.cells; unrolled.cells.catalogue()",
        "from unrolled.cells import find; print(find('gru').text, find('gru').schedule())",
    ],
)
def test_the_language_starts_without_torch(code):
    loaded = modules_after(code)
    assert "unrolled" in loaded
    assert not {name for name in loaded if name.split(".")[0] in HEAVY}


def test_the_catalogue_is_traced_but_not_scheduled_when_it_is_imported():
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "import unrolled.cells as c; n = len(c.catalogue())\n"
            "from unrolled.equations import schedule, simplify\n"
            "print(n, schedule._schedule.cache_info().currsize, simplify.simplify.cache_info().currsize)",
        ],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    ).stdout.split()
    assert int(shown[0]) >= 20
    assert shown[1:] == ["0", "0"]
