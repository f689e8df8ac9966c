"""Equations as LaTeX and as MathML."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from unrolled.cells import catalogue, find
from unrolled.equations import Cell
from unrolled.errors import SettingError


def lines(text, **options):
    block = Cell.from_text(text).latex(**options)
    return [line.removesuffix(r" \\") for line in block.splitlines()[1:-1]]


def one(equation, learned="W, U, u, b"):
    """What stands right of the sign, for an equation whose value becomes the state h."""
    used = [name for name in learned.split(", ") if re.search(rf"\b{name}\b", equation)]
    text = f"def c({', '.join(['x', 'h', *(['*', *used] if used else [])])}):\n    return {equation}\n"
    return lines(text)[0].split("&= ")[1]


def test_the_lstm_as_books_print_it():
    assert find("lstm").latex() == (
        "\\begin{aligned}\n"
        "i_t &= \\sigma(W_i x_t + U_i h_{t-1} + b_i) \\\\\n"
        "f_t &= \\sigma(W_f x_t + U_f h_{t-1} + b_f) \\\\\n"
        "\\tilde{c}_t &= \\tanh(W_c x_t + U_c h_{t-1} + b_c) \\\\\n"
        "o_t &= \\sigma(W_o x_t + U_o h_{t-1} + b_o) \\\\\n"
        "c_t &= f_t \\odot c_{t-1} + i_t \\odot \\tilde{c}_t \\\\\n"
        "h_t &= o_t \\odot \\tanh(c_t)\n"
        "\\end{aligned}"
    )


@pytest.mark.parametrize(
    ("equation", "printed"),
    [
        ("u * (W @ x + b)", r"u \odot (W x_t + b)"),
        ("W @ (u * x) - (b - h)", r"W(u \odot x_t) - (b - h_{t-1})"),
        ("U @ U @ h - b + u", r"U U h_{t-1} - b + u"),
        ("U.T @ h", r"U^\top h_{t-1}"),
        ("(-h) * u - -b", r"(-h_{t-1}) \odot u - (-b)"),
        ("-(h * u)", r"-h_{t-1} \odot u"),
        ("h / (1 + abs(h))", r"\frac{h_{t-1}}{1 + \lvert h_{t-1} \rvert}"),
        ("sqrt(exp(h)) + log(softplus(b))", r"\sqrt{\exp(h_{t-1})} + \log(\operatorname{softplus}(b))"),
        ("maximum(h, minimum(u, 1))", r"\max(h_{t-1}, \min(u, 1))"),
        ("maximum(h, 0)", r"\operatorname{maximum}(h_{t-1}, 0)"),
        ("relu(0.5 * h)", r"\operatorname{ReLU}(0.5 \cdot h_{t-1})"),
        (
            "where(h > b, u, -u)",
            r"\begin{cases} u & h_{t-1} > b \\ -u & \text{otherwise} \end{cases}",
        ),
        ("W @ concat(h, x) + b", r"W [h_{t-1}, x_t] + b"),
        ("h + delayed(h, 3)", "h_{t-1} + h_{t-3}"),
        ("layer_norm(h) + softmax(u)", r"\operatorname{LN}(h_{t-1}) + \operatorname{softmax}(u)"),
    ],
)
def test_every_word_has_its_sign(equation, printed):
    assert one(equation) == printed


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("W_xh", "W_{xh}"),
        ("alpha_1", r"\alpha_1"),
        ("Gamma", r"\Gamma"),
        ("b_gate", r"b_{\mathrm{gate}}"),
        ("b_h_2", "b_{h,2}"),
        ("b_tilde", r"\tilde{b}"),
        ("b_hat_1", r"\hat{b}_1"),
        ("bias_bar", r"\bar{\mathrm{bias}}"),
        ("b_t", r"b_{\mathrm{t}}"),
        ("b__2", r"\mathrm{b\_\_2}"),
        ("sigma", r"\mathrm{v\_sigma}"),
        ("lambda_", r"\mathrm{lambda\_}"),
    ],
)
def test_names(name, printed):
    assert one(f"h + {name}", learned=name).split(" + ")[1] == printed


def test_values_that_do_not_change_have_no_index():
    text = "def c(x, h, *, W, b):\n    g = exp(b)\n    z = W @ x\n    return g * h + z\n"
    assert lines(text) == [r"g &= \exp(b)", r"z_t &= W x_t", r"h_t &= g \odot h_{t-1} + z_t"]


def test_a_value_never_shares_its_name_with_another():
    text = "def c(x, h, *, W, z):\n    h2 = h\n    x = W @ x\n    h = x + z * h2\n    return h * h\n"
    assert lines(text) == [
        r"\mathrm{h2}_t &= h_{t-1}",
        r"x_{2,t} &= W x_t",
        r"h_{2,t} &= x_{2,t} + z \odot h_{t-1}",
        r"h_t &= h_{2,t} \odot h_{2,t}",
    ]


def test_stacked_gates_are_a_column():
    text = "def c(x, h, *, W):\n    z, g = split(W @ concat(x, h), 2)\n    return z * g + h\n"
    assert lines(text)[0] == r"\begin{pmatrix} z_t \\ g_t \end{pmatrix} &= W [x_t, h_{t-1}]"


def test_what_equations_alone_do_not_say_follows_them():
    text = (
        '@cell(sizes={"y": "output"}, static=("context",))\n'
        "def c(x, y, context, *, W, V, V_c, leak=0.3, periods=(1, 2)):\n"
        "    h = tanh(W @ x) * every(periods)\n"
        "    return leak * (V @ h) + V_c @ context + y\n"
    )
    assert lines(text)[2:] == [
        r"\mathrm{leak} &= 0.3",
        r"\mathrm{periods} &= (1, 2)",
        r"y_t &\in \mathbb{R}^{\mathrm{output}}",
        r"\mathrm{context} &\in \mathbb{R}^{\mathrm{context}} \quad\text{given}",
    ]


def test_an_output_that_something_else_reads_is_said():
    text = "def c(x, h, *, W):\n    y = W @ x\n    return y, y * h\n"
    assert lines(text)[-1] == r"&\text{output } y_t"


def test_an_unknown_style_is_refused():
    with pytest.raises(SettingError, match="must be one of separate, stacked, gates, got 'wide'"):
        find("gru").latex(style="wide")


@pytest.mark.parametrize("name", catalogue())
def test_mathml_is_well_formed_and_has_a_row_an_equation(name):
    cell = find(name)
    tree = ElementTree.fromstring(cell.mathml())
    assert tree.tag.endswith("}math")
    table = tree[0]
    assert table.tag.endswith("}mtable")
    assert len(table) == len(cell.latex().splitlines()) - 2


def test_mathml_of_one_equation():
    text = ElementTree.fromstring(find("elman").mathml()).itertext()
    assert "".join(text).split() == ["ht=tanh(Wxt+Uht−1+b)"]


def test_mathml_escapes_what_html_would_read():
    cell = Cell.from_text("def c(x, h, *, W, b):\n    return where(h > b, W @ x, h)\n")
    assert "<mo>&gt;</mo>" in cell.mathml()
