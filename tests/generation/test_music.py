import math

import numpy as np
import pytest
import torch

from unrolled.data.music_events import EventVocabulary
from unrolled.data.piano_roll import Piece
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError, SettingError
from unrolled.generation.music import draw_music, sounding_notes
from unrolled.models.language import LanguageModel
from unrolled.models.music import MusicModel


@pytest.fixture
def frames():
    torch.manual_seed(0)
    model = MusicModel("gru", 5, low=60, keys=4)
    model.output.weight.data.mul_(4)
    return model


@pytest.fixture
def events():
    torch.manual_seed(0)
    model = LanguageModel(EventVocabulary.for_keys(60, 4, 4, grid=2), "gru", 8)
    model.output.bias.data[1] = -3  # ends seldom
    return model


def equal(one, other):
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.struck, other.struck)


@pytest.mark.parametrize("name", ["frames", "events"])
def test_a_piece_is_the_same_however_many_are_drawn(name, request):
    model = request.getfixturevalue(name)
    several = draw_music(model, 20, seed=4, number=5)
    equal(draw_music(model, 20, seed=4, number=3)[2], several[2])
    equal(draw_music(model, 20, seed=4)[0], several[0])
    assert not np.array_equal(draw_music(model, 20, seed=5)[0].frames, several[0].frames)
    assert len({each.frames.tobytes() for each in several}) == 5
    assert draw_music(model, 20)[0].frames.tobytes() != draw_music(model, 20)[0].frames.tobytes()


def test_without_temperature_the_likelier_of_sound_and_silence(frames):
    piece = draw_music(frames, 6, temperature=0)[0]
    state, x = None, torch.zeros(1, 1, 4)
    for frame in piece.frames:
        with torch.no_grad():
            logits, state = frames(x, state)
        np.testing.assert_array_equal(frame, logits[0, 0].numpy() > 0)
        x = torch.tensor(frame, dtype=torch.float32)[None, None]


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_keys_are_drawn_with_their_probabilities(temperature):
    model = MusicModel("gru", 2, low=60, keys=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.output.bias.copy_(torch.tensor([-2.0, 0.0, 1.5]))
    found = np.mean(
        [piece.frames.mean(0) for piece in draw_music(model, 500, temperature, seed=1, number=8)], 0
    )
    expected = [1 / (1 + math.exp(-logit / temperature)) for logit in (-2.0, 0.0, 1.5)]
    np.testing.assert_allclose(found, expected, atol=4 * 0.5 / math.sqrt(4000))


def test_pieces_go_on_from_the_prime(frames):
    prime = Piece("", np.eye(4, dtype=bool)[[0, 0, 3]], 60, np.eye(4, dtype=bool)[[0, 0, 3]])
    piece = draw_music(frames, 4, temperature=0, prime=prime)[0]
    assert len(piece) == 7
    equal(Piece("", piece.frames[:3], 60, piece.struck[:3]), prime)
    with torch.no_grad():
        logits, _ = frames(torch.tensor(np.concatenate([np.zeros((1, 4)), prime.frames]))[:, None].float())
    np.testing.assert_array_equal(piece.frames[3], logits[-1, 0].numpy() > 0)


def test_events_go_on_from_the_prime_while_its_last_notes_sound(events):
    prime = Piece.of([[60], [60, 63]], low=60, keys=4)
    vocabulary = events.vocabulary
    begun = vocabulary.encode("on60 wait1 on63 wait1").tolist()
    expected, state = list(begun), None
    with torch.no_grad():
        for symbol in [1, *begun]:
            logits, state = events.step(symbol, state)
        for _ in range(1000):
            logits[0] = -torch.inf
            expected.append(int(logits.argmax()))
            time = sum(
                int(vocabulary.symbols[i][4:]) for i in expected if vocabulary.symbols[i].startswith("wait")
            )
            if expected[-1] == 1 or time >= 5:
                break
            logits, state = events.step(expected[-1], state)
    found = draw_music(events, 3, temperature=0, prime=prime)[0]
    wanted = vocabulary.piece(expected).frames[:5]
    np.testing.assert_array_equal(found.frames, wanted)
    np.testing.assert_array_equal(found.frames[:2], prime.frames)


def test_events_end_at_the_length_or_where_the_model_ends(events):
    assert all(len(piece) <= 7 for piece in draw_music(events, 7, seed=2, number=20))
    assert any(len(piece) == 7 for piece in draw_music(events, 7, seed=2, number=20))
    events.output.bias.data[1] = 100
    assert len(draw_music(events, 7, seed=2)[0]) == 0
    events.output.bias.data[1] = -100
    events.output.bias.data[2] = 100  # on60 for ever
    assert len(draw_music(events, 7, seed=2)[0]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "temperature must be 0"),
        ({"temperature": math.nan}, "temperature must be 0"),
        ({"length": 0}, "length must be 1 to"),
        ({"number": 0}, "number must be 1 to"),
        ({"seed": -1}, "the seed must be"),
    ],
)
def test_what_cannot_be_drawn(frames, options, message):
    with pytest.raises(SettingError, match=message):
        draw_music(frames, **options)


def test_primes_and_models_that_do_not_fit(frames, events):
    for model in (frames, events):
        with pytest.raises(DataError, match="must have the keys of the model, 60 to 63, got 21 to 108"):
            draw_music(model, prime=Piece.of([[60]]))
    with pytest.raises(SettingError, match="draws characters, no music"):
        draw_music(LanguageModel(Vocabulary.from_text(["a"]), hidden_size=2))


def test_notes_from_beginning_to_end():
    frames = np.array([[1, 0], [1, 1], [1, 1], [0, 1]], bool)
    struck = np.array([[1, 0], [0, 1], [1, 0], [0, 0]], bool)
    assert list(sounding_notes(Piece("", frames, 60, struck))) == [(60, 0, 2), (61, 1, 4), (60, 2, 3)]
