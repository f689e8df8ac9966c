"""The kernels of every instruction set this machine runs, against NumPy in higher precision and against each other."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from unrolled import _native

kernels = _native.kernels
SETS = _native.build_info()["instruction_sets"]
TYPES = (np.float32, np.float64)
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
pytestmark = [pytest.mark.parametrize("name", SETS)]
by_type = pytest.mark.parametrize("dtype", TYPES)


def aligned(values):
    """The same array where a panel may stand: at a multiple of 64 bytes."""
    room = np.empty(values.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    place = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    place[...] = values
    return place


def apply(name, op, *operands, rows=None):
    """`op` on whole arrays of any shape, through tiles of 64 columns."""
    flat = [np.resize(x, (-(-x.size // 64), 64)) for x in operands]
    to = np.full_like(flat[0], np.nan)
    kernels.elementwise(name, op, to, *flat)
    return to.ravel()[: operands[0].size].reshape(operands[0].shape)


def apart(one, other):
    """How many representable numbers lie between two arrays, entry by entry; NaN only equals NaN."""
    whole = np.int32 if one.dtype == np.float32 else np.int64
    steps = [
        np.where(x.view(whole) < 0, np.iinfo(whole).min - x.view(whole), x.view(whole)) for x in (one, other)
    ]
    return np.where(
        np.isnan(one) & np.isnan(other), 0, np.abs(steps[0].astype(object) - steps[1].astype(object))
    )


def sample(dtype, count=20000):
    """Numbers of every size and sign, and all the special ones."""
    generator = np.random.default_rng(0)
    whole = np.int32 if dtype == np.float32 else np.int64
    any_bits = generator.integers(np.iinfo(whole).min, np.iinfo(whole).max, count, whole).view(dtype)
    usual = generator.normal(size=count) * 10.0 ** generator.uniform(-4, 2, count)
    tiny, largest = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, largest, -largest, 1, -1, 89, -104, 710, -746]
    return np.concatenate([any_bits, usual.astype(dtype), np.array(special, dtype)])


EXACT = {
    "copy": lambda a: a,
    "negative": lambda a: -a,
    "relu": lambda a: np.where(a <= 0, 0, a),
    "sqrt": np.sqrt,
    "abs": np.abs,
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "where": lambda a, b, c: np.where(a != 0, b, c),
    "dsigmoid": lambda y, g: g * (y * (1 - y)),
    "dtanh": lambda y, g: g * (1 - y * y),
    "drelu": lambda y, g: np.where(y > 0, g, 0),
    "dabs": lambda x, g: np.where(x > 0, g, np.where(x < 0, -g, 0)),
    "dmaximum": lambda a, b, g: np.where(a > b, g, np.where(a == b, g / 2, 0)),
    "dminimum": lambda a, b, g: np.where(a < b, g, np.where(a == b, g / 2, 0)),
}


@by_type
@pytest.mark.parametrize("op", EXACT)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_exact_operations_equal_numpy(name, op, dtype):
    x = sample(dtype)
    generator = np.random.default_rng(1)
    operands = [
        x,
        np.where(generator.random(x.size) < 0.1, x, generator.permutation(x)),
        generator.permutation(x),
    ]
    operands = operands[: EXACT[op].__code__.co_argcount if hasattr(EXACT[op], "__code__") else EXACT[op].nin]
    expected = EXACT[op](*operands).astype(dtype)
    np.testing.assert_array_equal(apply(name, op, *operands), expected)


CURVES = {
    "sigmoid": lambda x: np.where(
        x > 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x)))
    ),
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
}


@by_type
@pytest.mark.parametrize("op", CURVES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_curves_are_within_4_ulp(name, op, dtype):
    x = sample(dtype)
    wide = x.astype(WIDER[dtype])
    expected = CURVES[op](wide).astype(dtype)
    got = apply(name, op, x)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    assert apart(got, expected).max() <= 4


@by_type
def test_one_number_a_row_is_spread(name, dtype):
    column = np.array([[1.5], [-0.0], [np.nan]], dtype)
    to = np.zeros((3, 48), dtype)
    kernels.elementwise(name, "spread", to, column)
    np.testing.assert_array_equal(to, np.repeat(column, 48, axis=1))
    assert np.signbit(to[1]).all()


@by_type
@pytest.mark.parametrize("op", [*CURVES, "multiply_add", "dsigmoid"])
def test_an_entry_has_the_same_bits_in_every_place(name, op, dtype):
    generator = np.random.default_rng(2)
    operands = [generator.normal(size=(7, 64)).astype(dtype) for _ in range(3)]
    operands = operands[: {"multiply_add": 3, "dsigmoid": 2}.get(op, 1)]
    whole = apply(name, op, *operands)
    for columns in (16, 32, 48):
        to = np.empty((7, columns), dtype)
        kernels.elementwise(name, op, to, *(x[:, 64 - columns :] for x in operands))
        np.testing.assert_array_equal(to, whole[:, 64 - columns :])
    one_by_one = [apply(name, op, *(np.full(64, x[3, i]) for x in operands))[0] for i in range(64)]
    np.testing.assert_array_equal(one_by_one, whole[3])


@by_type
def test_results_may_replace_an_operand(name, dtype):
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(2, 5, 32)).astype(dtype)
    expected = a - b
    kernels.elementwise(name, "subtract", b, a, b)
    np.testing.assert_array_equal(b, expected)


def product(name, start, a, panel):
    to = np.full((len(a), panel.shape[1]), np.nan, panel.dtype)
    kernels.gemm(name, to, start, a, panel)
    return to


@by_type
@pytest.mark.parametrize("columns", [16, 32, 48, 64])
@pytest.mark.parametrize("depth", [0, 1, 5, 200])
def test_products_of_any_shape(name, dtype, columns, depth):
    generator = np.random.default_rng(4)
    a = generator.normal(size=(27, depth)).astype(dtype)
    panel = aligned(generator.normal(size=(depth, columns)).astype(dtype))
    start = generator.normal(size=(27, columns)).astype(dtype)
    whole = product(name, start, a, panel)
    exact = start.astype(np.longdouble) + a.astype(np.longdouble) @ panel.astype(np.longdouble)
    scale = np.abs(start) + np.abs(a) @ np.abs(panel)
    assert np.all(np.abs(whole - exact) <= (depth + 1) * np.finfo(dtype).eps * scale)
    for rows in range(1, 27):
        np.testing.assert_array_equal(product(name, start[:rows], a[:rows], panel), whole[:rows])
    np.testing.assert_array_equal(product(name, start, np.asfortranarray(a), panel), whole)
    left = product(name, start[:, :16], a, aligned(panel[:, :16]))
    np.testing.assert_array_equal(left, whole[:, :16])
    np.testing.assert_array_equal(product(name, start, a, panel), product(SETS[-1], start, a, panel))


@by_type
def test_products_may_start_from_zero_one_row_or_their_own_place(name, dtype):
    generator = np.random.default_rng(5)
    a = generator.normal(size=(9, 40)).astype(dtype)
    panel = aligned(generator.normal(size=(40, 64)).astype(dtype))
    bias = generator.normal(size=64).astype(dtype)
    zeros, rows = np.zeros((9, 64), dtype), np.tile(bias, (9, 1))
    np.testing.assert_array_equal(product(name, None, a, panel), product(name, zeros, a, panel))
    expected = product(name, rows, a, panel)
    np.testing.assert_array_equal(product(name, np.broadcast_to(bias, (9, 64)), a, panel), expected)
    kernels.gemm(name, rows, rows, a, panel)
    np.testing.assert_array_equal(rows, expected)


def layer_norm(x, g):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def dlayer_norm(x, g):
    slope = 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    normed = layer_norm(x, g)
    return slope * (g - g.mean(1, keepdims=True) - normed * (g * normed).mean(1, keepdims=True))


def softmax(x, g):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def dsoftmax(y, g):
    return y * (g - (g * y).sum(1, keepdims=True))


ROWS = {"layer_norm": layer_norm, "dlayer_norm": dlayer_norm, "softmax": softmax, "dsoftmax": dsoftmax}


@by_type
@pytest.mark.parametrize("size", [1, 3, 16, 37, 63, 64, 65, 130, 1000])
@pytest.mark.parametrize("op", ROWS)
def test_full_rows(name, op, dtype, size):
    generator = np.random.default_rng(size)
    x, g = (generator.normal(size=(4, size + 3)).astype(dtype)[:, :size] for _ in range(2))
    operands = [x, g] if op.startswith("d") else [x]
    room = np.full((4, size + 3), 7, dtype)
    to = room[:, :size]
    getattr(kernels, op)(name, to, *operands)
    wide = ROWS[op](x.astype(WIDER[dtype]), g.astype(WIDER[dtype]))
    np.testing.assert_allclose(to, wide.astype(dtype), rtol=2e-5 if dtype == np.float32 else 2e-12, atol=1e-5)
    assert (room[:, size:] == 7).all()
    alone = np.empty((1, size), dtype)
    getattr(kernels, op)(name, alone, *(operand[2:3] for operand in operands))
    np.testing.assert_array_equal(alone[0], to[2])
    last = np.empty((4, size), dtype)
    getattr(kernels, op)(SETS[-1], last, *operands)
    np.testing.assert_array_equal(to, last)


@by_type
def test_softmax_of_large_and_of_undefined_rows(name, dtype):
    x = np.array([[1e30, 0, 1e30], [-np.inf, 0, 0], [np.nan, 0, 1]], dtype)
    kernels.softmax(name, x, x.copy())
    np.testing.assert_allclose(x[:2], [[0.5, 0, 0.5], [0, 0.5, 0.5]])
    assert np.isnan(x[2]).all()


@by_type
@pytest.mark.parametrize("columns", [1, 64, 100])
def test_columns_are_summed_in_order(name, dtype, columns):
    x = np.random.default_rng(6).normal(size=(9, columns)).astype(dtype)
    start = np.ones(columns, dtype)
    expected = start.copy()
    for row in x:
        expected = expected + row
    to = np.empty(columns, dtype)
    kernels.column_sum(name, to, start, x)
    np.testing.assert_array_equal(to, expected)
    kernels.column_sum(name, to, None, x[:1])
    np.testing.assert_array_equal(to, x[0])


def test_the_environment_forces_a_set(name):
    code = "from unrolled._native import kernels; print(kernels.chosen())"
    forced = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"UNROLLED_ISA": name}, capture_output=True, text=True
    )
    assert forced.stdout.strip() == name
    wrong = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"UNROLLED_ISA": "sse9"},
        capture_output=True,
        text=True,
    )
    message = f"one of {', '.join(SETS)} on this machine, got sse9"
    assert message in wrong.stderr and "ValueError" in wrong.stderr


def test_threads_run_together_from_two_callers_and_after_a_fork(name):
    seen = []
    callers = [threading.Thread(target=lambda: seen.append(kernels.count_together(3, 200))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert seen == [[600] * 3] * 2
    child = os.fork()
    if child == 0:
        os._exit(0 if kernels.count_together(3, 10) == [30] * 3 else 1)
    assert os.waitpid(child, 0)[1] == 0
