"""The command `unrolled`: which commands there are, and what happens when one fails.

Torch and whatever else is slow to import is imported inside the commands, so that `unrolled --help` answers at
once.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError

from unrolled import __version__
from unrolled.cli.bench import app as bench
from unrolled.cli.cells import cells
from unrolled.cli.demo import demo
from unrolled.cli.engines import engines
from unrolled.cli.evaluate import evaluate
from unrolled.cli.inspect import inspect
from unrolled.cli.next import next_command
from unrolled.cli.predict import predict
from unrolled.cli.sample import sample
from unrolled.cli.score import score
from unrolled.errors import UnrolledError

WRONG_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 2 for wrong input, said in one line on standard error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Before torch is imported: threads of its OpenMP that spin while they wait slow training down many times as
    # soon as another program wants the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A character that the terminal's encoding lacks is shown as an escape; it is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = build()(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except UnrolledError as error:
        return _refuse(str(error))
    except CycloptsError as error:
        return _refuse(_one_line(error))
    except KeyboardInterrupt:
        print("unrolled: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python writes out what is left at exit; the reader has gone, so it must go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code if isinstance(code, int) else 0


def build() -> App:
    """The tree of commands."""
    app = App(
        name="unrolled",
        help="Recurrent networks, written as their equations: train, sample, score, look inside.",
        help_epilogue=_START,
        help_format="markdown",
        version=__version__,
        suppress_keyboard_interrupt=False,
    )
    # By name: its settings need pydantic, which takes longer to import than everything else here.
    app.command("unrolled.cli.train:app", name="train", help="Train a model on your own data.", sort_key=0)
    usages: dict[Callable[..., None], str] = {
        sample: "sample RUN [OPTIONS]",
        score: "score RUN TEXTS... [OPTIONS]",
        next_command: "next RUN TEXT [OPTIONS]",
        evaluate: "evaluate RUN DATA... [OPTIONS]",
        predict: "predict RUN DATA... [OPTIONS]",
        inspect: "inspect RUN [OPTIONS]",
        cells: "cells [NAME] [OPTIONS]",
        engines: "engines [OPTIONS]",
        demo: "demo [OPTIONS]",
    }
    for order, (command, usage) in enumerate(usages.items(), start=1):
        name = usage.partition(" ")[0]
        app.command(command, name=name, sort_key=order, help_epilogue="", usage=f"Usage: unrolled {usage}")
    app.command(bench)
    return app


_START = """Start here:

- `unrolled demo`
- `unrolled train lm book.txt --minutes 5 --run runs/book`
- `unrolled sample runs/book --prompt "Once upon"`

`unrolled COMMAND --help` shows the options of a command, with units, defaults and examples.
"""


def _refuse(message: str) -> int:
    print(f"unrolled: {' '.join(message.split())}", file=sys.stderr)
    return WRONG_INPUT


def _one_line(error: CycloptsError) -> str:
    message = _message_of_cause(error.__cause__ or error.__context__)
    if message:
        return message
    command = " ".join(["unrolled", *(error.command_chain or ())])
    text = str(error)
    return f"{text[:1].lower()}{text[1:]} Try: {command} --help"


def _message_of_cause(cause: BaseException | None) -> str | None:
    """What a settings model said; pydantic wraps it on its way through."""
    if isinstance(cause, UnrolledError):
        return str(cause)
    if "pydantic" in sys.modules:
        from pydantic import ValidationError

        from unrolled.data.settings import describe

        if isinstance(cause, ValidationError):
            return describe(cause)
    return None
