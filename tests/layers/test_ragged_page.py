"""The page about rows of any length shows what happens: its programs print what stands under them."""

import contextlib
import io
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_its_programs_print_what_it_shows():
    page = (DOCS / "rows_of_any_length.md").read_text(encoding="utf-8")
    names, printed = {}, []
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(block, "rows_of_any_length.md", "exec"), names)
        printed += [said.getvalue()] if said.getvalue() else []
    assert printed == re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert names["layer"].cell_weights()["U"].grad.abs().sum() > 0
