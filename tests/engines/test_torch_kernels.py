"""The torch_kernels engine: which cells it takes for torch's networks, and that it computes what they say."""

import numpy as np
import pytest
import torch

import unrolled
from tests.contract import cases as table
from tests.contract import test_engines as contract
from tests.contract.cases import Case, renamed_cases
from unrolled.cells import catalogue, elman, gru_reset_after, lstm
from unrolled.engines import ENGINES, choose, explain
from unrolled.engines.choose import preferred
from unrolled.equations import Cell
from unrolled.errors import EngineError
from unrolled.layers import Recurrent

F64, CPU, CUDA = torch.float64, torch.device("cpu"), torch.device("cuda")
ENGINE = ENGINES["torch_kernels"]
ACCEPTED = ("elman", "elman_relu", "lstm", "lstm_no_bias", "lstm_projected", "gru_reset_after")
OTHERWISE = {
    "joined": """def joined(u, s, m, *, P, q):
    i, f, g, o = split(P @ concat(u, s) + q, 4)
    m = sigmoid(f) * m + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(m), m
""",
    "two_biases": "def two_biases(x, h, *, W, U, b, c):\n    return tanh(W @ x + b + U @ h + c)\n",
    "no_bias": "def no_bias(x, h, *, W, U):\n    fed_back = U @ h\n    return relu(fed_back + W @ x)\n",
    "gru_two_biases": """def gru_two_biases(x, h, *, A, B, b, c, C, D, d, e, E, F, f, g):
    r = sigmoid(A @ x + b + B @ h + c)
    z = sigmoid(C @ x + d + D @ h + e)
    n = tanh(E @ x + f + r * (F @ h + g))
    return (1 - z) * n + z * h
""",
    "gru_no_bias": """def gru_no_bias(x, h, *, A, B, C, D, E, F):
    r = sigmoid(A @ x + B @ h)
    z = sigmoid(C @ x + D @ h)
    return (1 - z) * tanh(E @ x + r * (F @ h)) + z * h
""",
    "named_parts": """def named_parts(x, h, *, W, U, b):
    driven = W @ x + b
    return tanh(driven + U @ h)
""",
}
CASES = [
    *(Case(name, catalogue()[name]) for name in ACCEPTED),
    *(case for case in renamed_cases() if case.name.removesuffix("_renamed") in ACCEPTED),
    *(Case(name, Cell.from_text(text)) for name, text in OTHERWISE.items()),
]
BY_CASE = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
BY_NAME = pytest.mark.parametrize("name", ACCEPTED)


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    monkeypatch.setitem(table.current, "engine", "torch_kernels")


def test_it_accepts_these_cells_of_the_catalogue_and_no_others():
    found = [name for name, cell in catalogue().items() if ENGINE.accepts(cell.schedule(), CPU, F64) is None]
    assert sorted(found) == sorted(ACCEPTED)


@BY_CASE
def test_outputs_and_final_states_equal_the_oracle(case):
    assert table.layer_of(case).engine == "torch_kernels"
    contract.test_outputs_and_final_states_equal_the_oracle(case)


@BY_CASE
def test_every_gradient_equals_the_slope_of_the_oracle(case):
    contract.test_every_gradient_equals_the_slope_of_the_oracle(case)


@BY_CASE
def test_second_derivatives_and_transforms(case):
    contract.test_gradients_pass_gradcheck_entry_by_entry(case)
    contract.test_second_derivatives_pass_gradgradcheck(case)
    contract.test_vmap_equals_a_python_loop(case)


@pytest.fixture
def calls(monkeypatch):
    """The names of torch's functions that ran, in order."""
    ran = []
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        run = getattr(torch._VF, name)
        monkeypatch.setattr(
            torch._VF,
            name,
            lambda *given, run=run, name=name: (ran.append(name), run(*given))[1],
            raising=False,
        )
    return ran


@BY_CASE
def test_torchs_own_function_runs_once_for_a_layer_and_direction(case, calls):
    layer = table.layer_of(case, num_layers=2, bidirectional=True)
    layer(torch.randn(5, 3, 5, dtype=F64))
    assert len(calls) == 4 and len(set(calls)) == 1
    assert calls[0].split("_")[0] in ("lstm", "gru", "rnn")


@BY_NAME
@pytest.mark.parametrize("lengths", [None, [3, 0, 7, 1], [7, 7, 7, 7], [0, 0, 0, 0]], ids=str)
def test_both_directions_equal_the_reference(name, lengths):
    case = Case(name, catalogue()[name])
    ours = table.layer_of(case, num_layers=2, bidirectional=True)
    other = table.layer_of(case, num_layers=2, bidirectional=True, engine="reference")
    x, state = torch.randn(7, 4, 5, dtype=F64), table.random_state(ours, 4)
    found = []
    for layer in (ours, other):
        leaf = x.clone().requires_grad_()
        output, end = layer(leaf, state, lengths=lengths)
        total = output.square().sum() + sum(end[name].sin().sum() for name in end.names)
        grads = torch.autograd.grad(total, [leaf, *layer.parameters()], materialize_grads=True)
        found.append((output, *end, end.clock, *grads))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-11)


@BY_NAME
def test_pieces_equal_the_whole_and_indices_their_vectors(name):
    layer = table.layer_of(Case(name, catalogue()[name]))
    symbols = torch.randint(0, 5, (8, 3))
    whole, end = layer(symbols)
    vectors, _ = layer(torch.nn.functional.one_hot(symbols, 5).double())
    torch.testing.assert_close(whole, vectors, rtol=0, atol=1e-13)
    first, state = layer(symbols[:3])
    second, last = layer(symbols[3:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole, rtol=0, atol=1e-13)
    assert torch.equal(last.clock, end.clock)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions_stay_close(dtype):
    layer = Recurrent(lstm, 5, 8, engine="torch_kernels", dtype=dtype)
    other = Recurrent(lstm, 5, 8, engine="reference", dtype=F64)
    other.load_state_dict({key: value.double() for key, value in layer.state_dict().items()})
    x = torch.randn(6, 3, 5).to(dtype)
    found = layer(x)[0]
    assert found.dtype == dtype
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    np.testing.assert_allclose(found.detach().double(), other(x.double())[0].detach(), atol=tolerance)


# --- choosing --------------------------------------------------------------------------------------


@BY_NAME
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, F64])
def test_it_is_chosen_on_cuda(name, dtype):
    assert choose(catalogue()[name].schedule(), CUDA, dtype).name == "torch_kernels"
    verdicts = explain(catalogue()[name].schedule(), torch.device("cuda:1"), dtype)
    assert [one.name for one in verdicts if one.chosen] == ["torch_kernels"]


@BY_NAME
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_the_cpu_it_runs_only_when_named(name, dtype):
    schedule = catalogue()[name].schedule()
    assert choose(schedule, CPU, dtype).name in ("native", "reference")
    assert preferred(CPU)[-1] == "torch_kernels" and set(preferred(CPU)) == set(ENGINES)
    assert choose(schedule, CPU, dtype, "torch_kernels") is ENGINE


@pytest.mark.parametrize("name", sorted(set(catalogue()) - set(ACCEPTED)))
def test_other_cells_are_refused_with_the_reason(name):
    cell = catalogue()[name]
    with pytest.raises(
        EngineError, match=rf"torch_kernels: {name} is not one of torch's networks: LSTM, GRU"
    ):
        choose(cell.schedule(), CPU, F64, "torch_kernels")
    assert choose(cell.schedule(), CUDA, torch.float32).name == "reference"


ALMOST = {
    "the other gate": "return z * candidate + (1 - z) * h",
    "a clipped candidate": "return (1 - z) * maximum(candidate, 0) + z * h",
}


@pytest.mark.parametrize("last", ALMOST.values(), ids=ALMOST)
def test_cells_that_are_almost_torchs_are_not_taken_for_it(last):
    text = gru_reset_after.text.rpartition("    return")[0] + f"    {last}\n"
    assert ENGINE.accepts(Cell.from_text(text).schedule(), CPU, F64) is not None


def test_what_it_cannot_run_is_refused_with_the_reason():
    assert "on meta" in str(ENGINE.accepts(elman.schedule(), torch.device("meta"), F64))
    assert "floating point, got torch.int64" in str(ENGINE.accepts(elman.schedule(), CPU, torch.int64))
    assert "forces h" in str(ENGINE.accepts(lstm.schedule(forced=("h",)), CPU, F64))
    assert "records i, o" in str(ENGINE.accepts(lstm.schedule(records=("i", "o")), CPU, F64))


@BY_NAME
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("lengths", [None, [3, 0, 7, 1]], ids=str)
def test_resets_equal_the_reference(name, lengths, share, calls):
    """What lies between two resets is a row of its own for torch's kernels."""
    case, options = Case(name, catalogue()[name]), {"bidirectional": True, "initial_state": "learned"}
    ours = table.layer_of(case, **options)
    other = table.layer_of(case, **options, engine="reference")
    x, state = torch.randn(7, 4, 5, dtype=F64), table.random_state(ours, 4)
    resets = torch.rand(7, 4) < share
    found = []
    for layer in (ours, other):
        leaf = x.clone().requires_grad_()
        start = {key: value.clone().requires_grad_() for key, value in state.items()}
        output, end = layer(leaf, start, lengths=lengths, resets=resets)
        total = output.square().sum() + sum(end[key].sin().sum() for key in end.names)
        wanted = [leaf, *start.values(), *layer.parameters()]
        found.append((output, *end, end.clock, *torch.autograd.grad(total, wanted, materialize_grads=True)))
    assert len(calls) == 2
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-11)


def test_torchs_names_run_torchs_forward(calls):
    layer = unrolled.LSTM(5, 7, num_layers=3, bidirectional=True, engine="torch_kernels")
    theirs = torch.nn.LSTM(5, 7, num_layers=3, bidirectional=True)
    layer.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 2, 5)
    assert torch.equal(layer(x)[0], theirs(x)[0])
    assert calls == ["lstm", "lstm"] and layer.engine == "torch_kernels"
    cell = unrolled.GRUCell(5, 7, engine="torch_kernels")
    assert cell(x[0]).shape == (2, 7) and cell.engine == "torch_kernels"


@BY_NAME
def test_an_exported_layer_computes_the_same(name):
    layer = table.layer_of(Case(name, catalogue()[name]), num_layers=2, bidirectional=True)
    x = torch.randn(6, 3, 5, dtype=F64)
    program = torch.export.export(layer, (x,)).module()
    torch.testing.assert_close(program(x)[0], layer(x)[0], rtol=0, atol=1e-13)
