"""Shape inference: what multiplies x has I columns, a state has H rows, the rest follows or is refused."""

import pytest

from tests.equations.sources import text_cell
from unrolled.cells import catalogue
from unrolled.equations.sizes import Size, Unifier
from unrolled.errors import EquationError, ShapeError


def shapes(cell, *names):
    found = {
        name: " x ".join(str(size) for size in cell.graph.shapes[i]) for name, i in cell.graph.leaf.items()
    }
    return found if not names else tuple(found[name] for name in names)


@pytest.mark.parametrize(
    ("signature", "decorator", "body", "expected"),
    [
        ("x, h, *, W, U, b", "@cell", "return tanh(W @ x + U @ h + b)", "W: H x I, U: H x H, b: H"),
        ("x, h, *, W", "@cell", "return tanh(W @ concat(h, x))", "W: H x H + I"),
        ("x, h, *, W, b", "@cell", "a, c = split(W @ x + b, 2)\nreturn a * c + h", "W: 2H x I, b: 2H"),
        ("x, h, *, W, U", "@cell", "a, c = split(W @ x + U @ h, 2)\nreturn a + c", "W: 2H x I, U: 2H x H"),
        ("x, h, *, W", "@cell", "a, c = split(h, 2)\nreturn W @ a", "W: H x H/2"),
        ("x, h, *, W", "@cell", "return h + W.T @ x", "W: I x H"),
        ("x, h, *, A, B", "@cell", "return A @ B @ h + h", "A: H x H, B: H x H"),
        (
            "x, h, *, A, B",
            '@cell(sizes={"q": "rank"})',
            "q = B @ h\nreturn A @ q",
            "A: H x rank, B: rank x H",
        ),
        ("x, h, *, V, W", "@cell", "return V @ h, W @ x", "V: H x H, W: H x I"),
        ("x, h, *, V, W", '@cell(sizes={"y": "out"})', "y = V @ h\nreturn y, W @ x", "V: out x H, W: H x I"),
        ("x, h, *, u", "@cell", "return u * h", "u: H"),
        ("x, h, *, u, W", "@cell", "return W @ concat(u * x, h)", "u: I, W: H x H + I"),
        ("x, h, v, *, C", '@cell(static=("v",))', "return h + C @ v", "v: v, C: H x v"),
        ("x, h, v, *, C", '@cell(sizes={"v": "n"}, static=("v",))', "return h + C @ v", "v: n, C: H x n"),
        ("x, h, c, *, A, B", '@cell(sizes={"c": "m"})', "return A @ c, B @ h", "A: H x m, B: m x H"),
        ("x, h, *, U", "@cell", "return upper_blocks(U, 2) @ h", "U: H x H"),
        ("x, h, *, W, b", "@cell", "return h + layer_norm(W @ x) * softmax(b)", "W: H x I, b: H"),
        (
            "x, h, *, W, U, k=2",
            "@cell",
            "return every(k) * (W @ x) + U @ delayed(h, k)",
            "W: H x I, U: H x H",
        ),
        ("x, h, *, a, b, A", "@cell", "return A @ concat(a * h, b)", "a: H, b: H, A: H x 2H"),
    ],
)
def test_shapes_are_inferred(signature, decorator, body, expected):
    cell = text_cell(body, signature, decorator)
    for part in expected.split(", "):
        name, shape = part.split(": ")
        assert shapes(cell, name) == (shape,)


def test_what_is_left_over_is_h():
    cell = text_cell("q = B @ h\nreturn A @ tanh(q)", "x, h, *, A, B")
    assert shapes(cell, "A", "B") == ("H x H", "H x H")


def test_parameter_shapes_and_state_and_output_sizes_in_numbers():
    cell = text_cell(
        "y = V @ h\nreturn y, W @ concat(x, h), y", "x, h, c, *, V, W", '@cell(sizes={"c": "out"})'
    )
    assert cell.named_sizes == ("out",)
    assert cell.parameter_shapes(3, 5, out=7) == {"V": (7, 5), "W": (5, 8)}
    assert cell.state_sizes(3, 5, out=7) == {"h": 5, "c": 7}
    assert cell.output_size(3, 5, out=7) == 7
    assert cell.parameter_count(3, 5, out=7) == 35 + 40


def test_half_sizes_must_come_out_whole():
    cell = text_cell("a, c = split(h, 2)\nreturn W @ a", "x, h, *, W")
    assert cell.parameter_shapes(3, 6) == {"W": (6, 3)}
    with pytest.raises(
        ShapeError,
        match=r"the size H/2 is 5/2 for H=5, not a whole number. Use a size that is a multiple of 2",
    ):
        cell.parameter_shapes(3, 5)


@pytest.mark.parametrize(
    ("name", "hidden_size", "message"),
    [
        ("clockwork", 6, "clockwork cuts the size H = 6 into 4 equal blocks. Use a multiple of 4"),
        ("jordan", 4, r'jordan also needs the size output. Give sizes=\{"output": 4\}'),
    ],
)
def test_sizes_that_do_not_come_out_or_are_missing(name, hidden_size, message):
    with pytest.raises(ShapeError, match=message):
        catalogue()[name].parameter_shapes(3, hidden_size)


def test_unknown_size_names_are_refused():
    with pytest.raises(ShapeError, match="elman has no size named output, its named sizes: none"):
        catalogue()["elman"].parameter_shapes(3, 4, output=2)


OWN = '@cell(sizes={"c": "m"})'
LOCAL = '@cell(sizes={"q": "n"})'
DECLARED = "q was declared to have size n, but it"


@pytest.mark.parametrize(
    ("signature", "decorator", "body", "place", "what"),
    [
        ("x, h, c, *, A, B", OWN, "return A @ h, B @ h + h", "3:19", "size m, but its new value"),
        ("x, h, c, *, A", OWN, "return h + A @ c, c + h", "3:23", "the sizes m and H (of h)"),
        ("x, h, *, A, B", LOCAL, "q = B @ h + h\nreturn A @ q", "3:9", f"{DECLARED} has size H"),
        ("x, h, *, A", LOCAL, "q = every(2)\nreturn q * (A @ h)", "3:9", f"{DECLARED} is the number"),
        ("x, h, *, A", LOCAL, "q = A\nreturn q @ h", "2:1", f"{DECLARED} is the matrix"),
        ("x, h, *, W, U", "@cell", "return tanh(W @ x + U @ h) * x", "3:12", "has size I"),
        ("x, h, *, U", "@cell", "return upper_blocks(U, 2) @ x + h", "3:12", "the sizes I and H (of h)"),
        ("x, h, *, W", "@cell", "return concat(h, W @ x)", "2:1", "W would have size 0"),
        ("x, h, *, W", "@cell", "a, c = split(x, 2)\nreturn W @ concat(h, x) + a", "4:12", "has size I/2"),
    ],
)
def test_sizes_that_contradict_are_refused_at_the_sub_expression(signature, decorator, body, place, what):
    with pytest.raises(EquationError) as caught:
        text_cell(body, signature, decorator)
    assert str(caught.value).startswith(f"<text>:{place}: "), caught.value
    assert what in str(caught.value)


def test_linear_combinations_of_letters():
    size = Size.of("H") + Size.of("I").times(2) + Size.of("H")
    assert str(size) == "2H + 2I"
    assert str(Size.of("rank").times(2)) == "2 rank"
    assert size.value({"H": 3, "I": 5}) == 16
    assert str(Size(())) == "0"


def test_unification_solves_sums_in_any_order():
    unifier = Unifier()
    a, b = unifier.unknown(), unifier.unknown()
    assert unifier.equal(a + b, Size.of("H").times(3))
    assert unifier.equal(b, Size.of("H"))
    assert str(unifier.resolve(a)) == "2H"
    assert not unifier.equal(a, Size.of("H"))
    assert not unifier.equal(Size.of("I"), Size.of("H"))
