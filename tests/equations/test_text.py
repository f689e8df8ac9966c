"""Cells from text: nothing but equations gets in, and nothing is ever executed."""

import builtins
import os
import subprocess
import textwrap

import numpy as np
import pytest

from tests.equations.sources import draw, python_cell, text_cell
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.errors import EquationError

# Made while exec still works.
SOURCE = """
    @cell(sizes={"q": "rank", "y": "output"}, static=("context",))
    def c(x, h, context, *, A, B, V, W, b, leak=0.5, periods=(1, 2)):
        q = B @ concat(h, x)
        z = where(q >= 0.25, -q / 2, sqrt(abs(q) + 1))
        y = V @ h + W @ context
        h = (1 - leak) * h + leak * every(periods) * tanh(A @ z + b - delayed(h, 3))
        return y, h
"""
FUNCTION = python_cell(SOURCE)
FILL = "return tanh(W @ x + U @ h + b)"


def refused(text: str) -> str:
    """The message of a text that is refused while whatever would run code is taken away."""

    def caught(*given, **named):
        raise AssertionError(f"the text was executed: {given}")

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((os, "system"), (subprocess, "Popen"), (builtins, "exec"), (builtins, "eval")):
            patch.setattr(module, name, caught)
        with pytest.raises(EquationError) as error:
            Cell.from_text(text, "cell.txt")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("cell.txt:")
    return message


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ("import os", 5, "got `import`"),
        ("from os import system", 5, "got `importfrom`"),
        ("while h: x = h", 5, "got `while`"),
        ("for _ in h: x = h", 5, "got `for`"),
        ("if h: x = h", 5, "got `if`"),
        ("with h: x = h", 5, "got `with`"),
        ("def f(): return h", 5, "got `functiondef`"),
        ("class f: pass", 5, "got `classdef`"),
        ("global h", 5, "got `global`"),
        ("del h", 5, "got `delete`"),
        ("assert h", 5, "got `assert`"),
        ("raise h", 5, "got `raise`"),
        ("pass", 5, "got `pass`"),
        ("tanh(h)", 5, "got `expr`"),
        ("z += h", 5, "got `augassign`"),
        ("z: int = h", 5, "got `annassign`"),
        ("return h", 5, "got `return`"),
        ("try: z = h\n    finally: z = h", 5, "got `try`"),
        ("match h:\n        case 1: z = h", 5, "got `match`"),
        ("z = __import__('os').system('true')", 9, "`__import__('os').system('true')` is not a word"),
        ("z = open('f')", 9, "`open('f')` is not a word"),
        ("z = eval('h')", 9, "is not a word"),
        ("z = h.__class__", 9, "`.__class__` is not a word"),
        ("z = h.T.T.shape", 9, "`.shape` is not a word"),
        ("z = W.T()", 9, "`W.T()` is not a word"),
        ("z = tanh(h)(h)", 9, "is not a word"),
        ("z = tanh(v=h)", 9, "is not a word"),
        ("z = tanh(**h)", 9, "is not a word"),
        ("z = tanh(*h)", 14, "`*h` is not an equation"),
        ("z = [h for h in h]", 9, "is not an equation"),
        ("z = {h: h}", 9, "is not an equation"),
        ("z = {h}", 9, "is not an equation"),
        ("z = [h, h]", 9, "is not an equation"),
        ("z = (h for h in h)", 9, "is not an equation"),
        ("z = lambda: h", 9, "is not an equation"),
        ("z = (y := h)", 10, "is not an equation"),
        ("z = h if h else h", 9, "is not an equation"),
        ("z = h and h", 9, "is not an equation"),
        ("z = not h", 9, "is not an equation"),
        ("z = ~h", 9, "is not an equation"),
        ("z = h ** 2", 9, "is not an equation"),
        ("z = h % 2", 9, "is not an equation"),
        ("z = h // 2", 9, "is not an equation"),
        ("z = h == h", 9, "is not an equation"),
        ("z = h in h", 9, "is not an equation"),
        ("z = h is h", 9, "is not an equation"),
        ("z = 0 < h < 1", 9, "is not an equation"),
        ("z = 'text'", 9, "`'text'` is not a finite number"),
        ("z = b'text'", 9, "is not a finite number"),
        ("z = f'{h}'", 9, "is not an equation"),
        ("z = None", 9, "is not a finite number"),
        ("z = True * h", 9, "`True` is not a finite number"),
        ("z = ... * h", 9, "is not a finite number"),
        ("z = 2j * h", 9, "is not a finite number"),
        ("z = 1e999 * h", 9, "is not a finite number"),
        ("z = " + "9" * 400 + " * h", 9, "is not a finite number"),
        ("z = 1 / 0", 9, "division by zero"),
        ("z = 1 / (2 - 2) * h", 9, "division by zero"),
        ("z = h[0]", 9, "a vector cannot be indexed"),
        ("z = h[0:1]", 9, "a vector cannot be indexed"),
        ("z = h.f()[0]", 9, "a vector cannot be indexed"),
        ("z = f()()[0]", 9, "a vector cannot be indexed"),
        ("z = split(h, 2)[-1]", 9, "a vector cannot be indexed"),
        ("z = split(h, 2)[True]", 9, "a vector cannot be indexed"),
        ("z = split(h, 2)[2]", 9, "part 2 of 2 parts"),
        ("z = split(h, 10000000)[0]", 9, "at most 1000 parts"),
        ("z = split(h, h)[0]", 9, "n must be a whole number >= 1, got h"),
        ("z = (h, x) + (h, x)", 9, "`(h, x)` stands for several values here"),
        ("z = (1, 2) * 1000000000", 9, "stands for several values here"),
        ("z = -split(h, 2)", 10, "stands for several values here"),
        ("z = 3 .T", 9, "transposes a number"),
        ("y, z = h", 5, "one value is given to several names"),
        ("y, z = 3", 5, "one value is given to several names"),
        ("y, z = split(h, 3)", 5, "3 parts are given to 2 names"),
        ("h.z = h", 5, "an equation defines a name"),
        ("h[0] = h", 5, "an equation defines a name"),
        ("y, *z = split(h, 3)", 5, "an equation defines a name"),
        ("(y, (z, v)) = split(h, 2)", 5, "an equation defines a name"),
        ("tanh = h", 5, "tanh is a word of the equations"),
        ("z = tanh", 9, "tanh is not known here"),
        ("z = print", 9, "print is not known here"),
        ("z = y", 9, "y is not known here. Known are x, h, W, U, b"),
        ("z = tanh(h, h)", 9, "tanh() cannot take these operands"),
        ("z = maximum(h)", 9, "maximum() cannot take these operands"),
        ("z = W @ 2", 9, "@ multiplies a matrix with a vector, got 2"),
        ("z = h * layer_norm(2)", 13, "layer_norm() needs a vector, got the number 2"),
        ("z = h * where(2 > 1, 2, 3)", 13, "finite numbers, got True"),
        ("z = delayed(2, 3)", 9, "takes a state of the cell, got 2"),
    ],
)
def test_what_is_no_equation_is_refused_where_it_stands(line, column, what):
    message = refused(f"@cell\ndef c(x, h, *, W, U, b):\n    {line}\n    {FILL}\n")
    assert message.startswith(f"cell.txt:3:{column}: "), message
    assert what in message


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("", "cell.txt:", "exactly one cell, got 0"),
        ("x = 3", "cell.txt:1:1", "only the function of one cell may stand here"),
        ("import os\ndef c(x, h):\n    return h", "cell.txt:1:1", "only the function"),
        ("from os import system\ndef c(x, h):\n    return h", "cell.txt:1:1", "only the function"),
        ("from .unrolled import cell\ndef c(x, h):\n    return h", "cell.txt:1:1", "only the function"),
        ("print(1)\ndef c(x, h):\n    return h", "cell.txt:1:1", "only the function"),
        ("async def c(x, h):\n    return h", "cell.txt:1:1", "only the function"),
        ("def c(x, h):\n    return h\ndef d(x, h):\n    return h", "cell.txt:", "exactly one cell, got 2"),
        ("@other\ndef c(x, h):\n    return h", "cell.txt:1:2", "the only decorator is @cell"),
        ("@other.cell\ndef c(x, h):\n    return h", "cell.txt:1:2", "the only decorator is @cell"),
        ("@cell(3)\ndef c(x, h):\n    return h", "cell.txt:1:2", "@cell takes sizes= and static="),
        ("@cell(size={})\ndef c(x, h):\n    return h", "cell.txt:1:2", "@cell takes sizes= and static="),
        ("@cell(**{})\ndef c(x, h):\n    return h", "cell.txt:1:2", "@cell takes sizes= and static="),
        ("@cell(sizes=f())\ndef c(x, h):\n    return h", "cell.txt:1:13", "sizes= must be written out"),
        ("@cell(sizes={[1]: 2})\ndef c(x, h):\n    return h", "cell.txt:1:13", "sizes= must be written out"),
        ("@cell(sizes=[1])\ndef c(x, h):\n    return h", "cell.txt:2:1", "sizes= names sizes"),
        ("@cell(static=3)\ndef c(x, h):\n    return h", "cell.txt:2:1", "static= names parameters"),
        ("def c(x, h=print()):\n    return h", "cell.txt:1:1", "have no default"),
        ("def c(x, h, /):\n    return h", "cell.txt:1:1", "/ are not allowed"),
        ("def c(x, *h):\n    return h", "cell.txt:1:1", "*args"),
        ("def c(x, h, **k):\n    return h", "cell.txt:1:1", "*args"),
        ("def c(x, h: print(), *, U):\n    return U @ h", "cell.txt:1:10", "h has an annotation"),
        ("def c(x, h, *, U) -> print():\n    return U @ h", "cell.txt:1:22", "the cell has an annotation"),
        (
            "def c(x, h, *, k=print()):\n    return h",
            "cell.txt:1:18",
            "a constant's default must be a number",
        ),
        (
            "def c(x, h, *, k={[]: 1}):\n    return h",
            "cell.txt:1:18",
            "a constant's default must be a number",
        ),
        ("def c(x, h, *, k='a'):\n    return h", "cell.txt:1:1", "the constant k must be a finite number"),
        ("def c(x, h, *, k=2j):\n    return h", "cell.txt:1:1", "the constant k must be a finite number"),
        ("def c(x, h, *, k=1e999):\n    return h", "cell.txt:1:1", "the constant k must be a finite number"),
        ("def c(x, h, *, U):\n    y = U @ h", "cell.txt:1:1", "a cell ends by returning its states"),
        ("def c(x, h, *, U):\n    return", "cell.txt:1:1", "a cell ends by returning its states"),
        ("def c(x, h, *, U, V):\n    return U @ h", "cell.txt:1:1", "V is never used"),
        ("def c(x, h, *, U):\n    return U @ h, h, h", "cell.txt:2:5", "got 3 values"),
        ("def c(x, h, *, U):\n    return (U @ h, h), h", "cell.txt:2:5", "got (U @ h, h)"),
        ("def c(x, h, h):\n    return h", "cell.txt:1:", "h is there twice"),
        ("def c(x, h, *, h):\n    return h", "cell.txt:1:", "h is there twice"),
        ("def c(x, exp):\n    return exp", "cell.txt:1:1", "exp is a word of the equations"),
        ("def c(x, h:\n    return h", "cell.txt:1:", "Write the cell as a Python function"),
        ("def c(x, h):\nreturn h", "cell.txt:2:", "Write the cell as a Python function"),
        ("def c(x, h):\n    return h\0", "cell.txt:", "Write the cell as a Python function"),
        ("def c(x, h):\n    return \ud800", "cell.txt:", "Write the cell as a Python function"),
        (
            "def c(x, h):\n    return " + "(" * 500 + "h" + ")" * 500,
            "cell.txt:",
            "Write the cell as a Python function",
        ),
        ("def c(x, h):\n    return " + "-" * 3000 + "h", "cell.txt:", None),
        ("def c(x, h):\n    return " + " + ".join(["h"] * 5000), "cell.txt:", None),
        ("def c(x, h):\n    return h" + " " * 200_000, "cell.txt:", "at most 100000 characters, got 200"),
    ],
)
def test_a_text_that_is_no_cell_is_refused(text, place, what):
    message = refused(text)
    assert message.startswith(place), message
    assert what is None or what in message


def test_numbers_cannot_grow_without_end():
    lines = ["v = 9999999999", *(["v = v * v"] * 60), FILL]
    assert (
        Cell.from_text("def c(x, h, *, W, U, b):\n" + "".join(f"    {line}\n" for line in lines)).graph.labels
        == ()
    )
    with pytest.raises(EquationError, match="finite numbers, got inf"):
        text_cell("\n".join([*lines[:-1], "return v * h + W @ x + U @ h + b"]))


def test_a_python_file_of_one_cell_reads_as_text():
    text = '"""A file."""\nfrom __future__ import annotations\nfrom unrolled.equations import cell, tanh\n'
    made = Cell.from_text(text + "\n@cell\ndef c(x, h, *, U):\n    return tanh(U @ h)\n")
    assert made == text_cell("return tanh(U @ h)", "x, h, *, U")


def test_the_text_means_what_the_function_means():
    text = Cell.from_text(textwrap.dedent(SOURCE))
    assert text == FUNCTION
    given = draw(FUNCTION)
    np.testing.assert_array_equal(text.run(**given).outputs, FUNCTION.run(**given).outputs)


@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_computes_the_same_from_its_text(name):
    known = catalogue()[name]
    given = draw(known)
    expected, got = known.run(**given), Cell.from_text(known.text).run(**given)
    np.testing.assert_array_equal(got.outputs, expected.outputs)
    for state in known.states:
        np.testing.assert_array_equal(got.states[state], expected.states[state])
