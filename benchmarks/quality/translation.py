"""How well an encoder-decoder learns: `python -m benchmarks.quality.translation [names] --data DIR`.

tatoeba: DIR/translate/fra-eng.zip, English to French; pairs of 6 to 12 English words, 40,000 to train on and 2,000 of
other English sentences to judge by. dialogue: 5,000 drawn dialogues to train on, 1,000 others to judge by. reversal
and sorting: 20 random digits, backwards or sorted. Every task is trained as `unrolled train translate` trains it, with
the settings shown, once with attention and once where the decoder sees nothing but the encoder's last state; judged is
a beam of 5. A source with several targets counts once, with all of them as references.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unrolled.data.pair_settings import PairSettings
from unrolled.data.pairs import Pairs, Usable
from unrolled.data.synthetic.dialogues import dialogues
from unrolled.data.synthetic.digits import digit_pairs
from unrolled.inspection.evaluation import Evaluation
from unrolled.inspection.translation import evaluate
from unrolled.models.encoder_decoder import EncoderDecoder
from unrolled.models.folder import load_model
from unrolled.training.events import Event, Prepared, Validated
from unrolled.training.translation import train_translator
from unrolled.training.translation_settings import TranslateSettings, TranslatorSettings

Drawn = list[tuple[str, str]]

ARCHIVE = Path("translate", "fra-eng.zip")
CONDITIONS = ("attention", "state")
SHORTEST, LONGEST = 6, 12
TRAINED, HELD = 40_000, 2_000


@dataclass(frozen=True)
class Task:
    """What is trained and judged: pairs to train on and to judge by, drawn by a seed."""

    name: str
    target: str
    minutes: float
    pairs: Callable[[Path | None, int], tuple[Drawn, Drawn]]
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)


def tatoeba(data: Path | None, seed: int) -> tuple[Drawn, Drawn]:
    """Pairs of sentences; no English sentence stands on both sides."""
    if data is None:
        raise SystemExit("tatoeba reads files: name their folder with --data")
    read = Usable(skip=False)(Pairs([data / ARCHIVE]))
    return divided(
        (
            (pair.source, pair.target or "")
            for pair in read
            if SHORTEST <= len(pair.source.split()) <= LONGEST
        ),
        HELD,
        TRAINED,
        seed,
    )


def divided(pairs: Iterable[tuple[str, str]], held: int, trained: int, seed: int) -> tuple[Drawn, Drawn]:
    """Sources in a drawn order, each with all its targets: first `held` pairs to judge by, then those to train on."""
    targets: dict[str, list[str]] = {}
    for source, target in pairs:
        targets.setdefault(source, []).append(target)
    sources = list(targets)
    parts: tuple[Drawn, Drawn] = ([], [])
    for number in np.random.default_rng(seed).permutation(len(sources)):
        source = sources[number]
        part = parts[0] if len(parts[0]) < held else parts[1]
        part += [(source, target) for target in targets[source]]
        if len(parts[1]) >= trained:
            break
    return parts[1][:trained], parts[0]


def dialogue(data: Path | None, seed: int) -> tuple[Drawn, Drawn]:
    drawn = dialogues(6000, seed)
    order = np.random.default_rng(seed).permutation(len(drawn))
    shuffled = [drawn[i] for i in order]
    return shuffled[:5000], shuffled[5000:]


def digits(order: str) -> Callable[[Path | None, int], tuple[Drawn, Drawn]]:
    def pairs(data: Path | None, seed: int) -> tuple[Drawn, Drawn]:
        return digit_pairs(order, 50_000, seed=2 * seed), digit_pairs(order, 1000, seed=2 * seed + 1)

    return pairs


_SMALL = {"unit": "character", "hidden": 128, "embedding": 64, "dropout": 0.0}
_EXACT = {"smoothing": 0.0, "validation": 0.01, "learning_rate": 0.004}

TASKS = {
    "tatoeba": Task(
        "Tatoeba, English to French",
        "BLEU 30",
        20,
        tatoeba,
        model={"dropout": 0.3},
        training={"validation": 0.025, "patience": 1000},
    ),
    "dialogue": Task(
        "dialogues, answers",
        "98 % exact",
        5,
        dialogue,
        model={"hidden": 128, "embedding": 128},
        training={"smoothing": 0.0, "learning_rate": 0.005, "patience": 1000},
    ),
    "reversal": Task(
        "20 digits reversed", "99 % exact", 5, digits("reversal"), model=_SMALL, training=_EXACT
    ),
    "sorting": Task("20 digits sorted", "99 % exact", 5, digits("sorting"), model=_SMALL, training=_EXACT),
}


@dataclass(frozen=True)
class Result:
    """What one run reached."""

    evaluation: Evaluation
    minutes: float
    parameters: int


def main() -> None:
    asked = arguments()
    print(
        "| task | target | decoder sees | BLEU | chrF | exact, % | nats per symbol | minutes | parameters |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    notes: dict[str, None] = {}
    for name in asked.names:
        for number, condition in enumerate(asked.conditions):
            result = judged(name, condition, asked)
            if not number:
                print(
                    row(TASKS[name], f"floor: {result.evaluation.floor}", result.evaluation.floors, "-", "-")
                )
            seen = {"attention": "all, by attention", "state": "the last state"}[condition]
            scores, minutes = result.evaluation.scores, f"{result.minutes:.1f}"
            print(row(TASKS[name], seen, scores, minutes, f"{result.parameters:,}"), flush=True)
            notes |= dict.fromkeys(result.evaluation.notes)
    for note in notes:
        print(f"\n{note}")
    for name in asked.names:
        print(f"\n{name}: {TASKS[name].model} {TASKS[name].training}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.translation", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TASKS), help=f"of {', '.join(TASKS)} [all]")
    parser.add_argument("--data", type=Path, help="folder of the data sets; translate/fra-eng.zip is read")
    parser.add_argument("--minutes", type=float, help="of every run [tatoeba 20, others 5]")
    parser.add_argument("--conditions", nargs="+", default=CONDITIONS, choices=CONDITIONS, help="[both]")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in TASKS]
    if unknown:
        parser.error(f"no task {unknown[0]!r}; there are {', '.join(TASKS)}")
    return asked


def judged(name: str, condition: str, asked: argparse.Namespace) -> Result:
    task = TASKS[name]
    minutes = task.minutes if asked.minutes is None else asked.minutes
    training, test = task.pairs(asked.data, asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        written(folder / "train.tsv", training)
        written(folder / "test.tsv", test)
        run = train_translator(
            [folder / "train.tsv"],
            model=TranslatorSettings(condition=condition, **task.model),
            training=TranslateSettings(minutes=minutes, seed=asked.seed, **task.training),
            run=folder / "run",
            report=reporter(f"{name}, {condition}"),
        )
        if run.outcome.reason == "interrupted":
            raise SystemExit("interrupted: an unfinished run is no result")
        model = load_model(folder / "run", EncoderDecoder)
        found = evaluate(model, [folder / "test.tsv"], PairSettings())
    return Result(found, run.outcome.seconds / 60, model.number_of_parameters)


def written(path: Path, pairs: Drawn) -> None:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")


def reporter(name: str) -> Callable[[Event], None]:
    """What happens, on standard error: the table stays clean."""

    def report(event: Event) -> None:
        if isinstance(event, Prepared):
            print(f"{name}: {event.model}; {event.data}", file=sys.stderr, flush=True)
        elif isinstance(event, Validated) and event.validation is not None:
            line = (
                f"{name}: update {event.update:,}, {event.seconds:.0f} s, {event.validation:.3f} nats, exact "
            )
            print(
                f"{line}{event.scores['exact']:.3f}{' *' if event.best else ''}", file=sys.stderr, flush=True
            )

    return report


def row(task: Task, seen: str, scores: dict[str, float], minutes: str, parameters: str) -> str:
    nats = next((f"{value:.3f}" for name, value in scores.items() if name.startswith("nats")), "-")
    words = task.model.get("unit", "word") == "word"  # BLEU counts runs of four words, and digits are one
    bleu = f"{scores['BLEU']:.1f}" if words else "-"
    shown = f"{bleu} | {scores['chrF']:.1f} | {100 * scores['exact match']:.1f}"
    return f"| {task.name} | {task.target} | {seen} | {shown} | {nats} | {minutes} | {parameters} |"


if __name__ == "__main__":
    main()
