import pytest

from checks import layers


def problems(tmp_path, **files):
    """The violations of a package made of these modules; `__` in a name stands for a slash."""
    for name, text in files.items():
        path = tmp_path / "src" / "unrolled" / (name.replace("__", "/", 1) + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return layers.violations(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "from unrolled.errors import DataError",
        "from ..errors import DataError",
        "from unrolled import engines",
        "from .state import State",
        "from unrolled import __version__",
        "import torch",
    ],
)
def test_to_the_left_is_allowed(tmp_path, line):
    assert problems(tmp_path, layers__recurrent=line) == []


@pytest.mark.parametrize(
    "line",
    [
        "import unrolled.models",
        "from unrolled.models.language import LanguageModel",
        "from unrolled import models",
        "from ..models import LanguageModel",
        "from .. import models",
        "def later():\n    import unrolled.models",
        "if TYPE_CHECKING:\n    from unrolled.models import LanguageModel",
        "importlib.import_module('unrolled.models')",
    ],
)
def test_to_the_right_is_refused(tmp_path, line):
    [problem] = problems(tmp_path, layers__recurrent=line)
    assert problem.startswith("src/unrolled/layers/recurrent.py:")
    assert "models does not stand left of layers" in problem


def test_a_group_does_not_import_itself(tmp_path):
    [problem] = problems(tmp_path, serving__server="import unrolled.studio")
    assert "studio does not stand left of serving" in problem


def test_an_init_file_counts_as_its_own_package(tmp_path):
    assert (
        problems(
            tmp_path, layers____init__="from .recurrent import Recurrent\nfrom ..errors import ShapeError"
        )
        == []
    )


@pytest.mark.parametrize("piece", ["errors", "equations__trace", "cells__gated"])
@pytest.mark.parametrize(
    "line", ["import torch", "from torch.nn import LSTM", "def late():\n    import torch"]
)
def test_the_language_does_not_import_torch(tmp_path, piece, line):
    [problem] = problems(tmp_path, **{piece: line})
    assert "start without torch" in problem


def test_lazy_public_names_are_not_for_the_inside(tmp_path):
    [problem] = problems(tmp_path, models__language="from unrolled import Recurrent")
    assert "import it from the module that defines it" in problem


def test_the_lazy_names_themselves_are_exempt(tmp_path):
    assert problems(tmp_path, __init__="from unrolled.models import LanguageModel") == []


def test_a_piece_without_a_place_is_refused(tmp_path):
    [problem] = problems(tmp_path, toys__rubber_duck="")
    assert "toys has no place in the order" in problem
