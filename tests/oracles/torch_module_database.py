"""What PyTorch's own tests try on its recurrent modules, written to a file: `python -m` this, and the path.

A process of its own, because `torch.testing._internal` changes the one that imports it: torch's global flags, the
profile of hypothesis, how scripted functions are called.
"""

from __future__ import annotations

import itertools
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import torch

NAMES = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")
DTYPES = (torch.float32, torch.float64)
SETTINGS = tuple(itertools.product(NAMES, DTYPES, (True, False), (True, False)))
"""Name, dtype, training and requires_grad: the key of what is written."""


def database() -> list[Any]:
    """The entries for the recurrent modules."""
    # Only the base class of torch's own test cases, none of which is made here.
    stand_in = types.ModuleType("expecttest")
    stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stand_in)
    from torch.testing._internal.common_modules import module_db

    kinds = [getattr(torch.nn, name) for name in NAMES]
    return [entry for entry in module_db if entry.module_cls in kinds]


def samples(entry: Any, dtype: torch.dtype, training: bool, requires_grad: bool) -> dict[str, list[Any]]:
    """Arguments of constructor and call: those that are right, and those that are wrong with what torch expects."""
    given = {"device": "cpu", "dtype": dtype, "requires_grad": requires_grad, "training": training}
    right = entry.module_inputs_func(entry, **given, with_packed_sequence=True)
    wrong = entry.module_error_inputs_func(entry, **given)
    return {
        "right": [arguments(one) for one in right],
        "wrong": [
            (*arguments(one.module_error_input), one.error_on.name, one.error_type, one.error_regex)
            for one in wrong
        ],
    }


def arguments(one: Any) -> tuple[Any, ...]:
    """Positional and named ones of the constructor, then of the call, where it comes to one."""
    made, called = one.constructor_input, one.forward_input
    return made.args, made.kwargs, called and called.args, called and called.kwargs


def main(path: Path) -> None:
    torch.manual_seed(0)
    entries = {entry.module_cls.__name__: entry for entry in database()}
    torch.save({key: samples(entries[key[0]], *key[1:]) for key in SETTINGS}, path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
