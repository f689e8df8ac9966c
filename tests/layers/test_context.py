"""Cells that read a context: the same numbers as their cell with a longer input."""

import numpy as np
import pytest

from unrolled import cells
from unrolled.equations import Cell
from unrolled.errors import SettingError
from unrolled.layers.context import with_context

DRAWN = np.random.default_rng(0)
X, H, CONTEXT = DRAWN.normal(size=3), DRAWN.normal(size=4), DRAWN.normal(size=5)


def test_it_is_the_cell_on_input_and_context_side_by_side():
    cell = cells.find("gru")
    read = with_context(cell)
    inputs = {name: DRAWN.normal(size=(4, 3)) for name in ("W_z", "W_r", "W")}
    others = {name: DRAWN.normal(size=(4, 4)) for name in ("U_z", "U_r", "U")}
    others |= {name: DRAWN.normal(size=4) for name in ("b_z", "b_r", "b")}
    added = {f"context_{name}": DRAWN.normal(size=(4, 5)) for name in inputs}
    wide = {name: np.concatenate([inputs[name], added[f"context_{name}"]], 1) for name in inputs}
    found = read(X, H, CONTEXT, **inputs, **others, **added)
    np.testing.assert_allclose(found, cell(np.concatenate([X, CONTEXT]), H, **wide, **others), rtol=1e-12)


def test_the_notation_of_two_vectors_side_by_side_reads_it_too():
    cell = Cell.from_text("@cell\ndef joined(x, h, *, W):\n    return tanh(W @ concat(h, x))")
    w, c = DRAWN.normal(size=(4, 7)), DRAWN.normal(size=(4, 5))
    found = with_context(cell)(X, H, CONTEXT, W=w, context_W=c)
    np.testing.assert_allclose(found, np.tanh(w @ np.concatenate([H, X]) + c @ CONTEXT), rtol=1e-12)


def test_the_context_is_multiplied_by_row_not_by_step():
    graph = with_context(cells.find("lstm")).graph
    read = graph.leaf["context"]
    products = [node for node in graph.nodes if read in node.operands]
    assert {node.operation for node in products} == {"matmul"}
    assert len(products) == 4


def test_cells_that_cannot_are_refused():
    for text, message in [
        ("def counter(x, h, *, U):\n    return tanh(U @ h)", "no matrix of counter reads its input"),
        (
            "def named(x, h, *, W, context):\n    return tanh(W @ x + context * h)",
            "named has a value named context",
        ),
    ]:
        with pytest.raises(SettingError, match=message):
            with_context(Cell.from_text(f"@cell\n{text}"))
    with pytest.raises(SettingError, match="has the static input context already"):
        with_context(with_context(cells.find("gru")))
