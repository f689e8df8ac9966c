import json
import math
import tomllib

import numpy as np
import pytest
import torch

from unrolled.data.midi import write_midi
from unrolled.data.music import Music
from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Piece
from unrolled.data.text_settings import DataSettings
from unrolled.errors import DataError, SettingError
from unrolled.inspection.music import event_losses, frame_scores, judged
from unrolled.layers.ragged import Ragged
from unrolled.models.folder import load_model
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel
from unrolled.training.events import Prepared, Sampled, Updated
from unrolled.training.music import NextFrame, divided, moved, train_music, windows
from unrolled.training.music_settings import MusicSettings
from unrolled.training.settings import FitSettings, ModelSettings

SMALL = ModelSettings(hidden=6)
FEW = FitSettings(updates=6, batch=3, validate_every=3)
KEYS = {"low": 60, "high": 67}


def scale(length, start=0):
    """Three notes that go up and down, never the same two frames one after the other."""
    steps = [60 + abs((i + start) % 12 - 6) for i in range(length)]
    return [[note, note + 1] for note in steps]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.json"
    parts = {"train": [scale(12, i) for i in range(8)], "valid": [scale(9, 3)], "test": [scale(7)]}
    path.write_text(json.dumps(parts))
    return path


def trained(paths, tmp_path, music=None, model=SMALL, training=FEW, data=None):
    events = []
    run = train_music(
        paths, music or MusicSettings(**KEYS), data, model, training, tmp_path / "run", events.append
    )
    return run, events, load_model(run.path)


def test_a_run_leaves_a_model_whose_score_is_that_of_the_best_validation(path, tmp_path):
    run, events, model = trained([path], tmp_path)
    assert isinstance(model, MusicModel) and (model.low, model.keys, model.grid) == (60, 8, 1)
    scores = frame_scores(list(judged(model, [Piece.of(scale(9, 3), low=60, keys=8)])))
    assert run.outcome.best == pytest.approx(scores.later, rel=1e-6)
    assert run.outcome.scores["note accuracy"] == pytest.approx(scores.accuracy)
    prepared = next(event for event in events if isinstance(event, Prepared))
    assert "8 pieces of 12 frames to train on, 1 to validate on; 1 frame in a quarter note" in prepared.data
    assert "each key by the frame before" in prepared.notes[-1]
    assert any(isinstance(event, Sampled) for event in events)
    config = tomllib.loads((run.path / "config.toml").read_text())
    assert config["task"] == "lm" and config["music"]["as"] == "frames" and config["training"]["batch"] == 3


def test_training_learns(path, tmp_path):
    training = FitSettings(epochs=60, batch=4, learning_rate=0.02)
    model = ModelSettings(hidden=16, dropout_input=0)
    run, events, _ = trained(
        [path], tmp_path, MusicSettings(**KEYS, dropout_recurrent=0), model=model, training=training
    )
    floor = float(next(e for e in events if isinstance(e, Prepared)).notes[-1].split()[-2])
    assert run.outcome.best < 0.5 * floor


@pytest.mark.parametrize("kind", ["frames", "events"])
def test_the_same_seed_is_the_same_run(path, tmp_path, kind):
    results = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        settings = FitSettings(updates=4, batch=2, steps=9, seed=seed)
        _, events, _ = trained(
            [path], tmp_path / name, MusicSettings(kind=kind, transpose=1, **KEYS), training=settings
        )
        results.append([event.train for event in events if isinstance(event, Updated)])
    assert results[0] == results[1] != results[2]


def test_events_are_a_language_model(path, tmp_path):
    training = FitSettings(updates=8, batch=2, steps=10, validate_every=4)
    run, _events, model = trained(
        [path], tmp_path, MusicSettings(kind="events", wait=4, **KEYS), training=training
    )
    assert isinstance(model, LanguageModel) and isinstance(model.vocabulary, EventVocabulary)
    assert (model.vocabulary.longest_wait, model.vocabulary.grid) == (4, 1)
    losses = np.concatenate(event_losses(model, [Piece.of(scale(9, 3), low=60, keys=8)]))
    assert run.outcome.best == pytest.approx(losses.mean() / math.log(2), rel=1e-5)
    assert run.outcome.unit == "bits per event"


def test_midi_is_divided_by_the_seed(tmp_path):
    pytest.importorskip("mido")
    for number in range(10):
        write_midi(Piece.of(scale(8 + number)), tmp_path / f"{number}.mid", grid=2)
    _run, events, model = trained(
        [tmp_path], tmp_path, MusicSettings(grid=2, **KEYS), data=DataSettings(validation=0.3)
    )
    prepared = next(event for event in events if isinstance(event, Prepared))
    assert prepared.data.startswith("7 pieces of") and ", 3 to validate on" in prepared.data
    assert model.grid == 2 and model.reading == {"grid": 2}


def pieces(*lengths):
    return tuple(Piece.of(scale(length), name=str(length), low=60, keys=8) for length in lengths)


def test_pieces_are_kept_out_once():
    music = Music(pieces(*range(2, 22)), 1)
    found = divided(music, 0.1, 0)
    assert len(found.valid) == 2 and {*found.pieces} | {*found.valid} == {*music.pieces}
    assert not {*found.pieces} & {*found.valid}
    assert divided(music, 0.1, 1).valid != found.valid
    given = Music(music.pieces[:3], 1, valid=music.pieces[3:4])
    assert divided(given, 0.5, 0) is given


def test_one_piece_is_cut_in_two():
    (piece,) = pieces(40)
    found = divided(Music((piece,), 1), 0.25, 0)
    assert found.pieces[0].notes() == piece.notes()[:30] and found.valid[0].notes() == piece.notes()[30:]
    with pytest.raises(DataError, match="one piece of 3 frames cannot be trained and validated on"):
        divided(Music(pieces(3), 1), 0.25, 0)
    with pytest.raises(DataError, match="no pieces to train on"):
        divided(Music((), 1, valid=pieces(3)), 0.25, 0)


def test_validation_files_apart(path, tmp_path):
    other = tmp_path / "b.json"
    other.write_text(json.dumps([scale(5), scale(6)]))
    _, events, _ = trained([path], tmp_path, data=DataSettings(validate_on=other))
    assert "2 to validate on" in next(event for event in events if isinstance(event, Prepared)).data


def test_moves_stay_within_the_keys_and_are_all_drawn():
    piece = Piece.of([[61], [63]], low=60, keys=8)
    generator = np.random.default_rng(0)
    found = {moved(piece, 3, generator).notes()[0][0] - 61 for _ in range(200)}
    assert found == {-1, 0, 1, 2, 3}
    assert moved(piece, 0, generator) is piece


def test_windows_carry_the_state_of_every_row():
    torch.manual_seed(0)
    model = MusicModel("gru", 5, keys=3)
    frames = Ragged((torch.rand(11, 3) < 0.5).float(), [5, 2, 4])
    whole = model.frame_losses(frames)
    found, state = [], None
    for window in windows(frames, 2):
        assert window.begins == (state is None)
        logits, state = model(window.read, state)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits.values, window.targets, reduction="none"
        ).sum(1)
        found.append(
            list(zip(window.read.lengths.tolist(), loss.split(window.read.lengths.tolist()), strict=True))
        )
    for row, expected in enumerate(whole.split([5, 2, 4])):
        torch.testing.assert_close(torch.cat([window[row][1] for window in found]), expected)


@pytest.mark.parametrize("steps", [3, 256])
def test_an_epoch_sees_every_frame_once(steps):
    model = MusicModel("gru", 3, low=60, keys=8)
    training = pieces(3, 9, 4, 7, 7)
    objective = NextFrame(model, training, (), FitSettings(batch=2, steps=steps))
    batches = list(objective.batches())
    assert sum(len(batch.targets) for batch in batches) == 30
    assert sum(batch.targets.sum() for batch in batches) == sum(piece.frames.sum() for piece in training)
    assert objective.validate() is None
    if steps == 256:
        assert len(batches) == objective.batches_per_epoch == 3


def test_options_that_mean_nothing_are_refused(path, tmp_path):
    for options, message in (
        ({"model": ModelSettings(tied=True)}, "--tied is about symbols; --as events has them"),
        ({"training": FitSettings(preset="awd")}, "--preset is about symbols"),
        ({"data": DataSettings(unit="word")}, "--unit is for text, and this is music"),
    ):
        with pytest.raises(SettingError, match=message):
            trained([path], tmp_path, **options)
    for options, message in (
        ({"low": 70, "high": 60}, "--low 70 is above --high 60"),
        ({"wait": 3}, "--wait is for --as events"),
        ({"kind": "events", "dropout_recurrent": 0.5}, "--dropout-recurrent is for --as frames"),
    ):
        with pytest.raises(SettingError, match=message):
            MusicSettings(**options)
    with pytest.raises(
        SettingError, match=r"--adaptive groups .*, and events stand in the order of their codes"
    ):
        trained([path], tmp_path, MusicSettings(kind="events", **KEYS), model=ModelSettings(adaptive="4"))
    with pytest.raises(DataError, match="less than one window of --steps 64 x --batch 64"):
        trained([path], tmp_path, MusicSettings(kind="events", **KEYS), training=FitSettings())
    assert not (tmp_path / "run").exists()


def test_settings_of_the_model_reach_it(path, tmp_path):
    model = ModelSettings(
        cell="lstm", hidden=4, layers=2, embedding=3, dropout=0.1, dropout_output=0.2, dropconnect=0.3
    )
    _, _, network = trained([path], tmp_path, MusicSettings(**KEYS, dropout_recurrent=0.4), model=model)
    assert network.settings == {
        "hidden_size": 4,
        "num_layers": 2,
        "embedding_size": 3,
        "dropouts": {"embedding": 0.0, "input": 0.2, "between": 0.1, "output": 0.2, "connections": 0.3},
        "recurrent_dropout": 0.4,
    }
    assert network.cell.name == "lstm"
