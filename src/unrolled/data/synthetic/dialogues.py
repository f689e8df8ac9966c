"""Short dialogues that are drawn: something is told, something is asked, and the answer is what was asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unrolled.errors import SettingError

NAMES = (
    "Ana Bruno Carla Dmytro Elena Fabio Gisela Hector Iryna Jorge Katia Luis Marta Nadia Oleh Paula".split()
)
CITIES = "Lima Quito Kyiv Lviv Porto Braga Cusco Natal Odesa Recife Sevilla Toledo".split()
ANIMALS = "cat dog horse parrot rabbit turtle goat hen".split()
COLOURS = "black white brown grey red yellow green blue".split()
THINGS = "key book hat lamp phone cup map coin".split()
PLACES = "kitchen garden cellar garage bedroom office".split()

_MOST = 50_000
"""Less than half of the different dialogues there are."""

Drawn = tuple[str, str]
_Generator = np.random.Generator


def dialogues(count: int, seed: int = 0) -> list[Drawn]:
    """`count` different pairs of what is said and the answer to it.

    Every answer depends on what is told and on what is asked: two people or things are spoken of and one of them is
    asked for, or one fact is told of which either half may be asked. A rule that reads only the question, or only what
    is told, is right about half of the time at most.

    Raises:
        SettingError: more than there are to draw.

    Example:
        >>> dialogues(1, seed=1)
        [('Iryna has a blue goat. Who has an animal?', 'Iryna has one.')]
    """
    if not 0 <= count <= _MOST:
        raise SettingError(f"the number of dialogues must be from 0 to {_MOST:,}, got {count:,}")
    generator = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        told, answer = _KINDS[generator.integers(len(_KINDS))](generator)
        found[told] = answer
    return list(found.items())


def _two(generator: _Generator, words: list[str]) -> tuple[str, str]:
    """Two different ones."""
    first, second = generator.choice(len(words), 2, replace=False)
    return words[first], words[second]


def _one(generator: _Generator, words: list[str]) -> str:
    return words[generator.integers(len(words))]


def _lives(generator: _Generator) -> Drawn:
    """Who lives where: either may be asked for, of one of two people."""
    names, cities = _two(generator, NAMES), _two(generator, CITIES)
    told = f"{names[0]} lives in {cities[0]} and {names[1]} lives in {cities[1]}."
    asked = generator.integers(2)
    if generator.integers(2):
        return f"{told} Where does {names[asked]} live?", f"In {cities[asked]}."
    return f"{told} Who lives in {cities[asked]}?", f"{names[asked]} does."


def _animal(generator: _Generator) -> Drawn:
    """Whose animal has which colour."""
    name, animal, colour = _one(generator, NAMES), _one(generator, ANIMALS), _one(generator, COLOURS)
    told = f"{name} has a {colour} {animal}."
    questions = (
        ("Who has an animal?", f"{name} has one."),
        ("What animal is it?", f"It is a {animal}."),
        ("What colour is it?", f"It is {colour}."),
    )
    question, answer = questions[generator.integers(len(questions))]
    return f"{told} {question}", answer


def _whether(generator: _Generator) -> Drawn:
    """Whether something is where it is looked for."""
    name, thing = _one(generator, NAMES), _one(generator, THINGS)
    place, other = _two(generator, PLACES)
    told = f"{name} left the {thing} in the {place}."
    if generator.integers(2):
        return f"{told} Is the {thing} in the {place}?", f"Yes, it is in the {place}."
    return f"{told} Is the {thing} in the {other}?", f"No, it is in the {place}."


def _gives(generator: _Generator) -> Drawn:
    """Who gave something to whom."""
    giver, taker = _two(generator, NAMES)
    thing = _one(generator, THINGS)
    told = f"{giver} gave the {thing} to {taker}."
    questions = (
        (f"Who has the {thing} now?", f"{taker} has it."),
        (f"Who had the {thing} before?", f"{giver} had it."),
        (f"What did {giver} give away?", f"The {thing}."),
    )
    question, answer = questions[generator.integers(len(questions))]
    return f"{told} {question}", answer


_KINDS: tuple[Callable[[_Generator], Drawn], ...] = (_lives, _animal, _whether, _gives)
