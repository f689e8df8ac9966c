"""Stacks of layers against their layers run one by one."""

import pytest
import torch

from unrolled.errors import EquationError, SettingError, ShapeError
from unrolled.layers import Ragged, Recurrent

T, B, I = 6, 3, 4


def stack(hidden_size=5, **options):
    torch.manual_seed(1)
    return Recurrent("lstm", I, hidden_size, dtype=torch.float64, **options)


def input_of():
    torch.manual_seed(2)
    return torch.randn(T, B, I, dtype=torch.float64)


def one(layer, name, reverse=False):
    """One layer and direction of a stack, as a function of its input (T, B, n)."""
    weights = layer.weights[name].items()
    hidden, inputs = weights["W_i"].shape
    alone = Recurrent("lstm", inputs, hidden, dtype=torch.float64)
    alone.weights["l0"].load_state_dict(layer.weights[name].state_dict())
    return lambda x: alone(x.flip(0))[0].flip(0) if reverse else alone(x)[0]


def both(layer, number):
    return one(layer, f"l{number}"), one(layer, f"l{number}_reverse", reverse=True)


def test_every_layer_has_its_own_width():
    layer, x = stack([7, 2, 5]), input_of()
    output, state = layer(x)
    expected = one(layer, "l2")(one(layer, "l1")(one(layer, "l0")(x)))
    assert torch.equal(output, expected)
    assert [cell.values["c"].shape for cell in state.cells] == [(1, B, 7), (1, B, 2), (1, B, 5)]
    assert (layer.num_layers, layer.widths, layer.output_size) == (3, [7, 2, 5], 5)


def test_residual_connections_add_the_input_of_a_layer_from_the_second_on():
    layer, x = stack(num_layers=3, residual=True), input_of()
    first = one(layer, "l0")(x)
    second = one(layer, "l1")(first) + first
    assert torch.equal(layer(x)[0], one(layer, "l2")(second) + second)


def test_skips_give_the_output_of_all_layers():
    layer, x = stack([3, 5], skip=True), input_of()
    first = one(layer, "l0")(x)
    assert torch.equal(layer(x)[0], torch.cat([first, one(layer, "l1")(first)], -1))
    assert layer.output_size == 8


@pytest.mark.parametrize("merge", ["concat", "sum", "separate"])
def test_two_directions_are_merged_as_wished(merge):
    layer, x = stack(num_layers=2, bidirectional=True, merge=merge), input_of()
    forward, backward = (run(x) for run in both(layer, 0))
    below = forward + backward if merge == "sum" else torch.cat([forward, backward], -1)
    forward, backward = (run(below) for run in both(layer, 1))
    expected = {
        "concat": torch.cat([forward, backward], -1),
        "sum": forward + backward,
        "separate": torch.stack([forward, backward], -2),
    }[merge]
    assert torch.equal(layer(x)[0], expected)
    assert layer.output_size == (5 if merge == "sum" else 10)


def test_layouts_and_ragged_batches_keep_the_directions_apart():
    layer, x, lengths = stack(bidirectional=True, merge="separate"), input_of(), [6, 0, 4]
    output = layer(x, lengths=lengths)[0]
    assert output.shape == (T, B, 2, 5)
    assert torch.equal(layer(Ragged.from_padded(x, lengths))[0].padded(), output)
    first = stack(bidirectional=True, merge="separate", batch_first=True)
    assert torch.equal(first(x.transpose(0, 1), lengths=lengths)[0], output.transpose(0, 1))


@pytest.mark.parametrize("cell", ["gru", "lstm", "jordan", "lstm_projected"])
def test_a_projection_is_a_matrix_on_the_output(cell):
    torch.manual_seed(1)
    sizes = {"jordan": {"output": 3}, "lstm_projected": {"projection": 3}}.get(cell, {})
    layer = Recurrent(cell, I, 5, bidirectional=True, projection=2, sizes=sizes, dtype=torch.float64)
    plain = Recurrent(cell, I, 5, bidirectional=True, sizes=sizes, dtype=torch.float64)
    for name in ("l0", "l0_reverse"):
        known = layer.weights[name].state_dict()
        plain.weights[name].load_state_dict({n: v for n, v in known.items() if n != "P_projected"})
    x = input_of()
    output, state = layer(x)
    wide, end = plain(x)
    parts = zip(
        wide.chunk(2, -1), (layer.cell_weights(n)["P_projected"] for n in ("l0", "l0_reverse")), strict=True
    )
    torch.testing.assert_close(output, torch.cat([v @ p.T for v, p in parts], -1), rtol=1e-12, atol=1e-14)
    for name in end.names:
        torch.testing.assert_close(state[name], end[name], rtol=1e-12, atol=1e-14)
    assert layer.output_size == 4
    assert Recurrent("gru", I, 5, num_layers=3, projection=I, residual=True)(x.float())[0].shape == (T, B, I)


def test_gradients_pass_by_the_layers():
    layer, x = stack(4, num_layers=2, residual=True, skip=True), input_of().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x)[0], x)


def test_a_compiled_stack_is_the_stack():
    layer, x = stack(4, num_layers=2, bidirectional=True, merge="sum", residual=True, skip=True), input_of()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x)[0], layer(x)[0])


def test_a_stream_of_a_stack_with_residuals_gives_its_steps():
    layer, x = stack(4, num_layers=2, residual=True), input_of()
    stream = layer.stream(batch_size=B)
    assert "called at every step: only layers that read no more than the one below" in stream.engine
    assert torch.equal(torch.stack([stream.step(frame) for frame in x]), layer(x)[0])


@pytest.mark.parametrize("lengths", [None, [6, 0, 4]])
def test_records_are_the_values_of_the_equations(lengths):
    layer, x = stack(num_layers=2, bidirectional=True), input_of()
    output, state, records = layer(x, lengths=lengths, record=("f", "c", "o"))
    assert torch.equal(output, layer(x, lengths=lengths)[0])
    assert [len(records[name]) for name in ("f", "c", "o")] == [4, 4, 4]
    last = torch.cat([records["o"][2] * records["c"][2].tanh(), records["o"][3] * records["c"][3].tanh()], -1)
    torch.testing.assert_close(output, last, rtol=1e-12, atol=1e-14)
    assert torch.equal(
        records["c"][1][0], state.cells[1].values["c"][0] * (output.abs().sum(-1)[0] > 0)[:, None]
    )


def test_gradients_flow_through_records():
    layer, x = stack(3), input_of().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: tuple(layer(x, record=("i", "candidate"))[2]["candidate"]), x)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"merge": "product"}, SettingError, "merge must be concat, sum, separate, got 'product'"),
        ({"merge": "separate", "skip": True}, SettingError, "Leave one out"),
        (
            {"hidden_size": [3, 4], "residual": True},
            ShapeError,
            "input of layer 1, of size 3, to its output, of size 4",
        ),
        ({"hidden_size": [3, 4], "num_layers": 3}, ShapeError, "one entry for each of the layers"),
        ({"hidden_size": []}, ShapeError, "one entry for each of the layers"),
        ({"hidden_size": [3, 0]}, ShapeError, "hidden_size must be a whole number >= 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        stack(**options)


def test_an_unknown_record_is_refused():
    with pytest.raises((EquationError, SettingError), match="gate"):
        stack()(input_of(), record=("gate",))
