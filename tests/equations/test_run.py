"""The oracle run: clock, history, resets, forced states, pieces; each against a loop written out by hand."""

import ast
import inspect

import numpy as np
import pytest

from tests.equations.sources import draw, text_cell
from unrolled.cells import catalogue
from unrolled.equations import Cell, cell, delayed, every
from unrolled.equations import run as oracle
from unrolled.errors import EquationError, ShapeError

GENERATOR = np.random.default_rng(0)
SEQUENCE = GENERATOR.normal(size=(7, 3))
W, U, B = GENERATOR.normal(size=(4, 3)), 0.5 * GENERATOR.normal(size=(4, 4)), GENERATOR.normal(size=4)
ELMAN = {"W": W, "U": U, "b": B}
START = GENERATOR.normal(size=4)


def elman_by_hand(sequence, h, cuts=(), fresh=None, forced=None):
    rows = []
    for t, x in enumerate(sequence):
        if t in cuts:
            h = fresh
        new = np.tanh(W @ x + U @ h + B)
        rows.append(new)
        h = new if forced is None else forced[t]
    return np.array(rows), h


def test_one_step_after_the_other():
    result = catalogue()["elman"].run(SEQUENCE, ELMAN, {"h": START})
    rows, last = elman_by_hand(SEQUENCE, START)
    np.testing.assert_allclose(result.outputs, rows, atol=1e-14)
    np.testing.assert_allclose(result.states["h"], rows, atol=1e-14)
    np.testing.assert_allclose(result.carried["h"], last, atol=1e-14)
    assert result.carried.clock == 7


def test_a_reset_goes_back_to_the_initial_state_not_to_the_carried_one():
    cuts = [False, False, True, False, False, True, False]
    fresh = np.full(4, 0.25)
    result = catalogue()["elman"].run(SEQUENCE, ELMAN, {"h": START}, initial={"h": fresh}, resets=cuts)
    np.testing.assert_allclose(result.outputs, elman_by_hand(SEQUENCE, START, (2, 5), fresh)[0], atol=1e-14)
    assert result.carried.clock == 2
    plain = catalogue()["elman"].run(SEQUENCE, ELMAN, {"h": START}, resets=cuts)
    np.testing.assert_allclose(
        plain.outputs, elman_by_hand(SEQUENCE, START, (2, 5), np.zeros(4))[0], atol=1e-14
    )


def test_a_forced_state_is_fed_back_in_place_of_the_computed_one():
    targets = np.random.default_rng(1).normal(size=(7, 4))
    result = catalogue()["elman"].run(SEQUENCE, ELMAN, {"h": START}, forced={"h": targets})
    np.testing.assert_allclose(result.outputs, elman_by_hand(SEQUENCE, START, forced=targets)[0], atol=1e-14)
    np.testing.assert_array_equal(result.carried["h"], targets[-1])


def test_delayed_states_reach_back_to_the_initial_state():
    skip = catalogue()["skip_in_time"].set(k=3)
    U_k = 0.5 * np.random.default_rng(2).normal(size=(4, 4))
    result = skip.run(SEQUENCE, {**ELMAN, "U_k": U_k}, {"h": START})
    past, rows = [START] * 3, []
    for x in SEQUENCE:
        rows.append(np.tanh(W @ x + U @ past[0] + U_k @ past[2] + B))
        past = [rows[-1], *past[:2]]
    np.testing.assert_allclose(result.outputs, rows, atol=1e-14)


def test_the_clock_goes_on_in_the_next_piece_and_restarts_at_a_reset():
    @cell(sizes={"h": "I"})
    def ticking(x, h):
        return every(3) + 10 * delayed(h, 2)

    ones = np.zeros((4, 1))
    first = ticking.run(ones, {})
    np.testing.assert_array_equal(first.outputs[:, 0], [1, 0, 10, 1])
    second = ticking.run(ones, {}, first.carried)
    np.testing.assert_array_equal(second.outputs[:, 0], [100, 10, 1001, 100])
    cut = ticking.run(ones, {}, first.carried, resets=[False, True, False, False])
    np.testing.assert_array_equal(cut.outputs[:, 0], [100, 1, 0, 10])


def test_every_with_a_tuple_is_a_vector_of_equal_blocks():
    clockwork = text_cell("return every((1, 2, 4)) + 0 * (W @ x) + 0 * h", "x, h, *, W")
    result = clockwork.run(np.zeros((5, 2)), {"W": np.zeros((6, 2))})
    np.testing.assert_array_equal(
        result.outputs,
        [[1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]],
    )


def test_upper_blocks_keeps_blocks_on_and_above_the_diagonal():
    made = text_cell("return upper_blocks(U, 2) @ h", "x, h, *, U")
    matrix = np.arange(16.0).reshape(4, 4)
    kept = matrix.copy()
    kept[2:, :2] = 0
    result = made.run(np.zeros((1, 1)), {"U": matrix}, {"h": START})
    np.testing.assert_allclose(result.outputs[0], kept @ START)


@pytest.mark.parametrize("name", catalogue())
def test_pieces_are_the_whole(name):
    known = catalogue()[name]
    given = draw(known)
    whole = known.run(**given)
    first = known.run(**{**given, "sequence": given["sequence"][:2]})
    second = known.run(**{**given, "sequence": given["sequence"][2:], "state": first.carried})
    np.testing.assert_array_equal(np.concatenate([first.outputs, second.outputs]), whole.outputs)


def test_states_that_are_one_array_keep_their_own_past():
    made = text_cell("return tanh(W @ x), h, delayed(m, 2)", "x, h, c, m, *, W")
    same = np.full(4, 0.5)
    result = made.run(np.ones((4, 3)), {"W": W}, {"h": same, "c": same, "m": np.zeros(4)})
    np.testing.assert_array_equal(result.states["c"][0], same)
    np.testing.assert_array_equal(result.states["m"], np.zeros((4, 4)))


def test_an_empty_sequence_carries_the_state_on():
    result = catalogue()["elman"].run(np.zeros((0, 3)), ELMAN, {"h": START})
    assert result.outputs.shape == (0, 4)
    np.testing.assert_array_equal(result.carried["h"], START)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sequence": np.zeros(3)}, r"elman runs one sequence \(T, I\), got shape \(3,\)"),
        ({"parameters": {"W": W}}, "elman needs a value for U. Give it"),
        ({"parameters": {**ELMAN, "V": W}}, "elman has no parameter V, it has: W, U, b"),
        ({"parameters": {**ELMAN, "b": np.zeros(1)}}, r"b of elman must have shape \(4,\), got \(1,\)"),
        (
            {"parameters": {**ELMAN, "b": np.zeros((4, 1))}},
            r"b of elman must have shape \(4,\), got \(4, 1\)",
        ),
        (
            {"parameters": {**ELMAN, "W": np.zeros((4, 2))}},
            r"W of elman must have shape \(4, 3\), got \(4, 2\)",
        ),
        ({"state": {"c": START}}, "elman has no state c, it has: h"),
        ({"state": {"h": START[:2]}}, "must have shape"),
        ({"state": START}, "state= takes vectors by name"),
        ({"initial": {"c": START}}, "elman has no state c, it has: h"),
        ({"static": {"v": START}}, "elman has no static input v, it has: none"),
        ({"resets": [True]}, r"resets must have shape \(7,\), got \(1,\)"),
        ({"forced": {"c": START}}, "elman has no state c, it has: h"),
        ({"forced": {"h": np.zeros((7, 3))}}, r"forced h must have shape \(7, 4\), got \(7, 3\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, message):
    given = {"sequence": SEQUENCE, "parameters": ELMAN, "state": {"h": START}, **change}
    with pytest.raises(ShapeError, match=message):
        catalogue()["elman"].run(**given)


def test_a_size_that_nothing_tells_is_asked_for():
    with pytest.raises(ShapeError, match="nothing given tells the size H"):
        text_cell("return h", "x, h").run(SEQUENCE, {})
    np.testing.assert_array_equal(
        text_cell("return h", "x, h").run(SEQUENCE, {}, {"h": START}).outputs[3], START
    )


@pytest.mark.parametrize("word", ["delayed", "every"])
def test_the_clock_and_the_past_belong_to_a_run(word):
    body = "return h + delayed(h, 2)" if word == "delayed" else "return h + every(2)"
    made = text_cell(body, "x, h")
    with pytest.raises(EquationError, match=rf"{word}\(\) needs the run of a sequence.*Use cell.run"):
        made(np.zeros(2), np.zeros(2))


def test_only_a_state_as_it_came_in_has_a_past():
    @cell
    def through(x, h, *, U):
        return U @ delayed(h, 2)

    function = through._function
    with pytest.raises(EquationError, match="takes a state of the cell as it came in, got a computed value"):
        oracle.run(
            lambda x, h: delayed(h + 1, 2), ("h",), {}, SEQUENCE, {"h": START},
            oracle.Carried({"h": oracle.Past([START])}), 4,
            oracle.Sequenced(np.zeros(7, dtype=bool), {}), "x", 4,
        )  # fmt: skip
    assert callable(function)


def test_the_oracle_knows_no_graph_and_no_schedule():
    """Its module imports NumPy, the words and nothing else of ours; the words import only the errors."""

    def imported(module):
        tree = ast.parse(inspect.getsource(module))
        names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        names |= {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        return {name for name in names if name.startswith("unrolled")}

    from unrolled.equations import operations

    assert imported(oracle) == {"unrolled.equations.operations"}
    assert imported(operations) == {"unrolled.errors"}


def test_the_oracle_calls_the_function_itself():
    calls = []

    @cell
    def counted(x, h, *, W):
        calls.append(type(x).__name__)
        return W @ x + h

    counted.run(SEQUENCE, {"W": W})
    assert calls == ["Symbol", *(["ndarray"] * 7)]
    assert isinstance(counted, Cell)
