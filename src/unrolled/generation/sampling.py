"""Drawing text from a language model, one symbol after the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unrolled.data.vocabulary import END, UNKNOWN
from unrolled.errors import SettingError
from unrolled.models.language import LanguageModel


def filtered_probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """What to draw the next symbol from: logits `(V,)` to probabilities `(V,)` in float64.

    In this order: `<unk>` is taken out, for it stands for no character; logits are divided by `temperature`
    (0: all weight on the likeliest symbol); only the `top_k` likeliest stay; then the fewest likeliest whose sum
    reaches `top_p`. What stays is scaled to sum to 1. Of equally likely symbols the first in the vocabulary counts
    as likelier.

        p_i = exp(logit_i / temperature) / sum_j exp(logit_j / temperature)   over the j that stay

    Raises:
        SettingError: temperature < 0, top_k < 1, top_p outside (0, 1].

    Example:
        >>> logits = torch.tensor([9.0, 0.0, 1.0, 2.0])  # index 0 is <unk>
        >>> [round(p, 3) for p in filtered_probabilities(logits, top_k=2).tolist()]
        [0.0, 0.0, 0.269, 0.731]

    Papers: Ackley et al. 1985 (temperature), Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p).
    """
    check_filters(temperature, top_k, top_p)
    logits = logits.double().clone()
    logits[UNKNOWN] = -torch.inf
    if temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(), len(logits)).double()
    probabilities, order = torch.softmax(logits / temperature, 0).sort(descending=True, stable=True)
    if top_k is not None:
        probabilities[top_k:] = 0
    if top_p is not None:
        share = probabilities / probabilities.sum()
        probabilities[share.cumsum(0) - share >= top_p] = 0
    kept = torch.zeros_like(probabilities)
    kept[order] = probabilities / probabilities.sum()
    return kept


def check_filters(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Refuse filters outside their range (SettingError)."""
    if not 0 <= temperature < float("inf"):
        raise SettingError(f"temperature must be 0 (always the likeliest) or more, got {temperature}")
    if top_k is not None and top_k < 1:
        raise SettingError(f"top-k must be at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise SettingError(f"top-p must be above 0 and at most 1, got {top_p}")


def sample(
    model: LanguageModel,
    prompt: str = "",
    length: int = 200,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop_at_end: bool = True,
) -> Iterator[str]:
    """Characters drawn one by one, each given as soon as it is drawn; the prompt is not repeated.

    Reads `<eos>` and the prompt from a zero state, then draws at most `length` symbols. Characters of the prompt
    that the model has never seen are read as `<unk>`; `<unk>` is never drawn. `<eos>` ends the sample, unless
    `stop_at_end` is false: then it is given as the text "<eos>" and the drawing goes on. The same seed gives the
    same text; without a seed every call differs.

    Raises:
        SettingError: a filter, the length or the seed outside its range (at the call, not at the first character).
    """
    check_filters(temperature, top_k, top_p)
    if length < 0:
        raise SettingError(f"the length of a sample must be 0 or more, got {length}")
    if seed is not None and not 0 <= seed < 2**63:
        raise SettingError(f"the seed must be from 0 to 2^63 - 1, got {seed}")
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return _draw(model, prompt, length, (temperature, top_k, top_p), generator, stop_at_end)


def _draw(
    model: LanguageModel,
    prompt: str,
    length: int,
    filters: tuple[float, int | None, float | None],
    generator: torch.Generator,
    stop_at_end: bool,
) -> Iterator[str]:
    symbols = torch.tensor([END, *model.vocabulary.encode(prompt).tolist()])[:, None]
    with torch.no_grad():
        logits, state = model(symbols)
    following = logits[-1, 0]
    for _ in range(length):
        probabilities = filtered_probabilities(following, *filters)
        symbol = int(torch.multinomial(probabilities, 1, generator=generator))
        if symbol == END and stop_at_end:
            return
        yield model.vocabulary.symbols[symbol]
        # Not held over the yield: the caller's own torch code must keep its gradients.
        with torch.no_grad():
            following, state = model.step(symbol, state)
