import math

import numpy as np
import pytest
import torch

from unrolled.data.piano_roll import Piece
from unrolled.data.usual_keys import UsualKeys
from unrolled.errors import FolderError, SettingError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.models.folder import load_model, save_model
from unrolled.models.language import LanguageModel
from unrolled.models.language_dropouts import Dropouts
from unrolled.models.music import MusicModel, before, first_frames, key_losses


def rolls(*lengths, keys=7):
    return Ragged((torch.rand(sum(lengths), keys) < 0.3).float(), lengths)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("embedding", [None, 3])
def test_losses_are_those_of_the_formula_step_by_step(embedding):
    model = MusicModel("gru", 4, keys=7, embedding_size=embedding).double()
    frames = rolls(5, 1, 3)
    found = model.frame_losses(frames).detach().numpy()
    weights = {name: value.detach().numpy() for name, value in model.recurrent.cell_weights().items()}
    V, c = model.output.weight.detach().numpy(), model.output.bias.detach().numpy()
    expected = []
    for row in frames:
        h, x = np.zeros(4), np.zeros(7)
        for frame in row.numpy().astype(float):
            read = x if embedding is None else model.embedding.weight.detach().numpy() @ x
            h = model.cell(read, h, **weights)
            p = sigmoid(V @ h + c)
            expected.append(-sum(math.log(p[k] if frame[k] else 1 - p[k]) for k in range(7)))
            x = frame
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_ragged_and_padded_are_the_same():
    model = MusicModel("lstm", 5, 2, keys=7)
    frames = rolls(4, 4)
    padded, _ = model(frames.padded())
    ragged, _ = model(frames)
    assert torch.equal(padded.transpose(0, 1).flatten(0, 1), ragged.values)


def test_pieces_in_parts_with_the_state_are_the_whole():
    model = MusicModel("gru", 5, keys=7)
    frames = rolls(6).padded()
    whole, _ = model(frames)
    first, state = model(frames[:2])
    second, _ = model(frames[2:], state)
    assert torch.equal(whole, torch.cat([first, second]))


def test_what_comes_before_each_frame():
    frames = Ragged(torch.arange(1, 7)[:, None], [3, 0, 1, 2])
    assert before(frames).values.flatten().tolist() == [0, 1, 2, 0, 0, 5]
    assert first_frames(frames).tolist() == [0, 3, 4]
    assert frames.values.flatten().tolist() == [1, 2, 3, 4, 5, 6]


def test_the_start_makes_keys_as_probable_as_they_are_frequent():
    usual = UsualKeys.counted([Piece.of([[60], [60, 62], [60, 62]], low=60, keys=3)])
    model = MusicModel("gru", 4, keys=3, usual=usual)
    model.output.weight.data.zero_()
    model.start_from_usual()
    logits, _ = model(torch.zeros(1, 1, 3))
    np.testing.assert_allclose(logits[0, 0].sigmoid().detach(), [3.5 / 4, 0.5 / 4, 2.5 / 4], rtol=1e-6)


def test_each_rate_of_dropout_changes_training_and_nothing_else():
    frames = rolls(9, 6)
    torch.manual_seed(1)
    plain = MusicModel("gru", 6, 2, keys=7)
    given = [{"dropouts": Dropouts(**{name: 0.5})} for name in ("input", "between", "output", "connections")]
    for options in [*given, {"recurrent_dropout": 0.5}]:
        model = MusicModel("gru", 6, 2, keys=7, **options)
        model.load_state_dict(plain.state_dict())
        assert not torch.allclose(model.frame_losses(frames), plain.frame_losses(frames))
        torch.testing.assert_close(model.eval().frame_losses(frames), plain.eval().frame_losses(frames))


def test_a_folder_holds_all_of_it(tmp_path):
    usual = UsualKeys.counted([Piece.of([[30], [31]], low=30, keys=7)])
    model = MusicModel(
        "lstm", 6, 2, low=30, keys=7, embedding_size=3, dropouts=Dropouts(input=0.1, output=0.2),
        recurrent_dropout=0.3, grid=2, usual=usual, reading={"a": 1},
    )  # fmt: skip
    save_model(model, tmp_path)
    loaded = load_model(tmp_path, MusicModel)
    frames = rolls(4, 2)
    assert torch.equal(loaded.frame_losses(frames), model.eval().frame_losses(frames))
    assert (loaded.settings, loaded.contents) == (model.settings, model.contents)
    assert (loaded.low, loaded.keys, loaded.grid, loaded.reading) == (30, 7, 2, {"a": 1})
    assert loaded.usual.counts.sum() == 14
    with pytest.raises(FolderError, match="must hold a language model, got a music model"):
        load_model(tmp_path, LanguageModel)


def test_losses_of_keys():
    assert key_losses(torch.tensor([0.0, 2.0]), torch.tensor([1, 0])).tolist() == pytest.approx(
        [math.log(2), math.log1p(math.exp(2))]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ({"embedding_size": 0}, "embedding_size must be at least 1"),
        ({"keys": 0}, "keys must be at least 1"),
        ({"low": 41}, "keys must lie within 0 to 127, got 41 to 128"),
        ({"low": -1}, "keys must lie within 0 to 127"),
        ({"cell": "grue"}, "gru"),
        ({"recurrent_dropout": 1.0}, "recurrent must be a number from 0 to below 1"),
        ({"dropouts": Dropouts(embedding=0.1)}, "is of symbols, and frames are none"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(SettingError, match=message):
        MusicModel(**options)


def test_frames_of_another_width_are_refused():
    with pytest.raises(ShapeError, match=r"frames must be \(T, B, 7\) or ragged \(N, 7\), got \(3, 1, 6\)"):
        MusicModel(keys=7)(torch.zeros(3, 1, 6))
