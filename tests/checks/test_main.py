from checks.__main__ import CHECKS, main


def test_one_line_for_each_passed_check(tmp_path, capsys):
    (tmp_path / "src" / "unrolled").mkdir(parents=True)
    (tmp_path / "src" / "unrolled" / "errors.py").touch()
    (tmp_path / ".gitignore").touch()
    tree = "README.md\n.gitignore\nsrc/unrolled/\n  errors.py\n"
    (tmp_path / "README.md").write_text(f"<!-- tree -->\n```\n{tree}```\n")
    assert main(tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == list(CHECKS)


def test_a_violation_is_printed_and_fails(tmp_path, capsys):
    (tmp_path / "src" / "unrolled").mkdir(parents=True)
    (tmp_path / "src" / "unrolled" / "errors.py").write_text("import torch")
    (tmp_path / "README.md").touch()
    assert main(tmp_path) == 1
    assert "errors imports torch" in capsys.readouterr().out
