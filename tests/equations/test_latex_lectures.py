"""Equations as lectures and papers print them, against formulas written by hand, and mutated."""

import numpy as np
import pytest

from tests.equations.typeset_blocks import BLOCKS, Parameters
from unrolled.equations import Cell
from unrolled.equations.same import same
from unrolled.errors import ShapeError


def read(name, source=None):
    block = BLOCKS[name]
    return Cell.from_latex(source or block.as_printed, activations=block.activations)


def drawn(cell, block, seed=0):
    generator = np.random.default_rng(seed)
    shapes = cell.parameter_shapes(block.input_size, 5, **block.sizes)
    return Parameters({name: generator.normal(size=shape) for name, shape in shapes.items()})


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_as_it_stands_computes_its_formula(name):
    block, cell = BLOCKS[name], read(name)
    parameters = drawn(cell, block)
    inputs = np.random.default_rng(1).normal(size=(6, block.input_size))
    run = cell.run(inputs, parameters)
    old = {state: np.zeros(5) for state in cell.states}
    for t, x in enumerate(inputs):
        output, old = block.formula(x, old, parameters)
        np.testing.assert_allclose(run.outputs[t], output, rtol=1e-12, atol=1e-12)
        for state, value in old.items():
            np.testing.assert_allclose(run.states[state][t], value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "number"), [(name, i) for name, block in BLOCKS.items() for i in range(len(block.otherwise))]
)
def test_other_names_order_and_notation_give_the_same_graph(name, number):
    assert same(read(name).graph, read(name, BLOCKS[name].otherwise[number]).graph)


@pytest.mark.parametrize("name", BLOCKS)
def test_equations_in_any_order(name):
    pieces = read(name).latex().splitlines()[1:-1]
    lines = [line.removesuffix("\\\\").strip() for line in pieces]
    backwards = " \\\\\n".join(reversed(lines))
    assert same(read(name).graph, Cell.from_latex(backwards).graph)


@pytest.mark.parametrize("name", BLOCKS)
def test_the_text_of_a_block_is_an_equal_cell(name):
    cell = read(name)
    assert Cell.from_text(cell.text) == cell


def test_different_blocks_are_different_graphs():
    cells = {name: read(name).graph for name in BLOCKS}
    for name, graph in cells.items():
        assert [other for other in cells if same(graph, cells[other])] == [name]


def test_an_output_equation_runs_after_the_loop():
    schedule = read("simple").schedule()
    assert schedule.group_of[schedule.graph.output] == "after"


def test_one_matrix_for_input_and_state_runs_where_they_have_one_size():
    cell = read("gru with a slip")
    assert cell.parameter_shapes(5, 5)["W_xg"] == (5, 5)
    with pytest.raises(
        ShapeError, match=r"only where I = H, got I = 3 and H = 5: W_xg multiplies both x and h."
    ):
        cell.parameter_shapes(3, 5)
    with pytest.raises(ShapeError, match="W_xg multiplies both x and h"):
        cell.run(np.zeros((2, 3)), drawn(cell, BLOCKS["gru with a slip"]))


def test_input_joined_to_a_state_entry_by_entry_says_so():
    with pytest.raises(
        ShapeError, match="got I = 3 and H = 5: x is joined entry by entry to vectors of size H"
    ):
        read("mut1").parameter_shapes(3, 5)
