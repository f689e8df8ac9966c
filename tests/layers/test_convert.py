"""`convert`: torch's recurrent modules become ours and keep everything else."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

import unrolled
from tests.layers.torch_pairs import CELL_PAIRS, PAIRS, H, I, as_tuple, pair
from unrolled import convert
from unrolled.errors import EngineError, SettingError
from unrolled.layers.convert import Change, Kept

CLOSE = {"rtol": 0, "atol": 1e-12}


class Model(nn.Module):
    """One of each, and one twice."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        made = {"dtype": dtype}
        self.encode = nn.LSTM(I, H, 2, bidirectional=True, dropout=0.2, **made)
        self.middle = nn.Sequential(nn.Linear(2 * H, I, **made), nn.RNN(I, H, nonlinearity="relu", **made))
        self.steps = nn.ModuleDict(
            {"a": nn.GRUCell(H, H, **made), "b": nn.LSTMCell(H, H, bias=False, **made)}
        )
        self.last = nn.RNNCell(H, H, nonlinearity="relu", **made)
        self.same = self.last
        self.out = nn.GRU(H, 3, batch_first=True, **made)

    def forward(self, x):
        x, _ = self.middle(self.encode(x)[0])
        x = torch.stack([self.same(self.steps["b"](self.steps["a"](row))[0]) for row in x])
        return self.out(x.transpose(0, 1))[0]


def batch():
    return torch.randn(6, 4, I, dtype=torch.float64)


def test_a_model_computes_the_same_with_the_same_parameters():
    theirs = Model()
    ours = copy.deepcopy(theirs)
    parameters, modules = dict(ours.named_parameters()), dict(ours.named_modules())
    model, report = convert(ours)
    assert model is ours
    assert dict(model.named_modules()) == modules
    assert all(value is parameters[name] for name, value in model.named_parameters())
    assert list(parameters) == list(dict(theirs.named_parameters()))
    kinds = {
        "encode": "LSTM",
        "middle.1": "RNN",
        "steps.a": "GRUCell",
        "steps.b": "LSTMCell",
        "last": "RNNCell",
    }
    expected = tuple(Change(name, kind, "native", 0) for name, kind in (kinds | {"out": "GRU"}).items())
    assert report.changed == expected and report.kept == ()
    for name, kind in kinds.items():
        assert type(model.get_submodule(name)) is getattr(unrolled, kind)
    x = batch()
    for training in (False, True):
        results = []
        for one in (theirs, model):
            one.train(training)
            torch.manual_seed(5)
            output = one(x)
            results.append((output, *torch.autograd.grad(output.square().sum(), list(one.parameters()))))
        for mine, other in zip(*results, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-11)


def test_our_engines_run_what_was_converted(monkeypatch):
    model, _ = convert(Model().eval())

    def never(*_):
        raise AssertionError("torch's own forward ran")

    for theirs, _ in (PAIRS | CELL_PAIRS).values():
        monkeypatch.setattr(theirs, "forward", never)
    assert model(batch()).shape == (4, 6, 3)


@pytest.mark.parametrize("name", PAIRS | CELL_PAIRS)
def test_the_model_may_be_the_module_itself(name):
    theirs = pair(name)[0]
    x = torch.randn(*((3, 2, I) if name in PAIRS else (2, I)), dtype=torch.float64)
    expected = as_tuple(theirs(x))[0].clone()
    model, report = convert(theirs)
    assert model is theirs and type(model) is getattr(unrolled, name)
    assert report.changed == (Change("(the model)", name, "native", 0),)
    torch.testing.assert_close(as_tuple(model(x))[0], expected, **CLOSE)


def test_optimizers_made_before_keep_working():
    theirs = nn.GRU(I, H, dtype=torch.float64)
    ours = copy.deepcopy(theirs)
    optimizers = [torch.optim.Adam(one.parameters(), 0.1) for one in (theirs, ours)]
    convert(ours)
    rows = pack_sequence([torch.randn(n, I, dtype=torch.float64) for n in (4, 2)])
    for _ in range(5):
        for model, optimizer in zip((theirs, ours), optimizers, strict=True):
            optimizer.zero_grad()
            model(rows)[0].data.square().sum().backward()
            optimizer.step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-9)


def test_training_mode_frozen_parameters_and_hooks_stay():
    model = nn.Sequential(nn.LSTM(I, H)).eval()
    model[0].weight_hh_l0.requires_grad_(False)
    seen = []
    model[0].register_forward_hook(lambda module, given, result: seen.append(type(module)))
    model[0].register_forward_pre_hook(lambda module, given: seen.append("before"))
    _, report = convert(model)
    assert report.changed == (Change("0", "LSTM", "native", 2),)
    assert "runs on native; hooks that stay: 2" in str(report)
    model(torch.zeros(2, 1, I))
    assert seen == ["before", unrolled.LSTM]
    assert not model[0].training and not model[0].weight_hh_l0.requires_grad


def test_copies_and_state_dicts_of_a_converted_model():
    model, _ = convert(Model().eval())
    x = batch()
    again = copy.deepcopy(model)
    torch.testing.assert_close(again(x), model(x), **CLOSE)
    plain = Model().eval()
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain(x), model(x), **CLOSE)


# --- what is left alone ----------------------------------------------------------------------------


class Chatty(nn.LSTM):
    """A class of somebody's own."""

    def forward(self, input, hx=None):
        return super().forward(2 * input, hx)


def test_what_is_left_alone_and_why():
    replaced = nn.GRU(I, H)
    replaced.forward = lambda x: (x, None)
    normed = nn.utils.parametrizations.weight_norm(nn.GRU(I, H), "weight_hh_l0")
    model = nn.ModuleList([Chatty(I, H), unrolled.GRU(I, H), replaced, nn.RNN(I, H), normed])
    kinds = [type(one) for one in model]
    _, report = convert(model)
    assert [type(one) for one in model] == [*kinds[:3], unrolled.RNN, kinds[4]]
    assert [one.name for one in report.changed] == ["3"]
    assert [(one.name, one.kind) for one in report.kept[:3]] == [("0", "Chatty"), ("1", "GRU"), ("2", "GRU")]
    reasons = [one.reason for one in report.kept]
    assert "Chatty, whose calls may differ from torch.nn's" in reasons[0]
    assert reasons[1:3] == ["it is ours already", "its forward has been replaced"]
    assert "ParametrizedGRU" in reasons[3]
    assert str(report).splitlines()[0].split() == ["module", "class", "now"]
    assert str(report).splitlines()[3].split(maxsplit=2) == ["1", "GRU", "left alone: it is ours already"]


def test_quantized_modules_are_named():
    layers = torch.ao.nn.quantized.dynamic
    model = nn.Sequential(layers.LSTM(I, H))
    _, report = convert(model)
    assert type(model[0]) is layers.LSTM
    assert "quantized" in report.kept[0].reason


def test_what_only_the_reference_would_run_stays_torchs():
    model = nn.LSTM(I, H, dtype=torch.bfloat16)
    _, report = convert(model)
    reason = "only the reference engine runs torch.bfloat16 on cpu, and torch's own is faster"
    assert report.kept == (Kept("(the model)", "LSTM", reason),) and type(model) is nn.LSTM
    _, report = convert(model, engine="reference")
    assert report.changed == (Change("(the model)", "LSTM", "reference", 0),)
    assert model.engine == "reference"


def test_a_named_engine_that_cannot_run_changes_nothing():
    model = nn.Sequential(nn.LSTM(I, H), nn.GRU(H, H, dtype=torch.bfloat16))
    with pytest.raises(EngineError, match="native: it computes in float32 and float64"):
        convert(model, engine="native")
    assert [type(one) for one in model] == [nn.LSTM, nn.GRU]


def test_a_model_without_recurrent_modules():
    model, report = convert(nn.Linear(2, 3))
    assert str(report) == "no recurrent modules of torch.nn: nothing was changed"
    assert type(model) is nn.Linear


def test_what_is_no_model_is_refused():
    with pytest.raises(
        SettingError, match=r"model must be a torch.nn.Module, got type. Give the module itself."
    ):
        convert(nn.LSTM)
