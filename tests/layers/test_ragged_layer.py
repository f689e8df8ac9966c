"""`Recurrent` answers in the kind it was given, and every row is what it would be alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_sequence
from torch.profiler import ProfilerActivity, profile

from tests.oracles.torch_networks import NETWORKS, H, I, pair, same_weight_gradients
from unrolled import Ragged, Recurrent, Regularise, State
from unrolled.equations import Cell
from unrolled.errors import ShapeError

LENGTHS = [3, 0, 7, 1, 7, 2]
OPTIONS = pytest.mark.parametrize(
    "options",
    [
        {},
        {"bidirectional": True, "initial_state": "learned"},
        {"num_layers": 3, "batch_first": True},
        {"num_layers": 2, "bidirectional": True, "batch_first": True},
    ],
    ids=["one layer", "bidirectional, learned state", "deep, batch first", "deep and bidirectional"],
)
CELLS = pytest.mark.parametrize("name", ["elman", "gru", "lstm", "mingru", "clockwork"])


def batch(lengths, width=I, dtype=torch.float32):
    return Ragged(torch.randn(sum(lengths), width, dtype=dtype), lengths)


def layer_of(name, *sizes, **options):
    made = Recurrent(name, *(sizes or (I, 8)), **options)
    with torch.no_grad():
        for value in made.initial.parameters() if made.initial is not None else ():
            value.normal_()
    return made


def start_of(layer, rows, dtype=torch.float32):
    return [torch.randn(layer.num_layers * layer.directions, rows, 8, dtype=dtype) for _ in layer.cell.states]


def same_state(mine: State, other: State) -> None:
    assert torch.equal(mine.clock, other.clock)
    for a, b in zip(mine.cells, other.cells, strict=True):
        for name in a.values:
            assert torch.equal(a.values[name], b.values[name])


def weighed(*tensors):
    """A scalar that weighs every number differently."""
    return sum((value * torch.linspace(1, 2, value.numel()).view_as(value)).sum() for value in tensors)


# --- the same numbers -----------------------------------------------------------------------------


@OPTIONS
@CELLS
def test_every_row_is_the_row_alone_to_the_bit(name, options):
    layer = layer_of(name, **options)
    assert layer.engine == "native"
    rows = batch(LENGTHS).requires_grad_()
    start = [value.requires_grad_() for value in start_of(layer, len(LENGTHS))]
    output, state = layer(rows, start)
    assert isinstance(output, Ragged) and output.lengths.tolist() == LENGTHS
    asked = [rows.values, *start]
    gradients = torch.autograd.grad(output.values.square().sum(), asked, materialize_grads=True)
    found = Ragged(gradients[0], LENGTHS)
    for b, row in enumerate(rows):
        x = row.detach().requires_grad_()
        own = [value[:, b : b + 1].detach().requires_grad_() for value in start]
        alone, end = layer(x.unsqueeze(0 if layer.batch_first else 1), own)
        assert torch.equal(output[b], alone.reshape(output[b].shape))
        same_state(state.rows([b]), end)
        expected = torch.autograd.grad(alone.square().sum(), [x, *own], materialize_grads=True)
        assert torch.equal(found[b], expected[0])
        for mine, other in zip(gradients[1:], expected[1:], strict=True):
            assert torch.equal(mine[:, b : b + 1], other)


@OPTIONS
@CELLS
def test_it_is_the_padded_batch_with_lengths(name, options):
    layer = layer_of(name, **options)
    first = layer.batch_first
    rows = batch(LENGTHS)
    padded = rows.padded(batch_first=first, value=float("nan"), steps=9).requires_grad_()
    rows.requires_grad_()
    output, state = layer(rows)
    expected, end = layer(padded, lengths=LENGTHS)
    assert torch.equal(output.padded(batch_first=first, steps=9), expected)
    same_state(state, end)
    parameters = list(layer.parameters())
    mine = torch.autograd.grad(
        output.values.square().sum() + weighed(*state), [rows.values, *parameters], materialize_grads=True
    )
    other = torch.autograd.grad(
        expected.square().sum() + weighed(*end), [padded, *parameters], materialize_grads=True
    )
    assert torch.equal(rows.with_values(mine[0]).padded(batch_first=first, steps=9), other[0])
    for a, b in zip(mine[1:], other[1:], strict=True):
        assert torch.equal(a, b)


@given(st.lists(st.integers(0, 5), max_size=6), st.booleans(), st.integers(1, 2))
def test_any_lengths_in_any_kind(lengths, bidirectional, depth):
    torch.manual_seed(sum(lengths))
    layer = layer_of("gru", 2, 3, depth, bidirectional, engine="reference")
    rows = batch(lengths, 2)
    output, state = layer(rows)
    for b, row in enumerate(rows):
        alone, end = layer(row)
        torch.testing.assert_close(output[b], alone)
        torch.testing.assert_close(state["h"][:, b], end["h"][:, 0])
    nested, state_of_nested = layer(rows.nested())
    assert Ragged.from_nested(nested).equals(output)
    same_state(state_of_nested, state)
    if lengths and all(lengths):
        packed, state_of_packed = layer(rows.packed())
        assert Ragged.from_packed(packed).equals(output)
        same_state(state_of_packed, state)


@pytest.mark.parametrize("lengths", [[], [0], [0, 0, 0]], ids=str)
def test_batches_without_rows_or_without_steps(lengths):
    layer = layer_of("lstm", num_layers=2, bidirectional=True)
    start = [value.requires_grad_() for value in start_of(layer, len(lengths))]
    rows = batch(lengths).requires_grad_()
    for given_rows in (rows, rows.nested()):
        output, state = layer(given_rows, start)
        found = output if isinstance(output, Ragged) else Ragged.from_nested(output)
        assert found.values.shape == (0, 16) and found.lengths.tolist() == lengths
        assert all(torch.equal(mine, other) for mine, other in zip(state, start, strict=True))
    gradients = torch.autograd.grad(weighed(*state), start)
    for mine, value in zip(gradients, start, strict=True):
        assert torch.equal(mine, torch.linspace(1, 2, value.numel()).view_as(value))


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_pieces_with_carried_state_are_the_whole(name):
    layer = layer_of(name)
    rows = batch(LENGTHS)
    whole, end = layer(rows)
    first = Ragged.from_rows([row[:2] for row in rows])
    rest = Ragged.from_rows([row[2:] for row in rows])
    begun, state = layer(first)
    ended, state = layer(rest, state)
    for b, row in enumerate(whole):
        assert torch.equal(torch.cat([begun[b], ended[b]]), row)
    same_state(state, end)


def test_layers_one_after_the_other_work_it_out_once():
    rows = batch(LENGTHS)
    output, _ = layer_of("gru")(rows)
    assert output.extents is rows.extents
    mapped = output.map(torch.nn.Linear(8, I))
    assert layer_of("lstm")(mapped)[0].extents is rows.extents


def test_whole_numbers_stand_for_one_hot_vectors():
    layer = layer_of("gru")
    symbols = Ragged.from_rows([[0, 4, 1], [], [2, 2]])
    expected, end = layer(symbols.map(lambda numbers: torch.nn.functional.one_hot(numbers, I).float()))
    for kind in (symbols, symbols.nested()):
        output, state = layer(kind)
        found = output if isinstance(output, Ragged) else Ragged.from_nested(output)
        torch.testing.assert_close(found.values, expected.values)
        torch.testing.assert_close(state["h"], end["h"])


@pytest.mark.parametrize("checkpoint", [None, 4000])
def test_masks_and_segments_are_those_of_the_padded_batch(checkpoint):
    drops = Regularise(input=0.3, recurrent=0.3, output=0.2, zoneout=0.2, connections=0.1)
    layer = layer_of(
        "gru", num_layers=2, bidirectional=True, dropout=0.3, regularise=drops, checkpoint=checkpoint
    )
    rows = batch(LENGTHS)
    answers = []
    for x, lengths in ((rows, None), (rows.padded(), LENGTHS)):
        torch.manual_seed(3)
        answers.append(layer(x, lengths=lengths))
    (output, state), (expected, end) = answers
    assert torch.equal(output.padded(), expected)
    same_state(state, end)
    assert not torch.equal(output.values, layer.eval()(rows)[0].values)


def test_autocast_casts_the_values():
    layer, rows = layer_of("gru"), batch(LENGTHS)
    half = rows.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        output, _ = layer(half)
    assert torch.equal(output.values, layer(half.to(torch.float32))[0].values)


def test_a_compiled_layer_takes_it_too():
    layer, rows = layer_of("gru"), batch(LENGTHS)
    compiled = torch.compile(layer, backend="eager")
    for kind in (rows, rows[[0, 2]].packed()):
        output, state = compiled(kind)
        expected, end = layer(kind)
        assert type(output) is type(kind)
        values = (
            (output.data, expected.data)
            if isinstance(kind, PackedSequence)
            else (output.values, expected.values)
        )
        assert torch.equal(*values)
        same_state(state, end)


# --- the other kinds ------------------------------------------------------------------------------


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_packed_sequence_gives_what_torch_gives(name, in_order):
    theirs, ours = pair(name, num_layers=2, bidirectional=True)
    lengths = [7, 5, 5, 2] if in_order else [2, 5, 7, 5]
    rows = [torch.randn(length, I, dtype=torch.float64, requires_grad=True) for length in lengths]
    start = [torch.randn(4, 4, H, dtype=torch.float64) for _ in ours.cell.states]
    packed = pack_sequence(rows, enforce_sorted=in_order)
    expected, their_end = theirs(packed, tuple(start) if len(start) > 1 else start[0])
    output, end = ours(packed, start)
    assert isinstance(output, PackedSequence)
    for mine, other in zip(output[1:], expected[1:], strict=True):
        assert (mine is None and other is None) or torch.equal(mine, other)
    torch.testing.assert_close(output.data, expected.data, rtol=0, atol=1e-12)
    ends = their_end if isinstance(their_end, tuple) else (their_end,)
    for mine, other in zip(end, ends, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)
    weights = torch.randn_like(expected.data)
    wanted = torch.autograd.grad(
        (expected.data * weights).sum() + sum(ends).square().sum(), rows, retain_graph=True
    )
    found = torch.autograd.grad(
        (output.data * weights).sum() + sum(end).square().sum(), rows, retain_graph=True
    )
    for mine, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-11)
    (expected.data * weights).sum().backward(retain_graph=True)
    (output.data * weights).sum().backward()
    same_weight_gradients(name, theirs, ours)


def test_a_nested_tensor_gives_one_that_can_be_added_to_it():
    layer = layer_of("gru", 8, 8)
    rows = [torch.randn(length, 8) for length in LENGTHS]
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged, requires_grad=True)
    output, state = layer(nested)
    residual = nested + output
    expected, end = layer(Ragged.from_rows(rows).requires_grad_())
    assert torch.equal(output.values(), expected.values)
    same_state(state, end)
    residual.values().square().sum().backward()
    for b, row in enumerate(rows):
        x = row.clone().requires_grad_()
        (x + layer(x)[0]).square().sum().backward()
        torch.testing.assert_close(nested.grad.unbind()[b], x.grad)


# --- forced states, resets, static inputs ---------------------------------------------------------


def both(rows, first, value=0):
    """What goes with a ragged batch: ragged, padded, padded further, nested."""
    padded = rows.padded(batch_first=first, value=value)
    further = rows.padded(batch_first=first, value=value, steps=rows.longest + 2)
    return rows, padded, further, rows.nested()


@pytest.mark.parametrize("first", [False, True])
@CELLS
def test_resets_are_those_of_each_row(name, first):
    layer = layer_of(name, bidirectional=True, num_layers=2, initial_state="learned", batch_first=first)
    rows = batch(LENGTHS)
    cuts = Ragged(torch.rand(rows.total) < 0.4, LENGTHS)
    for resets in both(cuts, first, value=True):
        output, state = layer(rows, resets=resets)
        for b, row in enumerate(rows):
            alone, end = layer(row, resets=cuts[b])
            assert torch.equal(output[b], alone)
            same_state(state.rows([b]), end)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("name", ["elman", "lstm"])
def test_forced_states_are_those_of_each_row(name, first):
    layer = layer_of(name, batch_first=first)
    rows, targets = batch(LENGTHS), batch(LENGTHS, 8)
    for forced in both(targets, first, value=float("nan")):
        output, state = layer(rows, forced={"h": forced})
        for b, row in enumerate(rows):
            alone, end = layer(row, forced={"h": targets[b]})
            assert torch.equal(output[b], alone)
            same_state(state.rows([b]), end)


def test_everything_goes_with_a_packed_sequence():
    made = Cell.from_text(
        '@cell(static=("v",))\ndef c(x, h, v, *, W, U, C):\n    return tanh(W @ x + U @ h + C @ v)\n'
    )
    layer = layer_of(made, sizes={"v": 2})
    lengths = [2, 5, 5]
    rows, cuts = batch(lengths), Ragged(torch.rand(12) < 0.5, lengths)
    static = torch.randn(3, 2)
    for resets in (cuts, cuts.packed(), cuts.padded()):
        output, state = layer(rows.packed(), resets=resets, static={"v": static})
        for b, row in enumerate(Ragged.from_packed(output)):
            alone, end = layer(rows[b], resets=cuts[b], static={"v": static[b]})
            assert torch.equal(row, alone)
            same_state(state.rows([b]), end)


# --- what it costs --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "selects"), [("ragged", 2), ("nested", 2), ("packed", 0)])
def test_values_are_moved_once_on_the_way_in_and_once_on_the_way_out(kind, selects):
    layer = layer_of("gru", num_layers=2, bidirectional=True)
    lengths = [3, 17, 5, 11]
    rows = batch(lengths)
    given_rows = {"ragged": rows, "nested": rows.nested(), "packed": rows.packed()}[kind]
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        layer(given_rows)
    shapes = [
        (event.name, shape) for event in seen.events() for shape in event.input_shapes if len(shape) > 1
    ]
    assert sum(name == "aten::index_select" and shape[0] == sum(lengths) for name, shape in shapes) == selects
    assert not [
        shape for _, shape in shapes if shape[0] == 17 * 4 or (len(shape) == 3 and {*shape[:2]} == {17, 4})
    ]


# --- refusals -------------------------------------------------------------------------------------

ROWS = Ragged(torch.ones(9, I), [4, 5])
REFUSED = {
    "lengths": ({"lengths": [4, 5]}, "a ragged batch has its own lengths. Leave lengths= and steps= out"),
    "steps": ({"steps": 5}, "a ragged batch has its own lengths"),
    "resets of other rows": (
        {"resets": Ragged(torch.zeros(9, dtype=torch.bool), [5, 4])},
        r"resets must have the lengths of the input, \[4, 5\], got \[5, 4\]. Correct them",
    ),
    "resets of numbers": ({"resets": Ragged(torch.zeros(9), [4, 5])}, r"resets must be bool, .* got torch.float32"),
    "resets of vectors": ({"resets": torch.zeros(5, 2, 3, dtype=torch.bool)}, r"bool, .* = \(9, 3\)"),
    "too few resets": (
        {"resets": torch.zeros(4, 2, dtype=torch.bool)}, r"resets must be \(T, B, ...\) = \(5, 2, ...\) or a Ragged",
    ),
    "a list of resets": ({"resets": [True]}, "resets must be a tensor or a Ragged, got list"),
    "flat resets": ({"resets": torch.zeros(9, dtype=torch.bool)}, r"or a Ragged, got \(9,\)"),
    "forced of other rows": ({"forced": {"h": ROWS[:1]}}, r"forced h must have the lengths of the input, \[4, 5\]"),
    "forced of another size": (
        {"forced": {"h": ROWS}}, r"forced h must be \(N, n\) = \(9, 8\) at the real steps, got \(9, 5\)",
    ),
    "forced of another dtype": (
        {"forced": {"h": Ragged(torch.ones(9, 8, dtype=torch.float64), [4, 5])}},
        "expected forced h to have the same dtype as the parameters",
    ),
    "a state of other rows": ({"state": torch.ones(1, 3, 8)}, r"the state h must be .* = \(1, 2, 8\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_with_a_ragged_batch_is_refused(case):
    arguments, message = REFUSED[case]
    with pytest.raises(ShapeError, match=message):
        layer_of("elman")(ROWS, **arguments)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_of_the_other_layout_are_refused():
    nested = torch.nested.nested_tensor(list(ROWS))
    with pytest.raises(ShapeError, match=r"must have layout=torch.jagged, got torch.strided. Make it by"):
        layer_of("elman")(nested)
    with pytest.raises(ShapeError, match=r"\(B, j, ...\) with layout=torch.jagged, got a Tensor"):
        Ragged.from_nested(nested)


def test_the_layout_in_the_message_is_the_layers():
    with pytest.raises(ShapeError, match=r"resets must be \(B, T, ...\) = \(2, 5, ...\) or a Ragged"):
        layer_of("elman", batch_first=True)(ROWS, resets=torch.zeros(5, 2, dtype=torch.bool))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (ROWS.map(lambda values: values[:, :3]), f"the input must have I={I} entries a step, got 3"),
        (ROWS.map(lambda values: values[:, 0]), r"the values of the input must be \(N, I\), got \(9,\)"),
        (ROWS.map(lambda values: values.long()), r"must be \(N,\) whole numbers, got \(9, 5\)"),
        (ROWS.to(torch.float64), "expected the input to have the same dtype as the parameters"),
        (Ragged.from_rows([[I]]), f"indices must lie from 0 to I-1 = {I - 1}, got {I} to {I}"),
        (ROWS.nested().transpose(1, 2), r"a nested tensor must be \(B, j, ...\)"),
        (
            PackedSequence(torch.ones(9, I), torch.tensor([2, 3, 4])),
            "batch_sizes that never grow and add up to N=9",
        ),
        (
            PackedSequence(torch.ones(9, I), torch.tensor([5, 3])),
            r"add up to N=9, got \[5, 3\]. Make it by torch",
        ),
    ],
    ids=["width", "flat", "indices", "dtype", "index", "transposed", "growing", "incomplete"],
)
def test_ragged_inputs_that_do_not_fit_are_refused(x, message):
    with pytest.raises(ShapeError, match=message):
        layer_of("elman")(x)
