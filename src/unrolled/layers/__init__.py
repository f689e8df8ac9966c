"""Layers: cells run over batches of sequences, as nn.Modules with PyTorch's layouts."""

from unrolled.layers.conditioned import Conditioned
from unrolled.layers.penalties import activation_penalty, temporal_penalty
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.regularise import Regularise
from unrolled.layers.state import State
from unrolled.layers.truncation import truncated

__all__ = [
    "Conditioned",
    "Ragged",
    "Recurrent",
    "Regularise",
    "State",
    "activation_penalty",
    "temporal_penalty",
    "truncated",
]
