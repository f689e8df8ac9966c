"""The page about estimators shows what happens: its programs print what stands under them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "estimators.md"


@pytest.mark.slow
def test_its_programs_print_what_it_shows():
    pytest.importorskip("sklearn")
    page = PAGE.read_text(encoding="utf-8")
    names, printed = {}, []
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(block, PAGE.name, "exec"), names)
        printed += [said.getvalue()] if said.getvalue() else []
    assert printed == re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
