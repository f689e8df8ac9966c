import io
import sys
import time

from unrolled.cli import waiting as module
from unrolled.cli.waiting import counting, waiting


class Screen(io.StringIO):
    def isatty(self):
        return True


def screen(monkeypatch):
    """Standard error as a terminal; called in a test, since pytest sets standard error anew when one begins."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(module, "_EVERY", -1.0)
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    monkeypatch.setattr(sys, "stderr", Screen())
    return sys.stderr


def test_a_terminal_shows_that_something_happens(monkeypatch):
    seen = screen(monkeypatch)
    with waiting("reading"):
        pass
    assert "reading" in seen.getvalue()


def test_a_terminal_counts(monkeypatch):
    seen = screen(monkeypatch)

    def letters():
        for letter in "abc":
            time.sleep(0.15)  # it is drawn about twelve times a second
            yield letter

    assert list(counting(letters(), "predicting [b]")) == ["a", "b", "c"]
    assert "predicting [b]  2 lines" in seen.getvalue()


def test_nothing_is_shown_where_nobody_looks(capsys):
    with waiting("reading"):
        assert list(counting("abc", "predicting")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
