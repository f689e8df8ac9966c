"""What `evaluate` and `predict` do with a translator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from unrolled.data.settings import Settings
from unrolled.errors import SettingError

if TYPE_CHECKING:
    from unrolled.data.pair_settings import PairSettings
    from unrolled.inspection.translation import Search

ARCHITECTURE = "encoder_decoder"


class TranslationOptions(Settings):
    """How a translator reads and searches."""

    source: str | None = Field(
        None, description="Column of the source, where it is another one than in training."
    )
    beam: int = Field(
        5, ge=1, description="Beginnings that are kept at every step; 1 takes the likeliest symbol."
    )
    length_penalty: float = Field(
        1.0, ge=0, description="Translations of n symbols are compared by log P / n to this power."
    )
    longest: int | None = Field(
        None, ge=1, description="A text of more symbols is refused. Without it as in training."
    )
    skip_bad: bool = Field(
        False, description="Leave out what cannot be used: empty, too long, of an unknown alphabet."
    )


class EvaluateTranslations(TranslationOptions):
    """The same where targets are known."""

    target: str | None = Field(
        None, description="Column of the target, where it is another one than in training."
    )


class PredictTranslations(TranslationOptions):
    """The same where they are not."""

    number: int = Field(1, ge=1, description="So many translations of each text, the best first.")


def refuse_for_others(options: TranslationOptions, called: str) -> None:
    """Refuse what means something for a translator only.

    Raises:
        SettingError: one of the options was given.
    """
    options.refuse(list(type(options).model_fields), f"is for a translator, this run holds a {called}")


def pairs_reading(model: Any, given: Mapping[str, str | None], options: TranslationOptions) -> PairSettings:
    """How the model's training pairs were read, with what is said otherwise for new files.

    Raises:
        SettingError: an option that is for other models.
    """
    from unrolled.data.pair_settings import PairSettings

    for name in ("text", "label"):
        if given.get(name) is not None:
            raise SettingError(
                f"--{name} is for other models, a translator has --source and --target; leave it out"
            )
    said = {name: given.get(name) for name in ("encoding", "delimiter")}
    said |= {name: getattr(options, name, None) for name in ("source", "target", "longest")}
    known = model.reading | {name: value for name, value in said.items() if value is not None}
    return PairSettings(**known, skip_bad=options.skip_bad)


def search_of(options: TranslationOptions) -> Search:
    """The search that was asked for.

    Raises:
        SettingError: more translations than a beam can hold.
    """
    from unrolled.inspection.translation import Search

    number = getattr(options, "number", 1)
    if number > options.beam:
        raise SettingError(
            f"--number must be at most --beam, got {number} and {options.beam}; use a wider beam"
        )
    return Search(options.beam, number, options.length_penalty)


def evaluated(
    model: Any, paths: Sequence[str], given: Mapping[str, str | None], options: TranslationOptions
) -> Any:
    """Scores of a translator."""
    from unrolled.inspection.translation import evaluate

    return evaluate(model, paths, pairs_reading(model, given, options), search_of(options))
