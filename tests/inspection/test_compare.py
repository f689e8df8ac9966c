import pytest
import torch

from unrolled.cells import find
from unrolled.equations import Cell
from unrolled.errors import EngineError, SettingError
from unrolled.inspection import compare as module
from unrolled.inspection import speed
from unrolled.inspection.compare import Size, compare
from unrolled.inspection.torch_networks import NETWORKS, equal_network, network
from unrolled.layers import Recurrent

TINY = Size(steps=3, batch=2, input_size=4, hidden_size=6)
RENAMED = """
def mine(v, s, *, A, B, d):
    return tanh(A @ v + B @ s + d)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "fma_peak", lambda threads: 1e9)
    monkeypatch.setattr(speed, "SHORTEST_SAMPLE", 1e-4)


def test_everybody_is_timed_in_both_modes():
    found = compare(find("lstm"), TINY, rounds=1)
    names = [found.engine, "reference", "nn.LSTM"]
    assert [(one.name, one.mode) for one in found.timed] == [
        (name, mode) for mode in ("forward", "training") for name in names
    ]
    assert found.entries == 4 * (6 * 4 + 6 * 6)
    for one in found.timed:
        work = 2 * 3 * 2 * found.entries * (3 if one.mode == "training" else 1)
        assert one.speed == pytest.approx(work / one.seconds)


def test_torch_takes_part_when_the_equations_are_its_own_under_other_names():
    assert compare(Cell.from_text(RENAMED), TINY, rounds=1).torch_network == "nn.RNN"
    assert compare(find("gru"), TINY, rounds=1).torch_network is None


@pytest.mark.parametrize("name", list(NETWORKS))
def test_networks_of_torch_equal_their_cells(name):
    layer = Recurrent(name, 4, 6, engine="reference")
    assert equal_network(find(name)) == name
    x = torch.randn(5, 2, 4)
    torch.testing.assert_close(network(name, layer.cell_weights())(x)[0], layer(x)[0], rtol=0, atol=1e-6)


def test_static_inputs_and_named_sizes_are_given():
    text = "def told(x, h, context, *, U, V, W, b):\n    return tanh(W @ x + U @ h + V @ context + b)\n"
    cell = Cell.from_text(f'@cell(sizes={{"context": "context"}}, static=("context",))\n{text}')
    assert len(compare(cell, TINY, rounds=1).timed) == 4
    assert len(compare(find("jordan"), TINY, rounds=1).timed) == 4


def test_who_differs_is_not_timed(monkeypatch):
    def wrong(name, weights):
        return network(name, {key: 1.1 * value for key, value in weights.items()})

    monkeypatch.setattr(module, "network", wrong)
    with pytest.raises(
        EngineError, match=r"nn\.RNN differs from the reference engine by .*nothing was timed"
    ):
        compare(find("elman"), TINY, rounds=1)


def test_sizes_and_rounds_are_checked():
    with pytest.raises(SettingError, match="must be 1 or more, got 0, 2, 4 and 6"):
        Size(0, 2, 4, 6)
    with pytest.raises(SettingError, match="rounds must be 1 or more, got 0"):
        compare(find("elman"), TINY, rounds=0)
