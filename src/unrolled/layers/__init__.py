"""Layers: cells run over batches of sequences, as nn.Modules with PyTorch's layouts."""

from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.regularise import Regularise
from unrolled.layers.state import State
from unrolled.layers.truncation import truncated

__all__ = ["Ragged", "Recurrent", "Regularise", "State", "truncated"]
