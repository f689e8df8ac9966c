"""`unrolled sample`: text, or music, from a trained model."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unrolled.cli.sample_options import (
    BEAM,
    FILTERS,
    MATCH,
    MUSIC,
    BeamOptions,
    DrawOptions,
    FilterOptions,
    MatchOptions,
    MusicOptions,
    given,
    refuse,
)

if TYPE_CHECKING:
    from unrolled.generation.constraint import Constraint
    from unrolled.generation.sampling import Sampler
    from unrolled.models.kept import Kept
    from unrolled.models.language import LanguageModel

_RULE = 72
_OF_MUSIC = {"--length", "--number", "--seed", "--json", "--temperature"}

_NAMED = 20
"""So many unseen pieces are named."""


def sample(
    run: Path,
    /,
    *,
    draw: Annotated[DrawOptions, Parameter(name="*")] = DrawOptions(),
    filters: Annotated[FilterOptions, Parameter(name="*", group=FILTERS)] = FilterOptions(),
    likeliest: Annotated[BeamOptions, Parameter(name="*", group=BEAM)] = BeamOptions(),
    matching: Annotated[MatchOptions, Parameter(name="*", group=MATCH)] = MatchOptions(),
    music: Annotated[MusicOptions, Parameter(name="*", group=MUSIC)] = MusicOptions(),
) -> None:
    r"""Draw text from a trained language model; it appears as it is drawn.

    The prompt is printed, then what the model draws after it, in its own symbols: characters, words, bytes, byte pairs
    or n-grams. What the model has never seen of the prompt is read as `<unk>`, and said; `<unk>` itself is never drawn.
    The end of a text, `<eos>`, ends the sample. A model trained on music writes music.

    Examples:

    - `unrolled sample runs/book --prompt "Once upon" --length 300`
    - `unrolled sample runs/book --temperature 0` (always the likeliest symbol)
    - `unrolled sample runs/book --top-p 0.9 --seed 7` (the same text every time)
    - `unrolled sample runs/book --min-p 0.1 --temperature 1.5 --number 5` (five texts, varied but sound)
    - `unrolled sample runs/book --prompt "Once upon" --beam 10 --number 3` (the three likeliest texts it finds)
    - `unrolled sample runs/book --prompt "Born on " --match '\d\d?\.\d\d?\.\d{4}'` (a date)
    - `unrolled sample runs/book --prompt "He said: " --choices answers.txt` (one of the lines of a file)
    - `unrolled sample runs/tunes --prime start.mid --output on.mid --picture on.html`

    Parameters
    ----------
    run
        A run folder, or a model folder such as RUN/checkpoints/last.
    draw
        What is drawn, and how it is shown.
    filters
        How the next symbol is drawn.
    likeliest
        The likeliest texts instead.
    matching
        What the text must match.
    music
        Of models trained on music.
    """
    from unrolled.models.folder import load_model
    from unrolled.models.language import LanguageModel

    model = load_model(run)
    if is_music(model):
        for_text = [*given(draw), *given(filters), *given(likeliest), *given(matching)]
        refuse((o for o in for_text if o not in _OF_MUSIC), f"{run} writes music, and this is for text")
        _sample_music(model, draw, filters, music)
        return
    if not isinstance(model, LanguageModel):
        model = load_model(run, LanguageModel)  # says what it must be
    refuse(given(music), f"{run} writes text, and this is for music")
    if likeliest.beam is None:
        refuse(given(likeliest), "this is for --beam")
    else:
        drawing = [*given(filters), *(o for o in given(draw) if o in ("--seed", "--past-end", "--stream"))]
        refuse(drawing, "--beam searches for the likeliest text and draws nothing")
    if draw.stream and draw.number > 1 and not draw.json:
        refuse(["--stream"], "several texts at once are streamed as --json only")
    constraint = matching.constraint(model.vocabulary)
    warn_unseen("the prompt", model.vocabulary.unseen(draw.prompt or ""), model.vocabulary.unit)
    if likeliest.beam is None:
        _draw(model, draw, filters, constraint)
    else:
        _search(model, draw, likeliest.beam, likeliest.length_penalty or 0.0, constraint)


def is_music(model: Kept) -> bool:
    """Whether a model writes music: frames of keys, or events as a language model."""
    if model.architecture == "music":
        return True
    vocabulary = getattr(model, "vocabulary", None)
    return model.architecture == "language" and getattr(vocabulary, "unit", None) == "event"


def _sample_music(model: Any, draw: DrawOptions, filters: FilterOptions, music: MusicOptions) -> None:
    from unrolled.cli.sample_music import sample_music

    sample_music(
        model,
        prime=music.prime,
        output=music.output,
        picture=music.picture,
        length=draw.length,
        temperature=1.0 if filters.temperature is None else filters.temperature,
        seed=draw.seed,
        number=draw.number,
        json=draw.json,
    )


def _draw(
    model: LanguageModel, draw: DrawOptions, filters: FilterOptions, constraint: Constraint | None
) -> None:
    from unrolled.generation.sampling import Sampler

    sampler = Sampler(
        model,
        draw.prompt or "",
        draw.number,
        draw.length,
        filters.filters(),
        draw.seed,
        not draw.past_end,
        constraint,
    )
    streams = draw.stream if draw.stream is not None else draw.number == 1 and not draw.json
    if streams and draw.json:
        _stream_json(sampler)
    elif streams:
        _stream(before(model, draw.prompt), sampler)
    else:
        texts = [""] * draw.number
        for row, piece in sampler.run():
            texts[row] += piece
        about = [{"ended": ended} for ended in sampler.ended]
        _show(model, draw, texts, about, [""] * draw.number)
    if constraint is not None:
        _say_unmatched(sampler.ended)


def _stream(prompt: str, sampler: Sampler) -> None:
    sys.stdout.write(shown(prompt))
    for _, piece in sampler.run():
        sys.stdout.write(shown(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")


def _stream_json(sampler: Sampler) -> None:
    for row, piece in sampler.run():
        print(json_format.dumps({"row": row, "text": piece}), flush=True)
    for row, ended in enumerate(sampler.ended):
        print(json_format.dumps({"row": row, "ended": ended}))


def _search(
    model: LanguageModel, draw: DrawOptions, width: int, length_penalty: float, constraint: Constraint | None
) -> None:
    from unrolled.generation.beam import beam

    found = beam(model, draw.prompt or "", draw.length, width, draw.number, length_penalty, constraint)
    about = [{"ended": f.ended, "log_probability": f.log_probability, "score": f.score} for f in found]
    _show(model, draw, [f.text for f in found], about, [f"log P {f.log_probability:.3f}" for f in found])
    if constraint is not None:
        _say_unmatched([f.ended for f in found])


def _show(
    model: LanguageModel, draw: DrawOptions, texts: list[str], about: list[dict[str, Any]], heads: list[str]
) -> None:
    """Complete texts: as JSON lines, or behind the prompt, several under a rule each."""
    for number, (text, facts, head) in enumerate(zip(texts, about, heads, strict=True), 1):
        if draw.json:
            print(json_format.dumps({"prompt": draw.prompt or "", "text": text, **facts}))
            continue
        if len(texts) > 1:
            print(f"--- {' '.join([str(number), head]).strip()} ".ljust(_RULE, "-"))
        print(shown(before(model, draw.prompt) + text))


def before(model: LanguageModel, prompt: str | None) -> str:
    """The prompt as it is shown; words bring the blank before them along."""
    prompt = prompt or ""
    return prompt.rstrip(" ") if model.vocabulary.unit == "word" else prompt


def _say_unmatched(ended: list[bool]) -> None:
    """Say on standard error which texts the length cut off before they matched."""
    if all(ended):
        return
    which = "the text"
    if len(ended) > 1:
        which = "text " + ", ".join(str(number) for number, one in enumerate(ended, 1) if not one)
    print(f"unrolled: the length ran out before {which} came to an end; give more --length", file=sys.stderr)


def shown(text: str) -> str:
    """Text for a terminal: control characters other than tab and newline must not reach it."""
    if not sys.stdout.isatty():
        return text
    return "".join(
        c if c in "\n\t" or c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )


def visible(text: str) -> str:
    """A piece of text so that a person can see its blanks and control characters."""
    if text.isspace() and text.strip("\n\t"):
        return "\N{OPEN BOX}" * len(text)
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def warn_unseen(what: str, unseen: Iterable[str], unit: str = "character") -> None:
    """Say on standard error which pieces are read as `<unk>`."""
    pieces = list(unseen)
    listed = " ".join(ascii(one) if not one.isprintable() else repr(one) for one in pieces[:_NAMED])
    if pieces:
        more = f" and {len(pieces) - _NAMED:,} more" if len(pieces) > _NAMED else ""
        print(
            f"unrolled: {what} has {unit}s this model has never seen, read as <unk>: {listed}{more}",
            file=sys.stderr,
        )
