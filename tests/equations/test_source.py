"""The canonical text: printing a graph and reading it back gives an equal graph, and prints the same again."""

import copy
import pickle
import random
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.equations.sources import python_cell, text_cell
from tests.random_cells import random_cell_text
from unrolled.cells import catalogue
from unrolled.equations import Cell, cell
from unrolled.equations.source import brief, number_text


def survives(made: Cell) -> None:
    text = str(made.graph)
    again = Cell.from_text(text)
    assert again.graph == made.graph
    assert str(again.graph) == text


@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_reads_back(name):
    known = catalogue()[name]
    survives(known)
    assert Cell.from_text(known.text).doc == known.doc
    assert Cell.from_text(known.text).text == known.text


@pytest.mark.parametrize("block", range(8))
def test_random_cells_read_back(block):
    for seed in range(1000 + 30 * block, 1030 + 30 * block):
        survives(Cell.from_text(random_cell_text(seed)))


def shuffled_names(seed: int) -> str:
    """A cell whose lines rebind every name in sight: states, the input, parameters, aliases of them."""
    rng = random.Random(seed)
    names = ["x", "h", "c", "b"]
    lines = []
    for _ in range(rng.randint(3, 12)):
        target = rng.choice(["x", "h", "c", "b", "v", "w", "_p"])
        a, other = rng.choice(names), rng.choice(names)
        equation = rng.choice(
            [a, f"tanh({a})", f"{a} + {other}", f"{a} - ({other} - {a})", f"-{a} * {other}"]
        )
        lines.append(f"{target} = {equation}")
        names.append(target)
    results = ", ".join(rng.choice(names) for _ in range(rng.choice([2, 3])))
    lines.append(f"return {results}")
    sizes = '@cell(sizes={"h": "I", "c": "I"})'
    body = textwrap.indent("\n".join(["keep = b + x", *lines]), "    ")
    return f"{sizes}\ndef c(x, h, c, *, b):\n{body}\n"


@pytest.mark.parametrize("seed", range(150))
def test_names_bound_again_and_aliases_read_back(seed):
    text = shuffled_names(seed)
    made = Cell.from_text(text)
    survives(made)
    assert python_cell(text) == made


@settings(max_examples=150)
@given(st.text())
def test_a_docstring_of_any_text_reads_back(doc):
    def c(x, h, *, U):
        return U @ h

    c.__doc__ = doc
    made = cell(c)
    assert Cell.from_text(made.text).doc == made.doc
    assert Cell.from_text(made.text) == made


@pytest.mark.parametrize(
    "doc", ['"', 'a "quoted" word"', '"""', '""""', "\\", '\\"', "a\n  b\n\nc", "\\N{DASH}", "\r", "Δ \x00"]
)
def test_an_awkward_docstring_reads_back(doc):
    def c(x, h, *, U):
        return U @ h

    c.__doc__ = doc
    assert Cell.from_text(cell(c).text).doc == cell(c).doc


@pytest.mark.parametrize(
    "line",
    [
        "return (h - x) - (h - x)",
        "return h - (x - (h - x))",
        "return -(h + x) * -h",
        "return (h * x) / (h * x) / h",
        "return h / (x / h) * x",
        "return (h + x) * (h - x)",
        "return -2 * h - -3",
        "return h * 1e-300 + 1e300 * x + 0.1",
        "return where(h > x, h, x) + where((h + x) <= h * x, -h, x)",
        "return U @ (V @ (h + x)) - U @ V @ h",
        "return U.T @ h + upper_blocks(U, (1, 2)).T @ h",
        "return concat(*split(h, 2))" if False else "p, q = split(h, 2)\nreturn concat(q, p)",
    ],
)
def test_signs_bind_as_python_reads_them(line):
    learned = [name for name in ("U", "V") if name in line]
    signature = "x, h" + (", *, " + ", ".join(learned) if learned else "")
    survives(text_cell(line, signature, '@cell(sizes={"h": "I"})'))


def test_the_canonical_text_is_what_a_person_would_write():
    assert catalogue()["leaky"].text.splitlines()[-2:] == [
        "    candidate = tanh(W @ x + U @ h + b)",
        "    return (1 - leak) * h + leak * candidate",
    ]
    made = text_cell("h = tanh(W @ x + h)\nreturn h", "x, h, *, W")
    assert made.text == "@cell\ndef c(x, h, *, W):\n    h = tanh(W @ x + h)\n    return h\n"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-2.0, "-2"),
        (0.5, "0.5"),
        (1e20, "1e+20"),
        (1e-5, "1e-05"),
        ((1.0,), "(1,)"),
        ((1.0, 2.5), "(1, 2.5)"),
    ],
)
def test_numbers_are_written_as_a_person_types_them(number, text):
    assert number_text(number) == text


def test_copies_and_pickles_are_equal_cells():
    for known in catalogue().values():
        for other in (copy.copy(known), copy.deepcopy(known), pickle.loads(pickle.dumps(known))):
            assert other == known
            assert other.doc == known.doc
    assert catalogue()["gru"] != catalogue()["lstm"]
    assert catalogue()["leaky"] != catalogue()["leaky"].set(leak=0.5)


def test_a_long_equation_is_cut_short_in_a_message():
    made = text_cell(
        f"return {' + '.join(['tanh(h)'] * 1)} * {' * '.join(['(h + x)'] * 40)}",
        "x, h",
        '@cell(sizes={"h": "I"})',
    )
    text = brief(made.graph.nodes, made.graph.output)
    assert len(text) <= 120
    assert "..." in text
