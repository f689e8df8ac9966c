import pytest

from checks import readme_tree

TREE = """\
README.md          what it is
.gitignore         what git leaves out
src/unrolled/      the package
  __init__.py      the public names
  layers/          the layers
tests/             the tests
"""


@pytest.fixture
def root(tmp_path):
    for name in (
        "src/unrolled/__init__.py",
        "src/unrolled/layers/__init__.py",
        "tests/test_it.py",
        ".venv/bin/python",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("/.venv/\n*.pyc\n")
    write(tmp_path, TREE)
    return tmp_path


def write(root, tree):
    (root / "README.md").write_text(f"# Title\n\n<!-- tree -->\n```text\n{tree}```\n\nThe end.\n")


def test_equal_trees_pass(root):
    (root / "left_behind" / "__pycache__").mkdir(parents=True)
    (root / "left_behind" / "__pycache__" / "old.pyc").touch()
    assert readme_tree.violations(root) == []


@pytest.mark.parametrize(("line", "name"), [("tests/ ", "tests/"), ("  layers/ ", "src/unrolled/layers/")])
def test_an_entry_that_is_not_listed(root, line, name):
    write(root, "".join(kept for kept in TREE.splitlines(keepends=True) if not kept.startswith(line)))
    assert readme_tree.violations(root) == [f"README.md: the tree lacks {name}; add it"]


@pytest.mark.parametrize(("line", "name"), [("docs/  pages\n", "docs/"), ("  cli/\n", "src/unrolled/cli/")])
def test_an_entry_that_does_not_exist(root, line, name):
    write(root, TREE + line)
    assert readme_tree.violations(root) == [f"README.md: {name} does not exist; remove it"]


def test_a_file_is_not_a_folder(root):
    write(root, TREE.replace("tests/ ", "tests  "))
    assert len(readme_tree.violations(root)) == 2


def test_a_readme_without_a_tree_is_refused(root):
    (root / "README.md").write_text("# Title\n")
    assert "expected in the fenced block" in readme_tree.violations(root)[0]
