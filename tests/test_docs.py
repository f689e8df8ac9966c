"""The pages of docs/ show what happens: their programs print what stands under them."""

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("name", ["tasks", "language_models", "sampling", "music", "translation"])
def test_the_programs_of_a_page_print_what_it_shows(name):
    page = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    names, printed = {}, []
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            exec(compile(block, f"{name}.md", "exec"), names)
        printed += [said.getvalue()] if said.getvalue() else []
    assert printed and printed == re.findall(r"^```text\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def test_links_between_pages_lead_somewhere():
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            assert "://" in target or (DOCS / target).exists(), f"{page.name}: {target}"
