"""What the README shows is what happens: its programs run, its schedule is the one that is printed."""

import re
from pathlib import Path

import torch

from unrolled.cells import catalogue
from unrolled.cli.main import build

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_its_programs_run_and_its_network_learns():
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    assert f"{names['gru'].schedule()}\n" in blocks("text")
    assert names["gru"].graph == catalogue()["gru"].graph
    assert names["loss"] < 0.1 * torch.randn(10_000).tanh().var()


def test_it_counts_the_cells():
    assert f"the catalogue: {len(catalogue())} cells" in README


def test_it_shows_every_command():
    named = set(re.findall(r"^unrolled (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert named == {name for name in build() if not name.startswith("-")}
