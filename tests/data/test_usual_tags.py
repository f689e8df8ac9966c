import json

import numpy as np
import pytest

from unrolled.data.usual_tags import UsualTags

EXAMPLES = [
    (("Paris", "Hilton", "in", "Paris"), ("B-per", "I-per", "O", "B-loc")),
    (("in", "Paris", "Hilton"), ("O", "B-loc", "O")),
]


@pytest.fixture
def rule():
    return UsualTags.fitted(EXAMPLES)


def test_every_word_gets_its_most_frequent_tag_and_others_the_usual_one(rule):
    assert rule.tags(("Paris", "in", "Hilton", "paris")) == ["B-loc", "O", "I-per", "O"]


def test_only_what_is_not_usual_is_held(rule):
    assert rule.others == {"Paris": "B-loc", "Hilton": "I-per"}


def test_it_travels_as_json(rule):
    copy = UsualTags.from_json(json.loads(json.dumps(rule.to_json())))
    assert (copy.usual, copy.others) == (rule.usual, rule.others)


def test_characters_of_a_text_have_tags_too():
    assert UsualTags.fitted([("ACA", ("x", "y", "x"))]).tags("CAT") == ["y", "x", "x"]


def test_frames_get_the_usual_tag():
    rule = UsualTags.fitted([(np.zeros((3, 2), np.float32), ("a", "b", "b"))])
    assert rule.tags(np.ones((2, 2), np.float32)) == ["b", "b"]
