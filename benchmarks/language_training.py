"""Training a character language model, end to end: `python -m benchmarks.language_training`.

The same model on the same windows in plain torch and here: an embedding, recurrent layers, a linear layer, cross
entropy, clipping and AdamW, the state carried from window to window. Both start from the same weights, and their losses
must agree over the first windows before anything is timed; then they take windows in turns, and medians are compared.
"""

from __future__ import annotations

import argparse
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from unrolled.data.vocabulary import Vocabulary
from unrolled.inspection.speed import fma_peak, interleaved, median, operations, spread
from unrolled.inspection.torch_networks import NETWORKS
from unrolled.models.language import LanguageModel

LETTERS = "".join(map(chr, range(33, 96)))
CHECKED = 5
"""Windows over which losses must agree."""


def main() -> None:
    asked = arguments()
    torch.set_num_threads(asked.threads)
    print(
        f"{asked.layers} layers of {asked.hidden}, embedding {asked.embedding}, batch {asked.batch}, ", end=""
    )
    print(
        f"{asked.steps} steps, V = {len(LETTERS) + 2}, {asked.threads} threads, torch {torch.__version__}\n"
    )
    print("| cell | torch, characters/s | unrolled, characters/s | spread | ratio | share of the FMA peak |")
    print("|---|---|---|---|---|---|")
    for name in asked.cells:
        print(row(name, asked), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.language_training", description=__doc__)
    parser.add_argument(
        "--cells", nargs="+", default=["lstm", "gru_reset_after"], help="cells torch.nn has too"
    )
    sizes = {
        "layers": 2,
        "hidden": 256,
        "embedding": 256,
        "batch": 32,
        "steps": 100,
        "threads": 2,
        "repeats": 25,
    }
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"[{default}]")
    return parser.parse_args()


class Plain(nn.Module):
    """The model as one writes it in torch."""

    def __init__(self, ours: LanguageModel) -> None:
        super().__init__()
        kind, options, stack = NETWORKS[ours.cell.name]
        size, width = ours.embedding.weight.shape
        self.embedding = nn.Embedding(size, width)
        self.recurrent = kind(width, ours.recurrent.hidden_size, ours.recurrent.num_layers, **options)
        self.output = nn.Linear(ours.recurrent.hidden_size, size)
        names = (f"l{layer}" for layer in range(ours.recurrent.num_layers))
        joined = chain.from_iterable(stack.join(ours.recurrent.cell_weights(name)) for name in names)
        given = (ours.embedding.weight, *joined, ours.output.weight, ours.output.bias)
        with torch.no_grad():
            for parameter, value in zip(self.parameters(), given, strict=True):
                parameter.copy_(value)

    def loss(self, inputs: Tensor, targets: Tensor, state: object) -> tuple[Tensor, object]:
        hidden, state = self.recurrent(self.embedding(inputs), state)
        loss = cross_entropy(self.output(hidden).flatten(0, 1), targets.flatten())
        return loss, tuple(one.detach() for one in state) if isinstance(state, tuple) else state.detach()


class Ours(nn.Module):
    """The model as the library trains it."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def loss(self, inputs: Tensor, targets: Tensor, state: object) -> tuple[Tensor, object]:
        reading = self.model.read(inputs, state)
        loss = self.model.output.loss(reading.output.flatten(0, 1), targets.flatten())
        return loss, reading.state.detach()


class Training:
    """One window after the other, over the same random symbols for everybody."""

    def __init__(self, model: Plain | Ours, asked: argparse.Namespace) -> None:
        self.model, self.asked, self.state, self.place = model, asked, None, 0
        drawn = torch.Generator().manual_seed(1)
        shape = (20 * asked.steps + 1, asked.batch)
        self.symbols = torch.randint(2, len(LETTERS) + 2, shape, generator=drawn)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=0.002, weight_decay=0)

    def window(self) -> float:
        start = self.place * self.asked.steps
        self.place = (self.place + 1) % 20
        inputs, targets = (self.symbols[start + i : start + i + self.asked.steps] for i in (0, 1))
        loss, self.state = self.model.loss(inputs, targets, self.state)
        self.optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return float(loss.detach())


def row(name: str, asked: argparse.Namespace) -> str:
    torch.manual_seed(0)
    model = LanguageModel(Vocabulary.from_text([LETTERS]), name, asked.hidden, asked.layers, asked.embedding)
    theirs, ours = Training(Plain(model), asked), Training(Ours(model), asked)
    for _ in range(CHECKED):
        one, other = theirs.window(), ours.window()
        if abs(one - other) > 2e-4 * abs(one):
            raise SystemExit(f"{name}: the losses differ, {one} and {other}: nothing was timed")
    samples = interleaved({"theirs": theirs.window, "ours": ours.window}, asked.repeats)
    seconds = {key: median(values) for key, values in samples.items()}
    symbols = asked.steps * asked.batch
    work = operations(products(theirs.model), symbols, backward=True)
    share = work / seconds["ours"] / fma_peak(asked.threads)
    return (
        f"| {name} | {symbols / seconds['theirs']:,.0f} | {symbols / seconds['ours']:,.0f} | "
        f"{spread(samples['theirs']):.0%}, {spread(samples['ours']):.0%} | "
        f"{seconds['theirs'] / seconds['ours']:.2f} | {share:.0%} |"
    )


def products(plain: nn.Module) -> int:
    """Entries of all matrices a symbol is multiplied with in plain torch; ours needs fewer, for the embedding's."""
    kept = ("recurrent.weight", "output.weight")
    return sum(value.numel() for name, value in plain.named_parameters() if name.startswith(kept))


if __name__ == "__main__":
    main()
