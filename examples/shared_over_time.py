"""Why weights are shared over time: the same fact, said at another place of the sentence.

`In 2015 I entered the university` and `I entered the university in 2015` say the same. A feed-forward network has
weights of its own for every position: what it learned about the second word says nothing about the sixth. A
recurrent network uses the same weights at every step. All are trained to find the year in sentences that begin with
it, and are then asked about sentences that end with it.

In the minimal gated unit (minGRU) what a word writes into the state depends on the word alone, so all it learned
about a year holds at any step. Sharing alone is not enough: in a GRU what is written depends on the state too, and
a year was never met in the states behind a whole sentence. It finds few of them until it has seen such sentences.

Run it: `python examples/shared_over_time.py`.
"""

import numpy as np
import torch
from torch import nn

from unrolled.data.inputs import TextInput
from unrolled.models.classifier import Classifier

YEARS = [str(year) for year in range(2010, 2020)]
DID = ["entered the university", "moved to Lisbon", "learned to swim", "met a friend", "bought the house"]
WHO = ["I", "you", "we", "they", "Ana", "Marko"]
PLACES = 6
"""All sentences have six words, so that the feed-forward network can read them at all."""


def sentences(first: bool, count: int, seed: int) -> tuple[list[str], torch.Tensor]:
    """Sentences with the year at their beginning, or at their end, and the numbers of the years."""
    rng = np.random.default_rng(seed)
    years = rng.integers(0, len(YEARS), count)
    texts = []
    for year in years:
        said = f"{rng.choice(WHO)} {rng.choice(DID)}".lower()
        texts.append(f"in {YEARS[year]} {said}" if first else f"{said} in {YEARS[year]}")
    return texts, torch.from_numpy(years)


def padded(texts: list[str], read: TextInput) -> torch.Tensor:
    """Indices (T, B); shorter sentences are filled up with `<unk>` behind them."""
    rows = [np.resize(read.encode(text), PLACES) * (np.arange(PLACES) < len(text.split())) for text in texts]
    return torch.from_numpy(np.array(rows)).T


class FeedForward(nn.Module):
    """One layer of units that see all words at once, each position through weights of its own."""

    def __init__(self, symbols: int, hidden: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Embedding(symbols, 16),
            nn.Flatten(),
            nn.Linear(16 * PLACES, hidden),
            nn.Tanh(),
            nn.Linear(hidden, len(YEARS)),
        )

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.layers(words.T)


def trained(model: nn.Module, words: torch.Tensor, years: torch.Tensor) -> nn.Module:
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(120):
        loss = nn.functional.cross_entropy(model(words), years)
        adam.zero_grad()
        loss.backward()
        adam.step()
    return model.eval()


def accuracy(model: nn.Module, words: torch.Tensor, years: torch.Tensor) -> float:
    return float((model(words).argmax(1) == years).double().mean())


def main() -> dict[str, tuple[float, float]]:
    """Accuracy of each network on sentences as in training, and on those with the year at the end."""
    torch.manual_seed(0)
    begins, first_years = sentences(first=True, count=200, seed=1)
    read = TextInput.fitted([*begins, *sentences(first=False, count=1, seed=1)[0]])
    training, same, other = (
        (padded(texts, read), years)
        for texts, years in (
            (begins, first_years),
            sentences(first=True, count=200, seed=2),
            sentences(first=False, count=200, seed=3),
        )
    )
    networks = {
        "feed-forward": FeedForward(len(read.symbols)),
        "recurrent, minGRU": Classifier(read, YEARS, "mingru", 32, embedding_size=16),
        "recurrent, GRU": Classifier(read, YEARS, "gru", 32, embedding_size=16),
    }
    found = {}
    print(f"{'accuracy on the year':<22}{'In 2015 I ...':>15}{'... in 2015':>15}")
    for name, network in networks.items():
        network = trained(network, *training)
        found[name] = accuracy(network, *same), accuracy(network, *other)
        print(f"{name:<22}{found[name][0]:>15.1%}{found[name][1]:>15.1%}")
    print(f"{'guessing':<22}{1 / len(YEARS):>15.1%}{1 / len(YEARS):>15.1%}")
    return found


if __name__ == "__main__":
    main()
