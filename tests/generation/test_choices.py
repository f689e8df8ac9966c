import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import SettingError
from unrolled.generation.choices import Choices

EVERYTHING = ["".join(t) for n in range(5) for t in itertools.product("abc", repeat=n)]


@given(st.lists(st.text("abc", max_size=4), min_size=1))
def test_a_text_is_alive_while_a_choice_begins_so_and_accepted_if_it_is_one(texts):
    choices = Choices(texts)
    for text in EVERYTHING:
        state = choices.start
        for character in text:
            state = None if state is None else choices.step(state, character)
        assert (state is not None) == any(one.startswith(text) for one in texts)
        if state is not None:
            assert choices.accepting(state) == (text in texts)
            for first, last in itertools.combinations_with_replacement(range(96, 101), 2):
                followed = any(choices.step(state, chr(c)) is not None for c in range(first, last + 1))
                assert choices.between(state, first, last) == followed


def test_no_texts():
    with pytest.raises(SettingError, match="no texts to choose from"):
        Choices([])
