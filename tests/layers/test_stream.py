"""Streams: the layer's own results, frame by frame."""

from __future__ import annotations

import pytest
import torch

from tests.contract.cases import cases
from unrolled.cells import catalogue
from unrolled.equations import Cell
from unrolled.errors import SettingError, ShapeError
from unrolled.layers import Recurrent, State

NEWEST_TWO = "def newest_two(x, p, h, *, W, U, V):\n    return W @ x, tanh(U @ p + V @ h)\n"
CONDITIONED = (
    '@cell(static=("context",))\n'
    "def conditioned(x, h, context, *, W, U, V):\n    return tanh(W @ x + U @ h + V @ context)\n"
)


def layer_of(cell: Cell | str, *args: int, **options: object) -> Recurrent:
    torch.manual_seed(2)
    known = catalogue()[cell] if isinstance(cell, str) else cell
    sizes = {name: 3 + i for i, name in enumerate(known.named_sizes)}
    return Recurrent(cell, *args, **{"sizes": sizes, **options})


@torch.no_grad()
def whole(layer: Recurrent, x: torch.Tensor, *args: object, **options: object) -> tuple[torch.Tensor, State]:
    return layer(x, *args, **options)


def same(one: State, other: State) -> bool:
    return torch.equal(one.clock, other.clock) and all(
        torch.equal(a.values[name], b.values[name])
        for a, b in zip(one.cells, other.cells, strict=True)
        for name in a.values
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_frames_have_the_bits_of_the_whole_sequence(case, dtype):
    for layers, rows in ((1, 1), (2, 3)):
        torch.manual_seed(3)
        layer = Recurrent(case.cell, 5, 8, layers, sizes=case.sizes, dtype=dtype)
        x = torch.randn(7, rows, 5, dtype=dtype)
        static = {
            name: torch.randn(rows, case.sizes[name], dtype=dtype) for name in case.cell.signature.statics
        }
        blank = layer._start_state(rows)
        state = {name: torch.randn(blank[name].shape, dtype=dtype) for name in blank.names}
        output, end = whole(layer, x, state, static=static)
        stream = layer.stream(state, static=static)
        assert torch.equal(torch.stack([stream.step(frame) for frame in x]), output)
        assert same(stream.state, end)


@pytest.mark.parametrize("name", list(catalogue()))
def test_every_catalogued_cell_is_kept_in_the_core(name):
    assert layer_of(name, 5, 8).stream().engine == "native"


@pytest.mark.parametrize("rows", [1, 2, 97])
@pytest.mark.parametrize("name", ["lstm", "clockwork", "skip_in_time", "mingru"])
def test_any_cut_into_blocks_gives_the_same_bits(name, rows):
    layer = layer_of(name, 5, 8, 2)
    x = torch.randn(230, rows, 5)
    output, end = whole(layer, x)
    stream = layer.stream(batch_size=rows)
    pieces = [stream.step(piece) for piece in x.split([1, 3, 0, 99, 127])]
    assert torch.equal(torch.cat(pieces), output)
    assert same(stream.state, end)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_wide_layers_on_several_threads(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        layer = layer_of("gru", 64, 512)
        x = torch.randn(3, 2, 64)
        stream = layer.stream(batch_size=2)
        assert torch.equal(torch.stack([stream.step(frame) for frame in x]), whole(layer, x)[0])
    finally:
        torch.set_num_threads(before)


def test_numbers_stand_for_one_hot_vectors():
    layer = layer_of("gru", 6, 7, 2)
    x = torch.randint(0, 6, (5, 2))
    stream = layer.stream(batch_size=2)
    frames = torch.stack([*(stream.step(frame) for frame in x[:3]), *stream.step(x[3:].int())])
    assert torch.equal(frames, whole(layer, x)[0])
    before = stream.state
    with pytest.raises(ShapeError, match="indices must lie from 0 to I-1 = 5, got 1 to 6"):
        stream.step(torch.tensor([[1, 2], [3, 6]]))
    assert same(stream.state, before)
    with pytest.raises(ShapeError, match="indices must lie"):
        stream.step(torch.tensor([-1, 2]))


def test_batch_first_blocks():
    layer = layer_of("lstm", 5, 7, batch_first=True)
    x = torch.randn(3, 4, 5)
    stream = layer.stream(batch_size=3)
    output = torch.cat([stream.step(x[:, :3]), stream.step(x[:, 3])[:, None]], 1)
    assert torch.equal(output, whole(layer, x)[0])


def test_it_goes_on_from_a_state_and_hands_one_on():
    layer = layer_of("skip_in_time", 5, 8)
    x = torch.randn(9, 2, 5)
    output, end = whole(layer, x)
    _, middle = whole(layer, x[:4])
    stream = layer.stream(middle)
    assert stream.batch_size == 2
    assert torch.equal(stream.step(x[4:]), output[4:])
    output, state = whole(layer, x, stream.state)
    assert torch.equal(stream.step(x), output) and same(stream.state, state)
    stream.state = middle
    assert torch.equal(stream.step(x[4:]), whole(layer, x)[0][4:]) and same(stream.state, end)


def test_learned_initial_states():
    layer = layer_of("lstm", 5, 8, initial_state="learned")
    with torch.no_grad():
        for parameter in layer.initial.parameters():
            parameter.uniform_(-1, 1)
    x = torch.randn(3, 1, 5)
    assert torch.equal(layer.stream().step(x), whole(layer, x)[0])


def test_a_state_that_was_read_stays_as_it_was():
    stream = layer_of("gru", 5, 8).stream()
    stream.step(torch.randn(1, 5))
    state = stream.state
    h = state["h"].clone()
    stream.step(torch.randn(1, 5))
    assert torch.equal(state["h"], h)


def test_outputs_are_copies_unless_out_is_given():
    stream = layer_of("elman", 5, 8).stream()
    first = stream.step(torch.randn(1, 5))
    kept, out = first.clone(), torch.empty(1, 8)
    assert stream.step(torch.randn(1, 5), out) is out
    assert torch.equal(first, kept)
    assert torch.equal(out, stream.state["h"][0])
    block = torch.empty(4, 1, 8)
    stream.step(torch.randn(4, 1, 5), out=block)
    assert torch.equal(block[-1], stream.state["h"][0])


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_parameters_are_a_snapshot(engine):
    layer = layer_of("lstm", 5, 8, engine=engine)
    x = torch.randn(1, 5)
    stream, untouched = layer.stream(), layer.stream()
    before, expected = stream.state, untouched.step(x)
    for parameter in layer.parameters():
        parameter.data.mul_(0.5)
    assert torch.equal(stream.step(x), expected)
    stream.state = before
    stream.refresh()
    halved = stream.step(x)
    assert not torch.equal(halved, expected)
    assert torch.equal(halved, whole(layer, x[None])[0][0])


@pytest.mark.parametrize("indices", [False, True])
def test_what_the_core_cannot_keep_is_a_call_a_step_and_says_so(indices):
    layer = Recurrent(Cell.from_text(NEWEST_TWO), 5, 8)
    stream = layer.stream(batch_size=2)
    assert stream.engine.startswith("native, called at every step: its state p is no part of the loop")
    x = torch.randint(0, 5, (4, 2)) if indices else torch.randn(4, 2, 5)
    output, end = whole(layer, x)
    assert torch.equal(torch.stack([stream.step(frame) for frame in x]), output)
    assert same(stream.state, end)


def test_another_engine_is_called_at_every_step():
    layer = layer_of("lstm", 5, 8, engine="reference")
    stream = layer.stream()
    assert stream.engine.startswith("reference, called at every step: only the native engine keeps")
    assert "runs on: reference, called" in repr(stream)
    x = torch.randn(3, 1, 5)
    torch.testing.assert_close(torch.cat([stream.step(x[:1]), stream.step(x[1:])]), whole(layer, x)[0])


def test_static_inputs_are_a_snapshot_too():
    layer = Recurrent(Cell.from_text(CONDITIONED), 5, 8, sizes={"context": 3})
    context, x = torch.randn(2, 3), torch.randn(4, 2, 5)
    output, _ = whole(layer, x, static={"context": context})
    stream = layer.stream(batch_size=2, static={"context": context})
    context.zero_()
    assert torch.equal(torch.stack([stream.step(frame) for frame in x]), output)


def test_other_layouts_in_memory():
    layer = layer_of("gru", 5, 8)
    x = torch.randn(2, 5, 6).permute(2, 0, 1)
    assert torch.equal(layer.stream(batch_size=2).step(x), whole(layer, x)[0])
    stream = layer.stream(batch_size=2)
    assert torch.equal(torch.stack([stream.step(frame) for frame in x]), whole(layer, x)[0])


def test_no_gradient_flows():
    assert not layer_of("gru", 5, 8).stream().step(torch.randn(1, 5, requires_grad=True)).requires_grad


def test_refusals():
    with pytest.raises(SettingError, match=r"a bidirectional layer reads them. Use bidirectional=False."):
        layer_of("gru", 5, 8, bidirectional=True).stream()
    with pytest.raises(ShapeError, match="batch_size must be a whole number >= 1, got 0"):
        layer_of("gru", 5, 8).stream(batch_size=0)
    stream = layer_of("gru", 5, 8).stream(batch_size=2)
    for wrong in (torch.zeros(2, 4), torch.zeros(3, 5), torch.zeros(5), torch.zeros(2, 5).double()):
        with pytest.raises(
            ShapeError, match=r"a frame must be \(2, 5\) and a block \(T, 2, 5\) of torch.float32"
        ):
            stream.step(wrong)
    with pytest.raises(ShapeError, match=r"a frame must be a tensor, got list\. Use torch"):
        stream.step([1.0])
    for wrong in (torch.zeros(2, 7), torch.zeros(2, 8).double(), torch.zeros(8, 2).t()):
        with pytest.raises(ShapeError, match=r"out must be contiguous \(2, 8\) of torch.float32 on cpu"):
            stream.step(torch.zeros(2, 5), wrong)
    with pytest.raises(ShapeError, match=r"the state h must be"):
        layer_of("gru", 5, 8).stream(torch.zeros(1, 1, 7))
