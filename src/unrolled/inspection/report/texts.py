"""The text that language models are inspected on: given, of the run itself, or drawn from the model."""

from __future__ import annotations

import html
from dataclasses import dataclass

from pydantic import ValidationError

from unrolled.data.borders import divided
from unrolled.data.corpus import STANDARD_INPUT, Corpus
from unrolled.data.text import Document, documents_of, read_texts
from unrolled.data.text_settings import DataSettings
from unrolled.errors import DataError, SettingError, UnrolledError
from unrolled.generation.sampling import sample
from unrolled.inspection.figures import visible
from unrolled.inspection.report.runs import TrainedRun
from unrolled.models.language import LanguageModel

CHARACTERS = 2000
"""How much of a text is looked at, if nothing is said."""
_ENOUGH, _DRAWS = 200, 8


@dataclass(frozen=True)
class Chosen:
    """A text, where it is from, and how many characters there were before it was cut."""

    text: str
    source: str
    whole: int

    def __str__(self) -> str:
        cut = f" of {self.whole:,}" if self.whole > len(self.text) else ""
        return f"{self.source}, {len(self.text):,}{cut} character{'s' * (len(self.text) != 1)}"


def given_text(text: str, characters: int = CHARACTERS) -> Chosen:
    """A text as it was typed."""
    return _beginning(text, "the text given", characters)


def text_of_file(path: str, characters: int = CHARACTERS) -> Chosen:
    """The beginning of one file, or of standard input (`-`).

    Raises:
        DataError: a folder, no text in it.
    """
    documents = read_texts([path]).documents
    if len(documents) != 1:
        raise DataError(f"{path}: must be one file, got {len(documents)} texts; name one of them")
    return _beginning(documents[0].text, f"the beginning of {documents[0].name}", characters)


def own_text(model: LanguageModel, run: TrainedRun, characters: int = CHARACTERS) -> Chosen:
    """The end of the text a run was validated on, where it can be found again; else what the model draws."""
    _check(characters)
    kept, reason = _validation(run, characters)
    if kept is not None:
        text = kept.text[-characters:]
        return Chosen(text, f"the end of what it was validated on, {kept.name}", len(kept.text))
    drawn = _drawn(model, characters)
    return Chosen(drawn, f"drawn from the model at temperature 0.8 ({reason})", len(drawn))


def seen(text: str) -> str:
    """A text with signs for what would not be seen."""
    return html.unescape(visible(text)) if text else ""


def _beginning(text: str, source: str, characters: int) -> Chosen:
    _check(characters)
    if not text:
        raise DataError("the text must have at least one character, got none; give a longer one")
    return Chosen(text[:characters], source, len(text))


def _check(characters: int) -> None:
    if characters < 1:
        raise SettingError(f"--characters must be 1 or more, got {characters}; correct it")


def _validation(run: TrainedRun, characters: int) -> tuple[Document | None, str]:
    """The last document with enough text, else the longest; or None and why."""
    if run.config.get("task") != "lm" or "validation" not in run.config.get("data", {}):
        return None, "the run does not say what it was trained on"
    try:
        settings = DataSettings.model_validate(run.config["data"])
        apart = settings.validate_on
        paths = run.config.get("paths", []) if apart is None else [apart]
        if STANDARD_INPUT in map(str, paths):
            return None, "it was trained on standard input"
        corpus = Corpus(paths, settings.encoding)
        kept = documents_of(corpus if apart is not None else divided(corpus, settings)[1])
    except (UnrolledError, ValidationError) as error:
        return None, f"its own text was not found: {str(error).partition(';')[0].splitlines()[0]}"
    long = [document for document in kept if len(document.text) >= characters]
    return (long[-1] if long else max(kept, key=lambda document: len(document.text))), ""


def _drawn(model: LanguageModel, characters: int) -> str:
    """The first sample that is long enough, else the longest of some."""
    texts: list[str] = []
    for seed in range(_DRAWS):
        texts.append("".join(sample(model, length=characters, temperature=0.8, seed=seed)))
        if len(texts[-1]) >= min(_ENOUGH, characters):
            break
    longest = max(texts, key=len)
    if not longest:
        raise DataError("the model draws no text to look at, only <eos>; give one with --text or --file")
    return longest
