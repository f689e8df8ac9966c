"""The output layer over the symbols of a vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from unrolled.errors import SettingError
from unrolled.layers.linear_cross_entropy import check_targets, linear_cross_entropy

IGNORED = -1
SHRINK = 4
"""Each tail of an adaptive softmax reads so many times fewer numbers than the one before, as in its paper."""


class Output(nn.Module):
    """From a layer's output (..., H) to the probabilities of V symbols, and to the loss of those that came.

        P(symbol | h) = softmax(W h + b)              plain
        P(symbol | h) = softmax(W R h + b)            with a projection R to P numbers, without bias

    The loss never holds the (N, V) logits (`linear_cross_entropy`). Weights start as those of `nn.Linear`.

    With `tied` W is the embedding (V, E) itself, one parameter in two places, and b starts at 0. With `adaptive`
    cutoffs c_1 < c_2 < ... it is an adaptive softmax instead: the symbols below c_1 and one entry for each cluster
    c_i .. c_{i+1} stand in a head; a symbol within a cluster is told by a tail that reads H / 4, H / 16, ... numbers.
    It is a different model, cheaper where symbols are many, and supposes that frequent symbols have small indices.

    Args:
        input_size: H.
        size: V.
        projection: P, or None for none.
        tied: the weight (V, E) of an embedding; E must be P, or H without a projection.
        adaptive: cutoffs within 1 .. V - 1, increasing; or none.

    Raises:
        SettingError: sizes below one, tied weights that do not fit or with an adaptive softmax, cutoffs out of order.

    Example:
        >>> output = Output(8, 1000, projection=3)
        >>> hidden = torch.randn(5, 8)
        >>> output.logits(hidden).shape
        torch.Size([5, 1000])
        >>> output.loss(hidden, torch.tensor([4, 998, -1, 0, 7])).shape  # the third does not count
        torch.Size([])

    Paper: Press and Wolf 2017, Using the Output Embedding (arXiv:1608.05859); Grave et al. 2017, Efficient softmax
    approximation for GPUs (arXiv:1609.04309); Sak et al. 2014, Long Short-Term Memory Based Recurrent Neural Network
    Architectures for Large Vocabulary Speech Recognition (arXiv:1402.1128), of the projection.
    """

    weight: Tensor
    """(V, H), (V, P) or (V, E); an adaptive softmax has `adaptive.head` and `adaptive.tail` instead."""
    bias: Tensor
    """(V,)"""

    def __init__(
        self,
        input_size: int,
        size: int,
        *,
        projection: int | None = None,
        tied: nn.Parameter | None = None,
        adaptive: Sequence[int] = (),
    ) -> None:
        super().__init__()
        for name, value in (("input_size", input_size), ("size", size), ("projection", projection)):
            if value is not None and value < 1:
                raise SettingError(f"{name} must be at least 1, got {value}")
        width = input_size if projection is None else projection
        self.input_size, self.size = input_size, size
        if tied is not None:
            _check_tied(tied, size, width, adaptive)
        self.projection = None if projection is None else nn.Linear(input_size, projection, bias=False)
        self.adaptive = AdaptiveSoftmax(width, size, adaptive) if adaptive else None
        if tied is not None:
            self.weight, self.bias = tied, nn.Parameter(tied.new_zeros(size).detach())
        elif not adaptive:
            plain = nn.Linear(width, size)
            self.weight, self.bias = plain.weight, plain.bias

    def forward(self, output: Tensor) -> Tensor:
        """The same as `logits`."""
        return self.logits(output)

    def logits(self, output: Tensor) -> Tensor:
        """From (..., H) to (..., V), to be compared by softmax; log-probabilities if the softmax is adaptive."""
        read = self._read(output)
        if self.adaptive is not None:
            return self.adaptive.log_probabilities(read)
        return linear(read, self.weight, self.bias)

    def loss(self, output: Tensor, targets: Tensor, ignored: int = IGNORED) -> Tensor:
        """Mean nats of the targets (N,) after (N, H), over those that are not `ignored`; 0 where all are."""
        read = self._read(output)
        if self.adaptive is not None:
            return self.adaptive.loss(read, targets, ignored)
        loss: Tensor = linear_cross_entropy(read, self.weight, self.bias, targets, ignored)
        return loss

    def log_probabilities(self, output: Tensor, targets: Tensor, ignored: int = IGNORED) -> Tensor:
        """log P (N,) of the targets (N,) after (N, H), in nats; 0 where a target is `ignored`."""
        read = self._read(output)
        if self.adaptive is not None:
            return self.adaptive.losses(read, targets, ignored).neg()
        losses: Tensor = linear_cross_entropy(read, self.weight, self.bias, targets, ignored, "none")
        return losses.neg()

    def extra_repr(self) -> str:
        """The sizes, for `print(model)`."""
        return f"input_size={self.input_size}, size={self.size}"

    def _read(self, output: Tensor) -> Tensor:
        return output if self.projection is None else self.projection(output)


class AdaptiveSoftmax(nn.Module):
    """A softmax over a head and one over each tail, in the parameters of `nn.AdaptiveLogSoftmaxWithLoss`.

        P(v) = P_head(v)                          below the first cutoff
        P(v) = P_head(cluster i) P_tail i(v)      in cluster i

    Args:
        width: the numbers it reads.
        size: V.
        cutoffs: where the clusters begin.
    """

    def __init__(self, width: int, size: int, cutoffs: Sequence[int]) -> None:
        super().__init__()
        bounds = (0, *cutoffs, size)
        if any(low >= high for low, high in pairwise(bounds)):
            raise SettingError(
                f"the cutoffs of an adaptive softmax must increase within 1 .. {size - 1} (there are {size} symbols), "
                f"got {', '.join(map(str, cutoffs))}"
            )
        self.bounds = bounds[1:]
        self.head = nn.Linear(width, cutoffs[0] + len(cutoffs), bias=False)
        self.tail = nn.ModuleList()
        for cluster, (low, high) in enumerate(pairwise(self.bounds), start=1):
            narrow = max(1, width // SHRINK**cluster)
            self.tail.append(
                nn.Sequential(nn.Linear(width, narrow, bias=False), nn.Linear(narrow, high - low, bias=False))
            )

    def log_probabilities(self, read: Tensor) -> Tensor:
        """From (..., width) to (..., V): the logarithms of probabilities whose sum is 1."""
        head = self.head(read).log_softmax(-1)
        begin = self.bounds[0]
        parts = [head[..., :begin]]
        for cluster, tail in enumerate(self.tail, start=begin):
            parts.append(head[..., cluster, None] + tail(read).log_softmax(-1))
        return torch.cat(parts, -1)

    def loss(self, read: Tensor, targets: Tensor, ignored: int) -> Tensor:
        """Mean nats over the targets that are not `ignored`."""
        total = read.new_zeros((), dtype=self.head.weight.dtype)
        for _, part, weight, wanted in self._parts(read, targets, ignored):
            total = total + linear_cross_entropy(part, weight, None, wanted, IGNORED, "sum")
        return total / (targets != ignored).sum().clamp(min=1)

    def losses(self, read: Tensor, targets: Tensor, ignored: int) -> Tensor:
        """Nats (N,) of the targets, 0 where one is `ignored`."""
        found = read.new_zeros(len(read), dtype=self.head.weight.dtype)
        for rows, part, weight, wanted in self._parts(read, targets, ignored):
            found = found.index_add(
                0, rows, linear_cross_entropy(part, weight, None, wanted, IGNORED, "none")
            )
        return found

    def _parts(
        self, read: Tensor, targets: Tensor, ignored: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """The head and every tail: which rows, what they read, the weight, and the targets there or IGNORED."""
        check_targets(targets, self.bounds[-1], ignored)
        begin = self.bounds[0]
        targets = torch.where(targets == ignored, IGNORED, targets)
        wanted = targets.clone()
        for cluster, (tail, (low, high)) in enumerate(zip(self.tail, pairwise(self.bounds), strict=True)):
            rows = ((targets >= low) & (targets < high)).nonzero()[:, 0]
            wanted[rows] = begin + cluster
            shrink, spread = tail.children()
            yield rows, shrink(read[rows]), spread.get_parameter("weight"), targets[rows] - low
        yield torch.arange(len(targets), device=targets.device), read, self.head.weight, wanted


def _check_tied(tied: nn.Parameter, size: int, width: int, adaptive: Sequence[int]) -> None:
    """Refuse an embedding that cannot be the output weights as well."""
    if adaptive:
        raise SettingError(
            "an adaptive softmax has its own weights, which cannot be tied to an embedding; leave out one of the two"
        )
    if tied.dim() != 2 or len(tied) != size:
        raise SettingError(f"tied weights must be ({size}, E), one row by symbol, got {tuple(tied.shape)}")
    if tied.shape[1] != width:
        raise SettingError(
            f"tied weights: the embedding has {tied.shape[1]} numbers a symbol, but the output layer reads {width}; "
            f"give --projection {tied.shape[1]}"
        )
