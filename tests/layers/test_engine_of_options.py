"""No option leaves the fast engine: every argument is tried, `engine` is read back, and no other engine runs."""

import inspect

import pytest
import torch
from torch import nn

import unrolled
from unrolled import Recurrent, Regularise
from unrolled.engines.choose import ENGINES
from unrolled.equations import Cell

T, B, I, H = 5, 3, 4, 4
RATES = {
    name: Regularise(**{name: 0.3}) for name in ("input", "recurrent", "output", "zoneout", "connections")
}
FULL = Regularise(
    input=0.3, recurrent=0.3, output=0.3, zoneout=0.3, values={"candidate": 0.3}, connections=0.3
)
DEEP = {"num_layers": 2, "bidirectional": True}

LAYERS = [
    {},
    *({"cell": name} for name in ("elman", "lstm", "gru_reset_after", "jordan", "skip_in_time", "lstm_peephole")),
    {"input_size": 0},
    {"hidden_size": [4, 6]},
    {"num_layers": 3},
    {"bidirectional": True},
    {"batch_first": True},
    {"projection": 3},
    {"initialise": "uniform"},
    {"start": {"U": "identity"}},
    {"initial_state": "learned"},
    {**DEEP, "merge": "sum"},
    {**DEEP, "merge": "separate"},
    {"num_layers": 3, "residual": True},
    {"num_layers": 3, "skip": True},
    {"num_layers": 2, "dropout": 0.3},
    *({"regularise": rates} for rates in RATES.values()),
    {"regularise": Regularise(values={"candidate": 0.3})},
    {"checkpoint": "sqrt"},
    {"checkpoint": 1 << 20},
    {"device": "cpu"},
    {"dtype": torch.float64},
    {**DEEP, "merge": "sum", "residual": True, "skip": True, "initial_state": "learned", "dropout": 0.2,
     "regularise": FULL, "checkpoint": "sqrt"},
]  # fmt: skip
CALLS = {
    "x": {},
    "state": {"state": torch.zeros(1, B, H)},
    "lengths": {"lengths": [5, 0, 2]},
    "resets": {"resets": torch.ones(T, B, dtype=torch.bool)},
    "forced": {"forced": {"h": torch.zeros(T, B, H)}},
    "record": {"record": ("z", "candidate")},
    "table": {"x": torch.tensor([[0, 1, 1]] * T), "table": torch.ones(2, I)},
}
OURS = [
    {},
    {"hidden_size": 7},
    {"num_layers": 2},
    {"bidirectional": True},
    {"batch_first": True},
    {"bias": False},
    {"num_layers": 2, "dropout": 0.3},
    {"nonlinearity": "relu"},
    {"proj_size": 3},
    *({"regularise": rates} for rates in RATES.values()),
    {"checkpoint": "sqrt"},
    {"device": "cpu"},
    {"dtype": torch.float64},
    {**DEEP, "dropout": 0.2, "regularise": RATES["recurrent"], "checkpoint": "sqrt"},
]
CELLS = [{}, {"bias": False}, {"device": "cpu"}, {"dtype": torch.float64}, {"nonlinearity": "relu"}]
ONLY = {"nonlinearity": "RNN", "proj_size": "LSTM"}


def cases(names, options):
    """(name, options) of what each class takes."""
    return [
        pytest.param(name, one, id=f"{name} {one}")
        for name in names
        for one in options
        if all(name.startswith(ONLY.get(key, name)) for key in one)
    ]


@pytest.fixture(autouse=True)
def others(monkeypatch):
    """Engines that may not run."""

    def never(self, job):
        raise AssertionError(f"{self.name} ran")

    for engine in ENGINES.values():
        if engine.name != "native":
            monkeypatch.setattr(type(engine), "run", never)


def trains(module, x, *given, **call):
    """A forward and a backward run, and a forward run outside training."""
    output = module(x, *given, **call)[0]
    output.square().sum().backward()
    with torch.no_grad():
        module.eval()(x, *given, **call)
    return output


@pytest.mark.parametrize("options", LAYERS, ids=str)
def test_every_option_of_a_layer_stays_on_the_fast_engine(options):
    given = {"cell": "gru", "input_size": I, "hidden_size": H, **options}
    sizes = unrolled.cells.find(given["cell"]).named_sizes
    layer = Recurrent(**given, sizes=dict.fromkeys(sizes, 3))
    assert layer.engine == "native"
    x = None if layer.input_size == 0 else torch.randn(T, B, I, dtype=options.get("dtype"))
    trains(layer, x, **({} if layer.input_size else {"steps": T, "state": torch.zeros(1, B, H)}))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_option_of_a_call_stays_on_the_fast_engine(call):
    trains(Recurrent("gru", I, H), **{"x": torch.randn(T, B, I), **call})


def test_static_inputs_stay_on_the_fast_engine():
    described = Cell.from_text(
        '@cell(static=("v",))\ndef described(x, h, v, *, W, U, C): return tanh(W @ x + U @ h + C @ v)'
    )
    layer = Recurrent(described, I, H, sizes={"v": 3})
    assert layer.engine == "native"
    trains(layer, torch.randn(T, B, I), static={"v": torch.randn(B, 3)})


@pytest.mark.parametrize(("name", "options"), cases(["RNN", "GRU", "LSTM"], OURS))
def test_every_option_of_torchs_classes_stays_on_the_fast_engine(name, options, monkeypatch):
    module = getattr(unrolled, name)(**{"input_size": I, "hidden_size": H, **options})
    assert module.engine == "native"
    for theirs in (nn.RNN, nn.GRU, nn.LSTM):
        monkeypatch.delattr(theirs, "forward")
    x = torch.randn(T, B, I, dtype=options.get("dtype"))
    trains(module, x)
    trains(module.train(), x, resets=torch.ones(x.shape[:2], dtype=torch.bool), record=("h",))


@pytest.mark.parametrize(("name", "options"), cases(["RNNCell", "GRUCell", "LSTMCell"], CELLS))
def test_every_option_of_torchs_cells_stays_on_the_fast_engine(name, options):
    module = getattr(unrolled, name)(I, H, **options)
    assert module.engine == "native"
    trains(module, torch.randn(B, I, dtype=options.get("dtype")))


def parameters(function):
    return set(inspect.signature(function).parameters) - {"self", "args", "kwargs", "engine"}


def test_no_argument_is_missing_here():
    """A new argument fails here until it is tried above."""
    assert parameters(Recurrent.__init__) == {key for one in LAYERS for key in one} | {"sizes"}
    assert parameters(Recurrent.forward) == {*CALLS, "static", "steps"}
    tried = {key for one in OURS for key in one}
    assert parameters(nn.RNNBase.__init__) - {"mode", "input_size"} <= tried
    assert parameters(unrolled.RNN.__init__) <= tried
    for kind in (unrolled.RNN, unrolled.GRU, unrolled.LSTM):
        assert parameters(kind.forward) == {"input", "hx", "resets", "record"}
    assert parameters(nn.GRUCell.__init__) - {"input_size", "hidden_size"} <= {
        key for one in CELLS for key in one
    }
    assert parameters(Regularise) == {*RATES, "values"}
