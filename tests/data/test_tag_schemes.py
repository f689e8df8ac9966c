from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.tag_schemes import SCHEMES, Entity, entities, from_bio, is_bio, recognised, to_bio
from unrolled.errors import DataError, SettingError

TYPES = ("x", "y-z")


@st.composite
def runs(draw):
    """Words and the entities in them, drawn without any tags."""
    found, position = set(), 0
    for gap, length, kind in draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)), max_size=5)
    ):
        found.add((position + gap, position + gap + length, kind))
        position += gap + length
    return position + draw(st.integers(0, 2)), found


def marked(length, found, scheme):
    """Each word asks where it is in its entity."""
    tags = []
    for word in range(length):
        inside = [entity for entity in found if entity[0] <= word < entity[1]]
        if not inside:
            tags.append("O")
            continue
        ((start, end, kind),) = inside
        touching = any(entity[1] == start and entity[2] == kind for entity in found)
        is_first, is_last = word == start, word == end - 1
        letter = {
            "IO": "I",
            "IOB1": "B" if is_first and touching else "I",
            "BIO": "B" if is_first else "I",
            "BIOES": ["IE", "BS"][is_first][is_last],
            "BILOU": ["IL", "BU"][is_first][is_last],
        }[scheme]
        tags.append(f"{letter}-{kind}")
    return tags


def chunks_by_conlleval(tags):
    """The two tables of the program conlleval for B, I and O, entry by entry."""
    ends = {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")}
    starts = {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")}
    found, begun = set(), None
    before, before_type = "O", ""
    for position, tag in enumerate([*tags, "O"]):
        letter, _, kind = tag.partition("-")
        changed = before_type != kind
        if (before, letter) in ends or (before != "O" and changed):
            found.add((*begun, position))
        if (before, letter) in starts or (letter != "O" and changed):
            begun = (position, kind)
        before, before_type = letter, kind
    return {(start, end, kind) for start, kind, end in found}


def test_every_row_of_tags_counts_as_in_conlleval():
    tags = ["O", "B-x", "I-x", "B-y", "I-y"]
    for length in range(6):
        for row in product(tags, repeat=length):
            assert entities(row) == chunks_by_conlleval(row)
            assert entities(to_bio(row)) == entities(row)


def test_entities_have_names():
    (entity,) = entities(["O", "B-x", "I-x"])
    assert entity == Entity(1, 3, "x") and (entity.start, entity.end, entity.type) == (1, 3, "x")


@given(runs(), st.sampled_from(SCHEMES[1:]))
def test_each_scheme_marks_the_entities_and_is_read_back(drawn, scheme):
    length, found = drawn
    tags = marked(length, found, scheme)
    bio = tuple(marked(length, found, "BIO"))
    assert entities(tags) == found
    assert to_bio(tags) == bio
    assert from_bio(bio, scheme) == tuple(tags)


@given(runs())
def test_io_joins_neighbours_of_one_type(drawn):
    length, found = drawn
    tags = tuple(marked(length, found, "IO"))
    assert from_bio(marked(length, found, "BIO"), "IO") == tags
    assert from_bio(to_bio(tags), "IO") == tags
    words = {word for start, end, kind in entities(tags) for word in range(start, end)}
    assert words == {word for start, end, kind in found for word in range(start, end)}


@given(st.lists(runs(), min_size=1, max_size=4), st.sampled_from(SCHEMES))
def test_a_scheme_is_recognised_where_it_differs_from_the_simpler_ones(drawn, scheme):
    rows = {name: [marked(*each, name) for each in drawn] for name in SCHEMES}
    if not any(found for _, found in drawn):
        assert recognised(rows[scheme]) == "BIO"
        return
    same = {name for name in SCHEMES if rows[name] == rows[scheme]}
    if scheme in ("IO", "IOB1", "BIO"):
        assert recognised(rows[scheme]) == next(name for name in ("IO", "IOB1", "BIO") if name in same)
    elif any(letter in tag[:2] for row in rows[scheme] for tag in row for letter in ("E-", "S-", "L-", "U-")):
        assert recognised(rows[scheme]) == scheme


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["I-x", "B-x"], ["O", "I-y"]], "IOB1"),
        ([["I-x", "B-x"], ["O", "B-y"]], "BIO"),  # B- where nothing ends: BIO with a mistake
        ([["I-x", "B-y"]], "BIO"),
        ([["O"]], "BIO"),
        ([], "BIO"),
        ([["DET", "NOUN"]], "none"),
        ([["B-x", "NOUN"]], "none"),
        ([["E-x", "U-x"]], "none"),
        ([["S-x"]], "BIOES"),
        ([["-x"]], "none"),
        ([["B-"]], "none"),
    ],
)
def test_schemes_by_hand(sentences, scheme):
    assert recognised(sentences) == scheme


@pytest.mark.parametrize(("name", "same"), [("IOBES", "BIOES"), ("IOB2", "BIO"), ("IOB", "BIO")])
def test_other_names_of_schemes(name, same):
    tags = ["B-x", "I-x", "B-x", "O"]
    assert from_bio(tags, name) == from_bio(tags, same)


def test_classes_stay_as_they_are():
    assert from_bio(["NOUN", "DET"], "none") == ("NOUN", "DET")


def test_what_is_no_tag_of_an_entity_is_refused():
    with pytest.raises(DataError, match="must be O or such as B-PER or I-PER, got 'NOUN'"):
        entities(["O", "NOUN"])
    with pytest.raises(SettingError, match="must be IO, IOB1, BIO, BIOES, BILOU or none, got 'BMES'"):
        from_bio(["O"], "BMES")


@pytest.mark.parametrize(
    ("tags", "bio"),
    [({"O"}, False), ({"B-x"}, True), ({"O", "I-x"}, False), (set(), False), ({"B-x", "-"}, False)],
)
def test_sets_of_tags_in_bio(tags, bio):
    assert is_bio(tags) is bio
