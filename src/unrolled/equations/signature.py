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


def signature_of(function: Callable[..., Any], sizes: Mapping[str, str], statics: Sequence[str]) -> Signature:
    """The signature of a cell written as a Python function."""
    code = function.__code__
    place = f"{code.co_filename}:{code.co_firstlineno}"
    positional: list[str] = []
    learned: list[str] = []
    constants: list[tuple[str, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.default is parameter.empty:
                learned.append(parameter.name)
            else:
                constants.append((parameter.name, parameter.default))
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise EquationError(f"{place}: *args and **kwargs have no shape. Name every state and parameter.")
        elif parameter.default is not parameter.empty:
            raise EquationError(f"{place}: {parameter.name} has a default. Only constants after * have one.")
        else:
            positional.append(parameter.name)
    return make_signature(function.__name__, positional, learned, constants, sizes, statics, place)
