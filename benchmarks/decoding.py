"""Beam search over many texts at once against one text at a time: `python -m benchmarks.decoding`.

Both search with the same model and rule, and must write the same texts, or nothing is timed. The loop is what one
writes by hand: for each text the beginnings of its beam in one batch, their candidates in lists. Without --run the
model is drawn from a seed and its outputs have a fixed length; a trained translator is measured by
--run RUN --texts FILE, a text by line.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.agreement import Disagreement
from unrolled.data.units.words import Words
from unrolled.data.vocabulary import END, SPECIAL, UNKNOWN
from unrolled.errors import UnrolledError
from unrolled.generation.translation import translate
from unrolled.inspection.speed import interleaved, median, spread
from unrolled.layers.ragged import Ragged
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.models.folder import load_model

OURS, LOOP = "side by side", "one by one"
PEAKED = 30.0
"""The drawn output layer is so many times larger than a new one, as sure of its symbols as a trained one."""
SHORTEST, LONGEST = 6, 12

Beginning = tuple[tuple[int, ...], float]


@torch.no_grad()
def loop(
    model: EncoderDecoder, texts: Sequence[str], width: int, maximum: int | None
) -> list[tuple[int, ...]]:
    """The symbols of the best output of every text, one text after the other."""
    return [_best(model, text, width, maximum) for text in texts]


def _best(model: EncoderDecoder, text: str, width: int, maximum: int | None) -> tuple[int, ...]:
    source = torch.from_numpy(model.source.encode(text))
    encoded = model.encode(Ragged(source, [len(source)]))
    alive: list[Beginning] = [((), 0.0)]
    found: list[Beginning] = []
    state, last = encoded.state, [END]
    for _ in range(2 * len(source) + 10 if maximum is None else maximum):
        read, state, _ = model.step(torch.tensor([last]), state, encoded)
        logs = model.output.logits(read[0]).double().log_softmax(-1)
        if model.attention is None:
            logs[:, UNKNOWN] = -torch.inf
        totals = logs + torch.tensor([[total] for _, total in alive], dtype=torch.float64)
        top = totals.flatten().topk(min(width + len(alive), totals.numel()))
        rows = (top.indices // logs.shape[1]).tolist()
        symbols = (top.indices % logs.shape[1]).tolist()
        before, alive, kept = alive, [], []
        for rank, (row, symbol, total) in enumerate(zip(rows, symbols, top.values.tolist(), strict=True)):
            beginning = ((*before[row][0], symbol), total)
            if symbol == END and rank < width:
                found.append(beginning)
            elif symbol != END and len(alive) < width:
                alive.append(beginning)
                kept.append(row)
        if not alive or (len(found) >= width and max(map(_score, found)) >= _score(alive[0])):
            break
        state, last = state.rows(kept), [symbols[-1] for symbols, _ in alive]
    return max(found or alive, key=_score)[0]


def _score(one: Beginning) -> float:
    return one[1] / len(one[0])


def drawn_model(symbols: int, hidden: int, condition: str, seed: int = 0) -> EncoderDecoder:
    """A model of words whose outputs never end by themselves."""
    torch.manual_seed(seed)
    words = Words((*SPECIAL, *(f"w{i}" for i in range(symbols - len(SPECIAL)))))
    model = EncoderDecoder(
        words,
        words,
        hidden_size=hidden,
        embedding_size=hidden,
        condition=condition,  # type: ignore[arg-type]
    )
    with torch.no_grad():
        model.output.weight.mul_(PEAKED)
        model.output.bias[[UNKNOWN, END]] = -1000.0
    return model.eval()


def drawn_texts(number: int, symbols: int, seed: int = 0) -> list[str]:
    """Texts of 6 to 12 words."""
    draw = random.Random(seed)
    words = range(symbols - len(SPECIAL))
    return [
        " ".join(f"w{word}" for word in draw.choices(words, k=draw.randint(SHORTEST, LONGEST)))
        for _ in range(number)
    ]


def check(model: EncoderDecoder, texts: Sequence[str], width: int, maximum: int | None, batch: int) -> None:
    """Refuse to time searches that do not find the same.

    Raises:
        Disagreement: a text whose best output is another.
    """
    ours = translate(model, texts, width=width, maximum=maximum, batch=batch)
    theirs = loop(model, texts, width, maximum)
    for text, found, wanted in zip(texts, ours, theirs, strict=True):
        if found[0].symbols != wanted:
            raise Disagreement(f"{text!r}: {OURS} writes {found[0].symbols}, {LOOP} {wanted}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Check, measure and print."""
    asked = _read(arguments)
    torch.set_num_threads(asked.threads)
    try:
        model, texts = _given(asked)
        check(model, texts, asked.width, asked.maximum, asked.batch)
    except (UnrolledError, Disagreement) as error:
        sys.exit(f"benchmarks.decoding: {error}")
    calls = {
        OURS: lambda: translate(model, texts, width=asked.width, maximum=asked.maximum, batch=asked.batch),
        LOOP: lambda: loop(model, texts, asked.width, asked.maximum),
    }
    samples = interleaved(calls, asked.rounds)
    print(
        f"{len(texts)} texts, beam of {asked.width}, batches of {asked.batch}, V={len(model.target)}, "
        f"H={model.options['hidden_size']}, {model.condition}, {asked.threads} threads, torch {torch.__version__}; "
        "same outputs"
    )
    for name, of in samples.items():
        print(f"{name:<14}{len(texts) / median(of):10.1f} texts/s  +- {spread(of):.0%}")
    print(f"{LOOP} takes {median(samples[LOOP]) / median(samples[OURS]):.1f} times as long")


def _given(asked: argparse.Namespace) -> tuple[EncoderDecoder, list[str]]:
    if asked.run is None:
        model = drawn_model(asked.symbols, asked.hidden, asked.condition)
        return model, drawn_texts(asked.number, asked.symbols)
    lines = asked.texts.read_text(encoding="utf-8").splitlines()
    return load_model(asked.run, EncoderDecoder), [line for line in lines if line.strip()][: asked.number]


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decoding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--run", type=Path, help="a trained translator instead of a drawn model")
    parser.add_argument("--texts", type=Path, help="what it translates, a text by line")
    parser.add_argument("--number", type=int, default=256, help="texts [256]")
    parser.add_argument("--symbols", type=int, default=8000, help="V of the drawn model [8000]")
    parser.add_argument("--hidden", type=int, default=256, help="H and E of the drawn model [256]")
    parser.add_argument("--condition", default="attention", help="of the drawn model [attention]")
    parser.add_argument("--maximum", type=int, help="symbols of an output [12 if drawn, else 2 S + 10]")
    parser.add_argument("--width", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args(arguments)
    if (asked.run is None) != (asked.texts is None):
        parser.error("--run and --texts go together")
    if asked.run is None and asked.maximum is None:
        asked.maximum = LONGEST
    return asked


if __name__ == "__main__":
    main()
