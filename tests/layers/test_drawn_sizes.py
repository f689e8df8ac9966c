"""Sizes drawn with one, odd numbers and 37, rows empty or ragged: the layer equals the oracle row by row."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.cells import catalogue
from unrolled.layers import Recurrent

SIZE = st.sampled_from([1, 2, 3, 5, 8, 37])
NAMES = st.sampled_from([name for name in catalogue() if name != "clockwork"])


@st.composite
def problems(draw):
    time, rows = draw(st.sampled_from([0, 1, 3, 7, 37])), draw(st.sampled_from([0, 1, 3, 7]))
    lengths = draw(st.lists(st.integers(0, time), min_size=rows, max_size=rows) | st.none())
    return (
        draw(NAMES),
        time,
        rows,
        draw(SIZE),
        draw(SIZE),
        lengths,
        draw(st.booleans()),
        draw(st.integers(0, 99)),
    )


@settings(max_examples=120)
@given(problems())
def test_a_layer_is_the_oracle_row_by_row(problem):
    name, time, rows, inputs, hidden, lengths, cut, seed = problem
    torch.manual_seed(seed)
    cell = catalogue()[name]
    layer = Recurrent(cell, inputs, hidden, sizes=dict.fromkeys(cell.named_sizes, 3), dtype=torch.float64)
    x = torch.randn(time, rows, inputs, dtype=torch.float64)
    resets = torch.rand(time, rows) < 0.2 if cut else None
    output, state = layer(x, lengths=lengths, resets=resets)
    assert output.shape == (time, rows, layer.output_size)
    weights = {key: value.detach().numpy() for key, value in layer.cell_weights().items()}
    for b in range(rows):
        length = time if lengths is None else lengths[b]
        expected = cell.run(
            x[:length, b].numpy(), weights, resets=None if resets is None else resets[:length, b]
        )
        np.testing.assert_allclose(output[:length, b].detach(), expected.outputs, rtol=1e-9, atol=1e-12)
        assert (output[length:, b] == 0).all()
        for key in cell.states:
            np.testing.assert_allclose(
                state[key][0, b].detach(), expected.carried[key], rtol=1e-9, atol=1e-12
            )
        assert state.clock[0, b] == expected.carried.clock


@settings(max_examples=40)
@given(
    st.sampled_from(["lstm", "skip_in_time", "clockwork"]),
    st.integers(0, 5),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_the_reverse_direction_cuts_between_the_same_steps(name, time, rows, seed):
    torch.manual_seed(seed)
    layer = Recurrent(name, 2, 4, bidirectional=True, dtype=torch.float64)
    lengths = torch.randint(0, time + 1, (rows,)).tolist()
    x, resets = torch.randn(time, rows, 2, dtype=torch.float64), torch.rand(time, rows) < 0.4
    start = {key: torch.randn(2, rows, 4, dtype=torch.float64) for key in layer.cell.states}
    output, state = layer(x, start, lengths=lengths, resets=resets)
    weights = {key: value.detach().numpy() for key, value in layer.cell_weights("l0_reverse").items()}
    for b, length in enumerate(lengths):
        reversed_cuts = [False] * length
        for t in range(1, length):  # a cut before step t lies before step t-1 of the reversed row
            reversed_cuts[length - t] = bool(resets[t, b])
        given_state = {key: value[1, b].numpy() for key, value in start.items()}
        row = x[:length, b].flip(0).numpy()
        expected = layer.cell.run(row, weights, given_state, resets=reversed_cuts)
        np.testing.assert_allclose(output[:length, b, 4:].detach().flip(0), expected.outputs, atol=1e-12)
        assert state.clock[1, b] == expected.carried.clock
        np.testing.assert_allclose(state["h"][1, b].detach(), expected.carried["h"], atol=1e-12)
