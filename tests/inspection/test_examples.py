"""The examples in the docstrings run."""

import doctest
import importlib

import pytest

MODULES = (
    "course",
    "gates",
    "gradient_flow",
    "jacobian",
    "memorization",
    "neurons",
    "patterns",
    "report.build",
    "spectrum",
    "surprise",
    "truncation",
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name):
    outcome = doctest.testmod(importlib.import_module(f"unrolled.inspection.{name}"))
    assert outcome.attempted and not outcome.failed
