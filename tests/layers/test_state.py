"""The carried `State`: values, history and clock, row by row and on the way to a file."""

import io

import pytest
import torch

from unrolled.equations import Cell
from unrolled.errors import ShapeError
from unrolled.layers import Recurrent, State
from unrolled.layers.state import CellState

F64 = torch.float64


def run(name="lstm", rows=3, **options):
    torch.manual_seed(0)
    layer = Recurrent(name, 2, 4, dtype=F64, **options)
    x = torch.randn(6, rows, 2, dtype=F64)
    return layer, x, layer(x)


def same(a: State, b: State) -> None:
    assert len(a.cells) == len(b.cells)
    for mine, other in zip(a.cells, b.cells, strict=True):
        assert torch.equal(mine.clock, other.clock)
        assert list(mine.values) == list(other.values)
        for name in mine.values:
            assert torch.equal(mine.values[name], other.values[name])


def test_it_iterates_as_tensors_in_the_order_of_the_cell():
    _, _, (output, state) = run(num_layers=2)
    h, c = state
    assert state.names == ("h", "c")
    assert len(state) == 2
    assert torch.equal(h, state["h"])
    assert torch.equal(c, state["c"])
    assert h.shape == (2, 3, 4)
    assert torch.equal(h[1], output[-1])
    assert state.batch_size == 3
    assert repr(state) == "State(h (2, 3, 4), c (2, 3, 4), clock [6, 6, 6, 6]...)"


def test_an_unknown_name_is_refused():
    _, _, (_, state) = run()
    with pytest.raises(ShapeError, match="the state has h, c, not y"):
        state["y"]


def test_detaching_cuts_the_gradient_and_keeps_the_values():
    layer, x, (_, state) = run()
    cut = state.detach()
    assert all(value.requires_grad for value in state)
    assert not any(value.requires_grad for value in cut)
    same(cut, state.map(lambda value: value))
    layer(x, cut)[0].sum().backward()


def test_another_dtype_is_for_the_values_alone():
    _, _, (_, state) = run()
    other = state.to(dtype=torch.float32)
    assert other["h"].dtype == torch.float32
    assert other.clock.dtype == torch.int64
    assert state.to("meta")["c"].device.type == "meta"
    assert state.to("meta").clock.device.type == "meta"


def test_rows_in_another_order_and_by_mask():
    layer, x, (_, state) = run("skip_in_time")
    chosen = state.rows([2, 0])
    assert chosen.batch_size == 2
    assert torch.equal(chosen["h"], state["h"][:, [2, 0]])
    assert torch.equal(
        layer(x[:, [2, 0]], chosen)[0], layer(x[:, [2, 0]], state.rows(torch.tensor([2, 0])))[0]
    )
    mask = torch.tensor([True, False, True])
    same(state.rows(mask), state.rows([0, 2]))
    assert state.rows([]).batch_size == 0


@pytest.mark.parametrize("name", ["lstm", "skip_in_time", "clockwork"])
def test_a_state_survives_a_file(name):
    layer, x, (_, state) = run(name, num_layers=2, bidirectional=True)
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    file.seek(0)
    read = State.from_state_dict(torch.load(file, weights_only=True))
    same(read, state)
    assert torch.equal(layer(x, read)[0], layer(x, state)[0])


def test_a_state_may_be_called_clock():
    cell = Cell.from_text("def c(x, clock, *, W, U):\n    return tanh(W @ x + U @ clock)\n")
    layer = Recurrent(cell, 2, 4)
    _, state = layer(torch.randn(3, 2, 2))
    same(State.from_state_dict(state.state_dict()), state)


def test_history_is_kept_as_long_as_the_longest_delay():
    layer, x, (output, state) = run("skip_in_time")
    history = state.cells[0].values["h"]
    assert history.shape == (4, 3, 4)
    assert torch.equal(history, output[[5, 4, 3, 2]])
    short, _ = layer(x[:2])
    _, state = layer(x[:2])
    assert torch.equal(state.cells[0].values["h"][:2], short[[1, 0]])
    assert (state.cells[0].values["h"][2:] == 0).all()


def test_a_given_tensor_stands_for_all_earlier_steps_with_clock_zero():
    layer, x, _ = run("skip_in_time")
    start = torch.randn(1, 3, 4, dtype=F64, requires_grad=True)
    repeated = State([CellState({"h": start.expand(4, 3, 4)}, torch.zeros(3, dtype=torch.int64))])
    output, state = layer(x[:2], start)
    assert torch.equal(output, layer(x[:2], repeated)[0])
    assert state.clock.tolist() == [[2, 2, 2]]


def test_the_gradient_of_the_initial_state_is_the_sum_over_the_slots():
    layer, x, _ = run("skip_in_time")
    start = torch.randn(1, 3, 4, dtype=F64, requires_grad=True)
    slots = start.detach().expand(4, 3, 4).clone().requires_grad_()
    (whole,) = torch.autograd.grad(layer(x, start)[0].square().sum(), start)
    state = State([CellState({"h": slots}, torch.zeros(3, dtype=torch.int64))])
    (pieces,) = torch.autograd.grad(layer(x, state)[0].square().sum(), slots)
    torch.testing.assert_close(whole[0], pieces.sum(0), rtol=0, atol=1e-12)


def test_a_zero_length_row_keeps_its_state_and_passes_the_gradient_through():
    layer, x, _ = run("skip_in_time")
    start = torch.randn(1, 3, 4, dtype=F64, requires_grad=True)
    _, state = layer(x, start, lengths=[6, 0, 2])
    assert torch.equal(state["h"][:, 1], start[:, 1])
    assert state.clock.tolist() == [[6, 0, 2]]
    (slope,) = torch.autograd.grad(state["h"][:, 1].sum(), start)
    assert torch.equal(slope[:, 1], torch.ones(1, 4, dtype=F64))
    assert (slope[:, [0, 2]] == 0).all()


def test_the_clock_continues_and_restarts_row_by_row():
    layer, x, (_, state) = run("clockwork")
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[4, 1] = True
    _, later = layer(x, state, resets=resets, lengths=[6, 6, 2])
    assert later.clock.tolist() == [[12, 2, 8]]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (("gru", {}), "the state must fit the layer and the batch"),
        (("lstm", {"num_layers": 2}), "the state must fit the layer and the batch"),
        (("lstm", {"rows": 2}), r"expected State\(h \(1, 3, 4\)"),
    ],
)
def test_a_state_of_another_layer_or_batch_is_refused(other, message):
    layer, x, _ = run()
    name, options = other
    _, _, (_, foreign) = run(name, **options)
    with pytest.raises(ShapeError, match=message):
        layer(x, foreign)


def test_a_state_of_another_dtype_is_refused():
    layer, x, (_, state) = run()
    with pytest.raises(ShapeError, match="expected the state h to have the same dtype as the parameters"):
        layer(x, state.to(dtype=torch.float32))


# --- learned initial states -----------------------------------------------------------------------


def test_a_learned_initial_state_is_where_rows_begin_and_resets_go_back_to():
    layer, x, _ = run("gru", initial_state="learned", num_layers=2, bidirectional=True)
    names = [name for name, _ in layer.named_parameters() if name.startswith("initial.")]
    assert names == ["initial.l0.h", "initial.l0_reverse.h", "initial.l1.h", "initial.l1_reverse.h"]
    with torch.no_grad():
        for name in names:
            layer.get_parameter(name).normal_()
    starts = torch.stack([layer.get_parameter(name) for name in names])[:, None].expand(4, 3, 4)
    output, _ = layer(x)
    assert torch.equal(output, layer(x, starts)[0])
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[3] = True
    carried = torch.randn(4, 3, 4, dtype=F64)
    first, _ = layer(x[3:])
    cut, _ = layer(x, carried, resets=resets)
    one = Recurrent("gru", 2, 4, dtype=F64, initial_state="learned")
    one.initial["l0"]["h"].data.normal_()
    torch.testing.assert_close(one(x, carried[:1], resets=resets)[0][3:], one(x[3:])[0], rtol=0, atol=1e-12)
    assert not torch.allclose(cut[3:], layer(x[3:], carried)[0])
    assert first.shape == (3, 3, 8)


def test_the_gradient_goes_to_the_learned_state_from_beginnings_and_resets():
    layer, x, _ = run("elman", initial_state="learned")
    start = layer.initial["l0"]["h"]
    given = torch.randn(1, 3, 4, dtype=F64, requires_grad=True)
    layer(x, given)[0].sum().backward()
    assert start.grad is None or (start.grad == 0).all()
    resets = torch.zeros(6, 3, dtype=torch.bool)
    resets[0, 1] = True
    layer.zero_grad()
    given.grad = None
    layer(x, given, resets=resets)[0].sum().backward()
    assert (start.grad != 0).any()
    assert (given.grad[0, 1] == 0).all()
    assert (given.grad[0, 0] != 0).any()


def test_resetting_the_parameters_returns_learned_states_to_zero():
    layer, _, _ = run("elman", initial_state="learned")
    layer.initial["l0"]["h"].data.normal_()
    layer.reset_parameters()
    assert (layer.initial["l0"]["h"] == 0).all()
