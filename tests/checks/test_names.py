import pytest

from checks import names


@pytest.mark.parametrize(
    "name", ["src/unrolled/layers/utils.py", "native/core/tile.cpp", "tests/_helpers.py"]
)
def test_a_drawer_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    assert names.violations(tmp_path) == [f"{name}: a drawer, not a name; call it after what it does"]


def test_a_name_that_only_contains_one_passes(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "scored.py").touch()
    (tmp_path / "src" / "database.py").touch()
    assert names.violations(tmp_path) == []
