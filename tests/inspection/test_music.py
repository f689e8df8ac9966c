import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Piece
from unrolled.data.settings import ReadSettings
from unrolled.data.usual_keys import UsualKeys
from unrolled.errors import DataError, FolderError, SettingError
from unrolled.inspection.music import evaluate, event_losses, frame_scores, judged, predict
from unrolled.models.classifier import Classifier
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel

NOTES = [[[60, 62], [60], [60]], [[61]], [[], [62], [60, 61, 62], [60, 61], [62]]]
PIECES = [Piece.of(notes, low=60, keys=3) for notes in NOTES]


@pytest.fixture
def model():
    torch.manual_seed(3)
    return MusicModel("gru", 4, low=60, keys=3, usual=UsualKeys.counted(PIECES[:1]))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"train": NOTES[:1], "test": NOTES}))
    return path


def alone(model, piece):
    """P of every key of every frame, one frame after the other."""
    state, x, found = None, torch.zeros(1, 1, 3), []
    with torch.no_grad():
        for frame in piece.frames:
            logits, state = model(x, state)
            found.append(1 / (1 + np.exp(-logits[0, 0].double().numpy())))
            x = torch.tensor(frame, dtype=torch.float32)[None, None]
    return np.array(found)


def test_losses_and_probabilities_are_those_of_each_piece_alone(model):
    for each, piece in zip(judged(model, PIECES), PIECES, strict=True):
        p = alone(model, piece)
        np.testing.assert_allclose(each.probabilities, p, rtol=1e-5)
        expected = -np.log(np.where(piece.frames, p, 1 - p)).sum(1)
        np.testing.assert_allclose(each.losses, expected, rtol=1e-5)


def test_scores_count_frames_not_pieces(model):
    found = list(judged(model, PIECES))
    scores = frame_scores(found)
    later = [loss for each in found for loss in each.losses[1:].tolist()]
    assert scores.frames == 6 == len(later)
    assert scores.later == pytest.approx(sum(later) / 6)
    assert scores.every == pytest.approx(sum(sum(each.losses.tolist()) for each in found) / 9)


def test_accuracy_is_that_of_bay(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.output.bias.copy_(torch.tensor([1.0, -1.0, 1.0]))  # foretells 60 and 62, always
    right = either = 0
    for notes in NOTES:
        for frame in notes[1:]:
            right += len({60, 62} & set(frame))
            either += len({60, 62} | set(frame))
    assert frame_scores(list(judged(model, PIECES))).accuracy == pytest.approx(right / either)


def test_evaluate_the_test_part_beside_its_floors(model, path):
    result = evaluate(model, [path], ReadSettings())
    scores = frame_scores(list(judged(model, PIECES)))
    assert result.count == 6 and result.counted == "frames"
    assert result.scores == {
        "NLL per frame": pytest.approx(scores.later),
        "NLL per frame, first ones too": pytest.approx(scores.every),
        "note accuracy": pytest.approx(scores.accuracy),
    }
    floor = np.concatenate([model.usual.markov_losses(piece.frames)[1:] for piece in PIECES]).mean()
    assert result.floors["NLL per frame"] == pytest.approx(floor)
    # What the rules foretell, note by note: by the frame before, and by what sounded there.
    markov, right, either, kept, all_kept = model.usual.markov, 0, 0, 0, 0
    for notes in NOTES:
        for now, after in pairwise(notes):
            said = {key for key in (60, 61, 62) if markov[int(key in now), key - 60] > 0.5}
            right, either = right + len(said & {*after}), either + len(said | {*after})
            kept, all_kept = kept + len({*now} & {*after}), all_kept + len({*now} | {*after})
    assert result.floors["note accuracy"] == pytest.approx(right / either)
    assert result.grids[0].rows[2] == ("all stays as it is", "-", "-", pytest.approx(kept / all_kept))
    assert result.notes == ("the test part of what is split into parts: 3 pieces",)
    hardest = result.grids[1].rows
    assert [row[2] for row in hardest] == sorted((row[2] for row in hardest), reverse=True)


def test_other_keys_options_and_models_are_refused(model, path):
    with pytest.raises(DataError, match="its keys are 21 to 108, the model's 60 to 62"):
        list(judged(model, [Piece.of([[60]])]))
    with pytest.raises(SettingError, match="--label is for tables and texts, and this is music"):
        evaluate(model, [path], ReadSettings(label="a"))
    with pytest.raises(FolderError, match="must be a model of music"):
        evaluate(Classifier(3, 2), [path], ReadSettings())
    with pytest.raises(DataError, match="two frames"):
        frame_scores(list(judged(model, PIECES[1:2])))


def test_events_count_once_with_the_end_of_every_piece(path):
    vocabulary = EventVocabulary.for_keys(60, 3, 4, grid=1)
    model = LanguageModel(vocabulary, "gru", 5)
    losses = event_losses(model, PIECES)
    for found, piece in zip(losses, PIECES, strict=True):
        state, symbol, expected = None, 1, []
        for following in [*vocabulary.of_piece(piece).tolist(), 1]:
            logits, state = model.step(symbol, state)
            expected.append(-logits.double().log_softmax(0)[following].item())
            symbol = following
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    result = evaluate(model, [path], ReadSettings())
    total, events = sum(map(sum, losses)), sum(map(len, losses))
    assert result.count == events
    assert result.scores == {
        "nats per event": pytest.approx(total / events),
        "perplexity": pytest.approx(math.exp(total / events)),
        "nats per frame": pytest.approx(total / 9),
    }
    assert result.floors["perplexity"] == len(vocabulary) == 12


def test_predict_gives_a_row_for_each_frame(model, path):
    rows = list(predict(model, [path], ReadSettings(), probabilities=True))
    found = list(judged(model, [PIECES[0], *PIECES]))
    assert len(rows) == sum(len(each.losses) for each in found)
    assert (
        rows[0]["notes"] == "60 62" and rows[0]["frame"] == 1 and rows[0]["piece"].endswith("train piece 1")
    )
    foretold = [str(60 + k) for k in range(3) if found[0].probabilities[0][k] > 0.5]
    assert rows[0]["prediction"].split() == foretold
    assert rows[0]["nats"] == pytest.approx(found[0].losses[0], abs=1e-6)
    assert rows[0]["probabilities"].split()[0] == f"60:{found[0].probabilities[0][0]:.4f}"
    assert "probabilities" not in next(predict(model, [path], ReadSettings()))
