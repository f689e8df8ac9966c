import pytest

from checks import sizes


def problems(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return sizes.violations(tmp_path)


def function(lines):
    return "def long():\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    "name", ["src/unrolled/a.py", "native/a.cpp", "tests/test_a.py", "src/unrolled/studio/a.js"]
)
def test_a_file_over_500_lines(tmp_path, name):
    assert problems(tmp_path, name, "\n" * 501) == [
        f"{name}: 501 lines, at most 500; split it by what it does"
    ]


def test_a_file_of_500_lines_passes(tmp_path):
    assert problems(tmp_path, "src/unrolled/a.py", "\n" * 500) == []


@pytest.mark.parametrize("prefix", ["", "async "])
def test_a_function_over_80_lines(tmp_path, prefix):
    expected = "src/unrolled/a.py:1: long has 81 lines, at most 80; split it"
    assert problems(tmp_path, "src/unrolled/a.py", prefix + function(81)) == [expected]


def test_a_function_of_80_lines_passes(tmp_path):
    assert problems(tmp_path, "src/unrolled/a.py", function(80)) == []
