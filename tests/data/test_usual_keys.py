import math

import numpy as np

from unrolled.data.piano_roll import Piece
from unrolled.data.usual_keys import UsualKeys

NOTES = [[[60], [60, 61], [60], [], [61], [60]], [[61], [61]]]
PIECES = [Piece.of(notes, low=60, keys=2) for notes in NOTES]


def share(seen):
    return (sum(seen) + 0.5) / (len(seen) + 1)


def test_losses_are_those_of_counting_by_hand():
    after = {(note, before): [] for note in (60, 61) for before in (False, True)}
    for notes in NOTES:
        for now, frame in zip([[], *notes], notes, strict=False):
            for note in (60, 61):
                after[note, note in now].append(note in frame)
    assert len({share(seen) for seen in after.values()}) == 4  # so that none can stand for another
    markov, mean = [], []
    for now, frame in zip([[], *NOTES[0]], NOTES[0], strict=False):
        by_rule = [share(after[note, note in now]) for note in (60, 61)]
        usual = [share(after[note, False] + after[note, True]) for note in (60, 61)]
        for found, rule in ((markov, by_rule), (mean, usual)):
            pairs = zip((60, 61), rule, strict=True)
            found.append(-sum(math.log(p if note in frame else 1 - p) for note, p in pairs))
    usual_keys = UsualKeys.counted(PIECES)
    np.testing.assert_allclose(usual_keys.markov_losses(PIECES[0].frames), markov)
    np.testing.assert_allclose(usual_keys.mean_losses(PIECES[0].frames), mean)


def test_they_come_back_from_json():
    usual = UsualKeys.counted(PIECES)
    np.testing.assert_array_equal(UsualKeys.from_json(usual.to_json()).counts, usual.counts)
