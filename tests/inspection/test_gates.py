"""Gates against what `record=` gives of the same run, and gates that were set by hand."""

import math

import numpy as np
import pytest
import torch

from unrolled.cells import find
from unrolled.data.vocabulary import Vocabulary
from unrolled.equations import cell, sigmoid, tanh
from unrolled.errors import SettingError
from unrolled.inspection.gates import found_in, gates
from unrolled.layers import Recurrent
from unrolled.models import LanguageModel

I, H = 3, 5


def logit(p):
    return math.log(p / (1 - p))


def still(name, **biases):
    """A layer whose gates are what their biases say."""
    layer = Recurrent(name, I, H, dtype=torch.float64)
    with torch.no_grad():
        for parameter, value in layer.cell_weights().items():
            value.fill_(logit(biases[parameter]) if parameter in biases else 0.0)
    return layer


def test_the_gates_of_cells():
    def kinds(name):
        return [(k.name, k.keeps, k.inverted) for k in found_in(find(name).graph)]

    assert kinds("gru") == [("z", "h", True), ("r", None, False)]
    assert kinds("gru_reset_after") == [("r", None, False), ("z", "h", False)]
    assert kinds("lstm") == [("i", None, False), ("f", "c", False), ("o", None, False)]
    assert kinds("minlstm") == [("f", None, False), ("i", None, False), ("keep", "h", False)]
    assert kinds("minimal_gated") == [("f", "h", True)]
    squashed = [("sigmoid(f)", "c", False), ("sigmoid(i)", None, False), ("sigmoid(o)", None, False)]
    assert kinds("lstm_layer_norm") == squashed
    assert kinds("elman_sigmoid") == kinds("clockwork") == kinds("leaky") == []


def test_a_difference_is_a_gate_as_well():
    @cell
    def moving(x, h, *, W, U, b, c):
        g = sigmoid(W @ x + b)
        return h + g * (tanh(U @ h + c) - h)

    [kind] = found_in(moving.graph)
    assert (kind.name, kind.keeps, kind.inverted) == ("g", "h", True)


def test_time_constants_of_known_gates():
    found = gates(still("lstm", b_f=0.95, b_i=0.05, b_o=0.5), torch.randn(20, 2, I, dtype=torch.float64))
    i, f, o = found.gates
    assert (i.closed, i.opened, f.closed, f.opened, o.closed, o.opened) == (1, 0, 0, 1, 0, 0)
    np.testing.assert_allclose(f.time_constants, -1 / math.log(0.95))
    assert (f.keeps, f.keeps_by, i.time_constants) == ("c", "f", None)
    assert f.counts.sum() == 20 * 2 * H and f.counts[47] == 20 * 2 * H
    z = gates(still("gru", b_z=0.2), torch.zeros(4, 1, I, dtype=torch.float64)).gates[0]
    np.testing.assert_allclose(z.time_constants, -1 / math.log(0.8))
    assert z.keeps_by == "1 - z" and "4.5 steps" in z.summary()


def test_a_gate_at_one_or_at_zero_has_a_time_constant():
    layer = still("lstm", b_i=0.5)
    with torch.no_grad():
        layer.cell_weights()["b_f"].copy_(torch.tensor([800.0, -800.0, 0.0, 0.0, 0.0]))
    f = gates(layer, torch.zeros(4, 1, I, dtype=torch.float64)).gates[1]
    assert f.time_constants[0] == math.inf and f.time_constants[1] < 0.01
    assert f.to_dict()["time_constants"][0] is None


@pytest.mark.parametrize("name", ["gru", "lstm", "lstm_layer_norm"])
def test_values_are_those_of_the_equations(name):
    """Of two layers and directions, against the statistics of recorded values."""
    layer = Recurrent(name, I, H, 2, bidirectional=True, dtype=torch.float64, batch_first=True)
    x = torch.randn(2, 15, I, dtype=torch.float64)
    found = gates(layer, x)
    kinds = found_in(layer.cell.graph)
    _, _, records = layer(x, record=[kind.label for kind in kinds])
    assert found.steps == 30 and len(found.gates) == 4 * len(kinds)
    for number, gate in enumerate(found.gates):
        index, kind = divmod(number, len(kinds))
        values = records[kinds[kind].label][index].detach().numpy().reshape(-1, H)
        values = 1 / (1 + np.exp(-values)) if kinds[kind].squashed else values
        assert gate.layer == layer._names()[index]
        assert gate.mean == pytest.approx(values.mean())
        np.testing.assert_array_equal(gate.counts, np.histogram(values, np.linspace(0, 1, 51))[0])
        np.testing.assert_allclose(gate.closed_by_unit, (values < 0.1).mean(0))
        assert gate.opened == pytest.approx((values > 0.9).mean())
        if gate.keeps is not None:
            kept = values if gate.keeps_by == gate.name else 1 - values
            np.testing.assert_allclose(gate.time_constants, -1 / np.log(kept).mean(0))
    assert len(found.figure().data) == len(found.gates)
    assert len(found.time_figure().data) == 4


def test_a_language_model_and_a_cell_without_gates():
    model = LanguageModel(Vocabulary.from_text(["abc"]), "gru", H, 2)
    found = gates(model, "abcabc")
    assert [gate.layer for gate in found.gates] == ["l0", "l0", "l1", "l1"] and found.steps == 6
    assert "Half of" in found.figure().layout.title.text
    none = gates(Recurrent("elman", I, H), torch.zeros(3, 1, I))
    assert none.gates == () and "no gate" in none.figure().layout.title.text
    with pytest.raises(SettingError, match="must have a step or more, got none"):
        gates(model.recurrent, torch.zeros(0, 1, len(model.vocabulary)))
