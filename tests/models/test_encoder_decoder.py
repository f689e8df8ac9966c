"""The encoder-decoder against its equations in NumPy, one row and one step at a time."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from unrolled import cells
from unrolled.data.vocabulary import END, Vocabulary
from unrolled.errors import SettingError, ShapeError
from unrolled.layers.context import with_context
from unrolled.layers.ragged import Ragged
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.models.folder import load_model, save_model

SOURCE, TARGET = Vocabulary.from_text(["abcde"]), Vocabulary.from_text(["uvwxyz"])
SOURCES = Ragged.from_rows([[2, 3, 4, 5, 6], [4], [3, 3, 0]])
TARGETS = Ragged.from_rows([[2, 3, END], [7, 4, 5, 2, END], [END]])
KINDS = [
    {"condition": "attention"},
    {"condition": "attention", "attention": "dot", "tied": False},
    {"condition": "attention", "cell": "lstm", "decoder_cell": "elman"},
    {"condition": "context"},
    {"condition": "context", "cell": "lstm", "tied": False},
    {"condition": "state", "cell": "lstm"},
    {"condition": "state", "bidirectional": False, "bridge": False},
]


def made(**options):
    model = EncoderDecoder(SOURCE, TARGET, hidden_size=4, embedding_size=3, **{"dropout": 0.0, **options})
    with torch.no_grad():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return model.double()


# --- the same by hand ----------------------------------------------------------------------------


def numbers(tensor):
    return tensor.detach().numpy()


def stepped(cell, x, states, static, weights):
    found = cell(x, *states, *static, **weights)
    found = found if isinstance(found, tuple) else (found,)
    # The output is the first state, unless there is one more value than states.
    return found[0], list(found[-len(states) :])


def swept(layer, cell, name, inputs, states, *static):
    weights = {key: numbers(value) for key, value in layer.cell_weights(name).items()}
    outputs = []
    for x in inputs:
        output, states = stepped(cell, x, states, static, weights)
        outputs.append(output)
    return outputs, states


def log_probabilities(model, source, target):
    """log P (n, V) of the symbols of one target."""
    count = len(model.cell.states)
    x = numbers(model.source_embedding.weight)[source]
    forward, final = swept(model.encoder, model.cell, "l0", x, [np.zeros(4)] * count)
    memories = np.array(forward)
    if model.encoder.bidirectional:
        backward, end = swept(model.encoder, model.cell, "l0_reverse", x[::-1], [np.zeros(4)] * count)
        both = (np.array(forward), np.array(backward[::-1]))
        memories = both[0] + both[1] if model.options["attention"] == "dot" else np.concatenate(both, 1)
        final = [*final, *end]
    vector = np.concatenate(final)
    states = final
    if model.bridge is not None:
        states = [numbers(p.weight) @ vector + numbers(p.bias) for p in model.bridge.projections[0]]
    cell, static = model.decoder_cell, ()
    if model.condition == "context":
        cell, static = with_context(cell), (vector,)
    embedding = numbers(model.target_embedding.weight)
    outputs, _ = swept(model.decoder, cell, "l0", embedding[[END, *target[:-1]]], states, *static)
    read = [attended(model, h, memories) for h in outputs]
    weight = embedding if model.options["tied"] else numbers(model.output.weight)
    logits = np.array(read) @ weight.T + numbers(model.output.bias)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def attended(model, h, memories):
    if model.attention is None:
        return h if model.spread is None else numbers(model.spread.weight) @ h
    keys = memories if model.attention.keys is None else memories @ numbers(model.attention.keys.weight).T
    shares = np.exp(keys @ h)
    context = shares / shares.sum() @ memories
    return np.tanh(numbers(model.attention.combine.weight) @ np.concatenate([context, h]))


def rows(ragged):
    return [row.tolist() for row in ragged]


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_it_computes_its_equations(options):
    model = made(**options)
    wanted = [log_probabilities(model, s, t) for s, t in zip(rows(SOURCES), rows(TARGETS), strict=True)]
    logits = model(SOURCES, TARGETS)
    assert logits.lengths.tolist() == TARGETS.lengths.tolist()
    found = numbers(logits.values.log_softmax(-1))
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-9, atol=1e-12)
    loss, nats, symbols = model.loss(SOURCES, TARGETS)
    mean = -np.mean([one[np.arange(len(t)), t].sum() for one, t in zip(wanted, rows(TARGETS), strict=True)])
    assert symbols == 9
    assert nats == pytest.approx(mean * 3 / 9, rel=1e-9)
    assert loss.item() == nats


def test_a_target_that_is_cut_off_does_not_lead_into_the_next():
    model, targets = made(), Ragged.from_rows([[2, 3], [7, 4], [5]])
    wanted = [log_probabilities(model, s, t) for s, t in zip(rows(SOURCES), rows(targets), strict=True)]
    found = numbers(model(SOURCES, targets).values.log_softmax(-1))
    np.testing.assert_allclose(found, np.concatenate(wanted), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_its_gradients_are_those_of_finite_differences(options):
    model = made(**options)
    model.loss(SOURCES, TARGETS, smoothing=0.1)[0].backward()
    step = 1e-6
    for name, parameter in model.named_parameters():
        direction = torch.randn_like(parameter)
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter.add_(direction, alpha=sign * step)
                losses.append(model.loss(SOURCES, TARGETS, smoothing=0.1)[0].item())
                parameter.sub_(direction, alpha=sign * step)
        assert parameter.grad is not None, name
        found = (parameter.grad * direction).sum().item()
        assert found == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-4, abs=1e-8), name


def test_step_by_step_is_the_run_over_all_steps():
    for options in (*KINDS, {"num_layers": 2}):
        model = made(**options)
        wanted = model(SOURCES[[0, 0]], Ragged.from_rows([[2, 3, END], [7, 3, END]]))
        encoded = model.encode(SOURCES[[0]])
        state = encoded.state.rows([0, 0])
        for t, symbols in enumerate([[END, END], [2, 7], [3, 3]]):
            read, state, weights = model.step(torch.tensor([symbols]), state, encoded)
            logits = model.output.logits(read)
            torch.testing.assert_close(logits[0, 0], wanted.values[t])
            torch.testing.assert_close(logits[0, 1], wanted.values[3 + t])
            assert (weights is None) == (model.attention is None)


def test_smoothing_is_that_of_torch():
    model = made()
    loss, nats, _ = model.loss(SOURCES, TARGETS, smoothing=0.3)
    logits = model(SOURCES, TARGETS).values
    wanted = cross_entropy(logits, TARGETS.values, label_smoothing=0.3)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    assert nats == pytest.approx(cross_entropy(logits, TARGETS.values).item(), rel=1e-12)


def test_a_row_does_not_depend_on_the_others():
    for options in KINDS:
        model = made(**options)
        together = model(SOURCES, TARGETS).unbind()
        for b in range(3):
            alone = model(SOURCES[[b]], TARGETS[[b]]).values
            torch.testing.assert_close(alone, together[b], rtol=1e-12, atol=1e-13)


def test_dropout_is_for_training_only():
    model = made(dropout=0.5)
    model.train()
    assert model.loss(SOURCES, TARGETS)[1] != model.loss(SOURCES, TARGETS)[1]
    model.eval()
    assert model.loss(SOURCES, TARGETS)[1] == model.loss(SOURCES, TARGETS)[1]


def test_tied_weights_are_one_parameter():
    model = made()
    assert model.output.weight is model.target_embedding.weight
    apart = made(tied=False)
    assert apart.output.weight is not apart.target_embedding.weight


def test_nothing_of_the_context_is_copied_over_the_steps():
    model, seen = made(condition="context"), []
    model.decoder.register_forward_pre_hook(lambda _, __, given: seen.append(given), with_kwargs=True)
    model.loss(SOURCES, TARGETS)
    assert [tuple(value.shape) for value in seen[0]["static"].values()] == [(3, 8)]  # B rows, 2 H numbers
    assert model.decoder.engine == "native"


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_folder_gives_the_same_model_back(options, tmp_path):
    model = made(**options).float().eval()
    save_model(model, tmp_path)
    again = load_model(tmp_path, EncoderDecoder)
    assert again.settings == model.settings
    assert again.source == SOURCE
    assert again.target == TARGET
    assert torch.equal(again(SOURCES, TARGETS).values, model(SOURCES, TARGETS).values)


def test_what_does_not_fit_is_refused():
    for options, message in [
        ({"condition": "copy"}, "condition must be attention, context, state, got 'copy'"),
        ({"condition": "state", "attention": "dot"}, "attention='dot' is for condition attention, got state"),
        ({"attention": "sum"}, "attention must be general or dot, got 'sum'"),
        ({"bridge": False}, "without a bridge .* two directions"),
        (
            {"bridge": False, "bidirectional": False, "decoder_cell": "lstm"},
            "both cells must be one, got gru and",
        ),
        ({"num_layers": 0}, "num_layers must be at least 1, got 0"),
        ({"dropout": 1.0}, "dropout must be from 0 to less than 1, got 1.0"),
        ({"cell": with_context(cells.find("gru"))}, "gru_with_context has the static input context"),
    ]:
        with pytest.raises(SettingError, match=message):
            made(**options)
    model = made()
    with pytest.raises(ShapeError, match="got 2 sources and 3 targets"):
        model.loss(SOURCES[:2], TARGETS)
    with pytest.raises(SettingError, match="label smoothing must be from 0 to less than 1, got 1"):
        model.loss(SOURCES, TARGETS, smoothing=1.0)
    with pytest.raises(ShapeError, match="at least one step to attend to"):
        model.loss(Ragged.from_rows([[2], []]), Ragged.from_rows([[END], [END]]))
