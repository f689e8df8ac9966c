import json
import sys
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN, Vocabulary
from unrolled.errors import DataError, MissingExtra

pytest.importorskip("tokenizers")

from unrolled.data.units.byte_pairs import BytePairs

TEXTS = [
    "El año pasado llovió más; ¿este año lloverá?\n" * 8,
    "O coração não tem opção, irmão. A canção não é ficção.\n" * 8,
    "Ґрунт під ногами, їжак і ґава: об'єкт — не суб'єкт.\n" * 8,
    "😀😀 👍🏽 ❤️\n\n\n  हिन्दी में लिखा हुआ पाठ।\n" * 8,
]
PAIRS = BytePairs.trained(TEXTS, 400)


@pytest.mark.parametrize("text", TEXTS)
def test_what_it_was_made_of_comes_back_in_fewer_symbols_than_bytes(text):
    ids = PAIRS.encode(text)
    assert PAIRS.decode(ids) == text
    assert len(ids) < 0.7 * len(text.encode())


@given(st.text())
def test_any_text_comes_back(text):
    ids = PAIRS.encode(text)
    assert PAIRS.decode(ids) == text
    assert not len(ids) or ids.min() > END
    assert "".join(PAIRS.split(text)) == text
    assert len(PAIRS.split(text)) == len(ids)
    assert "".join(PAIRS.texts[i] for i in ids).encode("latin-1").decode() == text


def test_the_text_of_a_special_symbol_is_not_the_symbol():
    assert not {UNKNOWN, END} & set(PAIRS.encode("<eos><unk>").tolist())
    assert PAIRS.decode([*PAIRS.encode("a"), END, UNKNOWN]) == "a<eos><unk>"


def test_the_first_pair_joined_is_the_most_frequent_one_of_neighbours():
    """Counted by hand over the pieces that joining keeps to."""
    text = "abab abab cab\n" * 5
    vocabulary = BytePairs.trained([text], 257)
    words = [" abab", "abab", " cab"] * 5
    pairs = Counter(pair for word in words for pair in pairwise(word))
    assert vocabulary.symbols[-1] == "".join(pairs.most_common(1)[0][0]) == "ab"
    assert len(vocabulary) == 2 + 257


def test_no_symbol_holds_a_line_end_and_another_character():
    assert [symbol for symbol in PAIRS.symbols if "\n" in symbol] == ["\n"]


def test_a_pair_that_occurs_rarely_is_not_joined():
    text = "xy " * 3 + "ab " * 9
    assert "xy" in "".join(BytePairs.trained([text], 300).symbols[258:])
    assert "xy" not in "".join(BytePairs.trained([text], 300, minimum_count=5).symbols[258:])
    # What occurs once is never worth a symbol.
    assert len(BytePairs.trained(["what for"], 300)) == 258


def test_made_again_it_is_the_same_and_so_after_json():
    again = BytePairs.trained(TEXTS, 400)
    assert again == PAIRS
    restored = Vocabulary.from_json(json.loads(json.dumps(PAIRS.to_json())))
    assert restored == PAIRS
    assert restored.encode(TEXTS[2]).tolist() == PAIRS.encode(TEXTS[2]).tolist()


def test_lone_surrogates_are_read_as_the_replacement_character():
    assert PAIRS.encode("a\udcff").tolist() == PAIRS.encode("a\ufffd").tolist()


def test_lines():
    lines = BytePairs.trained(TEXTS, 300, ends="line")
    ids = lines.encode("año\n\nirmão")
    assert lines.decode(ids) == "año\nirmão"
    assert (ids == END).sum() == 1 and lines.split("año\n\nirmão").count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokenizer": {"model": {}}}, "must hold a byte-level one"),
        ({"tokenizer": {"model": {"vocab": {"語": 0}}}}, "must hold a byte-level one"),
        ({"symbols": [*SPECIAL, "a"]}, "must hold the symbols of its tokenizer"),
    ],
)
def test_json_that_does_not_fit_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        Vocabulary.from_json({**PAIRS.to_json(), **change})
    content = PAIRS.to_json()
    del content["tokenizer"]
    with pytest.raises(DataError, match="must hold a byte-level one"):
        Vocabulary.from_json(content)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtra, match=r'pip install "unrolled\[bpe\]"'):
        BytePairs.trained(["text"], 300)
    # A model that was trained can still be looked at.
    assert len(Vocabulary.from_json(PAIRS.to_json())) == len(PAIRS)
