import re
from collections import Counter, defaultdict

import pytest

from unrolled.data.synthetic import dialogues as module
from unrolled.data.synthetic.dialogues import dialogues
from unrolled.errors import SettingError

COUNT = 4000


def answered(told):
    """The answer, found by patterns that share nothing with the generator."""
    fact, question = told[: told.index(".") + 1], told[told.index(".") + 2 :]
    if found := re.match(r"(\w+) lives in (\w+) and (\w+) lives in (\w+)\.", fact):
        home = {found[1]: found[2], found[3]: found[4]}
        if asked := re.match(r"Where does (\w+) live\?", question):
            return f"In {home[asked[1]]}."
        city = re.match(r"Who lives in (\w+)\?", question)[1]
        return f"{next(name for name in home if home[name] == city)} does."
    if found := re.match(r"(\w+) has a (\w+) (\w+)\.", fact):
        answers = {
            "Who": f"{found[1]} has one.",
            "What a": f"It is a {found[3]}.",
            "What c": f"It is {found[2]}.",
        }
        return next(answer for start, answer in answers.items() if question.startswith(start))
    if found := re.match(r"\w+ left the (\w+) in the (\w+)\.", fact):
        same = question == f"Is the {found[1]} in the {found[2]}?"
        return f"{'Yes' if same else 'No'}, it is in the {found[2]}."
    giver, thing, taker = re.match(r"(\w+) gave the (\w+) to (\w+)\.", fact).groups()
    if "now" in question:
        return f"{taker} has it."
    return f"{giver} had it." if "before" in question else f"The {thing}."


def test_answers_are_right_and_no_dialogue_comes_twice():
    drawn = dialogues(COUNT, seed=5)
    assert len(drawn) == len({told for told, _ in drawn}) == COUNT
    assert [answered(told) for told, _ in drawn] == [answer for _, answer in drawn]


def test_seeds():
    assert dialogues(50, seed=1) == dialogues(50, seed=1) == dialogues(80, seed=1)[:50]
    assert dialogues(50, seed=2) != dialogues(50, seed=1)


@pytest.mark.parametrize("part", ["fact", "question"])
def test_neither_half_alone_tells_the_answer(part):
    """The best rule that looks at one half is right about half of the time at most."""
    seen = defaultdict(Counter)
    drawn = dialogues(COUNT)
    for told, answer in drawn:
        fact, question = told.split(". ", 1)
        # What is told is in a class with all like it, so that no single one is learned by heart.
        key = question if part == "question" else fact
        seen[key][answer] += 1
    often = {key: counts for key, counts in seen.items() if counts.total() > 1}
    right = sum(max(counts.values()) for counts in often.values())
    assert right / sum(counts.total() for counts in often.values()) < 0.6


def test_more_than_there_are_is_refused():
    with pytest.raises(SettingError, match=r"^the number of dialogues must be from 0 to 50,000, got 50,001"):
        dialogues(module._MOST + 1)
