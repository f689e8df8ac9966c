"""Typeset equations that are no cell: one line with the place, and the piece marked."""

import random

import pytest

from tests.equations.typeset_blocks import BLOCKS
from unrolled.cells import find
from unrolled.equations import Cell
from unrolled.errors import EquationError, UnrolledError

REFUSED = {
    "read at t-1, never defined": (
        r"h_t = \tanh(W x_t + U c_{t-1})",
        "slide.tex:1:23: c_{t-1} is used, but c is never defined at t.",
        "»c_{t-1}«",
    ),
    "a misspelt state": (
        r"cell_t = \tanh(W x_t + U cel_{t-1})".replace("cel_", r"\mathrm{cel}_"),
        "but cel is never defined at t. Define it at t; did you mean cell?",
        r"»\mathrm{cel}_{t-1}«",
    ),
    "an earlier input": (
        "h_t = W x_t + V x_{t-1} + h_{t-1}",
        "x_{t-1} is used, but x is never defined at t. To read an earlier input, write p_t = x_t and use p_{t-1}.",
        "»x_{t-1}«",
    ),
    "two definitions": (
        "z = \\sigma(W x_t)\nz = \\tanh(V x_t)\nh_t = z * h_{t-1}",
        "slide.tex:2:1: z is defined twice, first in line 1.",
        "»z« = ",
    ),
    "two definitions of one state under two names": (
        "c_t = a_t\nc_t = x_t + c_{t-1}\na_t = x_t + a_{t-1}",
        "slide.tex:1:1: c_t is defined twice.",
        "»c_t« = a_t",
    ),
    "a lost index on the left": (
        r"a^{} = \tanh(W a^{<t-1>} + U x^{<t>})",
        "slide.tex:1:1: this index of a is empty, as text copied from a page leaves it.",
        "»a^{}« =",
    ),
    "a lost index on the right": (
        r"a^{<t>} = \tanh(W a^{<>} + U x^{<t>})",
        "slide.tex:1:19: this index of a is empty",
        "W »a^{<>}« +",
    ),
    "a sum": (
        r"h_t = \sum_{k=1}^{t} W_k x_k + h_{t-1}",
        "1:7: a sum over an index cannot be an equation of one step.",
        r"»\sum«",
    ),
    "a sum in Unicode": ("h_t = ∑ W x_t + h_{t-1}", "1:7: a sum over an index", "»∑«"),
    "an integral": (r"h_t = \int_0^1 x_t + h_{t-1}", "1:7: an integral cannot", r"»\int«"),
    "sizes that cannot meet": (
        r"h_t = \tanh(W [x_t, h_{t-1}] + W h_{t-1})",
        "1:32: in W @ h the sizes H + I and H (of h) must be equal.",
        "»W h_{t-1}«",
    ),
    "a state of another size": (
        "h_t = [x_t, h_{t-1}]",
        "1:7: the state h has size H, but its new value concat(x, h) has size",
        "»[x_t, h_{t-1}]«",
    ),
    "a matrix as a vector": (
        r"h_t = \tanh(W x_t + W) + h_{t-1}",
        "1:19: W is used both as a matrix and as a vector",
        "»W x_t + W«",
    ),
    "an unknown function": (
        r"h_t = \operatorname{sigmod}(W x_t + U h_{t-1})",
        r"1:7: \operatorname{sigmod} is no function we know, nearest: sigmoid",
        r"»\operatorname{sigmod}«",
    ),
    "an unknown function as a plain word": ("h_t = tahn(W x_t + U h_{t-1})", "nearest: tanh", "»tahn«"),
    "a function nobody bound": (
        r"h_t = g_1(W x_t + U h_{t-1})",
        r"Say what it is: write g_1 = \tanh beside the equations, or activations={'g_1': 'tanh'}.",
        "»g_1«",
    ),
    "an unknown command": (
        r"h_t = \tahn(W x_t) + h_{t-1}",
        r"\tahn is not known. Nearest: \tanh",
        r"»\tahn«",
    ),
    "an open bracket": (r"h_t = \tanh(W x_t + h_{t-1}", "1:12: this ( is never closed.", "»(«"),
    "an open brace": (r"h_t = \tanh(W x_t + h_{t-1)", "1:27: ) closes nothing that is open.", "»)«"),
    "a closing brace too many": ("h_t = W x_t + h_{t-1}}", "1:22: } closes nothing that is open.", "»}«"),
    "an open environment": (
        r"h_t = W \begin{bmatrix} h_{t-1} \\ x_t",
        r"this environment is never ended. Add \end{bmatrix}.",
        r"»\begin{bmatrix}«",
    ),
    "the wrong end": (
        r"\begin{align} h_t = x_t + h_{t-1} \end{split}",
        "an environment that is not open",
        "»\\end{split}«",
    ),
    "no state": (
        r"y_t = \tanh(W x_t + b)",
        "1:1: these equations define no state: nothing is read at t-1.",
        "»y_t«",
    ),
    "no input": (r"h_t = \tanh(U h_{t-1})", "no input: every name with an index t is defined here.", "»h_t«"),
    "two inputs": ("h_t = W x_t + V s_t + h_{t-1}", "x and s are read at t but never defined.", "»s_t«"),
    "a circle": (
        "z = r + x_t\nr = z + h_{t-1}\nh_t = r",
        "within one step z needs r needs z. Read one of them at t-1.",
        "»z«",
    ),
    "a later step": (
        "h_t = h_{t+1} + x_t + h_{t-1}",
        "1:7: a value of a later step is not known yet.",
        "»h_{t+1}«",
    ),
    "two steps on the left": (
        "h_{t+1} = x_t + h_t\nc_t = h_t + c_{t-1}",
        "equations define values of different steps",
        "»c_t«",
    ),
    "a delay without a value": ("h_t = h_{t-k} + x_t", "the delay k has no value. Write k = 4", "»h_{t-k}«"),
    "two signs of equality": ("h_t = x_t = h_{t-1}", "1:11: an equation has one =.", "»=«"),
    "nothing on the right": ("h_t =", "1:5: nothing stands right of this sign.", "»=«"),
    "an end too early": ("h_t = x_t + h_{t-1} +", "something is missing after this.", "»+«"),
    "no equation": ("W x_t + U h_{t-1}", "1:1: this is no equation.", "»W x_t"),
    "an expression alone": (
        "h_t = h_{t-1} + x_t\n\nW x_t",
        "3:1: this is no equation. Write name = value.",
        "»W x_t«",
    ),
    "a function on the left": (
        r"\sigma(x) = x, h_t = \sigma(x_t) + h_{t-1}",
        "left of = stands a name, or names in one bracket.",
        r"»\sigma(x)«",
    ),
    "a start that is not zero": (
        "h_0 = 1\nh_t = h_{t-1} + x_t",
        "1:7: a start written in the equations is zero.",
        "»1«",
    ),
    "a function as a value": (
        r"h_t = g + h_{t-1} + x_t, g = \tanh",
        "g is a function. Give it operands",
        "»g«",
    ),
    "a foreign sign": ("h_t = x_t § h_{t-1}", "1:11: the sign '§' has no meaning here.", "»§«"),
    "division by zero": (r"h_t = \frac{1}{0} x_t + h_{t-1}", "1:7: division by zero.", r"»\frac{1}{0}«"),
    "a strange index": ("h_t = W_{+} x_t + h_{t-1}", "the index + is not understood.", "»+«"),
    "two times in one index": ("h_t = h_{t-1,t} + x_t", "an index has one time.", "»t-1,t«"),
    "two times around one name": (
        "h_t = h_{t-1}^{(t)} + x_t",
        "this name has two time indices.",
        "»h_{t-1}^{(t)}«",
    ),
    "too few operands": (r"h_t = \max(h_{t-1}) + x_t", "maximum cannot take 1 operands.", r"»\max(h_{t-1})«"),
    "functions that do not fit the names": (
        r"(i, f) = \begin{pmatrix} \sigma \\ \sigma \\ \tanh \end{pmatrix} (W x_t) \\ h_t = i f h_{t-1}",
        "3 functions stand before 2 names.",
        r"»\begin{pmatrix} \sigma",
    ),
}


def refusal(source):
    with pytest.raises(EquationError) as caught:
        Cell.from_latex(source, "slide.tex")
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_line_that_marks_the_piece(name):
    source, message, marked = REFUSED[name]
    found = refusal(source)
    assert message in found
    assert "\n" not in found
    assert found.startswith("slide.tex:")
    assert marked in found.split(" Here: ")[1]


def test_the_place_is_that_of_the_whole_file():
    file = "# Networks\n\nSome words, $W$ and $h$.\n\n```latex\nz &= \\sigma(V x_t) \\\\\n  h_t &= z * c_{t-1}\n```\n"
    assert refusal(file).startswith("slide.tex:7:14: c_{t-1} is used, but c is never defined at t.")


def test_activations_must_be_functions_we_know():
    with pytest.raises(EquationError, match="swish is no function we know"):
        Cell.from_latex("h_t = g(W x_t + U h_{t-1})", activations={"g": "swish"})


def test_equations_nested_too_deep():
    with pytest.raises(EquationError, match="nested too deep"):
        Cell.from_latex("h_t = x_t + " + "(" * 5000 + "h_{t-1}" + ")" * 5000)


def test_a_source_too_long():
    with pytest.raises(EquationError, match="at most 100000 characters, got 100026"):
        Cell.from_latex("h_t = h_{t-1} + x_t\n" + "% no\n" * 20001 + "c")


def test_a_file_is_refused_under_its_path(tmp_path):
    path = tmp_path / "slide.md"
    path.write_text("$$h_t = \\tanh(W x_t + U c_{t-1})$$\n", encoding="utf-8")
    with pytest.raises(EquationError, match=r"slide.md:1:25: c_\{t-1\} is used"):
        find(path)


JUNK = [
    *"{}[]()^_&=+-*/,;.|<>'\\ \ntx1σ∑ₜ",
    r"\\",
    r"\frac",
    r"\begin{bmatrix}",
    r"\end{bmatrix}",
    r"\hat",
    r"\text{a}",
]
JUNK += [
    r"\left",
    r"\sigma",
    "_t",
    "_{t-1}",
    r"\in",
    r"\mathbb{R}",
    r"\sqrt",
    r"\mathrm",
    "$",
    "```\n",
    r"\dots",
    "^T",
]


def damaged(source, rng):
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(source) + 1)
        removed = rng.choice((0, 0, 1, 3))
        source = source[:start] + ("" if removed else rng.choice(JUNK)) + source[start + removed :]
    return source


def outcome(source):
    """Why a source is refused, or nothing; any other exception comes through."""
    try:
        Cell.from_latex(source, activations=dict.fromkeys(("g", "g_1", "g_2", "f"), "tanh")).latex()
    except UnrolledError as error:
        return str(error)
    return ""


def test_damaged_equations_are_a_cell_or_refused_in_one_line():
    sources = [source for block in BLOCKS.values() for source in (block.as_printed, *block.otherwise)]
    rng = random.Random(0)
    messages = [message for _ in range(600) if (message := outcome(damaged(rng.choice(sources), rng)))]
    assert 100 < len(messages) < 600
    assert not [message for message in messages if "\n" in message]
