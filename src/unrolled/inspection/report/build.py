"""From models and a text to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unrolled.errors import SettingError
from unrolled.inspection.report.document import Report
from unrolled.inspection.report.language import inspect_language
from unrolled.inspection.report.runs import TrainedRun
from unrolled.models.language import LanguageModel


def report(
    models: Mapping[str, LanguageModel],
    text: str,
    *,
    source: str = "the text given",
    runs: Mapping[str, TrainedRun] | None = None,
    window: int = 256,
    best: int = 5,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Everything inspection finds in language models that read the same text, side by side.

    Args:
        models: by name.
        text: n symbols; memory and file grow with n times `window`.
        source: where the text is from, as the report says it.
        runs: what is known of their training, by name.
        window: steps that memorization looks back.
        best: guesses for each symbol.
        tell: told what is being looked at.

    Raises:
        DataError: an empty text.
        SettingError: no model, window or best below one.

    Example:
        >>> from unrolled.data.vocabulary import Vocabulary
        >>> model = LanguageModel(Vocabulary.from_text(["hola "]), "gru", hidden_size=8)
        >>> found = report({"small": model}, "hola ola hola", window=8)
        >>> [page.name for page in found.models[0].pages][:3]
        ['gradient', 'spectrum', 'gates']
        >>> found.html().startswith("<!doctype html>")
        True
    """
    if not models:
        raise SettingError("at least one model must be given, got none. Give {name: model}.")
    known = runs or {}
    found = []
    for name, model in models.items():
        found.append(
            inspect_language(
                model,
                text,
                known.get(name),
                name=name,
                window=window,
                best=best,
                tell=lambda line, name=name: tell(f"{name}: {line}"),  # type: ignore[misc]
            )
        )
    unseen = {name: model.vocabulary.unseen(text) for name, model in models.items()}
    notes = [
        f"{name} has never seen these {models[name].vocabulary.unit}s and reads them as <unk>: "
        f"{' '.join(map(repr, letters))}"
        for name, letters in unseen.items()
        if letters
    ]
    return Report(tuple(found), source, text, tuple(notes))
