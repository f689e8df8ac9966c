"""How sequences become numbers: fitted on what is trained on, kept with the model, the same for new data."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.records import Record, Values
from unrolled.errors import DataError, SettingError

UNKNOWN = 0
UNITS = ("word", "character")
"""What a text can be cut into."""

_WORD = re.compile(r"\w+(?:[-'’]\w+)*|[^\w\s]")
"""Letters and digits of any script with what joins them, or one mark of punctuation."""


class Input(ABC):
    """Turns the values of a record into numbers (T, ...)."""

    kind: ClassVar[str]

    @abstractmethod
    def encode(self, values: Values) -> NDArray[Any]:
        """One sequence as numbers, (T, ...).

        Raises:
            DataError: values of another kind or size.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The input written by `to_json`."""


class TextInput(Input):
    """Texts as indices (T,) of words or characters; what was not seen is `<unk>`, index 0.

    Words are runs of letters and digits of any script, with hyphens and apostrophes inside, or single marks of
    punctuation. `lower` makes no difference between capital and small letters. With `ngram` n every symbol stands
    together with the n - 1 after it: overlapping n-grams, T - n + 1 of them.

    Example:
        >>> text = TextInput.fitted(["Don't stop!", "Stop it"], "word", lower=True)
        >>> text.symbols
        ('<unk>', 'stop', '!', "don't", 'it')
        >>> text.encode("STOP now").tolist()
        [1, 0]
        >>> TextInput((), "character", ngram=3).tokens("GATTA")
        ['GAT', 'ATT', 'TTA']
    """

    kind = "text"

    def __init__(
        self, symbols: Sequence[str], unit: str = "word", lower: bool = False, ngram: int = 1
    ) -> None:
        if unit not in UNITS:
            raise SettingError(f"unit must be {' or '.join(UNITS)}, got {unit!r}")
        if ngram < 1:
            raise SettingError(f"ngram must be at least 1, got {ngram}")
        self.symbols, self.unit, self.lower, self.ngram = tuple(symbols), unit, lower, ngram

    @classmethod
    def fitted(
        cls,
        texts: Iterable[str | tuple[str, ...]],
        unit: str = "word",
        lower: bool = False,
        minimum_count: int = 1,
        ngram: int = 1,
    ) -> Self:
        """The symbols that occur at least `minimum_count` times, the most frequent first."""
        empty = cls((), unit, lower, ngram)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(empty.tokens(text))
        kept = [symbol for symbol, count in counts.items() if count >= minimum_count]
        return cls(("<unk>", *sorted(kept, key=lambda symbol: (-counts[symbol], symbol))), unit, lower, ngram)

    def tokens(self, text: str | tuple[str, ...]) -> list[str]:
        """The tokens of a text, in order; a text shorter than an n-gram is one token. Words given apart stay whole."""
        if isinstance(text, tuple) and self.unit == "word":
            tokens = [word.lower() for word in text] if self.lower else list(text)
        else:
            text = text if isinstance(text, str) else " ".join(text)
            text = text.lower() if self.lower else text
            tokens = list(text) if self.unit == "character" else _WORD.findall(text)
        if self.ngram == 1 or not tokens:
            return tokens
        between = "" if self.unit == "character" else " "
        starts = range(max(1, len(tokens) - self.ngram + 1))
        return [between.join(tokens[start : start + self.ngram]) for start in starts]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {symbol: index for index, symbol in enumerate(self.symbols)}

    def encode(self, values: Values) -> NDArray[np.int64]:
        if not isinstance(values, str | tuple):
            raise DataError(
                f"the model reads text, got {described(values)}; give data of the kind it was trained on"
            )
        symbols = self.tokens(values)
        return np.fromiter((self._index.get(symbol, UNKNOWN) for symbol in symbols), np.int64, len(symbols))

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "unit": self.unit,
            "lower": self.lower,
            "ngram": self.ngram,
            "symbols": list(self.symbols),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(content["symbols"], content["unit"], content["lower"], content["ngram"])


class FrameInput(Input):
    """Frames (T, I) as they are; the model scales each channel to mean 0 and deviation 1 of the training data.

    Example:
        >>> frames = FrameInput.fitted([np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)])
        >>> frames.mean.tolist(), frames.deviation.tolist()
        ([2.0, 5.0], [1.0, 1.0])
    """

    kind = "frames"

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        self.mean, self.deviation = np.asarray(mean, np.float64), np.asarray(deviation, np.float64)

    @classmethod
    def of(cls, channels: int) -> Self:
        """I channels, taken as they are."""
        return cls([0.0] * channels, [1.0] * channels)

    @classmethod
    def fitted(cls, sequences: Iterable[NDArray[np.float32]]) -> Self:
        """Mean and deviation over all frames of all sequences; a channel that never changes is only shifted."""
        count, total, squares = 0, np.zeros(0), np.zeros(0)
        for sequence in sequences:
            frames = np.asarray(sequence, np.float64)
            if count == 0:
                first = frames.mean(0) if len(frames) else np.zeros(frames.shape[1])
                total, squares = np.zeros(frames.shape[1]), np.zeros(frames.shape[1])
            count += len(frames)
            total += (frames - first).sum(0)
            squares += np.square(frames - first).sum(0)
        if count == 0:
            raise DataError("the sequences hold no frames; give data with at least one step")
        variance = np.maximum(squares / count - np.square(total / count), 0)
        deviation = np.where(variance > 0, np.sqrt(variance), 1.0)
        return cls((first + total / count).tolist(), deviation.tolist())

    @property
    def size(self) -> int:
        """I."""
        return len(self.mean)

    def encode(self, values: Values) -> NDArray[np.float32]:
        if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] != self.size:
            raise DataError(
                f"the model reads frames of {self.size} channels, got {described(values)}; give data of the kind it "
                "was trained on"
            )
        return np.asarray(values, np.float32)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(content["mean"], content["deviation"])


class PictureInput(Input):
    """Pictures (T, height, width, 3) uint8, all of one size: the frames of a video."""

    kind = "pictures"

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width

    @classmethod
    def fitted(cls, sequences: Iterable[NDArray[np.uint8]]) -> Self:
        """The size of the first picture."""
        for sequence in sequences:
            return cls(*sequence.shape[1:3])
        raise DataError("the sequences hold no pictures; give data with at least one step")

    def encode(self, values: Values) -> NDArray[np.uint8]:
        wanted = (self.height, self.width, 3)
        pictures = np.asarray(values, np.uint8) if isinstance(values, np.ndarray) else np.zeros(0, np.uint8)
        if not isinstance(values, np.ndarray) or values.dtype != np.uint8 or values.shape[1:] != wanted:
            raise DataError(
                f"the model reads pictures of {self.height} x {self.width} pixels, got {described(values)}; give data "
                "of the kind it was trained on"
            )
        return pictures

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "height": self.height, "width": self.width}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(content["height"], content["width"])


_INPUTS: dict[str, type[Input]] = {kind.kind: kind for kind in (TextInput, FrameInput, PictureInput)}


def register(kind: type[Input]) -> type[Input]:
    """Let `input_from_json` know a further kind of input; to be put over its class."""
    _INPUTS[kind.kind] = kind
    return kind


def input_from_json(content: Mapping[str, Any]) -> Input:
    """The input written by `to_json`, of whichever kind."""
    if not isinstance(content, Mapping) or content.get("kind") not in _INPUTS:
        raise DataError(
            f'an input must say "kind": {" or ".join(map(repr, _INPUTS))}; another program wrote this'
        )
    return _INPUTS[content["kind"]].from_json(content)


def described(values: Values) -> str:
    """What a sequence is, for messages."""
    if isinstance(values, str):
        return "text"
    if isinstance(values, tuple):
        return "words"
    if values.ndim == 2:
        return f"frames of {values.shape[1]} channels"
    return f"an array of shape {values.shape} and type {values.dtype}"


def encoded(read: Input, record: Record) -> NDArray[Any]:
    """The values of a record as numbers.

    Raises:
        DataError: values of another kind, or none at all; says where they stand.
    """
    try:
        numbers = read.encode(record.values)
    except DataError as error:
        raise DataError(f"{record.place}: {error}") from error
    if len(numbers) == 0:
        raise DataError(f"{record.place}: the sequence is empty; remove it, or give it at least one step")
    return numbers
