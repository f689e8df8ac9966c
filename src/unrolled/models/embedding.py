"""Embeddings that may be output layers as well."""

from __future__ import annotations

import math

from torch import nn

START = 4.0
"""Embedded symbols begin with about this length over the root of 3."""


def tied_embedding(symbols: int, size: int) -> nn.Embedding:
    """Vectors (V, E), uniform within 4 / sqrt(E): short enough for the weights of an output layer.

    Those of torch, of length sqrt(E), give logits that are far too sure; much shorter ones, such as uniform within 0.1,
    are learned from slowly, for what is read of them hardly differs.
    """
    found = nn.Embedding(symbols, size)
    bound = START / math.sqrt(size)
    nn.init.uniform_(found.weight, -bound, bound)
    return found
