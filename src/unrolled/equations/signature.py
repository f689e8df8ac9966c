"""What a cell takes, read from a Python function or from text, and checked once for both."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from unrolled.equations.graph import Signature
from unrolled.equations.operations import WORDS, is_finite_number
from unrolled.errors import EquationError

Number = float | tuple[float, ...]
NO_PLAIN_FUNCTION = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def make_signature(
    name: str,
    positional: Sequence[str],
    learned: Sequence[str],
    constants: Iterable[tuple[str, Any]],
    sizes: Mapping[str, str],
    statics: Sequence[str],
    place: str,
) -> Signature:
    """A checked signature; `place` begins every refusal."""
    _check_options(sizes, statics, place)
    values = tuple((key, constant(key, value, place)) for key, value in constants)
    states = [entry for entry in positional[1:] if entry not in statics]
    if not states:
        raise EquationError(
            f"{place}: a cell needs its input and at least one state. Write `def {name}(x, h, ...)`."
        )
    if tuple(positional[len(positional) - len(statics) :]) != tuple(statics):
        raise EquationError(
            f"{place}: the static inputs {', '.join(statics)} must be the last positional parameters, in this order. "
            "Put them after the states."
        )
    _check_names([*positional, *learned, *(key for key, _ in values)], place)
    return Signature(
        name,
        positional[0],
        tuple(states),
        tuple(statics),
        tuple(learned),
        values,
        tuple(sorted(sizes.items())),
    )


def _check_options(sizes: Mapping[str, str], statics: Sequence[str], place: str) -> None:
    entries = [*sizes, *sizes.values()] if isinstance(sizes, Mapping) else [None]
    if not all(isinstance(entry, str) and entry.isidentifier() for entry in entries):
        raise EquationError(f'{place}: sizes= names sizes, got {sizes!r}. Write sizes={{"y": "output"}}.')
    if not isinstance(statics, (tuple, list)) or not all(isinstance(entry, str) for entry in statics):
        raise EquationError(f'{place}: static= names parameters, got {statics!r}. Write static=("context",).')


def _check_names(names: Sequence[str], place: str) -> None:
    for name in names:
        if name in WORDS:
            raise EquationError(f"{place}: {name} is a word of the equations. Choose another name.")
        if name.startswith("_") or keyword.iskeyword(name):
            raise EquationError(
                f"{place}: {name} cannot name a parameter. Choose a name that begins with a letter."
            )
        if names.count(name) > 1:
            raise EquationError(f"{place}: {name} is there twice. Choose another name for one of them.")


def constant(name: str, value: Any, place: str) -> Number:
    """The value of a named constant as a float or a tuple of floats."""
    if is_finite_number(value):
        return float(value)
    if isinstance(value, (tuple, list)) and value and all(is_finite_number(entry) for entry in value):
        return tuple(float(entry) for entry in value)
    raise EquationError(
        f"{place}: the constant {name} must be a finite number or a tuple of them, got {value!r}. "
        "Leave the default out to learn it."
    )


def place_of(function: object) -> str:
    """File and line of a function that can be a cell; refuses everything else."""
    if not inspect.isfunction(function):
        raise EquationError(f"@cell takes a function, got {function!r}. Write `def name(x, h, *, W, U, b):`.")
    place = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    if not function.__name__.isidentifier() or function.__code__.co_flags & NO_PLAIN_FUNCTION:
        raise EquationError(
            f"{place}: a cell is a plain function with a name, got {function.__name__}. "
            "Write `def name(x, h, *, W, U, b):`."
        )
    return place


def signature_of(
    function: Callable[..., Any], sizes: Mapping[str, str], statics: Sequence[str], place: str
) -> Signature:
    """The signature of a cell written as a Python function."""
    positional: list[str] = []
    learned: list[str] = []
    constants: list[tuple[str, Any]] = []
    for parameter in inspect.signature(function, follow_wrapped=False).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.default is parameter.empty:
                learned.append(parameter.name)
            else:
                constants.append((parameter.name, parameter.default))
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise EquationError(f"{place}: *args and **kwargs have no shape. Name every state and parameter.")
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise EquationError(
                f"{place}: a cell's values are given by name. Leave out the / of the parameters."
            )
        elif parameter.default is not parameter.empty:
            raise EquationError(f"{place}: {parameter.name} has a default. Only constants after * have one.")
        else:
            positional.append(parameter.name)
    return make_signature(function.__name__, positional, learned, constants, sizes, statics, place)
