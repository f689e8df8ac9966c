import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from unrolled.training.events import Outcome, Prepared, ReadSoFar, Sampled, Updated, Validated
from unrolled.training.progress import Progress, one_line

PREPARED = Prepared(
    Path("runs/x"), "gru, 1 x 8 units", "1 document", "10 updates", ("line ends CRLF read as LF",)
)
UPDATED = Updated(5, 1.5, 0.25, 30.0, 2.5, 0.125, 0.004, 81_234.0)
VALIDATED = Validated(5, 30.0, 2.75, 2.9, True)
SAMPLED = Sampled(5, "the [bold]cat\n\tsat \x1b[31m")


def show(terminal, width=100):
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=width, highlight=False)
    with Progress(console) as progress:
        for event in (PREPARED, UPDATED, VALIDATED, SAMPLED):
            progress._drawn = -1.0
            progress.report(event)
        progress.finished(Outcome("finished", 10, 61.0, 2.9, 5, 81_234.0, "bits per character"))
    return file.getvalue()


def test_plain_lines_when_nobody_looks():
    assert show(terminal=False).splitlines() == [
        "model gru, 1 x 8 units",
        "text  1 document",
        "plan  10 updates",
        "run   runs/x",
        "note  line ends CRLF read as LF",
        "update      5  0:30  bits per character: train  2.750  validation  2.900 *    81 k characters/s",
        "  | the [bold]cat sat \N{REPLACEMENT CHARACTER}[31m",
        "Finished after 10 updates in 1:01, 81 k characters/s. "
        "Best on validation: 2.900 bits per character (update 5).",
    ]


def test_a_mean_of_weights_is_said_to_be_one():
    file = io.StringIO()
    with Progress(Console(file=file, force_terminal=False, width=100)) as progress:
        progress.report(PREPARED)
        progress.report(replace(VALIDATED, averaged=1200))
    assert file.getvalue().endswith("validation  2.900, mean of 1,200 updates *\n")


def test_the_panel_holds_what_a_person_wants_to_know():
    shown = show(terminal=True)
    for part in (
        "epoch 1.50",
        "time left 1:30",
        "train 2.500",
        "validation 2.900",
        "81 k characters/s",
        "gradient norm 0.125",
        "learning rate 0.004",
    ):
        assert part in shown


def test_a_narrow_terminal_is_no_reason_to_fail():
    assert "update" in show(terminal=True, width=40)
    assert "Finished" in show(terminal=True, width=10)


def test_a_sample_cannot_move_the_cursor_or_leave_its_line():
    assert (
        one_line("a\r\n\x1b[2Jb" + "c" * 50, 10) == "a \N{REPLACEMENT CHARACTER}[2Jbcc\N{HORIZONTAL ELLIPSIS}"
    )


def test_a_terminal_made_narrower_has_its_wrapped_rows_erased():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, highlight=False)
    with Progress(console) as progress:
        progress.report(PREPARED)
        progress._drawn = -1.0
        progress.report(UPDATED)
        before = len(file.getvalue())
        console.width = 50  # bar 60 wide, three lines of text up to 75: each takes a second row
        progress._drawn = -1.0
        progress.report(UPDATED)
        redrawn = file.getvalue()[before:]
        up = redrawn.count("\x1b[1A\x1b[2K")
        assert up == 4 + 3  # the rows that wrapped, and the four lines drawn but for the one the cursor is on


def reading(terminal, width=100):
    file = io.StringIO()
    with Progress(Console(file=file, force_terminal=terminal, width=width)) as progress:
        for seconds in (0.5, 2.5, 3.0, 6.0):
            progress.report(ReadSoFar(int(1000 * seconds), seconds, "a folder/sounds.csv"))
    return file.getvalue()


def test_reading_is_seen_and_lines_become_rarer():
    assert reading(terminal=False).splitlines() == [
        "reading  2,500 until now  0:02  a folder/sounds.csv",
        "reading  6,000 until now  0:06  a folder/sounds.csv",
    ]
    drawn = reading(terminal=True, width=30)
    assert "reading  500 until now  0:00" not in drawn and "reading 3,000 until now 0:03 …" in drawn
