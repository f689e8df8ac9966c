import math

import numpy as np

from unrolled.data.piano_roll import Piece
from unrolled.data.usual_keys import UsualKeys

PIECES = [Piece.of([[60], [60, 61], [], [60]], low=60, keys=2), Piece.of([[61], [61]], low=60, keys=2)]


def test_losses_are_those_of_counting_by_hand():
    usual = UsualKeys.counted(PIECES)
    # Key 60: after silence 0 0 1 1 (three steps of the first piece's: 1st, 4th; both of the second), after sound 1 0.
    after = {60: {False: [1, 1, 0, 0], True: [1, 0]}, 61: {False: [0, 1, 0, 1], True: [0, 1]}}
    expected_markov, expected_mean = [], []
    frames = [[60], [60, 61], [], [60]]
    for step, frame in enumerate(frames):
        markov = mean = 0.0
        for note in (60, 61):
            seen = after[note][step > 0 and note in frames[step - 1]]
            everything = after[note][False] + after[note][True]
            for found, rows in (("markov", seen), ("mean", everything)):
                p = (sum(rows) + 0.5) / (len(rows) + 1)
                loss = -math.log(p if note in frame else 1 - p)
                markov, mean = (markov + loss, mean) if found == "markov" else (markov, mean + loss)
        expected_markov.append(markov)
        expected_mean.append(mean)
    np.testing.assert_allclose(usual.markov_losses(PIECES[0].frames), expected_markov)
    np.testing.assert_allclose(usual.mean_losses(PIECES[0].frames), expected_mean)


def test_they_come_back_from_json():
    usual = UsualKeys.counted(PIECES)
    np.testing.assert_array_equal(UsualKeys.from_json(usual.to_json()).counts, usual.counts)
