"""Texts to texts with an encoder-decoder: beam search or drawing, many texts at once."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unrolled.data.units.words import Words
from unrolled.data.vocabulary import UNKNOWN, Listed, Vocabulary
from unrolled.errors import DataError, SettingError
from unrolled.generation.beam import Tree
from unrolled.generation.decoding import Beam, Chooser, Decoding, Draws, Output
from unrolled.generation.filters import Filters
from unrolled.layers.ragged import Ragged
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.models.kept import evaluating

WIDTH = 5


@dataclass(frozen=True)
class Translation:
    """An output text.

    `symbols` are its n indices, with the `<eos>` where it `ended`; `log_probability` is log P in nats, and `score` is
    log P / n^length_penalty. With attention `alignment` (n, S) are the weights of the S source symbols, row by row.
    """

    text: str
    symbols: tuple[int, ...]
    score: float
    log_probability: float
    ended: bool
    alignment: Tensor | None


def translate(
    model: EncoderDecoder,
    texts: Sequence[str],
    *,
    width: int | None = None,
    n_best: int = 1,
    length_penalty: float = 1.0,
    maximum: int | None = None,
    batch: int = 64,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    copy_unknown: bool = True,
) -> list[list[Translation]]:
    """The `n_best` outputs found for every text, the best first.

        score = log P(y_1 ... y_n | text) / n^length_penalty

    Beam search: at every step the `width` likeliest beginnings are kept, and an output is found when its `<eos>` is
    among the `width` likeliest continuations of all. A text is done when none can become better, or `width` outputs
    are found and none that goes on is better by now; width 1 is greedy. With a temperature, top-k or top-p the `n_best`
    outputs are drawn instead (`Filters`); what is drawn for a text depends on the text and the seed, not on the texts
    beside it.

    A model with attention may write `<unk>`, which is replaced by the piece of the text that it attends to most (Luong
    et al. 2015, arXiv:1508.04025): a copied name. Without attention, without `copy_unknown`, and for vocabularies of
    bytes and byte pairs, which write every text, `<unk>` is never written.

    Args:
        width: of the beam, 5 by default; not for drawing.
        n_best: outputs of each text; at most the width.
        length_penalty: 0 prefers short outputs, 1 compares log P by symbol.
        maximum: the most symbols of an output, by default 2 S + 10 for a text of S symbols. Outputs cut off there come
            after those that ended.
        batch: texts that are searched side by side, those of similar lengths together.
        temperature, top_k, top_p: drawing, as in `Filters`.
        seed: of what is drawn; without it every call differs.
        copy_unknown: whether `<unk>` is replaced by a copy.

    Raises:
        SettingError: options out of range or that do not go together.
        DataError: a text in which there is nothing to read.

    Example:
        >>> letters = Vocabulary.from_text(["hola"])
        >>> model = EncoderDecoder(letters, letters, hidden_size=8, embedding_size=4)
        >>> found = translate(model, ["hola", "lo"], n_best=2, maximum=3)
        >>> [len(one) for one in found], found[0][0].ended >= found[0][1].ended
        ([2, 2], True)
        >>> found[0][0].alignment.shape == (len(found[0][0].symbols), 4)
        True

    Paper: Sutskever et al. 2014, Sequence to sequence learning with neural networks (arXiv:1409.3215).
    """
    drawing = None
    if temperature is not None or top_k is not None or top_p is not None:
        drawing = Filters(1.0 if temperature is None else temperature, top_k, top_p)
    _check(width, n_best, length_penalty, maximum, batch, drawing, seed)
    sources = [_encoded(model.source, text, number) for number, text in enumerate(texts, 1)]
    copies = copy_unknown and model.attention is not None and isinstance(model.target, Listed)
    seed = secrets.randbits(63) if seed is None else seed
    found: list[list[Translation]] = [[] for _ in texts]
    with torch.no_grad(), evaluating(model):
        for chosen in _batches([len(source) for source in sources], batch):
            longest = [2 * len(sources[i]) + 10 if maximum is None else maximum for i in chosen]
            chooser: Chooser = Beam(width or WIDTH, copies)
            if drawing is not None:
                uniform = [
                    _uniform(seed, texts[i], n_best, long) for i, long in zip(chosen, longest, strict=True)
                ]
                chooser = Draws(drawing, uniform, n_best, copies)
            decoding = Decoding(model, chooser, longest, n_best, length_penalty)
            outputs = decoding.run(model.encode(_ragged(model, [sources[i] for i in chosen])))
            for i, some in zip(chosen, outputs, strict=True):
                found[i] = [_written(model, texts[i], output) for output in some]
    return found


def search_tree(
    model: EncoderDecoder,
    text: str,
    *,
    width: int = WIDTH,
    length_penalty: float = 1.0,
    maximum: int | None = None,
    copy_unknown: bool = True,
) -> Tree:
    """Every beginning that the beam search of `translate` keeps for one text: its `Tree`.

    Raises SettingError and DataError as `translate` does.
    """
    _check(width, 1, length_penalty, maximum, 1, None, None)
    source = _encoded(model.source, text, 1)
    copies = copy_unknown and model.attention is not None and isinstance(model.target, Listed)
    longest = 2 * len(source) + 10 if maximum is None else maximum
    decoding = Decoding(model, Beam(width, copies), [longest], 1, length_penalty)
    with torch.no_grad(), evaluating(model):
        decoding.run(model.encode(_ragged(model, [source])))
    return decoding.tree(0)


# --- texts to numbers and back -------------------------------------------------------------------


def _encoded(vocabulary: Vocabulary, text: str, number: int) -> np.ndarray:
    ids = vocabulary.encode(text)
    if not len(ids):
        raise DataError(f"text {number}: must hold something to read, got {text!r}; leave it out")
    return ids


def _ragged(model: EncoderDecoder, sources: Sequence[np.ndarray]) -> Ragged:
    device = model.source_embedding.weight.device
    return Ragged(torch.from_numpy(np.concatenate(sources)).to(device), [len(source) for source in sources])


def _batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """The numbers of the texts, `size` at a time, the longest first."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return (order[first : first + size] for first in range(0, len(order), size))


def _uniform(seed: int, text: str, number: int, steps: int) -> np.ndarray:
    """(number, steps) in [0, 1), each row its own, however many there are."""
    own = list(text.encode("utf-8", "surrogatepass"))
    return np.stack([np.random.default_rng([seed, k, *own]).random(steps) for k in range(number)])


def _written(model: EncoderDecoder, text: str, output: Output) -> Translation:
    shown = output.symbols[:-1] if output.ended else output.symbols
    pieces: dict[int, str] = {}
    alignment = None
    if output.weights is not None:
        split = model.source.split(text)
        alignment = output.weights[:, : len(split)].cpu()
        attended = alignment.argmax(1).tolist()
        pieces = {n: split[attended[n]] for n, symbol in enumerate(shown) if symbol == UNKNOWN}
    return Translation(
        _text(model.target, shown, pieces),
        output.symbols,
        output.score,
        output.log_probability,
        output.ended,
        alignment,
    )


def _text(vocabulary: Vocabulary, symbols: Sequence[int], copied: dict[int, str]) -> str:
    """The text of the symbols, some of them replaced by pieces of another."""
    if not copied:
        return vocabulary.decode(symbols)
    if isinstance(vocabulary, Words):
        # As words of their own they get the blanks that belong around them.
        new = [piece for piece in dict.fromkeys(copied.values()) if piece not in vocabulary.index]
        vocabulary = replace(vocabulary, symbols=(*vocabulary.symbols, *new))
        index = vocabulary.index
        return vocabulary.decode(index[copied[n]] if n in copied else s for n, s in enumerate(symbols))
    return "".join(copied.get(n, vocabulary.symbols[symbol]) for n, symbol in enumerate(symbols))


def _check(
    width: int | None,
    n_best: int,
    length_penalty: float,
    maximum: int | None,
    batch: int,
    drawing: Filters | None,
    seed: int | None,
) -> None:
    if width is not None and drawing is not None:
        raise SettingError("a beam has no temperature, top-k or top-p; leave out these or the width")
    if drawing is None and seed is not None:
        raise SettingError("beam search draws nothing; leave out the seed, or give a temperature")
    if width is not None and width < 1:
        raise SettingError(f"the width of the beam must be at least 1, got {width}")
    if n_best < 1 or (drawing is None and n_best > (width or WIDTH)):
        most = "" if drawing is not None else f" and at most the width of the beam, {width or WIDTH}"
        raise SettingError(f"the number of outputs must be at least 1{most}, got {n_best}")
    if not 0 <= length_penalty < math.inf:
        raise SettingError(f"the length penalty must be 0 (none) or more, got {length_penalty}")
    if maximum is not None and maximum < 1:
        raise SettingError(f"the most symbols of an output must be at least 1, got {maximum}")
    if batch < 1:
        raise SettingError(f"the batch must be at least 1, got {batch}")
    if seed is not None and seed < 0:
        raise SettingError(f"the seed must be 0 or more, got {seed}")
