"""The options of `unrolled sample`: their groups, and which of them go together."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from unrolled.cli.options import Switch, Whole
from unrolled.errors import SettingError

if TYPE_CHECKING:
    from unrolled.data.vocabulary import Vocabulary
    from unrolled.generation.constraint import Constraint
    from unrolled.generation.filters import Filters

FILTERS = Group("How the next symbol is drawn", sort_key=1)
BEAM = Group("The likeliest texts instead", sort_key=2)
MATCH = Group("What the text must match", sort_key=3)
MUSIC = Group("Music", sort_key=4)


@dataclass(frozen=True)
class DrawOptions:
    """What is drawn, and how it is shown.

    Parameters
    ----------
    prompt
        The text to go on from. [default: the beginning of a text]
    length
        Symbols at most: characters, words, ...; of music steps of its grid, or events.
    number
        How many texts; several are drawn side by side and shown when they are complete. With the same seed the first
        ones are the same, however many there are.
    seed
        A whole number; the same seed draws the same text. [default: a new one every time]
    past_end
        Go on after `<eos>`, which then is printed, until the length is reached.
    stream
        Show text as it is drawn; with --json, one JSON object a line for every piece, with its row.
        [default: a single text is streamed; several are not, and neither is JSON]
    json
        Print one JSON object a line for each text, once all are complete.
    """

    prompt: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    length: Whole = 500
    number: Whole = 1
    seed: Whole | None = None
    past_end: Switch = False
    stream: bool | None = None
    json: Switch = False


@dataclass(frozen=True)
class FilterOptions:
    """How the next symbol is drawn.

    Parameters
    ----------
    temperature
        Below 1 makes likely symbols likelier, above 1 evens them out, 0 always takes the likeliest.
        [default: 0.8; of music 1]
    top_k
        Draw only from the K likeliest symbols.
    top_p
        Draw only from the fewest likeliest symbols whose probabilities sum to P, above 0 to 1.
    min_p
        Draw only from symbols at least P times as likely as the likeliest, above 0 to 1.
    repetition_penalty
        Above 1 makes symbols unlikelier that are among the last 64; 1.2 is usual for words, 1 does nothing.
    """

    temperature: float | None = None
    top_k: Whole | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None

    def filters(self) -> Filters:
        """As the library takes them."""
        from unrolled.generation.filters import Filters

        return Filters(
            0.8 if self.temperature is None else self.temperature,
            self.top_k,
            self.top_p,
            self.min_p,
            1.0 if self.repetition_penalty is None else self.repetition_penalty,
        )


@dataclass(frozen=True)
class BeamOptions:
    """The likeliest texts instead of drawn ones.

    Parameters
    ----------
    beam
        Search for the likeliest text, keeping the W likeliest beginnings at every step; nothing is drawn. With
        --number N the N best are shown.
    length_penalty
        Compare texts by log P / n^A for n symbols: above 0 longer texts are not at such a disadvantage. [default: 0]
    """

    beam: Whole | None = None
    length_penalty: float | None = None


@dataclass(frozen=True)
class MatchOptions:
    r"""What the text behind the prompt must match.

    Parameters
    ----------
    match
        A regular expression that the whole text matches, such as '\d{4}-\d\d-\d\d'; in quotes.
    choices
        A file with one text a line; the text is one of them.
    encoding
        Encoding of this file, such as latin-1. [default: UTF-8, or what a byte order mark says]
    """

    match: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    choices: Path | None = None
    encoding: str | None = None

    def constraint(self, vocabulary: Vocabulary) -> Constraint | None:
        """As the library takes them; None if nothing must match."""
        from unrolled.generation.choices import Choices
        from unrolled.generation.constraint import Constraint
        from unrolled.generation.regular import Regular

        if self.match is not None and self.choices is not None:
            raise SettingError("--match and --choices both say what the text must be; leave one out")
        if self.encoding is not None and self.choices is None:
            refuse(["--encoding"], "there is no file of --choices to read")
        if self.match is not None:
            return Constraint(Regular(self.match), vocabulary)
        if self.choices is not None:
            return Constraint(Choices(self._texts(self.choices, vocabulary)), vocabulary)
        return None

    def _texts(self, path: Path, vocabulary: Vocabulary) -> list[str]:
        from unrolled.data.lines import text_lines
        from unrolled.errors import DataError

        lines = [line.rstrip("\r\n") for line in text_lines(path, self.encoding)]
        texts = [line for line in lines if line]
        if not texts:
            raise DataError(f"{path}: must hold one text a line, got nothing")
        never = [text for text in texts if vocabulary.unseen(text)]
        if never:
            print(
                f"unrolled: {len(never)} of {len(texts)} texts in {path} have {vocabulary.unit}s this model has never "
                f"seen and cannot be drawn, such as {never[0]!r}",
                file=sys.stderr,
            )
        return texts


@dataclass(frozen=True)
class MusicOptions:
    """Of models trained on music.

    Parameters
    ----------
    prime
        A MIDI file to go on from.
    output
        MIDI file to write.
    picture
        HTML file to write with a picture of the notes; it needs no network.
    """

    prime: Path | None = None
    output: Path | None = None
    picture: Path | None = None


def given(options: Any) -> list[str]:
    """The options of a group that were given, as they are typed."""
    named = [field.name for field in fields(options) if getattr(options, field.name) != field.default]
    return ["--" + name.replace("_", "-") for name in named]


def refuse(options: Iterable[str], why: str) -> None:
    """Refuse options that were given (SettingError)."""
    listed = list(options)
    if listed:
        raise SettingError(f"{', '.join(listed)}: {why}; leave {'it' if len(listed) == 1 else 'them'} out")
