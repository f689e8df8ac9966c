"""`RNNCell`, `GRUCell` and `LSTMCell` are torch.nn's: results, gradients, arguments, weights and errors."""

import pytest
import torch
from torch import nn

import unrolled
from tests.layers.torch_pairs import (
    CELL_PAIRS,
    H,
    I,
    as_tuple,
    leaves,
    pair,
    same_gradients,
    same_results,
    weighed,
)
from unrolled.errors import EngineError

B = 4
CASES = [
    *((name, options) for name in CELL_PAIRS for options in ({}, {"bias": False})),
    ("RNNCell", {"nonlinearity": "relu"}),
    ("RNNCell", {"nonlinearity": "relu", "bias": False}),
]
EVERY = pytest.mark.parametrize(
    ("name", "options"), CASES, ids=[f"{name} {options}" for name, options in CASES]
)
BY_NAME = pytest.mark.parametrize("name", CELL_PAIRS)


def drawn(name, *rows):
    h, c = torch.randn(2, *rows, H, dtype=torch.float64)
    return (h, c) if name == "LSTMCell" else h


@EVERY
@pytest.mark.parametrize("rows", [(B,), (1,), ()], ids=str)
@pytest.mark.parametrize("given", [True, False], ids=["states", "no states"])
def test_results_and_all_gradients(name, options, rows, given):
    theirs, ours = pair(name, **options)
    x, states, found = torch.randn(*rows, I, dtype=torch.float64), drawn(name, *rows), []
    for module in (theirs, ours):
        one = leaves((x, states)) if given else (leaves(x), None)
        results = as_tuple(module(*one))
        weighed(results).backward()
        found.append((results, [one[0], *(as_tuple(one[1]) if given else ())]))
    same_results(found[1][0], found[0][0])
    assert isinstance(ours(x), type(theirs(x)))
    same_gradients(ours, theirs, found[1][1], found[0][1])


@EVERY
def test_parameters_names_seeds_and_the_printed_line(name, options):
    theirs, ours = pair(name, **options)
    assert repr(ours) == repr(theirs)
    assert isinstance(ours, CELL_PAIRS[name][0])
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[key], value), key
    with torch.no_grad():
        for value in ours.parameters():
            value.normal_(0, 0.3)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(B, I, dtype=torch.float64)
    same_results(as_tuple(ours(x)), as_tuple(theirs(x)))


def raised(function):
    with pytest.raises(Exception) as caught:
        function()
    return caught.value


def zeros(*shape, dtype=torch.float64):
    return torch.zeros(shape, dtype=dtype)


def both(m, value):
    """The state of every kind of cell, made of one tensor."""
    return (value, value) if isinstance(m, nn.LSTMCell) else value


WRONG_CALLS = {
    "no tensor": lambda m: m("abc"),
    "too many dimensions": lambda m: m(zeros(1, B, I)),
    "too few dimensions": lambda m: m(zeros()),
    "wrong input size": lambda m: m(zeros(B, I + 1)),
    "float32": lambda m: m(zeros(B, I, dtype=torch.float32)),
    "another device": lambda m: m(zeros(B, I).to("meta")),
    "wrong rows": lambda m: m(zeros(B, I), both(m, zeros(B + 1, H))),
    "state with too many dimensions": lambda m: m(zeros(B, I), both(m, zeros(1, B, H))),
    "state of another size": lambda m: m(zeros(B, I), both(m, zeros(B, H - 1))),
    "state of another dtype": lambda m: m(zeros(B, I), both(m, zeros(B, H, dtype=torch.float32))),
    "state that is no tensor": lambda m: m(zeros(B, I), 3),
}


@pytest.mark.parametrize("wrong", WRONG_CALLS.values(), ids=WRONG_CALLS)
@BY_NAME
def test_wrong_calls_are_refused_in_torchs_words(name, wrong):
    theirs, ours = (raised(lambda module=module: wrong(module)) for module in pair(name))
    said = str(theirs).rstrip().removesuffix(".")
    assert type(ours) is type(theirs)
    assert str(ours).startswith(said)
    assert f"Give {name}(5, 7) (B, 5) or (5), with the state (B, 7)" in str(ours)[len(said) :]


@BY_NAME
@pytest.mark.parametrize("wrong", [{"hidden_size": "7"}, {"gates": 2}, {"dtype": torch.int64}, {}], ids=str)
def test_wrong_arguments_are_refused_as_torch_refuses_them(name, wrong):
    given = {"input_size": I, **wrong}
    theirs, ours = (raised(lambda kind=kind: kind(**given)) for kind in CELL_PAIRS[name])
    assert (type(ours), str(ours)) == (type(theirs), str(theirs))


def test_an_unknown_nonlinearity_is_refused_when_called_as_in_torch():
    theirs, ours = pair("RNNCell", nonlinearity="cosine")
    theirs, ours = (raised(lambda m=m: m(zeros(B, I))) for m in (theirs, ours))
    assert type(ours) is type(theirs) and str(ours).startswith(
        f"{theirs}. Give RNNCell(5, 7, nonlinearity=cosine)"
    )


@BY_NAME
def test_our_engines_run(name, monkeypatch):
    theirs, ours = pair(name)
    named = CELL_PAIRS[name][1](I, H, engine="reference", dtype=torch.float64)
    assert (ours.engine, named.engine) == ("native", "reference")
    named.load_state_dict(theirs.state_dict())
    x = torch.randn(B, I, dtype=torch.float64)
    expected = as_tuple(theirs(x))

    def never(*_):
        raise AssertionError("torch's own forward ran")

    monkeypatch.setattr(CELL_PAIRS[name][0], "forward", never)
    same_results(as_tuple(ours(x)), expected)
    same_results(as_tuple(named(x)), expected)
    with pytest.raises(EngineError, match="engine must be one of"):
        CELL_PAIRS[name][1](I, H, engine="cudnn")


@BY_NAME
def test_autocast_runs_in_the_dtype_of_the_parameters(name):
    _, ours = pair(name, dtype=torch.float32)
    x = torch.randn(B, I).bfloat16()
    expected = as_tuple(ours(x.float()))
    with torch.autocast("cpu", torch.bfloat16):
        same_results(as_tuple(ours(x)), expected)


@pytest.mark.parametrize("name", ["GRUCell", "LSTMCell"])
def test_the_state_may_be_changed_in_place(name):
    """As a mask of rows that have ended is put on it; torch's RNNCell refuses."""
    x, found = torch.randn(3, B, I, dtype=torch.float64), []
    for module in pair(name):
        state = None
        for row in x:
            state = module(row, state)
            as_tuple(state)[0].mul_(0.5)
        sum(one.square().sum() for one in as_tuple(state)).backward()
        found.append([one.grad for one in module.parameters()])
    same_results(found[1], found[0])


@BY_NAME
def test_steps_equal_the_whole_sequence(name):
    cell = pair(name)[1]
    layer = getattr(unrolled, name.removesuffix("Cell"))(I, H, dtype=torch.float64)
    layer.load_state_dict({f"{key}_l0": value for key, value in cell.state_dict().items()})
    x, state = torch.randn(6, B, I, dtype=torch.float64), None
    for t in range(6):
        state = cell(x[t], state)
    for one, whole in zip(as_tuple(state), as_tuple(layer(x)[1]), strict=True):
        assert torch.equal(one, whole[0])
