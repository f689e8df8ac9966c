"""How well character models learn texts in minutes: `python -m benchmarks.quality.texts --data DIR`.

DIR/text holds tinyshakespeare.txt, three Portuguese books and the Ukrainian Kobzar. Files of one text are joined; the
first 90 % are trained on and the last 10 % judged by, which for Portuguese is verse after mostly prose. A run sees
nothing of that part but the loss by which its best model is chosen. The floor counts, with the order that is best on
the part judged by (Witten-Bell). All settings are those of `--preset small`. Minutes are of the wall, on `--threads`
threads.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.quality.characters import reporter
from unrolled.data.encoded import encode_corpus
from unrolled.inspection.language import evaluate
from unrolled.models import LanguageModel, load_model
from unrolled.models.ngram import counting_floor
from unrolled.training.language import train_language_model
from unrolled.training.settings import DataSettings, FitSettings, ModelSettings

ORDERS = range(3, 8)
"""Of the floor."""


@dataclass(frozen=True)
class Text:
    """Files, how long a run may take, and the nats a model must reach."""

    files: tuple[str, ...]
    minutes: float
    target: float


TEXTS = {
    "shakespeare-10": Text(("tinyshakespeare.txt",), 10, 1.669),
    "shakespeare-30": Text(("tinyshakespeare.txt",), 30, 1.50),
    "portuguese-10": Text(("dom_casmurro.txt", "quincas_borba.txt", "os_lusiadas.txt"), 10, 1.842),
    "ukrainian-10": Text(("kobzar.txt",), 10, 1.818),
}


def main() -> None:
    asked = arguments()
    torch.set_num_threads(asked.threads)
    print(
        "| text | floor by counting | target | nats per character | read in one piece | seeds | minutes | parameters |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in asked.names:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, TEXTS[name], asked, Path(folder)), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.texts", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(TEXTS), help=f"of {', '.join(TEXTS)} [all]")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=1, help="runs of every text [1]")
    parser.add_argument("--threads", type=int, default=2, help="[2]")
    parser.add_argument("--minutes", type=float, help="of every run, instead of those of the target")
    return parser.parse_args()


@dataclass(frozen=True)
class Result:
    """Nats per character: in the rows training validates with, and of the files read whole; and what it took."""

    nats: float
    whole: float
    minutes: float
    parameters: int


def row(name: str, text: Text, asked: argparse.Namespace, folder: Path) -> str:
    learned, judged = divided([asked.data / "text" / file for file in text.files], folder)
    encoded = encode_corpus([learned], DataSettings(validate_on=judged))
    order, floor = counting_floor(encoded.training, encoded.validation, len(encoded.vocabulary), ORDERS)
    found = [train(name, text, asked, (learned, judged), seed) for seed in range(asked.seeds)]
    nats = ", ".join(f"{one.nats:.3f}" for one in found)
    return (
        f"| {name} | {floor:.3f} (order {order}) | {text.target} | "
        f"{statistics.mean(one.nats for one in found):.3f} | {statistics.mean(one.whole for one in found):.3f} | "
        f"{nats} | {statistics.mean(one.minutes for one in found):.1f} | {found[0].parameters:,} |"
    )


def divided(files: list[Path], folder: Path) -> tuple[Path, Path]:
    """The first 90 % and the last 10 % of all files joined."""
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    cut = round(0.9 * len(text))
    learned, judged = folder / "learned.txt", folder / "judged.txt"
    learned.write_text(text[:cut], encoding="utf-8")
    judged.write_text(text[cut:], encoding="utf-8")
    return learned, judged


def train(name: str, text: Text, asked: argparse.Namespace, parts: tuple[Path, Path], seed: int) -> Result:
    run = train_language_model(
        [parts[0]],
        DataSettings(validate_on=parts[1]),
        ModelSettings(),
        FitSettings(preset="small", minutes=asked.minutes or text.minutes, seed=seed),
        parts[0].parent / f"run-{seed}",
        reporter(f"{name}, seed {seed}"),
    )
    if run.outcome.reason == "interrupted":
        raise SystemExit("interrupted: an unfinished run is no result")
    model = load_model(run.path, LanguageModel)
    whole = evaluate(model, [parts[1]]).scores["bits per character"]
    seconds, scale = run.outcome.seconds, math.log(2)
    return Result(run.outcome.best * scale, whole * scale, seconds / 60, model.number_of_parameters)


if __name__ == "__main__":
    main()
