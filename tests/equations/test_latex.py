"""What every notation of typeset equations means."""

import pytest

from unrolled.cells import find
from unrolled.equations import Cell, tanh
from unrolled.errors import ShapeError


def read(source, **options):
    return Cell.from_latex(source, **options)


def value(right, **options):
    """What is read right of `h_t =`, as the language of cells writes it."""
    lines = read(f"h_t = {right}", **options).text.splitlines()
    return lines[-2].removeprefix("    h = ")


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        # products: matrices multiply what follows, everything else goes entry by entry
        ("W x_t + h_{t-1}", "W @ x + h"),
        ("W*x_t + h_{t-1}", "W @ x + h"),
        (r"W \cdot x_t + h_{t-1}", "W @ x + h"),
        (r"w x_t + h_{t-1}", "w @ x + h"),
        (r"w_{hx} \cdot x_t + h_{t-1}", "w_hx @ x + h"),
        (r"W x_t + u * h_{t-1}", "W @ x + u * h"),
        (r"W x_t + u h_{t-1}", "W @ x + u @ h"),
        (r"W x_t + W_c \circ h_{t-1}", "W @ x + W_c * h"),
        (r"W x_t \odot h_{t-1}", "W @ x * h"),
        (r"h_{t-1} \odot W x_t", "h * (W @ x)"),
        (r"U V h_{t-1} + W x_t", "U @ (V @ h) + W @ x"),
        (r"U (b \odot h_{t-1}) + W x_t", "U @ (b * h) + W @ x"),
        (r"U^\top h_{t-1} + W x_t", "U.T @ h + W @ x"),
        (r"U^T h_{t-1} + W x_t", "U.T @ h + W @ x"),
        (r"x_t W + h_{t-1} U", "W.T @ x + U.T @ h"),
        (r"2 W x_t - 0.5 h_{t-1}", "2 * (W @ x) - 0.5 * h"),
        (r"(1 - b) h_{t-1} + b W x_t", "(1 - b) * h + b * (W @ x)"),
        (r"\frac{W x_t}{1 + |h_{t-1}|}", "W @ x / (1 + abs(h))"),
        (r"W x_t / \lvert h_{t-1} \rvert", "W @ x / abs(h)"),
        (r"h_{t-1}^2 + W x_t", "h * h + W @ x"),
        (r"-h_{t-1} - -W x_t", "-h + W @ x"),
        # functions
        (r"\sigma(W x_t) + h_{t-1}", "sigmoid(W @ x) + h"),
        (r"\operatorname{sigmoid}(W x_t) + h_{t-1}", "sigmoid(W @ x) + h"),
        (r"\text{sigmoid}(W x_t) + h_{t-1}", "sigmoid(W @ x) + h"),
        (r"\mathrm{sigm}\left(W x_t\right) + h_{t-1}", "sigmoid(W @ x) + h"),
        (r"\tanh W x_t + h_{t-1}", "tanh(W @ x) + h"),
        (r"\max(0, W x_t) + h_{t-1}", "relu(W @ x) + h"),
        (r"\max(W x_t, h_{t-1})", "maximum(W @ x, h)"),
        (r"\min(b, W x_t) + h_{t-1}", "minimum(b, W @ x) + h"),
        (r"\mathrm{ReLU}(W x_t) + h_{t-1}", "relu(W @ x) + h"),
        (r"softmax(W x_t) * h_{t-1}", "softmax(W @ x) * h"),
        (r"e^{W x_t} h_{t-1}", "exp(W @ x) * h"),
        (r"\sqrt{\exp(h_{t-1})} + \ln(b) + W x_t", "sqrt(exp(h)) + log(b) + W @ x"),
        (r"\operatorname{LayerNorm}(W x_t) + h_{t-1}", "layer_norm(W @ x) + h"),
        (
            r"\begin{cases} W x_t & h_{t-1} > b \\ h_{t-1} & \text{otherwise} \end{cases}",
            "where(h > b, W @ x, h)",
        ),
        # vectors one after the other
        ("W [x_t, h_{t-1}]", "W @ concat(x, h)"),
        ("W [x_t; h_{t-1}]^T", "W @ concat(x, h)"),
        (r"W \begin{bmatrix} x_t \\ h_{t-1} \end{bmatrix}", "W @ concat(x, h)"),
        (r"W \left[ \begin{array}{c} x_t \\ h_{t-1} \end{array} \right]", "W @ concat(x, h)"),
        ("W (x_t, h_{t-1})", "W @ concat(x, h)"),
        # time
        ("W x^{<t>} + h^{<t-1>}", "W @ x + h"),
        (r"W x^{\langle t \rangle} + h^{\langle t-1 \rangle}", "W @ x + h"),
        ("W x^{(t)} + h^{(t-1)}", "W @ x + h"),
        ("W x^t + h^{t-1}", "W @ x + h"),
        ("W^{[1]} x^{<t>} + b^{[1](i)} + h^{<t-1>}", "W_1 @ x + b_1_i + h"),
        ("W x(t) + h(t-1)", "W @ x + h"),
        ("W x[t] + h[t - 1]", "W @ x + h"),
        ("W x_t + h_{t-1} + h_{t-3}", "W @ x + h + delayed(h, 3)"),
        ("W x_t + h_{t-k}, k = 2", "W @ x + delayed(h, k)"),
        # names
        (r"\hat{W} x_t + h_{t-1}", "W_hat @ x + h"),
        (r"\widetilde{W}_{in} x_t + h_{t-1}", "W_tilde_in @ x + h"),
        (r"W^{(1)}_{x} x_t + \bar{b}' + h_{t-1}", "W_1_x @ x + b_bar_prime + h"),
        (r"W_{\text{in}} x_t + b_{\mathrm{in}} + h_{t-1}", "W_in @ x + b_in + h"),
        (r"W_\alpha x_t + \gamma + h_{t-1}", "W_alpha @ x + gamma + h"),
        (r"W x_t + \lambda + h_{t-1}", "W @ x + lambda_ + h"),
        (r"\mathbf{W} \boldsymbol{x}_t + \vec{h}_{t-1}", "W @ x + h"),
        (r"W x_{t} + b \odot \underbrace{(1 - h_{t-1})}_{\text{rest}}", "W @ x + b * (1 - h)"),
        # Unicode
        ("σ(W·xₜ + Ŵ·hₜ₋₁) ⊙ hₜ₋₁", "sigmoid(W @ x + W_hat @ h) * h"),
        ("Wᵀ xₜ − h⁽ᵗ⁻¹⁾ ∘ β₁", "W.T @ x - h * beta_1"),
        ("W x_t + c̃ + h_{t-1}", "W @ x + c_tilde + h"),
    ],
)
def test_pieces(printed, meant):
    assert value(printed) == meant


def test_states_come_with_the_output_first_and_the_rest_as_written():
    cell = read("a_t = a_{t-1} + x_t \\\\ b_t = b_{t-1} * a_t \\\\ c_t = c_{t-1} + b_t")
    assert cell.states == ("c", "a", "b")


def test_the_output_can_be_named():
    cell = read("h_t = W x_t + h_{t-1} \\\\ y_t = V h_t \\\\ \\text{output } h_t")
    assert cell.graph.output == cell.graph.next_states[0]


def test_an_output_of_its_own_has_its_own_size():
    cell = read("h_t = W x_t + h_{t-1}, y_t = V h_t")
    assert cell.parameter_shapes(3, 5, output=7) == {"W": (5, 3), "V": (7, 5)}


def test_sizes_can_be_declared():
    source = r"h_t = \tanh(W x_t + U y_{t-1}), y_t = V h_t, x_t \in \mathbb{R}^d, y_t \in \mathbb{R}^{\mathrm{out}}"
    assert read(source).parameter_shapes(3, 5, out=7) == {"W": (5, 3), "U": (5, 7), "V": (7, 5)}


def test_letters_of_a_source_stand_for_input_and_hidden_size():
    source = r"h_t = \tanh(W x_t + U h_{t-1}), x_t \in \mathbb{R}^d, h_t \in \mathbb{R}^n"
    assert read(source) == read(source.split(", x_t \\in")[0])


def test_one_letter_for_both_makes_them_equal():
    cell = read(r"h_t = \tanh(W x_t + U h_{t-1}), x_t, h_t \in \mathbb{R}^d")
    with pytest.raises(ShapeError, match="runs only where I = H"):
        cell.parameter_shapes(3, 5)


def test_a_declared_matrix_needs_no_capital():
    cell = read(r"h_t = \alpha \cdot x_t + h_{t-1}, \alpha \in \mathbb{R}^{H \times I}")
    assert cell.parameter_shapes(3, 5) == {"alpha": (5, 3)}


def test_an_input_that_stays_is_given():
    cell = read(r"h_t = W x_t + V s + h_{t-1}, s \in \mathbb{R}^m \text{ given}")
    assert cell.signature.statics == ("s",)


def test_numbers_with_names_are_constants():
    cell = read(r"h_t = (1 - \rho) h_{t-1} + \rho W x_t, \rho = 0.25, \kappa = 3")
    assert cell.signature.constants == (("rho", 0.25),)


@pytest.mark.parametrize("function", ["tanh", tanh])
@pytest.mark.parametrize("name", ["phi", r"\phi"])
def test_functions_are_bound_by_the_caller(name, function):
    cell = read(r"h_t = \phi(W x_t + U h_{t-1})", activations={name: function})
    assert cell == read(r"h_t = \tanh(W x_t + U h_{t-1})")


@pytest.mark.parametrize(
    "bound", [r"g = \tanh", r"g = \tanh(\cdot)", r"g(\cdot) = \tanh(\cdot)".replace(r"(\cdot) =", " =")]
)
def test_functions_are_bound_beside_the_equations(bound):
    assert read(f"h_t = g(W x_t + h_{{t-1}}), {bound}") == read(r"h_t = \tanh(W x_t + h_{t-1})")


def test_a_bound_function_can_be_a_rectifier():
    assert value(r"g(W x_t) + h_{t-1}, g = \max(0, \cdot)") == "relu(W @ x) + h"


ELMAN = r"h_t = \tanh(W x_t + U h_{t-1} + b)"


@pytest.mark.parametrize(
    "source",
    [
        ELMAN,
        f"$${ELMAN}$$",
        f"\\[ {ELMAN}. \\]",
        f"The state is ${ELMAN}$, where $W$ is learned and $x_t$ is read.",
        f"\\begin{{equation*}} {ELMAN} \\label{{eq:h}} \\end{{equation*}}",
        r"\begin{equation}\begin{split} h_t &= \tanh(W x_t \\ &\quad + U h_{t-1} \\ & + b) \end{split}\end{equation}",
        r"\begin{array}{rcl} a &=& W x_t + U h_{t-1} + b, \\[2pt] h_t &=& \tanh(a) \end{array}",
        r"\left\{ \begin{array}{l} a = W x_t + U h_{t-1} + b \\ h_t = \tanh(a) \end{array} \right.",
        r"\begin{cases} a = W x_t + U h_{t-1} + b \\ h_t = \tanh(a) \end{cases}",
        r"h_t = \tanh(a) \text{ where } a = W x_t + U h_{t-1} + b",
        "h_t = \\tanh(W x_t % the input\n + U h_{t-1}\n + b)",
        "h_t := \\tanh(W x_t + U h_{t-1} + b)".replace(":=", r"\gets"),
        "The network:\n\n    a = Wx_t + Uh_{t-1} + b\nand\n    h_t = tanh(a)\n",
        "h_t =\n tanh(W x_t +\n U h_{t-1} + b)",
        f"\\documentclass{{article}} a = b \\begin{{document}} $x = y$ or \\({ELMAN}\\) \\end{{document}}".replace(
            "$x = y$ or ", ""
        ),
        f"# Title\n\n```python\nh_t = 3\n```\n\n```latex\n{ELMAN}\n```\n\nand h = 4.\n",
        f"h_0 = \\mathbf{{0}} \\\\ {ELMAN}",
        f"{ELMAN}, \\qquad h_0 = 0.",
        f"h^{{(0)}} = [0, \\dots, 0]^T \\\\ {ELMAN}",
    ],
)
def test_where_equations_stand(source):
    cell = read(source)
    assert cell.parameter_shapes(3, 5) == {"W": (5, 3), "U": (5, 5), "b": (5,)}
    assert "tanh(W @ x + U @ h + b)" in cell.text or "a = W @ x + U @ h + b" in cell.text


def test_layers_in_one_cell_are_states_of_their_own():
    cell = read(
        r"a^{[2]<t>} = \tanh(V a^{[1]<t>} + U a^{[2]<t-1>}), a^{[1]<t>} = \tanh(W x^{<t>} + R a^{[1]<t-1>})"
    )
    assert cell.states == ("a_2", "a_1")


def test_a_cell_is_called_after_its_file():
    assert read(ELMAN, filename="/home/me/My slide-3.tex").name == "my_slide_3"
    assert read(ELMAN, filename="3.tex").name == "cell_3"
    assert read(ELMAN).name == "typeset"


@pytest.mark.parametrize("file", ["cell.tex", "cell.md", "cell.txt", "cell"])
def test_a_file_of_typeset_equations_is_a_cell(tmp_path, file):
    (tmp_path / file).write_text(ELMAN + "\n", encoding="utf-8")
    assert find(tmp_path / file) == read(ELMAN, filename="cell.tex")


@pytest.mark.parametrize("file", ["cell.py", "cell.txt"])
def test_a_file_of_a_function_is_a_cell_as_before(tmp_path, file):
    (tmp_path / file).write_text(find("gru").text, encoding="utf-8")
    assert find(tmp_path / file) == find("gru")
