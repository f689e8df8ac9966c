import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data import encoding
from unrolled.data.corpus import Piece
from unrolled.data.encoding import Store, encode_pieces
from unrolled.data.units.bytes import Bytes
from unrolled.data.units.characters import Characters
from unrolled.data.units.chunks import Chunks
from unrolled.data.units.words import Words
from unrolled.data.vocabulary import END, SPECIAL

CHARACTERS = (*SPECIAL, "a", "B", ".", " ", "\n", "é")
WORDS = (*SPECIAL, "a", "B", ".", "\n", "aB", "aa", "é")


def byte_pairs(ends):
    pytest.importorskip("tokenizers")
    from unrolled.data.units.byte_pairs import BytePairs

    return BytePairs.trained(["aB é. a aa\n\n aB\n  a" * 9], 280, ends=ends)


@pytest.fixture(scope="module", params=["text", "line", "sentence"])
def ends(request):
    return request.param


@pytest.fixture(scope="module", params=["characters", "bytes", "2-grams", "3-grams", "words", "byte pairs"])
def vocabulary(request, ends):
    made = {
        "characters": lambda: Characters(CHARACTERS, ends),
        "bytes": lambda: Bytes(ends=ends),
        "2-grams": lambda: Chunks((*CHARACTERS, "a ", ". ", "\n\n"), ends, 2),
        "3-grams": lambda: Chunks((*CHARACTERS, "a. "), ends, 3),
        "words": lambda: Words(WORDS, ends),
        "byte pairs": lambda: byte_pairs(ends),
    }
    return made[request.param]()


@pytest.fixture(scope="module", params=["line", "text"])
def prepared(request):
    return Words(WORDS, request.param, pretokenized=True)


def whole(vocabulary, text):
    """The oracle: the whole text at once, and the end behind it."""
    ids = vocabulary.encode(text).tolist()
    if vocabulary.ends == "text" or (ids and ids[-1] != END):
        ids.append(END)
    return ids


def pieces_of(text, places):
    """The text cut behind the line ends that are drawn, as a corpus cuts it, and elsewhere."""
    cuts = sorted({place % (len(text) + 1) for place in places})
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [Piece("a", part, i == len(parts) - 1) for i, part in enumerate(parts)]


def pieces_of_words(text, places):
    """The same, cut behind blanks only."""
    blanks = [i for i, symbol in enumerate(text, 1) if symbol.isspace()]
    return pieces_of(text, [blanks[place % len(blanks)] for place in places])


def together(vocabulary, pieces):
    return [int(i) for part in encode_pieces(vocabulary, pieces) for i in part]


@given(st.text("aB. \né", max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_a_text_in_pieces_gives_what_the_whole_gives(vocabulary, text, places):
    assert together(vocabulary, pieces_of(text, places)) == whole(vocabulary, text)


@given(st.text("aB. \n", max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_a_prepared_text_in_pieces_gives_what_the_whole_gives(prepared, text, places):
    assert together(prepared, pieces_of(text, places)) == whole(prepared, text)


@given(
    st.lists(st.integers(0, 40), max_size=4), st.sampled_from(["a <eos>", "a <eos> \n", "a <eos> aB <eos>\n"])
)
def test_a_prepared_text_that_holds_its_end_has_no_second_one(prepared, places, text):
    found = together(prepared, pieces_of_words(text, places))
    assert found == [WORDS.index(word) for word in text.split()]
    assert together(prepared, [Piece("a", text, True), Piece("b", "a", True)]) == [
        *found,
        WORDS.index("a"),
        END,
    ]


def test_a_text_that_was_cut_off_has_no_end(vocabulary):
    cut = together(vocabulary, [Piece("a", "aB a", False)])
    assert cut == vocabulary.encode("aB a").tolist() and END not in cut


def test_many_texts_end_each(vocabulary):
    pieces = [Piece("a", "aB", True), Piece("b", "a ", False), Piece("b", "a", True)]
    assert together(vocabulary, pieces) == whole(vocabulary, "aB") + whole(vocabulary, "a a")


@pytest.mark.parametrize("ends", ["text", "line"])
@pytest.mark.parametrize("unit", [Characters, Bytes, Chunks])
def test_a_line_that_is_longer_than_what_is_held_is_cut_and_nothing_changes(unit, ends):
    vocabulary = (
        Bytes(ends=ends) if unit is Bytes else unit((*CHARACTERS, "aB")[: 8 + (unit is Chunks)], ends)
    )
    text = "aB" * 600_000 + "a"
    for rest in ("\na", "Ba"):
        pieces = [Piece("a", text, False), Piece("a", rest, False), Piece("a", "", True)]
        assert together(vocabulary, pieces) == whole(vocabulary, text + rest)


@pytest.mark.parametrize(
    ("symbols", "kind"), [(256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.int32)]
)
def test_above_the_limit_indices_stand_in_a_file_of_the_smallest_integers(symbols, kind):
    parts = [np.random.default_rng(i).integers(0, symbols, 100) for i in range(5)]
    parts[-1][-1] = symbols - 1
    in_file, in_memory = Store(symbols, limit=150), Store(symbols)
    for part in parts:
        in_file.add(part)
        in_memory.add(part)
    mapped, array = in_file.array(), in_memory.array()
    assert isinstance(mapped, np.memmap) and mapped.dtype == kind and in_file.in_file
    assert array.dtype == np.int64 and not isinstance(array, np.memmap) and not in_memory.in_file
    np.testing.assert_array_equal(mapped, np.concatenate(parts))
    np.testing.assert_array_equal(array, np.concatenate(parts))


def test_the_file_goes_when_the_array_has_been_made():
    store = Store(4, limit=0)
    store.add(np.array([1, 2, 3]))
    mapped = store.array()
    del store
    assert mapped.tolist() == [1, 2, 3]


def test_the_limit_is_that_of_the_module(monkeypatch):
    monkeypatch.setattr(encoding, "IN_MEMORY", 3)
    store = Store(4)
    store.add(np.array([1, 2, 3]))
    assert not store.in_file
    store.add(np.array([1]))
    assert store.in_file
