"""How good translations are: BLEU and chrF as sacrebleu counts them, and exact matches."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from unrolled.data.vocabulary import Listed, Vocabulary
from unrolled.errors import MissingExtra


def matches(vocabulary: Vocabulary, text: str, references: Sequence[str]) -> bool:
    """Whether a text has the same symbols as one of its references; of words, however they are spaced.

    Example:
        >>> from unrolled.data.units.words import Words
        >>> words = Words(("<unk>", "<eos>"))
        >>> matches(words, "Va!", ["Va !"]), matches(words, "Va.", ["Va !"])
        (True, False)
    """
    found = _pieces(vocabulary, text)
    return any(found == _pieces(vocabulary, reference) for reference in references)


def _pieces(vocabulary: Vocabulary, text: str) -> list[str]:
    return list(vocabulary.keys(text)) if isinstance(vocabulary, Listed) else vocabulary.split(text)


def exact_match(vocabulary: Vocabulary, texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The share of texts that match one of their references."""
    pairs = zip(texts, references, strict=True)
    return sum(matches(vocabulary, text, known) for text, known in pairs) / len(texts)


class CorpusScores:
    """BLEU and chrF of a whole set of texts, in percent, each with the signature that says how it was counted.

    Raises:
        MissingExtra: sacrebleu is not installed.

    Papers: Papineni et al. 2002 (BLEU), Popović 2015 (chrF), Post 2018, A call for clarity in reporting BLEU scores.
    """

    def __init__(self) -> None:
        package = _sacrebleu()
        self._metrics: dict[str, Any] = {"BLEU": package.BLEU(), "chrF": package.CHRF()}
        self.signatures: dict[str, str] = {}

    def __call__(self, texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        """The scores of texts, each with one or more references."""
        most = max(len(known) for known in references)
        streams = [[known[i] if i < len(known) else None for known in references] for i in range(most)]
        found = {name: metric.corpus_score(texts, streams) for name, metric in self._metrics.items()}
        self.signatures = {name: str(metric.get_signature()) for name, metric in self._metrics.items()}
        return {name: float(score.score) for name, score in found.items()}


def _sacrebleu() -> Any:
    try:
        return import_module("sacrebleu")
    except ImportError as error:
        raise MissingExtra(
            'BLEU and chrF are counted by sacrebleu, which is not installed: pip install "unrolled[translate]"'
        ) from error
