"""Echo-state networks in model folders."""

import json

import pytest
import torch

import unrolled.models.echo_state as module
from unrolled.errors import FolderError, SettingError
from unrolled.models.classifier import Classifier
from unrolled.models.echo_state import EchoStateNetwork
from unrolled.models.folder import load_model, save_model
from unrolled.models.kept import Kept

X = torch.randn(30, 3, 2, generator=torch.Generator().manual_seed(0))
Y = torch.randn(30, 3, 1, generator=torch.Generator().manual_seed(1))

EVERY = {
    "leak": 0.45,
    "spectral_radius": 0.7,
    "density": 0.3,
    "input_scaling": 0.4,
    "depth_scaling": 0.2,
    "bias_scaling": 0.6,
    "reads_input": True,
    "washout": 3,
    "seed": 5,
}


def fitted(hidden_size=20, **options):
    network = EchoStateNetwork("leaky", 2, hidden_size, 1, **options)
    whole_rows = network.readout != "step"
    network.fit([(X, Y[0] if whole_rows else Y)], 1e-4)
    return network


def run(network):
    with torch.no_grad():
        output, state = network(X, targets=Y if network.has_feedback else None)
    return output, state


@pytest.mark.parametrize(
    "options",
    [
        {},
        EVERY,
        {"feedback_scaling": 0.5},
        {"bidirectional": True, "readout": "last"},
        {"readout": "mean", "dtype": "float64"},
        {"hidden_size": [20, 7]},
        {"sparse": True},
    ],
    ids=str,
)
def test_it_comes_back_with_every_option_and_every_bit(tmp_path, options):
    network = fitted(**options)
    save_model(network, tmp_path)
    random = torch.random.get_rng_state()
    again = load_model(tmp_path, EchoStateNetwork)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert isinstance(again, Kept) and not again.training
    assert again.settings == network.settings and again.cell.text == network.cell.text
    assert again.number_of_parameters == sum(p.numel() for p in network.parameters())
    assert torch.equal(run(again)[0], run(network)[0])
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in network.parameters()]


def test_the_leak_travels_in_the_equations(tmp_path):
    save_model(fitted(leak=0.45), tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    assert description["architecture"] == "echo_state"
    assert "leak=0.45" in description["cell"]["equations"]
    assert load_model(tmp_path).cell.graph.constants["leak"] == 0.45


def test_a_network_with_feedback_runs_freely_as_before(tmp_path):
    network = fitted(feedback_scaling=0.5)
    save_model(network, tmp_path)
    again = load_model(tmp_path, EchoStateNetwork)
    more = torch.zeros(7, 3, 2)
    expected, found = (n.generate(7, run(n)[1], more)[0] for n in (network, again))
    assert torch.equal(found, expected)


def test_weights_that_are_filled_in_are_not_drawn_before(tmp_path, monkeypatch):
    save_model(fitted(), tmp_path)
    monkeypatch.setattr(module, "draw_reservoir", None)  # a call would fail
    load_model(tmp_path)


def test_what_is_wrong_is_said(tmp_path):
    save_model(fitted(), tmp_path)
    with pytest.raises(FolderError, match="must hold a classifier, got an echo-state network"):
        load_model(tmp_path, Classifier)
    description = json.loads((tmp_path / "model.json").read_text())
    description["settings"]["density"] = 2
    (tmp_path / "model.json").write_text(json.dumps(description))
    with pytest.raises(FolderError, match=r"cannot be built from its description \(density must be in"):
        load_model(tmp_path)
    with pytest.raises(SettingError, match="density"):
        EchoStateNetwork("leaky", 2, 20, 1, density=2, draw=False)
