"""The programs of docs/inspection.md print what stands under them."""

import contextlib
import io
import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "inspection.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_its_programs_print_what_it_shows():
    names, printed = {}, []
    for block in blocks("python"):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(block, "inspection.md", "exec"), names)
        printed.append(said.getvalue())
    assert printed == blocks("text")
