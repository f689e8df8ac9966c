import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "data.streams",
        "data.text",
        "data.vocabulary",
        "generation.sampling",
        "models.language",
        "training.schedule",
    ],
)
def test_the_example_in_the_docstring_runs(name):
    outcome = doctest.testmod(importlib.import_module(f"unrolled.{name}"))
    assert outcome.attempted > 0
    assert outcome.failed == 0
