"""`Ragged`: every kind it comes from and goes to, rows chosen from it, and what it refuses."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_sequence
from torch.utils.data import DataLoader

from unrolled import Ragged

LENGTHS = [[3, 0, 5, 1], [0], [0, 0, 0], [4], [2, 2, 2], [1, 2, 3, 4, 5], [7, 0, 7, 0, 1, 7, 2, 3, 3]]
BY_LENGTHS = pytest.mark.parametrize("lengths", LENGTHS, ids=str)
SIZES = st.lists(st.integers(0, 6), max_size=7)


def drawn(lengths, *inner, dtype=torch.float64):
    return [torch.randn(length, *(inner or (3,)), dtype=dtype) for length in lengths]


def batch(lengths, *inner):
    inner = inner or (3,)
    return Ragged(torch.randn(sum(lengths), *inner, dtype=torch.float64), lengths)


def same_rows(found, expected):
    assert len(found) == len(expected)
    for mine, other in zip(found, expected, strict=True):
        assert mine.dtype == other.dtype
        assert torch.equal(mine, other)


def by_hand(rows, time, batch_first, value):
    """The padded batch, entry by entry."""
    padded = torch.full((len(rows), time, *rows[0].shape[1:]), value, dtype=rows[0].dtype)
    for b, row in enumerate(rows):
        for t, entry in enumerate(row):
            padded[b, t] = entry
    return padded if batch_first else padded.transpose(0, 1)


# --- there and back -------------------------------------------------------------------------------


@BY_LENGTHS
@pytest.mark.parametrize("inner", [(), (3,), (2, 4)], ids=str)
def test_rows_come_back_as_they_were(lengths, inner):
    rows = [torch.randint(100, (length, *inner)) for length in lengths]
    ragged = Ragged.from_rows(rows)
    assert ragged.lengths.tolist() == lengths
    assert torch.equal(ragged.values, torch.cat(rows))
    same_rows(list(ragged), rows)
    same_rows(ragged.unbind(), rows)
    same_rows([ragged[b] for b in range(len(lengths))], rows)
    assert len(ragged) == len(lengths)


@BY_LENGTHS
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(("value", "steps"), [(0, None), (-1.5, 9), (float("nan"), None)])
def test_a_padded_batch(lengths, batch_first, value, steps):
    rows = drawn(lengths)
    time = max(lengths) if steps is None else steps
    padded = Ragged.from_rows(rows).padded(batch_first=batch_first, value=value, steps=steps)
    expected = by_hand(rows, time, batch_first, value)
    torch.testing.assert_close(padded, expected, rtol=0, atol=0, equal_nan=True)
    back = Ragged.from_padded(padded, lengths, batch_first=batch_first)
    assert back.equals(Ragged.from_rows(rows))


def test_it_pads_as_torch_does():
    rows = drawn([3, 1, 5])
    for batch_first in (False, True):
        expected = pad_sequence(rows, batch_first=batch_first, padding_value=-7.0)
        assert torch.equal(Ragged.from_rows(rows).padded(batch_first=batch_first, value=-7), expected)


def test_without_lengths_every_row_of_a_padded_batch_is_full():
    x = torch.randn(5, 2, 3)
    same_rows(list(Ragged.from_padded(x)), [x[:, 0], x[:, 1]])
    same_rows(list(Ragged.from_padded(x, batch_first=True)), list(x))


@pytest.mark.parametrize(
    "given", [[2, 0], (2, 0), np.array([2, 0]), torch.tensor([2.0, 0.0]), np.uint8([2, 0])]
)
def test_lengths_may_be_anything_that_holds_whole_numbers(given):
    ragged = Ragged(torch.ones(2, 3), given)
    assert ragged.lengths.dtype == torch.int64
    assert ragged.lengths.tolist() == [2, 0]
    assert Ragged.from_padded(torch.ones(4, 2, 3), given).equals(ragged)


def test_lengths_are_copied():
    lengths = torch.tensor([1, 2])
    ragged = Ragged(torch.ones(3, 1), lengths)
    lengths[0] = 7
    assert ragged.lengths.tolist() == [1, 2]


@pytest.mark.parametrize("lengths", [[3, 1, 5], [2, 2, 2], [1], [5, 4, 3], [1, 7, 7, 1, 2]], ids=str)
def test_a_packed_sequence_is_the_one_of_torch(lengths):
    rows = drawn(lengths)
    packed = Ragged.from_rows(rows).packed()
    expected = pack_sequence(rows, enforce_sorted=False)
    assert torch.equal(packed.data, expected.data)
    for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        assert torch.equal(getattr(packed, name), getattr(expected, name))
    same_rows(list(Ragged.from_packed(expected)), rows)
    in_order = pack_padded_sequence(pad_sequence(rows), torch.tensor(lengths), enforce_sorted=False)
    same_rows(list(Ragged.from_packed(in_order)), rows)


def test_a_packed_sequence_that_was_in_order_has_no_indices():
    rows = drawn([5, 2, 2])
    same_rows(list(Ragged.from_packed(pack_sequence(rows))), rows)


def test_a_packed_sequence_keeps_its_own_order_of_rows_of_one_length():
    rows = drawn([2, 2, 3])
    order = torch.tensor([2, 1, 0])
    theirs = pack_sequence([rows[b] for b in order])
    given = PackedSequence(theirs.data, theirs.batch_sizes, order, order.argsort())
    ragged = Ragged.from_packed(given)
    same_rows(list(ragged), rows)
    assert torch.equal(ragged.packed().data, given.data)
    assert torch.equal(ragged.packed().sorted_indices, order)


@BY_LENGTHS
def test_a_nested_tensor(lengths):
    rows = drawn(lengths)
    nested = Ragged.from_rows(rows).nested()
    assert nested.layout == torch.jagged
    same_rows(nested.unbind(), rows)
    back = Ragged.from_nested(torch.nested.nested_tensor(rows, layout=torch.jagged))
    assert back.lengths.tolist() == lengths
    same_rows(list(back), rows)


def test_nested_tensors_of_the_same_rows_can_be_added():
    ragged = batch([2, 0, 3])
    twice = ragged.nested() + ragged.map(lambda values: 2 * values).nested()
    assert torch.equal(twice.values(), 3 * ragged.values)
    nested = torch.nested.nested_tensor(drawn([2, 0, 3]), layout=torch.jagged)
    twice = nested + Ragged.from_nested(nested).map(lambda values: 2 * values).nested()
    assert torch.equal(twice.values(), 3 * nested.values())


def test_a_nested_tensor_with_gaps_between_its_rows():
    x = torch.randn(3, 5, 2)
    gaps = torch.nested.narrow(x, 1, torch.tensor([1, 0, 4]), torch.tensor([2, 0, 1]), layout=torch.jagged)
    same_rows(list(Ragged.from_nested(gaps)), [x[0, 1:3], x[1, :0], x[2, 4:]])
    longer = torch.nested.nested_tensor_from_jagged(x[0], torch.tensor([1, 3, 4]))
    same_rows(list(Ragged.from_nested(longer)), [x[0, 1:3], x[0, 3:4]])


def test_a_batch_without_rows():
    empty = Ragged(torch.empty(0, 3), [])
    assert len(empty) == empty.longest == empty.total == 0
    assert list(empty) == []
    assert empty.padded().shape == (0, 0, 3)
    assert empty.padded(batch_first=True, steps=2).shape == (0, 2, 3)
    assert Ragged.from_padded(torch.empty(4, 0, 3), []).equals(empty)
    assert Ragged.from_nested(empty.nested()).equals(empty)
    assert empty[[]].equals(empty) and empty[:].equals(empty)
    assert empty[torch.zeros(0, dtype=torch.bool)].equals(empty)
    assert Ragged.concatenate([empty, empty]).equals(empty)
    assert empty.map(torch.nn.Linear(3, 5)).values.shape == (0, 5)
    assert repr(empty) == "Ragged(values (0, 3) of torch.float32, lengths [])"


@given(SIZES, st.booleans(), st.integers(0, 2))
def test_every_way_round_is_exact(lengths, batch_first, extra):
    ragged = batch(lengths)
    steps = max(lengths, default=0) + extra
    padded = ragged.padded(batch_first=batch_first, value=float("nan"), steps=steps)
    assert Ragged.from_padded(padded, lengths, batch_first=batch_first).equals(ragged)
    assert Ragged.from_nested(ragged.nested()).equals(ragged)
    if lengths:
        assert Ragged.from_rows(list(ragged)).equals(ragged)
    if lengths and all(lengths):
        assert Ragged.from_packed(ragged.packed()).equals(ragged)


# --- rows of numbers, arrays, lists ---------------------------------------------------------------


def test_lists_and_arrays_are_rows():
    ragged = Ragged.from_rows([[7, 1, 4], [], [5]])
    assert ragged.values.tolist() == [7, 1, 4, 5] and ragged.dtype == torch.int64
    assert Ragged.from_rows([[[1.0, 2.0]], [], [[3.0, 4.0], [5.0, 6.0]]]).shape == (3, 2, 2)
    whole = np.arange(6.0).reshape(3, 2)
    whole.flags.writeable = False
    ragged = Ragged.from_rows([whole, whole[::-1], np.zeros((0, 2))])
    assert ragged.dtype == torch.float64
    same_rows(
        list(ragged)[:2], [torch.tensor(whole.tolist()).double(), torch.tensor(whole[::-1].tolist()).double()]
    )


def test_it_collates_for_a_loader():
    rows = drawn([2, 0, 3, 1])
    first, second = DataLoader(rows, batch_size=2, collate_fn=Ragged.from_rows)
    same_rows([*first, *second], rows)


# --- rows -----------------------------------------------------------------------------------------

CHOICES = [
    slice(None),
    slice(1, 3),
    slice(2, 1),
    slice(-2, None),
    slice(None, None, 2),
    slice(None, None, -1),
    [2, 0],
    [1, 1, -1],
    [],
    torch.tensor([3, 0]),
    np.array([-4, 2]),
    [True, False, False, True],
    torch.tensor([False, True, True, False]),
    np.array([False] * 4),
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_rows_are_chosen_as_by_numpy(choice):
    ragged = batch([3, 0, 5, 1])
    rows = list(ragged)
    numbers = np.arange(4)[choice or slice(0) if isinstance(choice, list) else choice]
    chosen = ragged[choice]
    assert isinstance(chosen, Ragged)
    same_rows(list(chosen), [rows[b] for b in numbers])


@pytest.mark.parametrize("number", [2, -2, np.int64(2), torch.tensor(2)], ids=repr)
def test_a_number_chooses_a_row(number):
    ragged = batch([3, 0, 5, 1])
    assert torch.equal(ragged[number], ragged.values[3:8])
    assert ragged[number].data_ptr() == ragged.values[3:].data_ptr()


@given(SIZES, st.data())
def test_chosen_rows_are_the_rows(lengths, data):
    ragged = batch(lengths)
    rows = list(ragged)
    numbers = data.draw(st.lists(st.sampled_from(range(len(lengths))), max_size=9)) if lengths else []
    same_rows(list(ragged[numbers]), [rows[b] for b in numbers])
    mask = data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    same_rows(
        list(ragged[torch.tensor(mask, dtype=torch.bool)]),
        [row for row, kept in zip(rows, mask, strict=True) if kept],
    )
    cut = data.draw(st.slices(len(lengths)))
    same_rows(list(ragged[cut]), rows[cut])


def test_batches_are_concatenated_row_by_row():
    first, second = batch([2, 0]), batch([3])
    whole = Ragged.concatenate([first, second, first])
    same_rows(list(whole), [*first, *second, *first])
    assert whole[:2].equals(first)


# --- values ---------------------------------------------------------------------------------------


def test_a_module_is_applied_to_all_values_at_once():
    symbols = Ragged.from_rows([[3, 1], [], [2, 2, 0]])
    table = torch.nn.Embedding(4, 5)
    embedded = symbols.map(table)
    same_rows(list(embedded), [table.weight[row] for row in symbols])
    halves = embedded.map(lambda a, b: a + 2 * b, embedded.detach())
    assert torch.equal(halves.values, 3 * embedded.values)
    assert embedded.requires_grad and not embedded.detach().requires_grad
    assert embedded.detach().equals(embedded)


def test_another_dtype_is_for_the_values_alone():
    ragged = batch([1, 2]).to(torch.float32)
    assert ragged.dtype == ragged.values.dtype == torch.float32
    assert ragged.to("cpu", torch.float16).dtype == torch.float16
    assert ragged.lengths.dtype == torch.int64
    on_meta = ragged.to("meta")
    assert on_meta.device.type == "meta"
    assert repr(on_meta) == "Ragged(values (3, 3) of torch.float32 on meta, lengths [1, 2])"


def test_equal_means_lengths_dtype_and_values():
    ragged = batch([1, 2])
    assert ragged.equals(Ragged(ragged.values.clone(), [1, 2]))
    assert not ragged.equals(Ragged(ragged.values, [2, 1]))
    assert not ragged.equals(Ragged(ragged.values + 1, [1, 2]))
    assert not ragged.equals(ragged.to(torch.float32).map(lambda values: values * 1))
    assert not ragged.equals(ragged.values)


def test_what_it_says_of_itself():
    ragged = batch([3, 0, 5, 1])
    assert repr(ragged) == "Ragged(values (9, 3) of torch.float64, lengths [3, 0, 5, 1])"
    assert repr(batch(range(10))).endswith("lengths [0, 1, 2, 3, 4, 5, 6, 7, ...] of 10 rows)")
    assert (ragged.batch_size, ragged.total, ragged.longest) == (4, 9, 5)
    assert ragged.shape == ragged.padded(batch_first=True).shape
    assert ragged.device == ragged.values.device


@pytest.mark.parametrize("change", [copy.copy, copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
def test_it_is_copied_and_pickled(change):
    ragged = batch([3, 0, 5, 1])
    assert change(ragged).equals(ragged)


def test_it_is_saved_and_loaded_without_code():
    file = io.BytesIO()
    ragged = batch([3, 0, 5, 1])
    torch.save({"batch": ragged}, file)
    file.seek(0)
    assert torch.load(file, weights_only=True)["batch"].equals(ragged)


# --- gradients ------------------------------------------------------------------------------------

MANY = [3, 0, 5, 1]
FULL = [3, 2, 5, 1]
WAYS = {
    "rows": (MANY, lambda v: torch.cat(Ragged.from_rows(list(Ragged(v, MANY)))[[2, 0]].unbind())),
    "padded": (MANY, lambda v: Ragged(v, MANY).padded()),
    "padded batch first": (MANY, lambda v: Ragged(v, MANY).padded(batch_first=True, value=float("-inf"))),
    "packed": (FULL, lambda v: Ragged(v, FULL).packed().data),
    "nested": (MANY, lambda v: Ragged(v, MANY).nested().values()),
    "a row": (MANY, lambda v: Ragged(v, MANY)[2]),
    "a slice": (MANY, lambda v: Ragged(v, MANY)[1:3].values),
    "rows again and again": (MANY, lambda v: Ragged(v, MANY)[[2, 2, 0]].values),
    "concatenated": (MANY, lambda v: Ragged.concatenate([Ragged(v, MANY)[2:], Ragged(v, MANY)]).values),
    "mapped": (MANY, lambda v: Ragged(v, MANY).map(torch.tanh).values),
    "another dtype": (MANY, lambda v: Ragged(v, MANY).to(torch.complex128).values.real),
}


@pytest.mark.parametrize("way", WAYS)
def test_gradients_of_what_it_goes_to_are_finite_differences(way):
    lengths, function = WAYS[way]
    values = batch(lengths).values.requires_grad_()
    weights = torch.linspace(1, 2, function(values).numel(), dtype=torch.float64)

    def loss(values):
        result = function(values).flatten()
        return (torch.where(result.isinf(), 0, result) * weights).sum()

    assert torch.autograd.gradcheck(loss, values)
    if way != "nested":  # torch cannot differentiate the values of nested tensors twice
        assert torch.autograd.gradgradcheck(loss, values)


@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients_of_a_padded_batch_are_the_weights_and_zero_at_padding(batch_first):
    rows = drawn(MANY)
    x = by_hand(rows, 6, batch_first, float("nan")).clone().requires_grad_()
    ragged = Ragged.from_padded(x, MANY, batch_first=batch_first)
    weights = drawn(MANY)
    (ragged.values * torch.cat(weights)).sum().backward()
    assert torch.equal(x.grad, by_hand(weights, 6, batch_first, 0.0))


def test_gradients_of_packed_and_nested_batches_are_the_weights():
    rows = [row.requires_grad_() for row in drawn(FULL)]
    weights = drawn(FULL)
    packed = pack_sequence(rows, enforce_sorted=False)
    (Ragged.from_packed(packed).values * torch.cat(weights)).sum().backward()
    same_rows([row.grad for row in rows], weights)
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged, requires_grad=True)
    (Ragged.from_nested(nested).values * torch.cat(weights)).sum().backward()
    same_rows(nested.grad.unbind(), weights)


def test_gradients_reach_only_the_real_rows_of_a_nested_tensor_with_gaps():
    x = torch.randn(3, 5, 2, dtype=torch.float64, requires_grad=True)
    gaps = torch.nested.narrow(x, 1, torch.tensor([1, 0, 4]), torch.tensor([2, 0, 1]), layout=torch.jagged)
    Ragged.from_nested(gaps).values.sum().backward()
    expected = torch.zeros(3, 5, 2, dtype=torch.float64)
    expected[0, 1:3] = expected[2, 4:] = 1
    assert torch.equal(x.grad, expected)


def test_gradients_may_be_asked_for():
    ragged = batch([2, 1]).requires_grad_()
    assert ragged.requires_grad
    ragged.map(torch.square).padded().sum().backward()
    assert torch.equal(ragged.values.grad, 2 * ragged.values.detach())
    assert not ragged.requires_grad_(False).requires_grad
