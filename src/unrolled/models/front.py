"""What stands between the numbers of a sequence and the first recurrent layer."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from unrolled.data.inputs import UNKNOWN, FrameInput, Input, PictureInput, TextInput
from unrolled.errors import SettingError
from unrolled.layers.ragged import Ragged

_PIXELS = 255
_AT_ONCE = 256
"""Pictures that go through the convolutions together: their intermediate values stay in the cache."""


class Symbols(nn.Module):
    """Indices (N,) to learned vectors (N, I), or to themselves, which then stand for one-hot vectors.

    While training a share `unknown` of the symbols is read as `<unk>`, so that `<unk>` is learned too.
    """

    def __init__(self, symbols: int, size: int | None, unknown: float = 0.0) -> None:
        super().__init__()
        self.embedding = None if size is None else nn.Embedding(symbols, size)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=0.1)
        self.size = size or symbols
        self.unknown = unknown

    def forward(self, indices: Tensor) -> Tensor:
        if self.training and self.unknown:
            hidden = torch.rand(indices.shape, device=indices.device) < self.unknown
            indices = indices.masked_fill(hidden, UNKNOWN)
        if self.embedding is None:
            return indices
        vectors: Tensor = self.embedding(indices)
        return vectors


class Frames(nn.Module):
    """Frames (N, I), every channel shifted and scaled: (x - mean) / deviation."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, frames: FrameInput) -> None:
        super().__init__()
        dtype = torch.get_default_dtype()
        self.register_buffer("mean", torch.tensor(frames.mean, dtype=dtype), persistent=False)
        self.register_buffer("deviation", torch.tensor(frames.deviation, dtype=dtype), persistent=False)
        self.size = frames.size

    def forward(self, frames: Tensor) -> Tensor:
        return (frames.to(self.mean.dtype) - self.mean) / self.deviation


class Pictures(nn.Module):
    """Pictures (N, height, width, 3) of bytes to vectors (N, I) by three convolutions and a linear map.

    Each convolution (3 x 3, step 2) halves height and width; channels are 8, 16, 16. The vectors are normalised each
    by itself (layer normalisation), so that the recurrent layer reads numbers of about 1 from the first update on.
    """

    def __init__(self, pictures: PictureInput, size: int) -> None:
        super().__init__()
        self.size = size
        channels = (3, 8, 16, 16)
        self.convolutions = nn.Sequential()
        height, width = pictures.height, pictures.width
        for before, after in pairwise(channels):
            self.convolutions.extend([nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()])
            height, width = (height + 1) // 2, (width + 1) // 2
        self.linear = nn.Linear(channels[-1] * height * width, size)
        self.normalise = nn.LayerNorm(size)

    def forward(self, pictures: Tensor) -> Tensor:
        scaled = pictures.to(self.linear.weight.dtype).permute(0, 3, 1, 2) / _PIXELS - 0.5
        features = [self.convolutions(part).flatten(1) for part in scaled.split(_AT_ONCE)]
        vectors: Tensor = self.normalise(self.linear(torch.cat(features)))
        return vectors


class Places(nn.Module):
    """Adds a learned vector to each of the first `positions` steps of every row: x_t + p_t, (N, I) to (N, I)."""

    def __init__(self, positions: int, size: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(positions, size))
        nn.init.normal_(self.vectors, std=0.1)

    def forward(self, batch: Ragged) -> Tensor:
        if not batch.values.is_floating_point():
            raise SettingError("positions need learned vectors of the symbols; name an embedding_size")
        known, steps = len(self.vectors), torch.cat([torch.arange(n) for n in batch.lengths.tolist()])
        early = (steps < known).nonzero().flatten().to(batch.device)
        return batch.values.index_add(0, early, self.vectors[steps.to(batch.device)[early]])


Front = Symbols | Frames | Pictures


def front_of(read: Input, size: int | None, unknown: float = 0.0) -> Front:
    """The front for an input; `size` is I for text (None: one-hot) and pictures.

    Raises:
        SettingError: a size for frames, which have their own, or none for pictures.
    """
    if isinstance(read, TextInput):
        return Symbols(len(read.symbols), size, unknown)
    if isinstance(read, FrameInput):
        if size is not None:
            raise SettingError(
                f"frames of {read.size} channels have no embedding, got embedding_size={size}; leave it out"
            )
        return Frames(read)
    if isinstance(read, PictureInput):
        if size is None:
            raise SettingError(
                "pictures need embedding_size, what the convolutions give; name one, such as 64"
            )
        return Pictures(read, size)
    raise SettingError(
        f"input must be of text, frames or pictures, got {type(read).__name__}; use one of these"
    )
