import numpy as np
import pytest
import torch

from unrolled.data.inputs import FrameInput, PictureInput, TextInput
from unrolled.data.labels import Labels
from unrolled.equations import Cell
from unrolled.errors import FolderError, SettingError
from unrolled.layers.ragged import Ragged
from unrolled.models.classifier import Classifier
from unrolled.models.folder import load_model, save_model
from unrolled.models.front import front_of
from unrolled.models.language import LanguageModel

WITH_STATIC = Cell.from_text(
    '''
@cell(static=("y",))
def own(x, h, y, *, W, U, V, b):
    """A cell that reads the same vector at every step."""
    return tanh(W @ x + U @ h + V @ y + b)
'''
)
TEXT = TextInput.fitted(["a b c d a", "a b"], "word")


def rows(lengths, size=3):
    torch.manual_seed(1)
    return Ragged(torch.randn(sum(lengths), size), torch.tensor(lengths))


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", ["elman", "lstm"])
@pytest.mark.parametrize("both", [False, True])
def test_logits_are_those_of_the_equations_written_out_row_by_row(pooling, cell, both):
    model = Classifier(3, 4, cell, 5, bidirectional=both, pooling=pooling, dropout=0.5).double().eval()
    batch = rows([4, 1, 6])
    batch = batch.with_values(batch.values.double())
    for name, parameter in model.named_parameters():
        torch.nn.init.normal_(parameter, std=0.7) if "pooling" in name else None
    found = model(batch)
    for row, logits in zip(batch.unbind(), found, strict=True):
        outputs = one_row(model, row)
        pooled = pooled_by_hand(model, outputs)
        torch.testing.assert_close(model.output(pooled), logits)


def one_row(model, row):
    """Each direction run by itself over one row, in NumPy where the cell is a function."""
    names = ["l0", "l0_reverse"][: model.recurrent.directions]
    outputs = []
    for name in names:
        weights = {key: value.detach().numpy() for key, value in model.recurrent.cell_weights(name).items()}
        x = row.numpy() if name == "l0" else row.numpy()[::-1]
        states = [np.zeros(5) for _ in model.cell.signature.states]
        steps = []
        for frame in x:
            new = model.cell(frame, *states, **weights)
            states = list(new) if isinstance(new, tuple) else [new]
            steps.append(states[0])
        outputs.append(np.array(steps if name == "l0" else steps[::-1]))
    return torch.from_numpy(np.concatenate(outputs, 1))


def pooled_by_hand(model, outputs):
    kind, half = model.pooling.kind, outputs.shape[1] // 2
    if kind == "last" and model.recurrent.directions == 2:
        return torch.cat([outputs[-1, :half], outputs[0, half:]])
    if kind == "attention":
        scores = torch.stack([model.pooling.keys(h).tanh() @ model.pooling.query for h in outputs])
        return (scores.softmax(0)[:, None] * outputs).sum(0)
    return {"last": outputs[-1], "mean": outputs.mean(0), "max": outputs.max(0).values}[kind]


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_gradients_are_those_of_finite_differences(pooling):
    model = Classifier(3, 2, "gru", 4, bidirectional=True, pooling=pooling).double()
    torch.nn.init.normal_(model.pooling.query) if model.pooling.query is not None else None
    values = rows([3, 2]).values.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda v: model(Ragged(v, torch.tensor([3, 2]))), values)


def test_a_padded_batch_and_a_ragged_one_give_the_same_and_padding_is_not_looked_at():
    model = Classifier(3, 2, "gru", 4, pooling="mean").eval()
    batch = rows([4, 2])
    padded = batch.padded(value=float("nan"))
    assert torch.equal(model(padded, [4, 2]), model(batch))


def test_a_row_alone_is_the_row_in_its_batch():
    model = Classifier(3, 2, "lstm", 16, bidirectional=True, pooling="attention").eval()
    batch = rows([5, 9, 1, 3])
    for index in range(4):
        torch.testing.assert_close(model(batch[[index]]), model(batch)[[index]], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("read", "size", "batch"),
    [
        (TEXT, 6, Ragged(torch.tensor([1, 2, 0]), torch.tensor([2, 1]))),
        (TEXT, None, Ragged(torch.tensor([1, 2, 0]), torch.tensor([2, 1]))),
        (FrameInput([1.0, 2.0], [3.0, 0.5]), None, rows([2, 1], 2)),
        (
            PictureInput(9, 8),
            6,
            Ragged(torch.randint(255, (3, 9, 8, 3), dtype=torch.uint8), torch.tensor([2, 1])),
        ),
    ],
)
def test_a_model_of_every_kind_of_input_comes_back_from_its_folder_bit_by_bit(tmp_path, read, size, batch):
    reading = {"kind": "text", "sample_rate": 8000}
    model = Classifier(read, ["x", "y", "z"], "gru", 5, embedding_size=size, dropout=0.2, reading=reading)
    save_model(model, tmp_path)
    again = load_model(tmp_path, Classifier)
    assert torch.equal(again(batch), model.eval()(batch))
    assert (again.labels.names, again.reading) == (("x", "y", "z"), reading)
    assert again.contents == model.contents and again.settings == model.settings


def test_another_kind_of_model_is_refused_by_what_it_holds(tmp_path):
    save_model(Classifier(3, 2, "gru", 4), tmp_path)
    with pytest.raises(FolderError, match=r"must hold a language model, got a classifier; name another run"):
        load_model(tmp_path, LanguageModel)


def test_frames_are_scaled_by_what_was_fitted():
    data = [np.array([[1, 10], [3, 10]], np.float32), np.array([[8, 10]], np.float32)]
    front = front_of(FrameInput.fitted(data), None)
    everything = np.concatenate(data)
    expected = (everything - everything.mean(0)) / np.array([everything.std(0)[0], 1])
    np.testing.assert_allclose(front(torch.from_numpy(everything)).numpy(), expected, atol=1e-6)


def test_unknown_symbols_are_drawn_only_while_training():
    model = Classifier(TEXT, 2, "gru", 4, embedding_size=3, unknown=0.5)
    front, symbols = model.front, torch.full((2000,), 3)
    unknown, known = front.embedding.weight[0], front.embedding.weight[3]
    drawn = (front.train()(symbols) == unknown).all(1).float().mean()
    assert 0.4 < drawn < 0.6
    assert (front.eval()(symbols) == known).all()


def test_the_first_steps_have_vectors_of_their_own():
    model = Classifier(3, 2, "gru", 4, positions=2, pooling="mean").eval()
    batch, places = rows([4, 1, 3]), model.places.vectors
    shifted = [torch.cat([row[:2] + places[: len(row[:2])], row[2:]]) for row in batch.unbind()]
    plain = Classifier(3, 2, "gru", 4, pooling="mean").eval()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("places")})
    torch.testing.assert_close(model(batch), plain(Ragged.from_rows(shifted)))
    with pytest.raises(
        SettingError, match="positions need learned vectors of the symbols; name an embedding_size"
    ):
        Classifier(TEXT, 2, "gru", 4, positions=2)(torch.tensor([[1]]))


def test_several_classes_a_row_have_probabilities_of_their_own():
    model = Classifier(3, Labels(["a", "b", "c"], separator="|"), "gru", 4).eval()
    batch = rows([3, 2])
    torch.testing.assert_close(model.probabilities(batch), model(batch).sigmoid())
    single = Classifier(3, 3, "gru", 4).eval()
    torch.testing.assert_close(single.probabilities(batch).sum(1), torch.ones(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "sum"}, "pooling must be last, mean, max, attention, got 'sum'"),
        ({"embedding_size": 4}, "frames of 3 channels have no embedding, got embedding_size=4"),
        ({"cell": "gruu"}, "gru"),
        ({"cell": WITH_STATIC}, "own has the static input y, which a classifier does not give"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        Classifier(3, 2, **{"cell": "gru", "hidden_size": 4, **options})


def test_a_row_without_steps_cannot_be_pooled():
    with pytest.raises(ValueError, match="at least one step to be pooled"):
        Classifier(3, 2, "gru", 4)(Ragged(torch.zeros(2, 3), torch.tensor([2, 0])))
