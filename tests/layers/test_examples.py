"""The examples in the docstrings run."""

import doctest
import importlib

import pytest

MODULES = ("torch_compatible", "torch_compatible_cells", "convert", "weights_elsewhere")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name):
    outcome = doctest.testmod(importlib.import_module(f"unrolled.layers.{name}"))
    assert outcome.attempted and not outcome.failed
