import sys

from benchmarks.quality import entities


def test_floor_and_both_outputs_have_their_rows(tmp_path, monkeypatch, capsys):
    sentence = "Ada B-per\nsees O\nOslo B-loc\n. O\n\n"
    folder = tmp_path / entities.FOLDER
    folder.mkdir(parents=True)
    for name, count in (("train", 8), ("dev", 2), ("test", 3)):
        (folder / f"{name}.conll").write_text(sentence * count)
    arguments = ["entities", "--data", str(tmp_path), "--seeds", "1", "--epochs", "1", "--target", "33"]
    monkeypatch.setattr(sys, "argv", arguments)
    entities.main()
    out = capsys.readouterr().out
    assert out.startswith("12 words to judge by; floor: each symbol's most frequent tag, O for others")
    rows = {line.split(" | ")[0].strip("| "): line for line in out.splitlines() if line.startswith("| ")}
    assert rows["target"].startswith("| target | 33.0 |")
    assert rows["floor"].startswith("| floor | 100.0 | - | 100.0 | 100.0 |")
    assert {"crf", "softmax"} <= rows.keys()


def test_a_row_says_means_and_spread():
    def result(f1):
        scores = dict.fromkeys(entities.SCORES, f1 / 100)
        evaluation = entities.Evaluation("tag", 1, "words", scores, "", {})
        return entities.Result(evaluation, dev=0.3, minutes=2.0, parameters=1234)

    found = entities.row("crf", [result(20), result(26), result(23)])
    assert found == "| crf | 23.0 | 20.0, 26.0 | 23.0 | 23.0 | 30.0 | 2.0 | 1,234 |"
