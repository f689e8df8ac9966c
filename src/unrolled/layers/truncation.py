"""Truncated backpropagation through time over a long sequence: k1 steps between updates, gradients through k2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.state import State


@dataclass(frozen=True)
class Window:
    """The newest k1 steps: `output` (k1, B, n) of the steps `start` to `stop`, and the `State` after them."""

    start: int
    stop: int
    output: Tensor
    state: State

    @property
    def steps(self) -> slice:
        """The window's steps, to cut targets with."""
        return slice(self.start, self.stop)


def truncated(
    layer: Recurrent,
    x: Tensor,
    k1: int,
    k2: int | None = None,
    state: State | Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    resets: Tensor | None = None,
    forced: Mapping[str, Tensor] | None = None,
    static: Mapping[str, Tensor] | None = None,
) -> Iterator[Window]:
    """Run a layer over a sequence in windows of k1 steps, each with gradients through its last k2 steps.

    The state is carried from window to window and cut off from what computed it. A window runs when it is asked for,
    so with the weights that the update before it has left.

    Args:
        layer: a `Recurrent` that runs forward only.
        x: (T, B, I) as for a call of the layer, whatever its layout; the last window may be shorter.
        k1: steps between updates; the loss is taken on them.
        k2: steps that gradients go back through, k1 by default. Fewer than k1: the first k1 - k2 steps of a window
            run without gradient. More: the k2 - k1 steps before the window are run again, with today's weights.
        state, lengths, resets, forced, static: as for a call of the layer.

    Yields:
        `Window(start, stop, output, state)`.

    Example:
        >>> layer, x = Recurrent("gru", 3, 5), torch.zeros(7, 2, 3)
        >>> [(window.start, window.stop) for window in truncated(layer, x, k1=3, k2=5)]
        [(0, 3), (3, 6), (6, 7)]

    Raises:
        SettingError: k1 or k2 below 1, or a bidirectional layer, whose outputs depend on steps to come.

    Papers: Williams and Peng 1990 (doi:10.1162/neco.1990.2.4.490); Sutskever 2013, section 2.8.1.
    """
    for name, steps in (("k1", k1), ("k2", k1 if k2 is None else k2)):
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise SettingError(f"{name} must be a whole number of steps >= 1, got {steps!r}. Correct it.")
    if layer.bidirectional:
        raise SettingError(
            "truncated() needs a layer that runs forward only, got bidirectional=True. Make it with "
            "bidirectional=False, or cut the sequence into pieces that are run as sequences of their own."
        )
    pieces = _Pieces(layer, x, lengths, {"resets": resets, "forced": forced, "static": static})
    return _windows(pieces, k1, k1 if k2 is None else k2, state)


def _windows(pieces: _Pieces, k1: int, k2: int, state: Any) -> Iterator[Window]:
    """`begun` is the step at which the kept state stands: where the gradients of the next window begin."""
    begun = 0
    for start in range(0, pieces.time, k1):
        stop = min(start + k1, pieces.time)
        first = max(start, stop - k2)  # before it, within the window, no gradient
        outputs = []
        if first > start:
            with torch.no_grad():
                output, state = pieces.run(start, first, state)
            outputs, begun = [output], first
        following = max(begun, min(stop + k1, pieces.time) - k2)
        kept = state
        for low, high in ((begun, min(following, stop)), (min(following, stop), stop)):
            if high > low:
                output, state = pieces.run(low, high, state)
                outputs.append(output)
                kept = state if high <= following else kept
        yield Window(start, stop, pieces.newest(outputs, stop - start), state)
        state, begun = kept.detach() if isinstance(kept, State) else kept, min(following, stop)


class _Pieces:
    """A call of a layer, to be made in pieces."""

    def __init__(
        self,
        layer: Recurrent,
        x: Tensor,
        lengths: Tensor | Sequence[int] | None,
        others: Mapping[str, Any],
    ) -> None:
        least = 2 if layer.input_size else 3
        if x.dim() < least:
            raise ShapeError(
                f"x must be (T, B, I) or (T, B) whole numbers, got {tuple(x.shape)}. Reshape it."
            )
        self.layer = layer
        self.x = x
        self.dim = 1 if layer.batch_first else 0
        self.time = x.shape[self.dim]
        self.lengths = None if lengths is None else torch.as_tensor(lengths)
        self.others = others

    def run(self, low: int, high: int, state: Any) -> tuple[Tensor, State]:
        """The steps from `low` to `high`."""
        forced = {name: self._cut(value, low, high) for name, value in (self.others["forced"] or {}).items()}
        resets = self.others["resets"]
        output, end = self.layer(
            self._cut(self.x, low, high),
            state,
            lengths=None if self.lengths is None else (self.lengths - low).clamp(0, high - low),
            resets=None if resets is None else self._cut(resets, low, high),
            forced=forced,
            static=self.others["static"],
        )
        return output, end

    def newest(self, outputs: list[Tensor], steps: int) -> Tensor:
        """The last steps of outputs that follow each other."""
        whole = outputs[0] if len(outputs) == 1 else torch.cat(outputs, self.dim)
        return whole.narrow(self.dim, whole.shape[self.dim] - steps, steps)

    def _cut(self, value: Tensor, low: int, high: int) -> Tensor:
        return value.narrow(self.dim, low, high - low)
