"""Layers that are run on, one frame or a few at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from unrolled.errors import SettingError, ShapeError
from unrolled.layers.state import CellState, State

if TYPE_CHECKING:
    from unrolled.engines.native.stream import Prepared
    from unrolled.layers.recurrent import Recurrent

LANES = 16  # rows of the kept state are whole vectors


class Stream:
    """A layer with its state, ready for the next frame; made by `layer.stream()`.

    It computes what the layer computes, s_t = cell(x_t, s_{t-1}), with the bits of a run over the whole sequence,
    however the sequence is cut. Parameters and static inputs are taken as they are when the stream is made;
    `refresh()` takes the layer's parameters as they are now. No gradient flows through a stream.

    Example:
        >>> from unrolled.layers import Recurrent
        >>> stream = Recurrent("gru", input_size=3, hidden_size=5).stream()
        >>> stream.step(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    def __init__(
        self, layer: Recurrent, state: Any, batch_size: int | None, static: Mapping[str, Tensor] | None
    ) -> None:
        if layer.bidirectional:
            raise SettingError(
                "a stream knows no later frames, and a bidirectional layer reads them. Use bidirectional=False."
            )
        self.layer = layer
        self.batch_size = _rows(state) if batch_size is None else batch_size
        self._static = {name: value.detach().clone() for name, value in (static or {}).items()}
        self._state = self._checked(state)
        self._prepared: dict[bool, Prepared] = {}
        self._frame: tuple[int, ...] | None = None
        self._run: Callable[[int, int, int], None]
        self.refresh()

    # --- what runs -------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Take the layer's parameters as they are now; the state stays."""
        state = self._state if not self._prepared else self.state
        self._taken = copy.deepcopy(self.layer)
        self._like = self._taken._like().detach()
        self._prepared = {}
        self._reason = self._refusal()
        self._frame = None
        if self._reason is None:
            self._state = state.map(_whole_rows)
            self._state = State([CellState(cell.values, cell.clock.clone()) for cell in self._state.cells])
            self._frame = (self.batch_size, self.layer.input_size)
            self._dtype = self._like.dtype
            self._answer = self._like.new_empty(self.batch_size, self.layer.output_size)
            self._run = self._prepare(indices=False).run
        else:
            self._state = state

    def _refusal(self) -> str | None:
        """Why the layer cannot be prepared once for all steps."""
        if not self._taken.depth.is_plain:
            return "only layers that read no more than the one below are prepared together"
        if self._taken.engine != "native":
            return f"only the native engine keeps what it has packed, the layer's is {self._taken.engine}"
        from unrolled.engines.native.stream import refusal  # needs the extension

        return refusal(self._taken.schedule)

    def _prepare(self, indices: bool) -> Prepared:
        from unrolled.engines.native.stream import Layer, Prepared

        if indices not in self._prepared:
            layers = [
                Layer(
                    self._taken.schedule,
                    self._taken._letters[n],
                    {**self._taken.cell_weights(name), **self._static},
                    self._state.cells[n].values,
                    self._state.cells[n].clock,
                )
                for n, name in enumerate(self._taken._names())
            ]
            self._prepared[indices] = Prepared(layers, self.batch_size, indices)
        return self._prepared[indices]

    @property
    def engine(self) -> str:
        """What runs a step: "native", prepared once; or a call of the layer's engine at every step, and why."""
        return (
            "native"
            if self._reason is None
            else f"{self._taken.engine}, called at every step: {self._reason}"
        )

    def __repr__(self) -> str:
        return f"Stream({self._taken.extra_repr()}, batch_size={self.batch_size}, runs on: {self.engine})"

    # --- the state -------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """A copy of the state after the newest frame; a new one may be assigned."""
        sizes = self._taken._state_sizes
        return State(
            [
                CellState(
                    {name: value[..., : sizes(n)[name]].clone() for name, value in cell.values.items()},
                    cell.clock.clone(),
                )
                for n, cell in enumerate(self._state.cells)
            ]
        )

    @state.setter
    def state(self, state: State | Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None) -> None:
        new = self._checked(state)
        if self._reason is not None:
            self._state = new
            return
        for mine, theirs in zip(self._state.cells, new.cells, strict=True):
            for name, value in mine.values.items():
                value.copy_(_whole_rows(theirs.values[name]))
            mine.clock.copy_(theirs.clock)

    def _checked(self, state: Any) -> State:
        """The state as the layer reads it: it comes back unchanged from a run over no steps."""
        like = self.layer._like()
        nothing = like.new_zeros(0, self.batch_size, self.layer.input_size)
        nothing = nothing.transpose(0, 1) if self.layer.batch_first else nothing
        with torch.no_grad():
            _, same = self.layer(nothing, state, static=self._static)
        assert isinstance(same, State)
        return same.detach()

    # --- steps -----------------------------------------------------------------------------------

    @torch.no_grad()
    def _by_call(self, block: Tensor) -> Tensor:
        output, self._state = self._taken(block, self._state, static=self._static)
        assert isinstance(output, Tensor)
        return output

    def step(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """Run on by one frame or by a block of frames.

        Args:
            x: a frame (B, I), or (B,) whole numbers below I that stand for one-hot vectors; or a block of T frames,
                (T, B, I) or (T, B), with `batch_first` (B, T, ...).
            out: where to write the output, contiguous; by default a new tensor.

        Returns:
            The output, (B, n) for a frame, (T, B, n) for a block, in the layout of `x`.

        Raises:
            ShapeError: `x` or `out` does not fit the layer.
        """
        # The shortest way for what comes most often: every test here is a large part of a step.
        if type(x) is Tensor and x.shape == self._frame and x.dtype is self._dtype:
            if x.is_cpu and x.is_contiguous():
                answer = (
                    torch.empty_like(self._answer) if out is None else self._room(out, self._answer.shape)
                )
                self._run(x.data_ptr(), answer.data_ptr(), 1)
                return answer
        return self._step(x, out)

    def _step(self, x: Tensor, out: Tensor | None) -> Tensor:
        if not isinstance(x, Tensor):
            raise ShapeError(f"a frame must be a tensor, got {type(x).__name__}. Use torch.as_tensor(...).")
        indices = not x.is_floating_point()
        single = x.dim() == (1 if indices else 2)
        self._fits(x, indices)
        turned = self.layer.batch_first and not single
        if self._reason is None and x.device == self._like.device:
            block = x.transpose(0, 1) if turned else x.unsqueeze(0) if single else x
            answer = self._by_core(block, indices)
            answer = answer.transpose(0, 1) if turned else answer[0] if single else answer
        else:
            frames = x.unsqueeze(1 if self.layer.batch_first else 0) if single else x
            answer = self._by_call(frames)
            answer = answer.squeeze(1 if self.layer.batch_first else 0) if single else answer
        return answer if out is None else self._room(out, answer.shape).copy_(answer)

    def _by_core(self, block: Tensor, indices: bool) -> Tensor:
        block = block.long() if indices else block
        block = block.contiguous()
        answer = self._like.new_empty(block.shape[0], self.batch_size, self.layer.output_size)
        try:
            self._prepare(indices).run(block.data_ptr(), answer.data_ptr(), block.shape[0])
        except IndexError:
            raise ShapeError(
                f"indices must lie from 0 to I-1 = {self.layer.input_size - 1}, got {int(block.min())} to "
                f"{int(block.max())}. Correct the input."
            ) from None
        return answer

    def _fits(self, x: Tensor, indices: bool) -> None:
        """Refuse what is no frame and no block of this stream."""
        size = () if indices else (self.layer.input_size,)
        rows = x.shape[: x.dim() - len(size)]
        at = 0 if len(rows) == 1 or self.layer.batch_first else 1
        fits = len(rows) in (1, 2) and rows[at] == self.batch_size and tuple(x.shape[len(rows) :]) == size
        if not fits or (not indices and x.dtype != self._like.dtype):
            inside = "" if indices else f", {self.layer.input_size}"
            layout = f"{self.batch_size}, T" if self.layer.batch_first else f"T, {self.batch_size}"
            kind = "whole numbers" if indices else str(self._like.dtype)
            raise ShapeError(
                f"a frame must be ({self.batch_size}{inside or ','}) and a block ({layout}{inside}) of {kind}, "
                f"got {tuple(x.shape)} of {x.dtype}. Reshape it, or make the stream with another batch_size."
            )
        if indices:
            self._indices_fit(x)

    def _indices_fit(self, x: Tensor) -> None:
        """What the layer refuses, such as indices that are not multiplied, is refused by a run over no steps."""
        if True not in self._prepared:
            nothing = x.reshape(-1, self.batch_size)[:0]
            self._taken(nothing.t() if self.layer.batch_first else nothing, static=self._static)

    def _room(self, out: Tensor, shape: torch.Size) -> Tensor:
        like = self._like
        if (
            out.shape != shape
            or out.dtype != like.dtype
            or out.device != like.device
            or not out.is_contiguous()
        ):
            raise ShapeError(
                f"out must be contiguous {tuple(shape)} of {like.dtype} on {like.device}, got {tuple(out.shape)} of "
                f"{out.dtype} on {out.device}. Leave it out to have one made."
            )
        return out


def _rows(state: Any) -> int:
    """B of a state to begin with; 1 where it says nothing."""
    if isinstance(state, State):
        return state.batch_size
    values = (
        [state]
        if isinstance(state, Tensor)
        else list(state.values())
        if isinstance(state, Mapping)
        else state
    )
    first = next((value for value in values or () if isinstance(value, Tensor) and value.dim() == 3), None)
    return 1 if first is None else first.shape[1]


def _whole_rows(value: Tensor) -> Tensor:
    return functional.pad(value, (0, -value.shape[-1] % LANES)).clone(memory_format=torch.contiguous_format)
