"""Texts cut into symbols of any unit: what stands for each of them, and where."""

import numpy as np
import pytest

from unrolled import LanguageModel
from unrolled.data.units.bytes import Bytes
from unrolled.data.units.words import Words
from unrolled.data.vocabulary import SPECIAL, Vocabulary
from unrolled.inspection.neurons import neurons
from unrolled.inspection.reading import call_of, characters_of, places_of, surfaces_of
from unrolled.inspection.report.build import report

TEXT = 'She said "the pear (ripe) fell", and left. '
CHARACTERS = Vocabulary.from_text([TEXT])
WORDS = Words((*SPECIAL, "She", "said", '"', "the", "(", ")", "fell", ",", "and", "."))
BYTES = Bytes()


def model_of(vocabulary, **options):
    return LanguageModel(vocabulary, "gru", hidden_size=6, **options)


@pytest.mark.parametrize("vocabulary", [CHARACTERS, WORDS, BYTES], ids=["characters", "words", "bytes"])
def test_the_pieces_of_a_text_are_the_text(vocabulary):
    model = model_of(vocabulary)
    surfaces = surfaces_of(model, TEXT)
    assert len(surfaces) == len(vocabulary.encode(TEXT)) == len(places_of(model, TEXT))
    assert "".join(surfaces) == TEXT[: sum(map(len, surfaces))] and TEXT.strip() == "".join(surfaces).strip()


def test_words_stand_with_the_blank_before_them_and_unknown_ones_as_they_were():
    model = model_of(WORDS)
    assert surfaces_of(model, "She  left .") == ("She", "  left", " .")
    assert characters_of(model, "She left .") == ("She", "left", ".")
    assert places_of(model, "She left .").tolist() == [2, 7, 9]


def test_patterns_are_looked_up_where_a_symbol_ends():
    model, text = model_of(WORDS), TEXT * 3
    seen = {}

    def place(whole):
        seen["text"] = whole
        return np.arange(len(whole), dtype=float)

    found = neurons(model, text, patterns={"place": place})
    assert seen["text"] == text and found.units == 6
    match = found.matches["place"][0]
    wanted = places_of(model, text)[: found.split].astype(float)
    own = match.activity.values[: found.split]
    assert match.correlation == pytest.approx(np.corrcoef(own, wanted)[0, 1])


def test_a_report_of_words_holds_a_piece_for_each():
    found = report({"words": model_of(WORDS)}, TEXT * 3, window=8)
    assert found.symbols[:4] == ("She", " said", ' "', "the")
    assert '"text":["She"," said"' in found.html().replace(", ", ",")


def test_a_model_that_carries_its_state_on_does_so_here_too():
    ids = np.array([3, 1, 4])
    assert call_of(model_of(CHARACTERS), ids).resets is not None
    assert call_of(model_of(CHARACTERS, carry=True), ids).resets is None
