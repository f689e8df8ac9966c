"""What a Python function may not do: each refusal names the file, the line, the column and the cure."""

import pytest

from tests.equations.sources import python_cell
from unrolled.errors import EquationError, UnrolledError

WORDS_CURE = "Use the words of unrolled.equations"


def refused(source: str, **names: object) -> str:
    with pytest.raises(EquationError) as caught:
        python_cell(source, **names)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UnrolledError)
    return str(caught.value)


def in_body(*lines: str, learned: str = "W, U, b") -> str:
    return "\n".join(["@cell", f"def c(x, h, *, {learned}):", *(f"    {line}" for line in lines)])


@pytest.mark.parametrize(
    ("line", "column", "what", "cure"),
    [
        ("return h == b", 12, "== has no gradient", "Use where(a > b, u, v)"),
        ("return h != b", 12, "!= has no gradient", "Use where(a > b, u, v)"),
        ("return h if h > 0 else b", 17, "need one truth value", "Use where(a > b, u, v), maximum"),
        ("return h and b", 12, "need one truth value", "maximum(a, b)"),
        ("return max(h, b)", 12, "the builtins max() and min()", "maximum(a, b)"),
        ("return min(h, b)", 12, "the builtins max() and min()", "minimum(a, b)"),
        ("return 0 < h < b", 12, "need one truth value", "where"),
        ("return h in (b, b)", 12, "== has no gradient", "where"),
        ("return h[0]", 12, "a vector cannot be indexed", "Use split(v, n)"),
        ("h[0] = 1", 5, "an entry of a vector cannot be set", "concat"),
        ("del h[0]", 9, "a vector cannot be indexed", "Use split(v, n)"),
        ("a, b = h", 5, "a vector cannot be iterated over", "Use split(v, n)"),
        ("return sum(h)", 12, "a vector cannot be iterated over", "Use split(v, n)"),
        ("return len(h) * h", 12, "a vector has no length", "Name sizes with @cell(sizes=...)"),
        ("return h ** 2", 12, "** is not a word", "Write v * v, or exp(n * log(v))"),
        ("return 2 ** h", 12, "** is not a word", "exp(n * log(v))"),
        ("return h % 2", 12, "% , //".replace(" ,", ","), "Use + - * / and @"),
        ("return 2 // h", 12, "are not words", "Use + - * / and @"),
        ("return divmod(h, 2)", 12, "are not words", "Use + - * / and @"),
        ("return h & b", 12, "are not words", "Use + - * / and @"),
        ("return ~h", 12, "are not words", "Use + - * / and @"),
        ("return h(2)", 12, "h is a value, it cannot be called", "Write * to multiply"),
        ("return np.tanh(h)", 12, "the NumPy function tanh cannot be traced", WORDS_CURE),
        ("return np.concatenate([h, x])", 12, "the NumPy function concatenate cannot be traced", WORDS_CURE),
        ("return np.maximum(h, 2)", 12, "the NumPy function maximum cannot be traced", WORDS_CURE),
        ("return np.ones(3) * h", 12, "the NumPy function multiply cannot be traced", WORDS_CURE),
        (
            "return h * np.ones(3)",
            12,
            "cell's own names and finite numbers, got array",
            "Make it a parameter",
        ),
        ("return math.tanh(h)", 12, "a vector is not one number", "not math or float()"),
        ("return math.floor(h)", 12, "a vector is not one number", "not math or float()"),
        ("return float(h) * h", 12, "a vector is not one number", "not math or float()"),
        ("return round(h)", 12, "a vector is not one number", "not math or float()"),
        ("return [1, 2][h] * h", 12, "a vector is not one number", "not math or float()"),
        ("return h.sum()", 12, ".sum is not a word", WORDS_CURE),
        ("return h.shape * h", 12, ".shape is not a word", WORDS_CURE),
        ("return W @ 2", 12, "@ multiplies a matrix with a vector, got 2", "Use * with numbers"),
        ("return 2 @ h", 12, "got 2 on the left", "Use * with numbers"),
        ("return h + 'text'", 12, "finite numbers, got 'text'", "Make it a parameter (after *)"),
        ("return h + True", 12, "finite numbers, got True", "Make it a parameter (after *)"),
        ("return h * float('inf')", 12, "finite numbers, got inf", "a named constant"),
        ("return h * 10**400", 12, "finite numbers, got 1000", "a named constant"),
        ("return h * sqrt(-1)", 16, "sqrt(-1) is nan, not a finite number", "Change the number"),
        ("return split(h, 0)[0]", 12, "n must be a whole number >= 1, got 0", "Write the number out"),
        ("return split(h, h)[0]", 12, "n must be a whole number >= 1, got h", "Write the number out"),
        ("return split(h, 10**9)[0]", 12, "at most 1000 parts, got n = 1000000000", "Use fewer"),
        ("return missing + h", None, None, None),
    ],
)
def test_refused_on_traced_values_with_the_cure(line, column, what, cure):
    source = in_body("z = W @ x + U @ h + b", line, "return z")
    if what is None:
        with pytest.raises(NameError):  # Python's own errors stay what they are
            python_cell(source)
        return
    message = refused(source)
    assert message.startswith(f"mine.py:4:{column}: "), message
    assert what in message
    assert cure in message


@pytest.mark.parametrize(
    ("line", "column", "what", "cure"),
    [
        (
            "return W @ x + x + h",
            12,
            "in W @ x + x + h the sizes I and H (of h) must be equal",
            "Put a matrix",
        ),
        ("return W @ x + W @ h", 20, "in W @ h the sizes I and H (of h) must be equal", "name the sizes"),
        (
            "return W + W @ h",
            12,
            "W is used both as a matrix and as a vector, here in W + W @ h",
            "its own name",
        ),
        ("return tanh(W) + W @ h", 12, "W is used both as a matrix and as a vector", "its own name"),
        ("return (W * 2) @ h", 12, "must be a learned matrix, got W * 2", "add two products"),
        ("return x @ (W @ h)", 12, "must be a learned matrix, got x", "Multiply the vector instead"),
        ("return W @ (h > 0)", 12, "a comparison stands in W @ (h > 0)", "Use where(a > b, u, v)"),
        ("return (W @ h > 0) * h", 12, "a comparison stands in", "Use where(a > b, u, v)"),
        (
            "return where(h, h, W @ h)",
            12,
            "where() chooses by a comparison, got h",
            "Write where(a > b, u, v)",
        ),
        ("return W @ h + (1, 2)", 12, "the tuple (1, 2) stands in W @ h + (1, 2)", "learn a vector instead"),
        (
            "return every(1.5) * (W @ h)",
            12,
            "every(1.5) needs whole numbers >= 1, got 1.5",
            "Change the number",
        ),
        ("return every(h) * (W @ h)", 12, "every(h) needs a number, got h", "Write a whole number"),
        ("return delayed(W @ h, 2)", 12, "takes a state of the cell, got W @ h", "Make the value a state"),
        ("return delayed(x, 2) + W @ h", 12, "takes a state of the cell, got x", "Make the value a state"),
        ("return delayed(h, 0) + W @ h", 12, "needs whole numbers >= 1, got 0", "Change the number"),
        ("return delayed(h, (1, 2)) + W @ h", 12, "needs one number, got (1.0, 2.0)", "Give one number"),
        (
            "return layer_norm(2) * (W @ h)",
            12,
            "layer_norm() needs a vector, got the number 2",
            "Give it a vector",
        ),
        (
            "return split(2, 2)[0] * (W @ h)",
            12,
            "split() needs a vector, got the number 2",
            "Give it a vector",
        ),
        ("return W @ concat(h, 2)", 16, "concat() joins vectors, got the number 2", "Leave it out"),
        ("return W @ h + concat()", 20, "concat() joins vectors, got none", "Give it the vectors"),
        ("return W @ x + every(3)[0]", 20, "a vector cannot be indexed", "split"),
        ("return split(W @ h, 3)", 5, "must return its states (h) in order", "Return h"),
        ("return W @ h, h, x", 5, "at most one output before them, got 3 values", "Return h"),
        ("return [W @ h]", 5, "vectors computed from its names, got [W @ h]", "Return h"),
        ("return W.T", 12, "must be a vector of size H, got the matrix W.T", "Return a vector"),
        ("return every(2), W @ h", 5, "the output of c must be a vector, got every(2)", "Return a vector"),
        (
            "return 2 * every(2)",
            None,
            "W is never used, so it has no shape",
            "Use it in an equation or remove it",
        ),
        ("tanh = W @ h; return tanh", 19, "tanh is a word of the equations", "Choose another name"),
    ],
)
def test_refused_where_shapes_or_results_do_not_fit(line, column, what, cure):
    message = refused(in_body(line, learned="W"))
    place = "mine.py:1: " if column is None else f"mine.py:3:{column}: "
    assert message.startswith(place), message
    assert what in message
    assert cure in message


@pytest.mark.parametrize(
    ("source", "what", "cure"),
    [
        ("c = cell(lambda x, h, *, U: U @ h)", "a plain function with a name, got <lambda>", "Write `def"),
        ("c = cell(3)", "@cell takes a function, got 3", "Write `def"),
        ("@cell\nasync def c(x, h, *, U):\n    return U @ h", "a plain function", "Write `def"),
        ("@cell\ndef c(x, h, *, U):\n    yield U @ h", "a plain function", "Write `def"),
        ("@cell\ndef c(x, h, /, *, U):\n    return U @ h", "values are given by name", "Leave out the /"),
        (
            "@cell\ndef c(x, h, *more, U):\n    return U @ h",
            "*args and **kwargs have no shape",
            "Name every state",
        ),
        ("@cell\ndef c(x, h, **more):\n    return h", "*args and **kwargs have no shape", "Name every state"),
        ("@cell\ndef c(x, h=2, *, U):\n    return U @ h", "h has a default", "Only constants after *"),
        ("@cell\ndef c(x, *, U):\n    return U @ x", "at least one state", "Write `def c(x, h, ...)`"),
        ("@cell\ndef c():\n    return 1", "needs its input", "Write `def c(x, h, ...)`"),
        (
            "@cell\ndef c(x, h, *, k='a'):\n    return h",
            "the constant k must be a finite number",
            "Leave the default out",
        ),
        (
            "@cell\ndef c(x, h, *, k=()):\n    return h",
            "the constant k must be a finite number",
            "Leave the default out",
        ),
        (
            "@cell\ndef c(x, h, *, k=True):\n    return h",
            "the constant k must be a finite number",
            "Leave the default out",
        ),
        (
            "@cell\ndef c(x, h, *, tanh):\n    return tanh @ h",
            "tanh is a word of the equations",
            "Choose another name",
        ),
        (
            "@cell\ndef c(x, every):\n    return every",
            "every is a word of the equations",
            "Choose another name",
        ),
        (
            "@cell\ndef c(x, h, *, _U):\n    return _U @ h",
            "_U cannot name a parameter",
            "begins with a letter",
        ),
        (
            "@cell(sizes={'q': 'n'})\ndef c(x, h, *, U):\n    return U @ h",
            "sizes= gives q the size n",
            "Correct the name",
        ),
        (
            "@cell(sizes={'h': 3})\ndef c(x, h, *, U):\n    return U @ h",
            "sizes= names sizes",
            'Write sizes={"y": "output"}',
        ),
        (
            "@cell(sizes='h')\ndef c(x, h, *, U):\n    return U @ h",
            "sizes= names sizes",
            'Write sizes={"y": "output"}',
        ),
        (
            "@cell(static='v')\ndef c(x, h, v):\n    return h",
            "static= names parameters",
            'Write static=("context",)',
        ),
        (
            "@cell(static=('v',))\ndef c(x, v, h):\n    return h",
            "must be the last positional",
            "Put them after the states",
        ),
        (
            "@cell(static=('v',))\ndef c(x, h, v, *, U):\n    return U @ h",
            "v is never used",
            "Use it in an equation",
        ),
        (
            "@cell\ndef c(x, h, *, U, V):\n    return U @ h",
            "V is never used, so it has no shape",
            "remove it",
        ),
        ("@cell\ndef c(x, h, *, k=3):\n    return h", "k is never used, so it has no shape", "remove it"),
        (
            "@cell\ndef c(x, h, *, U):\n    return",
            "c must return vectors computed from its names, got None",
            "Return h",
        ),
        (
            "@cell\ndef c(x, h, *, U):\n    return 2",
            "c must return vectors computed from its names, got 2",
            "Return h",
        ),
    ],
)
def test_a_definition_that_is_no_cell(source, what, cure):
    message = refused(source)
    assert message.startswith("mine.py:1") or source.startswith("c = cell(3)"), message
    assert what in message
    assert cure in message


def test_a_word_with_the_wrong_number_of_operands_is_a_mistake_python_names_itself():
    with pytest.raises(TypeError, match=r"tanh\(\) takes 1 positional argument but 2 were given"):
        python_cell(in_body("return tanh(h, b)"))


def test_values_of_another_cell_are_refused():
    source = """
        kept = []
        @cell
        def first(x, h, *, U):
            kept.append(h)
            return U @ h
        @cell
        def c(x, h, *, U):
            return U @ kept[0]
    """
    assert "mine.py:9:12: a value of another cell is used here" in refused(source)
    returned = source.replace("return U @ kept[0]", "y = U @ h; return kept[0]")
    assert "c must return vectors computed from its names, got h" in refused(returned)


def test_the_place_inside_a_helper_function_is_the_helpers():
    source = """
        def squash(v):
            return tanh(v) + x_of_the_cell[0]
        x_of_the_cell = []
        @cell
        def c(x, h, *, U):
            x_of_the_cell.append(x)
            return squash(U @ h)
    """
    assert refused(source).startswith("mine.py:3:12: the state h has size H, but its new value")


def test_a_torch_function_is_refused_by_name():
    torch = pytest.importorskip("torch")
    message = refused(in_body("return torch.tanh(W @ x + U @ h + b)"), torch=torch)
    assert message.startswith("mine.py:3:12: the torch function tanh cannot be traced")
    assert "torch function" in refused(in_body("return torch.ones(3) * (W @ x + U @ h + b)"), torch=torch)


def test_equations_no_page_could_hold_are_refused_at_once():
    doubling = ["v = tanh(U @ h)", *(["v = v + v"] * 60), "return v + W @ x + b"]
    assert "has more than 10000 terms when written out. Give each of its values a name" in refused(
        in_body(*doubling)
    )
    named = ["v0 = tanh(U @ h)", *(f"v{i + 1} = v{i} + v{i}" for i in range(60)), "return v60 + W @ x + b"]
    assert len(python_cell(in_body(*named)).equations().splitlines()) == 62
    joining = ["v0 = h", *(f"v{i + 1} = concat(v{i}, v{i})" for i in range(60)), "return U @ v60 + W @ x + b"]
    assert "concat() joins at most 1000 vectors" in refused(in_body(*joining))


def test_equations_that_are_nested_too_deep_are_refused():
    message = refused(in_body("v = W @ x + U @ h + b", *(["v = tanh(v)"] * 3000), "return v"))
    assert message.startswith("mine.py:1: the equations are nested too deep")
    named = [f"v{i + 1} = tanh(v{i})" for i in range(3000)]
    assert len(python_cell(in_body("v0 = W @ x + U @ h + b", *named, "return v3000")).graph.labels) == 3001
