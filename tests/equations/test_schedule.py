"""Schedules: what waits for time, what stands outside the loop, and how few floats cross its border."""

import itertools

import pytest

from tests.equations.sources import text_cell
from tests.random_cells import random_cell_text
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.equations.groups import movable, weight
from unrolled.equations.schedule import make_schedule
from unrolled.errors import EquationError


def products(phases):
    """For each phase the stacked products as `rows x columns` with the number of matrices."""
    return [[len(product.matrices) for product in phase.products] for phase in phases]


def names_in(schedule, group):
    known = {i: name for name, i in schedule.graph.named.items()}
    return {known[i] for i, where in schedule.group_of.items() if where == group and i in known}


def operations_in(schedule, group):
    return [schedule.graph.nodes[i].operation for i, where in schedule.group_of.items() if where == group]


@pytest.mark.parametrize(
    ("name", "before", "step", "crossing"),
    [
        ("elman", [[1]], [[1]], "H"),
        ("lstm", [[4]], [[4]], "4H"),
        ("gru", [[3]], [[2], [1]], "3H"),
        ("gru_reset_after", [[3]], [[3]], "3H"),
        ("jordan", [[1]], [[1], [1]], "H"),
        ("minimal_gated", [[2]], [[1], [1]], "2H"),
        ("mingru", [[2]], [[]], "2H"),
        ("minlstm", [[3]], [[]], "2H"),
        ("indrnn", [[1]], [[]], "H"),
        ("leaky", [[1]], [[1]], "H"),
        ("clockwork", [[1]], [[1]], "H"),
        ("skip_in_time", [[1]], [[1, 1]], "H"),
        ("lstm_peephole", [[4]], [[4]], "4H"),
    ],
)
def test_the_groups_of_the_catalogue(name, before, step, crossing):
    schedule = catalogue()[name].schedule()
    assert products(schedule.before) == before
    assert products(schedule.step) == step
    assert schedule.after == ()
    assert f"into the loop {crossing} floats" in str(schedule)


@pytest.mark.parametrize("name", ["mingru", "minlstm", "indrnn"])
def test_a_cell_without_recurrent_matrix_has_no_product_in_the_loop(name):
    assert "matmul" not in operations_in(catalogue()[name].schedule(), "step")


def test_a_teacher_forced_jordan_network_has_an_empty_loop():
    schedule = catalogue()["jordan"].schedule(forced=("y",))
    assert schedule.step == schedule.after == ()
    assert schedule.kinds.known == {"y"}
    assert not schedule.kinds.looped


def test_an_output_layer_runs_after_the_loop():
    cell = text_cell("h = tanh(W @ x + U @ h)\ny = V @ h + c\nreturn y, h", "x, h, *, W, U, V, c")
    schedule = cell.schedule()
    assert products(schedule.step) == [[1]]
    assert products(schedule.after) == [[1]]
    assert names_in(schedule, "after") == {"y"}


def test_a_state_that_nothing_looped_reads_trails_behind():
    cell = text_cell("return tanh(W @ x + U @ h), tanh(V @ h)", "x, h, c, *, W, U, V")
    schedule = cell.schedule()
    assert schedule.kinds.looped == {"h"}
    assert schedule.kinds.trailing == {"c"}
    assert products(schedule.after) == [[1]]


def test_known_states_are_shifts_before_the_loop():
    cell = text_cell(
        "return tanh(U @ h + V @ c + A @ delayed(c, 3)), tanh(W @ x), c", "x, h, c, m, *, U, V, A, W"
    )
    schedule = cell.schedule()
    assert schedule.kinds.known == {"c", "m"}
    assert schedule.kinds.looped == {"h"}
    assert {"state", "delayed"} <= set(operations_in(schedule, "before"))
    assert products(schedule.step) == [[1]]


def test_a_cell_of_shifts_alone_has_no_loop():
    schedule = text_cell(
        "return x, h, c", "x, h, c, m", '@cell(sizes={"h": "I", "c": "I", "m": "I"})'
    ).schedule()
    assert schedule.kinds.known == {"h", "c", "m"}
    assert schedule.step == schedule.after == ()


def test_what_depends_on_parameters_only_is_computed_once():
    cell = text_cell(
        "g = softmax(b) * exp(c)\nreturn tanh(upper_blocks(U, 2) @ h * g + W @ x + U @ b * (1 - leak))",
        "x, h, *, U, W, b, c, leak=0.5",
    )
    schedule = cell.schedule()
    once = {schedule.graph.nodes[i].operation for i in schedule.once}
    assert {"softmax", "exp", "multiply", "upper_blocks", "matmul"} <= once
    assert products(schedule.step) == [[1]]


def test_what_depends_on_static_inputs_is_computed_once_a_row():
    cell = text_cell("return tanh(C @ v + W @ x + U @ h)", "x, h, v, *, C, W, U", '@cell(static=("v",))')
    schedule = cell.schedule()
    assert {schedule.graph.nodes[i].operation for i in schedule.rows} == {"static", "matmul"}
    assert not set(schedule.into("step")) & schedule.rows


def test_every_is_never_stored_for_all_steps():
    cell = text_cell("a = every((1, 2))\nreturn a * tanh(W @ x + U @ h) + (1 - a) * h", "x, h, *, W, U")
    schedule = cell.schedule()
    assert "every" in operations_in(schedule, "step")
    crossing = {schedule.graph.nodes[i].operation for i in schedule.into("step")}
    assert crossing <= {"sum", "matmul"}


def test_sums_are_ordered_once_before_step():
    cell = text_cell("return tanh(U @ h + b + V @ h + c + W @ x + W @ v)",
                     "x, h, v, *, U, V, W, b, c", '@cell(sizes={"v": "I"}, static=("v",))')  # fmt: skip
    graph = cell.schedule().graph
    outer = graph.nodes[graph.nodes[graph.next_states[0]].operands[0]]
    assert [graph.nodes[i].operation for i in outer.operands] == ["sum", "matmul", "matmul"]
    before = graph.nodes[outer.operands[0]]
    assert [graph.nodes[i].operation for i in before.operands] == ["sum", "matmul"]
    by_row = graph.nodes[before.operands[0]]
    assert [graph.nodes[i].operation for i in by_row.operands] == ["sum", "matmul"]
    once = graph.nodes[by_row.operands[0]]
    assert [graph.nodes[i].value for i in once.operands] == ["b", "c"]


def test_records_are_kept_and_change_nothing_else():
    gru = catalogue()["gru"]
    plain, recorded = gru.schedule(), gru.schedule(records=("z", "r"))
    assert [name for name, _ in recorded.records] == ["z", "r"]
    assert recorded.step == plain.step
    assert recorded.graph == plain.graph


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"records": ("q",)}, "gru has no value q, its values: h, z, r, candidate. Record one of these"),
        ({"forced": ("q",)}, "gru has no state q, its states: h. Force one of these"),
    ],
)
def test_unknown_records_and_forced_states_are_refused(options, message):
    with pytest.raises(EquationError, match=message):
        catalogue()["gru"].schedule(**options)


def test_numbers_and_matrices_cannot_be_recorded():
    cell = text_cell("a = 1 - leak\nM = U\nq = M @ h\nreturn a * q + h", "x, h, *, U, leak=0.5")
    for name in ("a", "M"):
        with pytest.raises(EquationError, match=f"c has no value {name}, its values: h, q"):
            cell.schedule(records=(name,))


# --- every schedule -------------------------------------------------------------------------------

CELLS = {**catalogue(), **{f"random_{seed}": Cell.from_text(random_cell_text(seed)) for seed in range(80)}}


@pytest.mark.parametrize("name", CELLS)
def test_every_value_is_computed_after_what_it_reads(name):
    schedule = CELLS[name].schedule()
    graph = schedule.graph
    looped = {graph.leaf[state] for state in schedule.kinds.looped}
    given = {
        i
        for i, node in enumerate(graph.nodes)
        if node.operation in ("input", "static", "parameter", "number", "constant")
    }
    given |= looped | {
        i for i, node in enumerate(graph.nodes) if node.operation == "delayed" and node.operands[0] in looped
    }
    done = given | set(schedule.once)
    computed = []
    for phase in (*schedule.before, *schedule.step, *schedule.after):
        for product in phase.products:
            assert product.vector in done
            assert set(product.matrices) <= done
            assert [graph.nodes[i].operands for i in product.results] == [
                (m, product.vector) for m in product.matrices
            ]
            done |= set(product.results)
            computed += product.results
        for i in phase.values:
            operation = graph.nodes[i].operation
            assert operation in ("state", "delayed") or set(graph.nodes[i].operands) <= done
            done.add(i)
            computed.append(i)
    repeated = {i for i in computed if computed.count(i) > 1}
    assert all(graph.nodes[i].operation == "every" for i in repeated)
    assert {graph.output, *graph.next_states} <= done


@pytest.mark.parametrize("name", CELLS)
def test_nothing_in_the_loop_could_stand_outside_it(name):
    """A product is in the loop only when it needs a looped state and a looped state needs it."""
    schedule = CELLS[name].schedule()
    graph = schedule.graph
    new = [graph.next_states[graph.signature.states.index(state)] for state in schedule.kinds.looped]
    needed = below(graph, new)
    looped = {graph.leaf[state] for state in schedule.kinds.looped}
    for phase in schedule.step:
        for i in itertools.chain.from_iterable(product.results for product in phase.products):
            assert i in needed
            assert below(graph, [i]) & looped


def below(graph, roots):
    found, waiting = set(), list(roots)
    while waiting:
        i = waiting.pop()
        if i not in found:
            found.add(i)
            waiting.extend(graph.nodes[i].operands)
    return found


@pytest.mark.parametrize("name", [name for name in CELLS if CELLS[name].schedule().step])
def test_the_fewest_floats_cross_into_the_loop(name):
    """Against brute force: every set of movable known values that might be computed inside is tried."""
    schedule = CELLS[name].schedule()
    graph = schedule.graph
    inside = {i for i, group in schedule.group_of.items() if group == "step"}
    outside = {i for i, group in schedule.group_of.items() if group == "before"} - schedule.rows
    results = {graph.output, *graph.next_states}
    unknown = {i for i in inside if reads_looped(schedule, i)}
    sunk = {i for i in inside - unknown if graph.nodes[i].operation != "every"}
    free = sorted(i for i in (sunk | outside) - results if may_move(graph, i) and i in below(graph, unknown))
    if len(free) > 11:
        free = free[:11]
    cheapest = min(
        crossing(schedule, unknown | (sunk - set(free)) | set(moved))
        for size in range(len(free) + 1)
        for moved in itertools.combinations(free, size)
        if closed(schedule, unknown | (sunk - set(free)) | set(moved), outside | sunk)
    )
    assert crossing(schedule, unknown | sunk) == pytest.approx(cheapest)


def reads_looped(schedule, position):
    graph = schedule.graph
    looped = {graph.leaf[state] for state in schedule.kinds.looped}
    return bool(below(graph, [position]) & looped)


def may_move(graph, position):
    node = graph.nodes[position]
    has_product = node.operation == "sum" and any(graph.nodes[i].operation == "matmul" for i in node.operands)
    return movable(node) and not has_product


def closed(schedule, inside, known):
    """Whether nothing outside the loop reads a known value that is only there inside."""
    moved = inside & known
    readers = known - inside
    return not any(operand in moved for i in readers for operand in schedule.graph.nodes[i].operands)


def crossing(schedule, inside):
    graph = schedule.graph
    read = {operand for i in inside for operand in graph.nodes[i].operands} - inside - schedule.rows
    known = {i for i, group in schedule.group_of.items() if group in ("before", "step")}
    known |= {i for i, node in enumerate(graph.nodes) if node.operation == "input"}
    counted = {
        i for i in read & known if graph.nodes[i].operation != "every" and not reads_looped(schedule, i)
    }
    return sum(weight(graph, i) for i in counted)


def test_schedules_are_made_once_and_equal_graphs_share_them():
    graph = catalogue()["gru"].graph
    assert make_schedule(graph) is make_schedule(Cell.from_text(catalogue()["gru"].text).graph)
