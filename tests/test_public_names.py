"""The names people import: exactly these, and none of them loads more than it needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import unrolled

HOMES = {
    "Cell": "unrolled.equations",
    "cell": "unrolled.equations",
    "Ragged": "unrolled.layers",
    "Recurrent": "unrolled.layers",
    "Regularise": "unrolled.layers",
    "State": "unrolled.layers",
    "truncated": "unrolled.layers",
    "RNN": "unrolled.layers.torch_compatible",
    "GRU": "unrolled.layers.torch_compatible",
    "LSTM": "unrolled.layers.torch_compatible",
    "RNNCell": "unrolled.layers.torch_compatible_cells",
    "GRUCell": "unrolled.layers.torch_compatible_cells",
    "LSTMCell": "unrolled.layers.torch_compatible_cells",
    "convert": "unrolled.layers.convert",
    "LanguageModel": "unrolled.models",
    "load_model": "unrolled.models",
    "Classifier": "unrolled.models.classifier",
    "EncoderDecoder": "unrolled.models.encoder_decoder",
    "Forecaster": "unrolled.models.forecaster",
    "MusicModel": "unrolled.models.music",
    "Vocabulary": "unrolled.data.vocabulary",
    "Tagger": "unrolled.models.tagger",
    "SequenceClassifier": "unrolled.estimators.classifier",
    "SequenceForecaster": "unrolled.estimators.forecaster",
    "SequenceTagger": "unrolled.estimators.tagger",
    "ReservoirClassifier": "unrolled.estimators.reservoir",
    "ReservoirForecaster": "unrolled.estimators.reservoir",
}
MODULES = {"cells", "equations"}


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh Python has loaded after this statement."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())


def test_exactly_these_names_are_public():
    assert set(unrolled.__all__) == {*HOMES, *MODULES, "__version__"}
    assert set(unrolled.__all__) <= set(dir(unrolled))
    assert unrolled.__version__ == "0.1.0"


@pytest.mark.parametrize(("name", "home"), HOMES.items())
def test_a_name_is_the_one_of_its_home(name, home):
    value = getattr(unrolled, name)
    assert value is getattr(__import__(home, fromlist=[name]), name)
    assert value.__doc__


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_is_the_module(name):
    assert getattr(unrolled, name) is sys.modules[f"unrolled.{name}"]


def test_what_type_checkers_see_is_what_there_is():
    tree = ast.parse(Path(unrolled.__file__).read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == HOMES | dict.fromkeys(MODULES, "unrolled")


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'unrolled' has no attribute 'GRUU'"):
        _ = unrolled.GRUU


def test_importing_the_package_imports_nothing_else():
    loaded = loaded_by("import unrolled")
    assert {name for name in loaded if name.startswith("unrolled.")} == set()
    assert loaded.isdisjoint({"torch", "numpy"})


@pytest.mark.parametrize("name", ["cell", "cells", "equations"])
def test_the_language_starts_without_torch(name):
    loaded = loaded_by(f"from unrolled import {name}")
    assert "unrolled.equations" in loaded
    assert "torch" not in loaded
