"""Units that were built to follow a pattern are found, and the numbers are those of plain formulas."""

import numpy as np
import pytest
import torch

from unrolled.data.vocabulary import END, Vocabulary
from unrolled.equations import cell, tanh
from unrolled.errors import DataError, SettingError
from unrolled.inspection.neurons import activities, activity, auc, neurons
from unrolled.inspection.patterns import bracket_depth, capital
from unrolled.models import LanguageModel

TEXT = "A cat (and (a) Dog) sat. The (mat) Was [Red]; Oh (no) it is. " * 3


@cell
def counting(x, h, *, W, U):
    return W @ x + U @ h


def planted():
    """Unit 1 adds up brackets, unit 2 minus the capital letters; the others are noise."""
    vocabulary = Vocabulary.from_text([TEXT])
    model = LanguageModel(vocabulary, counting, 6).double()
    W, U = (model.recurrent.cell_weights()[name] for name in ("W", "U"))
    with torch.no_grad():
        U.mul_(0.3)
        W[[1, 2]], U[[1, 2]] = 0.0, 0.0
        U[1, 1] = 1.0
        for i, symbol in enumerate(vocabulary.symbols):
            W[1, i] = (symbol in "([") - float(symbol in ")]")
            W[2, i] = -float(symbol.isupper())
    return model


def test_planted_units_are_found():
    found = neurons(planted(), TEXT, {"depth": bracket_depth, "capitals": capital}, best=2)
    depth, capitals = found.matches["depth"][0], found.matches["capitals"][0]
    assert str(depth.unit) == "l0 h[1]" and str(capitals.unit) == "l0 h[2]"
    assert (depth.correlation, depth.held_out) == (pytest.approx(1), pytest.approx(1))
    assert (capitals.correlation, capitals.held_out) == (pytest.approx(-1), pytest.approx(-1))
    assert np.isnan(depth.auc) and capitals.auc == 0.0
    np.testing.assert_allclose(depth.activity.values, bracket_depth(TEXT), atol=1e-12)
    assert found.units == 6 and "depth: l0 h[1], correlation +1.00 held out" in found.summary()
    assert "l0 h[1]" in found.figure().layout.title.text and "AUC 0.00" in capitals.figure().layout.title.text


def test_numbers_of_all_units():
    model = LanguageModel(Vocabulary.from_text([TEXT]), "lstm", 5, 2).double()
    found = neurons(model, TEXT, {"capitals": capital}, best=20, share=0.4)
    units, values = activities(model, TEXT)
    wanted, split = capital(TEXT), round(0.4 * len(TEXT))
    assert found.split == split and len(found.matches["capitals"]) == found.units == len(units) == 20
    strengths = [abs(match.correlation) for match in found.matches["capitals"]]
    assert strengths == sorted(strengths, reverse=True)
    for match in found.matches["capitals"]:
        column = values[:, units.index(match.unit)]
        assert match.correlation == pytest.approx(np.corrcoef(column[:split], wanted[:split])[0, 1])
        assert match.held_out == pytest.approx(np.corrcoef(column[split:], wanted[split:])[0, 1])
        ones, zeros = column[split:][wanted[split:] == 1], column[split:][wanted[split:] == 0]
        assert match.auc == pytest.approx((ones[:, None] > zeros).mean())


def test_auc_counts_ties_half():
    generator = np.random.default_rng(0)
    values, marked = generator.integers(0, 4, 60).astype(float), generator.random(60) < 0.3
    ones, zeros = values[marked][:, None], values[~marked]
    assert auc(values, marked) == pytest.approx((ones > zeros).mean() + (ones == zeros).mean() / 2)


@pytest.mark.parametrize("name", ["lstm", "skip_in_time"])
def test_activities_are_the_states_after_each_symbol(name):
    model = LanguageModel(Vocabulary.from_text([TEXT]), name, 5, 2).double()
    units, values = activities(model, TEXT[:9])
    state, found = model.step(END, None)[1], []
    for symbol in model.vocabulary.encode(TEXT[:9]).tolist():
        _, state = model.step(symbol, state)
        found.append(torch.cat([state[name].flatten() for name in state.names]).detach().numpy())
    np.testing.assert_allclose(values, np.array(found), atol=1e-12)
    assert [str(unit) for unit in units[3:6]] == ["l0 h[3]", "l0 h[4]", "l1 h[0]"]
    one = activity(model, TEXT[:9], 2, "l1", model.cell.states[-1])
    np.testing.assert_array_equal(one.values, values[:, units.index(one.unit)])
    assert "above zero" in one.figure().layout.title.text


def test_a_local_value_with_the_name_of_a_state_is_not_taken_for_it():
    @cell
    def misleading(x, h, *, W, U):
        h = tanh(W @ x + U @ h)
        return 2 * h

    model = LanguageModel(Vocabulary.from_text([TEXT]), misleading, 5).double()
    _, values = activities(model, TEXT[:4])
    state = model.step(END, None)[1]
    for symbol in model.vocabulary.encode(TEXT[:4]).tolist():
        _, state = model.step(symbol, state)
    np.testing.assert_allclose(values[-1], state["h"].flatten().detach().numpy(), atol=1e-12)


def test_patterns_without_change_are_left_out():
    found = neurons(planted(), "abcd" * 5, {"capitals": capital})
    assert found.matches == {} and found.skipped == ("capitals",)
    assert "No pattern changes" in found.figure().layout.title.text


def test_what_cannot_be_done_is_refused():
    model = planted()
    with pytest.raises(DataError, match="must have 4 symbols or more, got 3"):
        neurons(model, "abc")
    with pytest.raises(SettingError, match=r"share between 0 and 1, got 3 and 1\.0"):
        neurons(model, TEXT, share=1.0)
    with pytest.raises(
        SettingError, match=r"'short' must give one number for each of 8 characters, got \(7,\)"
    ):
        neurons(model, "abcdabcd", {"short": lambda text: np.zeros(len(text) - 1)})
    with pytest.raises(SettingError, match=r"no unit l0 h\[9\]; the layers are l0, the states h"):
        activity(model, TEXT, 9)
