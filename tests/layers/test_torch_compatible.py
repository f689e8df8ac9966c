"""`RNN`, `GRU` and `LSTM` are torch.nn's: results, gradients, arguments, weights and errors."""

import inspect
import itertools
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence

import unrolled
from tests.layers.torch_pairs import (
    PAIRS,
    H,
    I,
    as_tuple,
    hidden,
    leaves,
    pair,
    same_gradients,
    same_results,
    weighed,
)
from unrolled.errors import EngineError

T, B = 9, 4
OPTIONS = {
    "one layer": {},
    "no bias": {"bias": False},
    "batch first": {"batch_first": True},
    "deep": {"num_layers": 3},
    "both ways": {"bidirectional": True},
    "all": {"num_layers": 2, "bidirectional": True, "batch_first": True, "bias": False},
}
CASES = [
    *((name, options) for name in PAIRS for options in OPTIONS.values()),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("RNN", {"nonlinearity": "relu", "bias": False, "bidirectional": True}),
    ("LSTM", {"proj_size": 3}),
    ("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True, "batch_first": True}),
    ("LSTM", {"proj_size": 1, "bias": False, "num_layers": 2}),
]
EVERY = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{name} {options}" for name, options in CASES]
)
BY_NAME = pytest.mark.parametrize("name", PAIRS)


def batch(options):
    return torch.randn((B, T, I) if options.get("batch_first") else (T, B, I), dtype=torch.float64)


def run_both(name, options, x, states, call=lambda module, *given: module(*given)):
    """Results of both and all gradients compared; returns ours."""
    theirs, ours = pair(name, **options)
    found = []
    for module in (theirs, ours):
        given = leaves((x, states)) if states is not None else (leaves(x), None)
        output, final = call(module, *given)
        results = (output, *as_tuple(final))
        weighed(results).backward()
        found.append((module, results, [given[0], *(as_tuple(given[1]) if states is not None else ())]))
    (_, expected, their_leaves), (_, results, our_leaves) = found
    same_results(results, expected)
    same_gradients(ours, theirs, our_leaves, their_leaves)
    return results


@EVERY
@pytest.mark.parametrize("given", [True, False], ids=["states", "no states"])
def test_results_and_all_gradients(name, options, given):
    states = hidden(pair(name, **options)[0], B) if given else None
    run_both(name, options, batch(options), states)


@EVERY
@pytest.mark.parametrize("given", [True, False], ids=["states", "no states"])
def test_one_sequence_without_a_batch(name, options, given):
    states = hidden(pair(name, **options)[0]) if given else None
    run_both(name, options, torch.randn(T, I, dtype=torch.float64), states)


@EVERY
@pytest.mark.parametrize("ordered", [True, False], ids=["sorted", "unsorted"])
@pytest.mark.parametrize("given", [True, False], ids=["states", "no states"])
def test_packed_sequences(name, options, ordered, given):
    lengths = [9, 6, 3, 1] if ordered else [3, 9, 1, 6]
    batch_first = options.get("batch_first", False)
    states = hidden(pair(name, **options)[0], B) if given else None

    def call(module, x, hx):
        packed = pack_padded_sequence(
            x, torch.tensor(lengths), batch_first=batch_first, enforce_sorted=ordered
        )
        output, final = module(packed, hx)
        assert isinstance(output, PackedSequence)
        for mine, theirs in zip(output[1:], packed[1:], strict=True):
            assert mine is theirs
        return output.data, final

    run_both(name, options, batch(options), states, call)


@BY_NAME
@pytest.mark.parametrize(("time", "rows"), [(1, 1), (1, 5), (37, 1), (3, 37)])
def test_odd_and_single_sizes(name, time, rows):
    run_both(
        name, {"num_layers": 2, "bidirectional": True}, torch.randn(time, rows, I, dtype=torch.float64), None
    )


@BY_NAME
def test_sizes_of_one(name):
    theirs, ours = pair(name, 1, 1)
    x = torch.randn(3, 2, 1, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-12)


@BY_NAME
def test_float32_stays_close_to_torch(name):
    theirs, ours = pair(name, num_layers=2, dtype=None)
    assert ours.weight_ih_l0.dtype == torch.float32
    x = torch.randn(T, B, I)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-5, atol=1e-6)


@BY_NAME
def test_a_sequence_of_no_steps_gives_its_state_back(name):
    """Torch refuses it; a stream that has nothing to say is no error here."""
    theirs, ours = pair(name, bidirectional=True)
    states = hidden(theirs, B)
    output, final = ours(torch.zeros(0, B, I, dtype=torch.float64), states)
    assert output.shape == (0, B, 2 * H)
    for mine, given in zip(as_tuple(final), as_tuple(states), strict=True):
        assert torch.equal(mine, given)


@BY_NAME
def test_a_batch_of_no_rows(name):
    theirs, ours = pair(name)
    x = torch.zeros(T, 0, I, dtype=torch.float64)
    assert ours(x)[0].shape == theirs(x)[0].shape


# --- arguments -------------------------------------------------------------------------------------


@EVERY
def test_parameters_names_seeds_and_the_printed_line(name, options):
    theirs, ours = pair(name, **options)
    assert repr(ours) == repr(theirs)
    assert isinstance(ours, PAIRS[name][0])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    assert [len(one) for one in ours.all_weights] == [len(one) for one in theirs.all_weights]


@EVERY
@pytest.mark.parametrize("assign", [False, True])
def test_weights_go_both_ways(name, options, assign):
    theirs, ours = pair(name, **options)
    x = batch(options)
    with torch.no_grad():
        for value in ours.parameters():
            value.normal_(0, 0.3)
    theirs.load_state_dict(ours.state_dict(), assign=assign)
    same_results((ours(x)[0],), (theirs(x)[0],))
    ours.reset_parameters()
    assert not torch.equal(ours.weight_hh_l0, theirs.weight_hh_l0) or assign
    ours.load_state_dict(theirs.state_dict(), assign=assign)
    same_results((ours(x)[0],), (theirs(x)[0],))


@BY_NAME
def test_positional_arguments_stand_as_in_torch(name):
    theirs_class, ours_class = PAIRS[name]
    more = ("relu",) if name == "RNN" else ()
    given = (I, H, 2, *more, False, True, 0.25, True)
    ours, theirs = ours_class(*given), theirs_class(*given)
    assert repr(ours) == repr(theirs)
    x = torch.randn(B, T, I)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.eval()(x)[0], theirs.eval()(x)[0], rtol=1e-5, atol=1e-6)


WRONG_ARGUMENTS = [
    {"input_size": 0},
    {"input_size": 2.0},
    {"hidden_size": -1},
    {"hidden_size": "7"},
    {"num_layers": 0},
    {"bias": 1},
    {"batch_first": None},
    {"dropout": 1.5},
    {"dropout": True},
    {"proj_size": -1},
    {"proj_size": 7},
    {"nonlinearity": "sigmoid"},
    {"layers": 2},
    {"device": "abacus"},
    {"dtype": torch.int64},
]


def raised(function):
    with pytest.raises(Exception) as caught:
        function()
    return caught.value


@BY_NAME
@pytest.mark.parametrize("wrong", WRONG_ARGUMENTS, ids=str)
def test_wrong_arguments_are_refused_as_torch_refuses_them(name, wrong):
    theirs_class, ours_class = PAIRS[name]
    given = {"input_size": I, "hidden_size": H, **wrong}
    theirs, ours = (raised(lambda kind=kind: kind(**given)) for kind in (theirs_class, ours_class))
    assert (type(ours), str(ours)) == (type(theirs), str(theirs))


@BY_NAME
def test_missing_arguments(name):
    theirs_class, ours_class = PAIRS[name]
    theirs, ours = raised(theirs_class), raised(ours_class)
    assert (type(ours), str(ours)) == (type(theirs), str(theirs))


@BY_NAME
def test_dropout_of_one_layer_warns_as_torch_does(name):
    messages = []
    for kind in PAIRS[name]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            kind(I, H, dropout=0.5)
        messages.append([str(one.message) for one in caught])
    assert messages[0] == messages[1] and len(messages[0]) == 1


# --- dropout ---------------------------------------------------------------------------------------


@BY_NAME
@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "batch_first": True}], ids=str)
def test_dropout_draws_what_torch_draws(name, options, share):
    theirs, ours = pair(name, num_layers=3, dropout=share, **options)
    x, found = batch(options), []
    for module in (theirs, ours):
        torch.manual_seed(11)
        output, final = module(x)
        found.append((output, *as_tuple(final)))
    same_results(found[1], found[0])
    assert not torch.equal(found[1][0], ours.eval()(x)[0])
    same_results((ours.eval()(x)[0],), (theirs.eval()(x)[0],))


@BY_NAME
def test_dropout_of_packed_sequences_draws_what_torch_draws(name):
    theirs, ours = pair(name, num_layers=2, dropout=0.4)
    packed = pack_sequence([torch.randn(n, I, dtype=torch.float64) for n in (5, 3, 2)])
    found = []
    for module in (theirs, ours):
        torch.manual_seed(11)
        found.append((module(packed)[0].data,))
    same_results(found[1], found[0])


# --- engines ---------------------------------------------------------------------------------------


@BY_NAME
def test_our_engines_run(name, monkeypatch):
    theirs, ours = pair(name)
    assert ours.engine == "native"
    named = PAIRS[name][1](I, H, engine="reference", dtype=torch.float64)
    assert named.engine == "reference" and "engine='reference'" in repr(named)
    named.load_state_dict(ours.state_dict())
    x = batch({})
    same_results((named(x)[0],), (theirs(x)[0],))
    assert ours.to(torch.bfloat16).engine == "reference"

    def never(*_):
        raise AssertionError("torch's own forward ran")

    monkeypatch.setattr(PAIRS[name][0], "forward", never)
    named(x)
    pair(name)[1](x)


@BY_NAME
def test_engines_that_cannot_run_are_refused_at_once(name):
    kind = PAIRS[name][1]
    with pytest.raises(EngineError, match=r"engine must be one of native.*got 'cudnn'"):
        kind(I, H, engine="cudnn")
    with pytest.raises(EngineError, match=r"float32 and float64, the parameters are torch.bfloat16"):
        kind(I, H, engine="native", dtype=torch.bfloat16)


@BY_NAME
def test_a_row_has_the_same_bits_alone_and_in_a_batch(name):
    _, ours = pair(name, num_layers=2, bidirectional=True, dtype=torch.float32)
    rows = [torch.randn(n, I) for n in (7, 7, 4)]
    with torch.no_grad():
        packed = ours(pack_sequence(rows))[0]
        together = nn.utils.rnn.pad_packed_sequence(packed)[0]
        for b, row in enumerate(rows):
            assert torch.equal(ours(row)[0], together[: len(row), b])


@BY_NAME
def test_autocast_runs_in_the_dtype_of_the_parameters(name):
    _, ours = pair(name, dtype=torch.float32)
    x, states = torch.randn(T, B, I), hidden(ours, B)
    expected = ours(x.bfloat16().float(), states)[0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x.bfloat16(), states)[0], expected)
        packed = pack_sequence([x[:, 0].bfloat16()])
        assert torch.allclose(ours(packed)[0].data, ours(x[:, 0].bfloat16())[0])


# --- errors ----------------------------------------------------------------------------------------


def zeros(*shape, dtype=torch.float64):
    return torch.zeros(shape, dtype=dtype)


def packed(counts, rows):
    return PackedSequence(zeros(rows, I), torch.tensor(counts))


WRONG_CALLS = {
    "nothing": lambda m: m(),
    "no tensor": lambda m: m("abc"),
    "a list": lambda m: m([1.0]),
    "too few dimensions": lambda m: m(zeros(I)),
    "too many dimensions": lambda m: m(zeros(1, 1, T, I)),
    "wrong input size": lambda m: m(zeros(T, B, I + 1)),
    "wrong input size, no batch": lambda m: m(zeros(T, I + 1)),
    "float32": lambda m: m(zeros(T, B, I, dtype=torch.float32)),
    "integers": lambda m: m(zeros(T, B, I, dtype=torch.int64)),
    "another device": lambda m: m(zeros(T, B, I).to("meta")),
    "wrong rows": lambda m: m(zeros(T, B, I), hidden(m, B + 1)),
    "wrong state of a sequence": lambda m: m(zeros(T, I), hidden(m, B)),
    "wrong state of a batch": lambda m: m(zeros(T, B, I), hidden(m)),
    "state of another dtype": lambda m: m(zeros(T, B, I), cast(hidden(m, B), torch.float32)),
    "state of another size": lambda m: m(zeros(T, B, I), cut(hidden(m, B))),
    "state that is no tensor": lambda m: m(zeros(T, B, I), 3),
    "states in a list": lambda m: m(zeros(T, B, I), [zeros(1, B, H)]),
    "three states": lambda m: m(zeros(T, B, I), (zeros(1, B, H),) * 3),
    "packed, wrong input size": lambda m: m(pack_sequence([zeros(T, I + 2)])),
    "packed, float32": lambda m: m(pack_sequence([zeros(T, I, dtype=torch.float32)])),
}


def cast(states, dtype):
    return tuple(one.to(dtype) for one in states) if isinstance(states, tuple) else states.to(dtype)


def cut(states):
    return tuple(one[..., 1:] for one in states) if isinstance(states, tuple) else states[..., 1:]


@pytest.mark.parametrize("wrong", WRONG_CALLS.values(), ids=WRONG_CALLS)
@BY_NAME
def test_wrong_calls_are_refused_in_torchs_words(name, wrong):
    theirs, ours = (raised(lambda module=module: wrong(module)) for module in pair(name))
    assert type(ours) is type(theirs)
    said = str(theirs).rstrip().removesuffix(".")
    assert str(ours).startswith(said)
    if wrong is not WRONG_CALLS["nothing"]:
        assert f"Give {name}(5, 7) (T, B, 5), (T, 5) or a PackedSequence" in str(ours)[len(said) :]


@BY_NAME
def test_what_torch_runs_in_spite_of_itself_is_refused(name):
    """Steps that grow, rows that no step has, states of other rows: torch runs some of these."""
    _, ours = pair(name)
    with pytest.raises((ValueError, RuntimeError), match=f"Give {name}"):
        ours(packed([1, 2], 3))
    with pytest.raises((ValueError, RuntimeError), match=f"Give {name}"):
        ours(packed([2, 1], 4))
    with pytest.raises((ValueError, RuntimeError), match=f"Give {name}"):
        ours(packed([1, 1], 2), hidden(ours, 2))


# --- the public names ------------------------------------------------------------------------------


def test_a_model_written_for_torch_runs_by_another_import():
    class Tagger(nn.Module):
        def __init__(self, home):
            super().__init__()
            self.embed = nn.Embedding(11, I)
            self.lstm = home.LSTM(I, H, 2, batch_first=True, bidirectional=True)
            self.out = nn.Linear(2 * H, 3)

        def forward(self, x):
            return self.out(self.lstm(self.embed(x))[0])

    theirs, ours = (torch.manual_seed(0) and Tagger(home) for home in (nn, unrolled))
    symbols = torch.randint(0, 11, (B, T))
    torch.testing.assert_close(ours(symbols), theirs(symbols), rtol=1e-5, atol=1e-6)


def test_every_argument_of_torch_is_tried_here():
    """So that a new argument of torch's classes does not pass unseen."""
    known = {
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
    }
    known |= {"proj_size", "device", "dtype", "self"}
    assert set(inspect.signature(nn.RNNBase.__init__).parameters) == known
    tried = set(itertools.chain(*(options for _, options in CASES), *WRONG_ARGUMENTS))
    assert known - {"mode", "self", "bidirectional"} <= tried
