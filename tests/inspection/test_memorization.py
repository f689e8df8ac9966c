"""Memorization against central differences in float64 and against one backward run for each position."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

import unrolled.inspection.memorization as module
from unrolled.data.vocabulary import END, Vocabulary
from unrolled.errors import DataError, SettingError
from unrolled.inspection.memorization import influences, memorization, memorizations
from unrolled.models import LanguageModel

TEXT = "hola, que tal? hola hola."
VOCABULARY = Vocabulary.from_text([TEXT])


def model_of(cell="gru", layers=1, embedding=None, **options):
    return LanguageModel(VOCABULARY, cell, 8, layers, embedding, **options).double()


def dense(model, symbols):
    """The vectors (n, I) the model reads: `<eos>` and all symbols but the last."""
    read = torch.cat([torch.tensor([END]), symbols[:-1]])
    x = one_hot(read, len(VOCABULARY)).double() if model.embedding is None else model.embedding(read)
    return x.detach(), read == END


def logit(model, x, resets, position, symbol):
    """The logit of a symbol after the step at a position, from the beginning of everything."""
    hidden, _ = model.recurrent(x[: position + 1, None], resets=resets[: position + 1, None])
    return model.output(hidden[-1, 0])[symbol]


def one_by_one(model, symbols, positions, window):
    x, resets = dense(model, symbols)
    found = np.zeros((len(positions), window))
    for row, p in enumerate(positions):
        leaf = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(logit(model, leaf, resets, p, symbols[p]), leaf)
        for k in range(min(window, p + 1)):
            found[row, k] = float(gradient[p - k].square().sum())
    return found


@pytest.mark.parametrize(
    ("cell", "layers", "embedding"),
    [("gru", 1, None), ("lstm", 2, None), ("skip_in_time", 1, None), ("clockwork", 1, None), ("gru", 1, 4)],
)
@pytest.mark.parametrize("window", [1, 6, 40])
def test_it_is_one_backward_run_for_each_position(cell, layers, embedding, window, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 7)  # several batches
    model = model_of(cell, layers, embedding)
    symbols = torch.from_numpy(VOCABULARY.encode(TEXT))
    expected = one_by_one(model, symbols, range(len(TEXT)), window)
    np.testing.assert_allclose(
        influences(model, TEXT, range(len(TEXT)), window), expected, rtol=1e-9, atol=1e-18
    )


@pytest.mark.parametrize(("cell", "embedding"), [("lstm", None), ("gru", 4)])
def test_it_equals_central_differences(cell, embedding):
    model = model_of(cell, 1, embedding)
    symbols = torch.from_numpy(VOCABULARY.encode(TEXT))
    x, resets = dense(model, symbols)
    p, eps = 12, 1e-5
    expected = []
    with torch.no_grad():
        for k in range(9):
            slopes = []
            for entry in range(x.shape[1]):
                ends = []
                for sign in (1, -1):
                    moved = x.clone()
                    moved[p - k, entry] += sign * eps
                    ends.append(float(logit(model, moved, resets, p, symbols[p])))
                slopes.append((ends[0] - ends[1]) / (2 * eps))
            expected.append(np.square(slopes).sum())
    np.testing.assert_allclose(influences(model, TEXT, [p], 9)[0], expected, rtol=1e-6)


def test_texts_that_begin_within_the_window_cut_it():
    symbols = [*VOCABULARY.encode("hola").tolist(), END]
    symbols = torch.tensor(symbols + VOCABULARY.encode("que tal").tolist())
    model = model_of()
    found = influences(model, symbols, range(len(symbols)), 8)
    np.testing.assert_allclose(found, one_by_one(model, symbols, range(len(symbols)), 8), rtol=1e-9)
    assert (found[7, :3] > 0).all() and (found[7, 3:] == 0).all()  # <eos> is read at step 5


def test_single_precision_and_the_batch_change_nothing_but_rounding(monkeypatch):
    model = model_of("lstm").float()
    found = influences(model, TEXT, range(len(TEXT)), 10)
    monkeypatch.setattr(module, "MEMORY", 1)
    np.testing.assert_allclose(influences(model, TEXT, range(len(TEXT)), 10), found, rtol=1e-4)
    np.testing.assert_allclose(influences(model.double(), TEXT, range(len(TEXT)), 10), found, rtol=1e-3)


def test_what_is_kept_and_how_it_is_read():
    model = model_of()
    exact = influences(model, TEXT, range(len(TEXT)), 6)
    found = memorization(model, TEXT, window=6, best=3)
    assert found.connectivity.dtype == np.uint8 and found.connectivity.max(1).tolist() == [255] * len(TEXT)
    np.testing.assert_allclose(found.strongest, exact.max(1))
    shares = exact / exact.max(1, keepdims=True)
    np.testing.assert_allclose(found.connectivity / 255, shares, atol=0.5 / 255 + 1e-12)
    row = found.at(10)
    assert row.shape == (len(TEXT),) and (row[10:] == 0).all() and (row[:4] == 0).all()
    np.testing.assert_allclose(row[4:10][::-1], shares[10], atol=0.5 / 255 + 1e-12)
    assert found.at(2)[:2].tolist() == (found.connectivity[2, [1, 0]] / 255).tolist()
    assert found.begin(2) == found.connectivity[2, 2] / 255 and found.begin(9) == 0
    np.testing.assert_allclose(found.by_lag[5], (found.connectivity[5:, 5] / 255).mean())
    logits, _ = model(
        torch.cat([torch.tensor([END]), torch.from_numpy(VOCABULARY.encode(TEXT))[:-1]])[:, None]
    )
    shares = torch.softmax(logits[:, 0], -1).detach().numpy()
    top = np.argsort(-shares, 1)[:, :3]
    assert found.guesses == tuple(tuple(VOCABULARY.symbols[i] for i in row) for row in top)
    np.testing.assert_allclose(found.guess_probabilities, np.take_along_axis(shares, top, 1))
    true = VOCABULARY.encode(TEXT)
    np.testing.assert_allclose(found.probabilities, shares[np.arange(len(true)), true])


def test_some_positions_only():
    model = model_of()
    whole = memorization(model, TEXT, window=5)
    some = memorization(model, TEXT, window=5, positions=range(3, 20, 4))
    assert some.positions.tolist() == [3, 7, 11, 15, 19]
    np.testing.assert_array_equal(some.connectivity, whole.connectivity[some.positions])
    np.testing.assert_array_equal(some.at(7), whole.at(7))
    assert some.guesses[1] == whole.guesses[7]
    with pytest.raises(SettingError, match="position must be one that was looked at, from 3 to 19, got 8"):
        some.at(8)


def test_several_models_and_their_figures():
    both = memorizations({"one": model_of(), "two": model_of("lstm")}, TEXT, window=5)
    assert [len(both.figure().data), len(both.figure(12).data)] == [2, 2]
    assert "two" in str(both.figure(12).layout.annotations[1].text)
    drawn = both.models["one"].figure(12).data[0]
    assert drawn.z.shape == (1, 64) and drawn.text[0][:6].tolist() == list(TEXT[7:12].replace(" ", "␣") + "?")
    np.testing.assert_array_equal(drawn.z[0][:5], both.models["one"].at(12)[7:12])
    assert np.array(both.to_dict()["models"]["one"]["connectivity"]).shape == (len(TEXT), 5)


def test_what_cannot_be_done_is_refused():
    model = model_of()
    with pytest.raises(DataError, match="at least one symbol, got none"):
        memorization(model, "")
    with pytest.raises(SettingError, match="window and best must be 1 or more, got 0 and 5"):
        memorization(model, TEXT, window=0)
    with pytest.raises(
        SettingError, match=r"positions must rise from 0 to n-1 = 24 at most, got range\(0, 26\)"
    ):
        memorization(model, TEXT, positions=range(26))
    with pytest.raises(DataError, match="symbols must lie from 0 to V-1"):
        memorization(model, [99])
    with pytest.raises(SettingError, match="at least one model"):
        memorizations({}, TEXT)
