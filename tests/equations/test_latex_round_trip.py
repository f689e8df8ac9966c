"""Cells out as LaTeX and in again: the same graph, up to names."""

import contextlib

import pytest

from tests.random_cells import random_cell_text
from unrolled.cells import catalogue, find
from unrolled.equations import Cell
from unrolled.equations.same import same
from unrolled.equations.styles import STYLES, restyled
from unrolled.equations.typeset import latex
from unrolled.errors import EquationError

NO_GATES = "fewer than two values are squashed sums of products"
NOTHING_TO_JOIN = "no sum of two products, each with a matrix of its own"
REASONS = {
    ("lstm_peephole", "gates"): r"i also adds p_i \* c",
    ("lstm_layer_norm", "stacked"): NOTHING_TO_JOIN,
    ("minimal_gated", "gates"): "they multiply different vectors",
    ("indrnn", "stacked"): NOTHING_TO_JOIN,
    ("mingru", "stacked"): NOTHING_TO_JOIN,
    ("mingru", "gates"): NO_GATES,
    ("elman", "gates"): NO_GATES,
}
EXPRESSED = [
    ("lstm", "gates"),
    ("lstm", "stacked"),
    ("gru", "gates"),
    ("gru", "stacked"),
    ("minlstm", "gates"),
]


def can_express(name, style):
    try:
        return restyled(find(name).graph, style) is not None
    except EquationError:
        return False


PAIRS = [(name, style) for name in catalogue() for style in STYLES]


@pytest.mark.parametrize(("name", "style"), [pair for pair in PAIRS if can_express(*pair)])
def test_a_catalogued_cell_comes_back(name, style):
    assert same(find(name).graph, Cell.from_latex(find(name).latex(style)).graph)


@pytest.mark.parametrize(("name", "style"), [pair for pair in PAIRS if not can_express(*pair)])
def test_the_others_are_refused_with_a_reason(name, style):
    reasons = f"{NO_GATES}|{NOTHING_TO_JOIN}|they multiply different vectors|also adds"
    with pytest.raises(EquationError, match=f"{name} .*({reasons}).*Use the style separate"):
        find(name).latex(style)


def test_every_cell_has_the_separate_style():
    assert all(can_express(name, "separate") for name in catalogue())


@pytest.mark.parametrize(("name", "style"), REASONS)
def test_a_style_that_cannot_express_a_cell_says_why(name, style):
    with pytest.raises(EquationError, match=REASONS[name, style]):
        find(name).latex(style)


@pytest.mark.parametrize(("name", "style"), EXPRESSED)
def test_a_style_that_can_does(name, style):
    assert restyled(find(name).graph, style) != find(name).graph


def test_the_gates_of_an_lstm_are_one_matrix():
    first = find("lstm").latex("gates").splitlines()[1]
    assert first == (
        r"\begin{pmatrix} i_t \\ f_t \\ \tilde{c}_t \\ o_t \end{pmatrix} &= "
        r"\begin{pmatrix} \sigma \\ \sigma \\ \tanh \\ \sigma \end{pmatrix} (W [x_t, h_{t-1}] + b) \\"
    )


def test_gates_with_a_candidate_of_their_own_keep_it():
    lines = find("gru").latex("gates").splitlines()
    assert r"(W_{zr} [x_t, h_{t-1}] + b_{zr})" in lines[1]
    assert lines[2] == r"\tilde{h}_t &= \tanh(W x_t + U(r_t \odot h_{t-1}) + b) \\"


def test_the_stacked_style_names_a_matrix_after_the_first():
    assert find("gru").latex("stacked").splitlines()[1] == r"z_t &= \sigma(W_z [x_t, h_{t-1}] + b_z) \\"


def test_mathml_has_the_styles_as_well():
    assert find("lstm").mathml("gates") != find("lstm").mathml() != find("lstm").mathml("stacked")


def says_all(graph):
    """Whether LaTeX can say a graph: every state is read, and no two states have one value."""
    states = [graph.leaf[name] for name in graph.signature.states]
    read = {i for node in graph.nodes for i in node.operands}
    return set(states) <= read and len(set(graph.next_states)) == len(states)


def test_random_cells_come_back():
    graphs = [Cell.from_text(random_cell_text(seed)).graph for seed in range(80)]
    said = [graph for graph in graphs if says_all(graph)]
    assert len(said) > 60
    for graph in said:
        assert same(graph, Cell.from_latex(latex(graph)).graph), graph


@pytest.mark.parametrize(("style", "enough"), [("stacked", 40), ("gates", 15)])
def test_random_cells_in_another_style_are_the_same(style, enough):
    count = 0
    for seed in range(80):
        graph = Cell.from_text(random_cell_text(seed)).graph
        with contextlib.suppress(EquationError):
            assert same(graph, restyled(graph, style)), graph
            count += 1
    assert count > enough


# --- what `same` tells apart ------------------------------------------------------------------------

ELMAN = "def c(x, h, *, W, U, b):\n    return tanh(W @ x + U @ h + b)\n"


@pytest.mark.parametrize(
    "other",
    [
        ELMAN.replace("tanh", "sigmoid"),
        ELMAN.replace("U @ h", "U @ x"),
        ELMAN.replace("+ b", "- b"),
        ELMAN.replace("+ b", "").replace(", b", ""),
        ELMAN.replace("U @ h", "U @ delayed(h, 2)"),
        ELMAN.replace("U @ h + b", "U @ h + U @ (b * h)"),
        ELMAN.replace("U @ h", "W.T @ h").replace("W, U", "W").replace("W @ x", "W @ W.T @ h + b * 2"),
        "def c(x, h, c, *, W, U, b):\n    return tanh(W @ x + U @ h + b), c\n",
        "def c(x, h, *, W, U):\n    return tanh(W @ x + U @ h + U @ h)\n",
        "def c(x, h, *, W, U, b, k=2):\n    return tanh(W @ x + U @ h + k * b)\n",
    ],
)
def test_other_equations_are_not_the_same(other):
    graph = Cell.from_text(ELMAN).graph
    assert same(graph, graph)
    assert not same(graph, Cell.from_text(other).graph)
    assert not same(Cell.from_text(other).graph, graph)


def test_shared_and_separate_matrices_are_not_the_same():
    shared = Cell.from_text("def c(x, h, *, U):\n    return tanh(U @ h) + U @ h\n").graph
    separate = Cell.from_text("def c(x, h, *, U, V):\n    return tanh(U @ h) + V @ h\n").graph
    assert not same(shared, separate)
    assert not same(separate, shared)


def test_sizes_count():
    plain = "def c(x, h, *, W, V):\n    h = W @ x + h\n    y = V @ h\n    return y, h\n"
    sized = '@cell(sizes={"y": "output"})\n' + plain
    assert not same(Cell.from_text(plain).graph, Cell.from_text(sized).graph)


def test_constants_count_by_their_value():
    leaky = find("leaky")
    assert not same(leaky.graph, leaky.set(leak=0.5).graph)
    assert same(leaky.graph, Cell.from_text(leaky.text.replace("leak", "rate")).graph)


def test_the_order_of_states_does_not_count():
    swapped = (
        find("lstm")
        .text.replace("(x, h, c,", "(x, c, h,")
        .replace("return o * tanh(c), c", "return o * tanh(c), c, h_new")
    )
    swapped = swapped.replace(
        "return o * tanh(c), c, h_new", "h_new = o * tanh(c)\n    return h_new, c, h_new"
    )
    assert same(find("lstm").graph, Cell.from_text(swapped).graph)
