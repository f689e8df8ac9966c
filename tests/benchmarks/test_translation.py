import sys
import zipfile
from dataclasses import replace

import pytest

from benchmarks.quality import translation


def archive(folder):
    path = folder / translation.ARCHIVE
    path.parent.mkdir(parents=True)
    lines = [f"we go to the house number {n % 40} now\tnous allons {n}\tCC-BY" for n in range(120)]
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("_about.txt", "about")
        made.writestr("fra.txt", "\n".join(["Go.\tVa !", *lines, "a b c d e f g h i j k l m\tlong"]))


def test_no_source_stands_on_both_sides_and_lengths_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(translation, "HELD", 20)
    monkeypatch.setattr(translation, "TRAINED", 70)
    archive(tmp_path)
    trained, held = translation.tatoeba(tmp_path, seed=1)
    assert (len(trained), len(held)) == (70, 21), "whole sources of three targets"
    assert not {source for source, _ in trained} & {source for source, _ in held}
    assert all(6 <= len(source.split()) <= 12 for source, _ in trained + held)
    assert translation.tatoeba(tmp_path, seed=2) != (trained, held)


def test_dialogues_and_digits_to_judge_by_are_others():
    for pairs in (translation.dialogue, translation.digits("sorting")):
        trained, held = pairs(None, 0)
        assert len(held) == 1000
        assert not {source for source, _ in trained} & {source for source, _ in held}


def test_both_conditions_have_their_rows(tmp_path, monkeypatch, capsys):
    archive(tmp_path)
    small = {"hidden": 4, "embedding": 4}
    monkeypatch.setattr(translation, "HELD", 10)
    for name in translation.TASKS:
        task = translation.TASKS[name]
        monkeypatch.setitem(
            translation.TASKS, name, replace(task, model={**task.model, **small}, training={})
        )
    arguments = ["translation", "tatoeba", "--data", str(tmp_path), "--minutes", "0.001"]
    monkeypatch.setattr(sys, "argv", arguments)
    translation.main()
    out = capsys.readouterr().out
    rows = [line for line in out.splitlines() if line.startswith("| Tatoeba")]
    assert [row.split(" | ")[2] for row in rows] == [
        "floor: the source, copied",
        "all, by attention",
        "the last state",
    ]
    assert "BLEU: nrefs:3|case:mixed" in out


def test_tatoeba_asks_for_its_folder_and_tasks_are_known(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="name their folder with --data"):
        translation.tatoeba(None, 0)
    monkeypatch.setattr(sys, "argv", ["translation", "tatoba"])
    with pytest.raises(SystemExit):
        translation.main()
    assert "no task 'tatoba'; there are tatoeba, dialogue" in capsys.readouterr().err
