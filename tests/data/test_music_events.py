import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.music_events import EventVocabulary, played, written
from unrolled.data.piano_roll import Piece
from unrolled.data.vocabulary import Vocabulary
from unrolled.errors import DataError


def bits(steps):
    row = st.lists(st.booleans(), min_size=4, max_size=4)
    return st.lists(row, min_size=steps, max_size=steps)


@given(st.data(), st.integers(1, 12), st.integers(1, 5))
def test_a_piece_comes_back_from_its_events(data, steps, longest):
    frames = np.array(data.draw(bits(steps)))
    struck = Piece("", frames, 60).struck | (frames & np.array(data.draw(bits(steps))))
    vocabulary = EventVocabulary.for_keys(60, 4, longest)
    found = vocabulary.piece(vocabulary.of_piece(Piece("a", frames, 60, struck)), "a")
    np.testing.assert_array_equal(found.frames, frames)
    np.testing.assert_array_equal(found.struck, struck)
    assert (found.name, found.low) == ("a", 60)


def test_the_events_of_a_piece():
    frames = Piece.of([[], [60, 62], [60, 62], [62], [], [], []], low=60, keys=3)
    assert written(frames, 2) == [
        "wait1", "on60", "on62", "wait2", "off60", "wait1", "off62", "wait2", "wait1",
    ]  # fmt: skip
    again = Piece("", np.array([[True], [True]]), 60, np.array([[True], [True]]))
    assert written(again) == ["on60", "wait1", "off60", "on60", "wait1", "off60"]


def test_what_a_model_draws_need_not_make_sense():
    piece = played(
        ["off61", "on60", "wait2", "on60", "wait1", "<eos>", "off60", "on61", "off61", "wait1", "on62"], 60, 3
    )
    assert piece.notes() == [[60], [60], [60], []]
    assert piece.struck[:, 0].tolist() == [True, False, True, False] and not piece.struck[:, 1:].any()
    assert played(["on60"], 60, 3).frames.shape == (0, 3)


def test_the_symbols_and_their_text():
    vocabulary = EventVocabulary.for_keys(60, 2, 3)
    assert vocabulary.symbols == (
        "<unk>", "<eos>", "on60", "on61", "off60", "off61", "wait1", "wait2", "wait3",
    )  # fmt: skip
    assert vocabulary.unit == "event" and (vocabulary.low, vocabulary.number_of_keys) == (60, 2)
    assert vocabulary.encode("on60 wait2\n  on99").tolist() == [2, 7, 0]
    assert vocabulary.split("on60 wait2\n  on99") == ["on60", "wait2", "on99"]
    assert vocabulary.decode([2, 7, 1, 0]) == "on60 wait2 <eos><unk>"
    assert "".join(vocabulary.texts[i] for i in (2, 7)) == vocabulary.decode([2, 7])


def test_a_vocabulary_comes_back_from_json():
    vocabulary = EventVocabulary.for_keys(60, 2, 3, grid=2)
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    for symbols, message in (
        (["<unk>", "<eos>", "on60", "wait1", "x"], "events are onN, offN and waitN, got 'x'"),
        (["<unk>", "<eos>", "on60"], "at least one on and one wait"),
        (["<unk>", "<eos>", "wait1"], "at least one on and one wait"),
    ):
        with pytest.raises(DataError, match=message):
            Vocabulary.from_json({"unit": "event", "symbols": symbols})
