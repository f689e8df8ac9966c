"""Tracing: what the graph of a Python function holds, and the names it keeps."""

import numpy as np
import pytest

from tests.equations.sources import draw, python_cell, text_cell
from unrolled.cells import catalogue
from unrolled.equations import Cell, cell, sigmoid, tanh
from unrolled.equations.source import expression
from unrolled.errors import EquationError


def meaning(traced: Cell, name: str) -> str:
    return expression(traced.graph.nodes, traced.graph.named[name])


def count(traced: Cell, operation: str) -> int:
    return sum(node.operation == operation for node in traced.graph.nodes)


def test_local_names_are_kept_and_a_function_without_source_is_enough():
    traced = python_cell("""
        @cell
        def c(x, h, *, W, U, b):
            z = sigmoid(W @ x + U @ h)
            candidate = tanh(b * h)
            return z * candidate
    """)
    assert [name for name, _ in traced.graph.labels] == ["z", "candidate"]
    assert meaning(traced, "z") == "sigmoid(W @ x + U @ h)"


def test_the_last_binding_of_a_name_counts():
    traced = python_cell("""
        @cell
        def c(x, h, c, *, U):
            y = U @ h
            y = tanh(y)
            c = c + y
            return y, c
    """)
    assert meaning(traced, "y") == "tanh(U @ h)"
    assert meaning(traced, "c") == "c + tanh(U @ h)"
    assert traced.graph.named["c"] == traced.graph.next_states[1]


def test_an_alias_names_the_same_value():
    traced = python_cell("""
        @cell
        def c(x, h, *, U):
            a = tanh(U @ h)
            b = a
            before = h
            return b
    """)
    assert traced.graph.named["a"] == traced.graph.named["b"] == traced.graph.next_states[0]
    assert traced.graph.named["before"] == traced.graph.leaf["h"]


def test_private_names_and_names_of_other_things_are_not_values():
    traced = python_cell("""
        @cell
        def c(x, h, *, U):
            _hidden = U @ h
            number = 3
            return number * _hidden
    """)
    assert traced.graph.labels == ()


def test_helper_functions_loops_and_closures_only_leave_what_they_compute():
    def squash(v):
        inner = tanh(v)
        return inner

    @cell
    def c(x, h, *, U):
        for _ in range(2):
            h = squash(U @ h)
        return h

    assert [name for name, _ in c.graph.labels] == ["h"]
    assert meaning(c, "h") == "tanh(U @ tanh(U @ h))"


def test_equal_values_are_one_node():
    traced = text_cell("return tanh(W @ x + U @ h + b) * sigmoid(W @ x + U @ h + b)")
    assert count(traced, "matmul") == 2
    assert count(traced, "add") == 2


def test_a_chain_of_matrices_is_read_from_the_right():
    one = text_cell("return A @ B @ h", "x, h, *, A, B")
    other = text_cell("return A @ (B @ h)", "x, h, *, A, B")
    assert one == other
    named = text_cell("M = A @ B\nN = M @ A @ B\nreturn N @ h + M @ h", "x, h, *, A, B")
    assert named == text_cell("return A @ (B @ (A @ (B @ h))) + A @ (B @ h)", "x, h, *, A, B")
    given = draw(named)
    product = given["parameters"]["A"] @ given["parameters"]["B"]
    expected = product @ product @ given["state"]["h"] + product @ given["state"]["h"]
    np.testing.assert_allclose(named.run(**given).outputs[0], expected, atol=1e-12)


def test_a_product_of_matrices_that_multiplies_nothing_is_no_value():
    traced = text_cell("M = A @ B\nreturn M @ h", "x, h, *, A, B")
    assert traced.graph.labels == ()


def test_named_constants_stay_symbols_and_can_be_set():
    leaky = catalogue()["leaky"]
    assert meaning(leaky, "h").startswith("(1 - leak) * h + leak *")
    changed = leaky.set(leak=0.5)
    assert changed.graph.constants == {"leak": 0.5}
    assert leaky.graph.constants == {"leak": 0.3}
    assert changed.graph.nodes == leaky.graph.nodes
    assert "leak=0.5" in changed.text
    given = draw(leaky)
    assert not np.allclose(leaky.run(**given).outputs, changed.run(**given).outputs)
    np.testing.assert_array_equal(changed.set(leak=0.3).run(**given).outputs, leaky.run(**given).outputs)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"lek": 0.5}, "leaky has no constant lek, its constants: leak. Set one of these"),
        ({"leak": "fast"}, "the constant leak must be a finite number or a tuple of them, got 'fast'"),
        ({"leak": float("nan")}, "must be a finite number or a tuple of them, got nan"),
        ({"leak": (0.5, 0.3)}, "a constant keeps its kind, number or tuple"),
    ],
)
def test_constants_that_do_not_fit_are_refused(constants, message):
    with pytest.raises(EquationError, match=message):
        catalogue()["leaky"].set(**constants)


def test_a_changed_constant_is_checked_where_it_is_used():
    with pytest.raises(
        EquationError, match=r"skip_in_time:\d+:\d+: delayed\(h, k\) needs whole numbers >= 1, got 2.5"
    ):
        catalogue()["skip_in_time"].set(k=2.5)


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        ("np.float64(2) * h", "2 * h"),
        ("np.float32(0.5) + h", "0.5 + h"),
        ("np.int64(3) - h", "3 - h"),
        ("np.float64(2) / h", "2 / h"),
        ("h * np.float64(2)", "h * 2"),
        ("where(np.float64(2) > h, h, x)", "where(2 > h, h, x)"),
        ("where(np.float64(2) >= h, h, x)", "where(2 >= h, h, x)"),
        ("where(np.float64(2) < h, h, x)", "where(h > 2, h, x)"),
        ("where(np.float64(2) <= h, h, x)", "where(h >= 2, h, x)"),
        ("np.array(2.0) * h", "2 * h"),
        ("-h + +h", "-h + h"),
        ("h - (x - h)", "h - (x - h)"),
        ("abs(h) * abs(-2.0)", "abs(h) * abs(-2)"),
        ("h * sqrt(2)", "h * sqrt(2)"),
        ("2 * 3 * h", "6 * h"),
        ("delayed(h, 1) + delayed(h, 2.0)", "h + delayed(h, 2)"),
        ("h / (h * h) / h", "h / (h * h) / h"),
        ("(h > x) and h", None),
    ],
)
def test_the_signs_of_python_and_of_numpy_scalars(equation, text):
    source = f"@cell(sizes={{'h': 'I'}})\ndef c(x, h):\n    return {equation}"
    if text is None:
        with pytest.raises(EquationError):
            python_cell(source)
    else:
        traced = python_cell(source)
        assert expression(traced.graph.nodes, traced.graph.next_states[0]) == text


def test_words_of_plain_numbers_are_computed_in_float64():
    traced = text_cell("return h * sqrt(2) + tanh(W @ x + U @ h + b) * maximum(exp(1), 0.5)")
    given = draw(traced)
    p, h = given["parameters"], given["state"]["h"]
    total = p["W"] @ given["sequence"][0] + p["U"] @ h + p["b"]
    expected = h * np.sqrt(2.0) + np.tanh(total) * np.e
    np.testing.assert_allclose(traced.run(**given).outputs[0], expected, rtol=1e-14)


def test_a_cell_can_be_used_inside_another():
    @cell
    def inner(x, h, *, W, U):
        return tanh(W @ x + U @ h)

    @cell
    def outer(x, h, *, W, U, b):
        return sigmoid(b) * inner(x, h, W=W, U=U)

    assert (
        outer.graph
        == python_cell(
            "@cell\ndef outer(x, h, *, W, U, b):\n    return sigmoid(b) * tanh(W @ x + U @ h)\nc = outer"
        ).graph
    )


def test_a_parameter_may_be_called_self():
    traced = text_cell("return tanh(self @ x + h)", "x, h, *, self")
    given = draw(traced)
    expected = np.tanh(given["parameters"]["self"] @ given["sequence"][0] + given["state"]["h"])
    np.testing.assert_allclose(traced.run(**given).outputs[0], expected)


def test_one_step_by_hand():
    elman = catalogue()["elman"]
    step = elman(np.ones(2), np.zeros(3), W=np.ones((3, 2)), U=np.eye(3), b=np.zeros(3))
    np.testing.assert_allclose(step, np.tanh([2.0, 2.0, 2.0]))
    with pytest.raises(ValueError, match="elman takes x, h, got 3 values"):
        elman(1, 2, 3)


def test_a_cell_shows_what_it_is():
    assert repr(catalogue()["gru"]).startswith("<cell gru: Gated recurrent unit")
    assert repr(text_cell("return h + x", "x, h", "@cell(sizes={'h': 'I'})")) == "<cell c>"
    assert hash(catalogue()["gru"]) == hash(Cell.from_text(catalogue()["gru"].text))
