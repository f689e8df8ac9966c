"""Regular expressions against Python's own, and the beginnings of matches against all texts there are."""

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unrolled.errors import SettingError
from unrolled.generation.regular import Regular

ATOMS = st.sampled_from(
    r"a b . [ab] [^a] \w \d \s \W \D \S \. \n [b-d_] [^\w.] - () []a] [a-] [^]-] [\]\\] é".split()
)
REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}", "{1,3}", "{0,}"])


def larger(parts):
    return (
        st.tuples(parts, parts).map("".join)
        | st.tuples(parts, parts).map("|".join)
        | parts.map(lambda one: f"({one})")
        | st.tuples(parts, REPEATS).map(lambda two: f"(?:{two[0]}){two[1]}")
    )


EXPRESSIONS = st.recursive(ATOMS, larger, max_leaves=6)
TEXTS = st.text(alphabet="abcd1_ .\n-]\\éñ٣\u2003ж", max_size=6)


def end(automaton, text):
    """The state behind a text; None if no match begins so."""
    state = automaton.start
    for character in text:
        state = automaton.step(state, character)
        if state is None:
            return None
    return state


def matches(automaton, text):
    state = end(automaton, text)
    return state is not None and automaton.accepting(state)


@given(expression=EXPRESSIONS, texts=st.lists(TEXTS, min_size=5, max_size=12), data=st.data())
@example(expression="(?:a|ab)(?:c|bcd)(?:d*)", texts=["abcd", "abcdd", "ac"], data=None)
@example(expression="(?:(a*)*)*b", texts=["b", "aab", "aa"], data=None)
@example(expression="^a|b$", texts=["a", "b", "ab", "b\n"], data=None)
@example(expression="", texts=["", "a"], data=None)
def test_a_match_is_one_of_pythons(expression, texts, data):
    automaton = Regular(expression)
    if data is not None:  # texts that match are rare among random ones
        texts = [
            *texts,
            data.draw(st.from_regex(f"(?:{expression})\\Z", alphabet=st.characters(codec="utf-8"))),
        ]
    for text in texts:
        assert matches(automaton, text) == bool(re.fullmatch(expression, text)), (expression, text)


@given(st.recursive(st.sampled_from(["a", "b", "[ab]", "()"]), larger, max_leaves=4))
@example("(?:aa)*b|aab")
def test_a_text_is_alive_exactly_if_a_match_begins_with_it(expression):
    everything = ["".join(t) for n in range(10) for t in itertools.product("ab", repeat=n)]
    pattern = re.compile(expression)
    begun = {text[:n] for text in everything if pattern.fullmatch(text) for n in range(len(text) + 1)}
    automaton = Regular(expression)
    # What is left after two characters fits into seven, unless much is repeated in repetitions.
    longest = max((len(text) for text in begun), default=0)
    for text in everything[:7]:
        alive = end(automaton, text) is not None
        if text in begun:
            assert alive
        elif longest < 9:
            assert not alive


def test_what_can_never_be_completed_is_dead_at_once():
    r"""`[^\w\W]` is no character, so only the other branch leads to a match."""
    automaton = Regular(r"ab[^\w\W]|cd")
    assert end(automaton, "a") is None
    assert end(automaton, "c") is not None
    with pytest.raises(SettingError, match="matches nothing"):
        Regular(r"a[^\s\S]")


@pytest.mark.parametrize("sign", "dws")
def test_categories_are_pythons_for_every_character(sign):
    plain, other = Regular("\\" + sign), Regular("\\" + sign.upper())
    pattern = re.compile("\\" + sign)
    for code in [*range(0x3000), *range(0xA000, 0x30000, 7), 0xD800, 0x1D7CE, 0x10FFFF]:
        character = chr(code)
        assert matches(plain, character) == bool(pattern.fullmatch(character))
        assert matches(other, character) != matches(plain, character)


@given(EXPRESSIONS, st.integers(0, 0x180), st.integers(0, 60))
def test_between_is_a_step_with_some_character(expression, first, size):
    automaton = Regular(expression)
    expected = any(
        automaton.step(automaton.start, chr(c)) is not None for c in range(first, first + size + 1)
    )
    assert automaton.between(automaton.start, first, first + size) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a(?=b)", r"at character 2 a group with a special meaning \(look-around"),
        ("(?i)a", "at character 1 a group with a special meaning"),
        ("(?P<n>a)", "special meaning"),
        (r"(a)\1", r"at character 4 \\1, which is not known; known are"),
        (r"\bword", r"at character 1 \\b"),
        (r"[\b]", r"at character 2 \\b"),
        ("a)", r"at character 2 a \) without"),
        ("(a", r"at character 1 a \( that is never closed"),
        ("a[bc", r"at character 2 a \[ that is never closed"),
        ("[]", "never closed"),
        ("[z-a]", "at character 2 the range 'z-a', which is none, or does not rise"),
        (r"[\d-z]", r"at character 2 the range"),
        ("*a", r"at character 1 '\*' with nothing to repeat"),
        ("a|+", r"at character 3 '\+' with nothing to repeat"),
        ("a**", r"at character 3 '\*' behind a repetition"),
        ("a+?", r"at character 3 '\?' behind a repetition; a whole match needs no lazy"),
        ("a{2}{3}", "at character 5 '{' behind a repetition"),
        ("a{,3}", "at character 2 a { that begins no"),
        ("a{x}", "at character 2 a { that begins no"),
        ("a{3,2}", "at character 2 a repetition at most 2 and at least 3 times"),
        ("a{1001}", "at character 2 a repetition of more than 1000 times"),
        ("a{99999999999999999999}", "more than 1000 times"),
        ("a^b", r"at character 2 '\^' inside"),
        ("a$b", r"at character 2 '\$' inside"),
        ("a\\", "at character 2 a backslash with nothing behind it"),
        ("(" * 2000 + ")" * 2000, "at character 101 more than 100 groups"),
        ("(a{1000}){1000}", "is too large"),
    ],
)
def test_what_is_refused_is_said_with_its_place(expression, message):
    with pytest.raises(SettingError, match=message):
        Regular(expression)


def test_a_long_repetition_is_walked_without_building_everything():
    automaton = Regular("(?:[ab]*a[ab]{60})")
    assert matches(automaton, "ab" * 40 + "a" + "b" * 60)
    assert not matches(automaton, "b" * 200)
