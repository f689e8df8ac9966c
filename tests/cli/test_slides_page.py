"""The page about slides shows what happens: each of its blocks is run and compared."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from tests.equations.typeset_blocks import BLOCKS
from unrolled.cells import find
from unrolled.equations import Cell
from unrolled.errors import EquationError
from unrolled.models.folder import load_model

PAGE = (Path(__file__).parents[2] / "docs" / "from_a_slide_to_a_network.md").read_text(encoding="utf-8")
FENCES = re.findall(r"^```(\w+)\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = [(a[1], b[1]) for a, b in pairwise(FENCES) if (a[0], b[0]) == ("latex", "text")]
ACTIVATIONS = {"g": "tanh", "g_1": "tanh", "g_2": "softmax", "f": "softmax"}


def squeezed(text):
    return re.sub(r"\s+", " ", text).strip()


def test_the_page_shows_every_block():
    assert [squeezed(source) for source, _ in SHOWN] == [
        squeezed(block.as_printed) for block in BLOCKS.values()
    ]


@pytest.mark.parametrize(("source", "shown"), SHOWN)
def test_a_block_on_the_page_is_read_as_shown(source, shown):
    used = {name: word for name, word in ACTIVATIONS.items() if f"{name}(" in source}
    cell = Cell.from_latex(source, activations=used)
    assert shown == f"{cell.text}\n{cell.schedule()}"


def test_the_command_on_the_page(unrolled, tmp_path):
    console = next(text for kind, text in FENCES if kind == "console")
    first, shown, _ = re.split(r"^\$ .*\n", console + "\n", flags=re.MULTILINE)[1:]
    (tmp_path / "slide.tex").write_text(first, encoding="utf-8")
    code, out, _ = unrolled("cells", tmp_path / "slide.tex", "--input", 64, "--hidden", 128)
    assert code == 0
    assert out.strip() == shown.strip()


def test_the_refusals_on_the_page():
    lines = [
        line for kind, text in FENCES if kind == "text" for line in text.splitlines() if " Here: " in line
    ]
    assert len(lines) >= 5
    for line in lines:
        source = line.split(" Here: ")[1].replace("»", "").replace("«", "")
        with pytest.raises(EquationError) as caught:
            Cell.from_latex(source if ":2:" not in line else f"z = 1 \\cdot x_t\n{source}", "slide.tex")
        assert str(caught.value) == line


def test_the_styles_on_the_page():
    shown = [text for kind, text in FENCES if kind == "latex"][-3:]
    assert shown == [find("gru").latex(style) for style in ("separate", "stacked", "gates")]


def test_a_slide_trains_and_the_model_keeps_its_equations(unrolled, text, tmp_path):
    slide = tmp_path / "slide.tex"
    slide.write_text(
        r"z_t = \sigma(W x_t + U h_{t-1}), h_t = z_t \odot h_{t-1} + (1 - z_t) V x_t", encoding="utf-8"
    )
    quick = ["--hidden", 4, "--steps", 8, "--batch", 4, "--updates", 2, "--run", tmp_path / "run"]
    assert unrolled("train", "lm", text, "--cell", slide, *quick)[0] == 0
    cell = find(slide)
    slide.unlink()
    assert load_model(tmp_path / "run" / "model").recurrent.cell == cell
