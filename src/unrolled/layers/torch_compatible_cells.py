"""`RNNCell`, `GRUCell` and `LSTMCell` with torch.nn's arguments, weights and results, run by our engines.

Every call packs the weights for its one step, which can cost more than the step: where the whole sequence is known, the
classes for sequences are faster, and `Recurrent(...).stream()` where frames come one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from unrolled.engines import Engine
from unrolled.layers.packing import Packing
from unrolled.layers.torch_compatible_call import (
    KERNELS,
    cast,
    cell_name,
    engine_of,
    fits,
    is_autocast,
    is_operator,
    job,
    letters_of,
    named_weights,
    refuse,
)
from unrolled.layers.torch_compatible_traced import operator_text, run_operator


class _OneStep(nn.RNNCellBase):
    """What the three classes share: torch's parameters and checks, and a forward of our own."""

    _theirs: ClassVar[Any]
    _states: ClassVar[int] = 1

    def __init__(self, *args: Any, engine: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._engine_name = engine
        _ = self.engine  # an engine that cannot run is refused now, not at the first batch

    @property
    def engine(self) -> str:
        """The name of the engine that runs this module where its parameters are now."""
        return str(self._runs())

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _runs(self) -> str:
        return self._engine().name

    def _engine(self) -> Engine:
        name = (
            self._cell_name or "elman"
        )  # a nonlinearity that torch does not know: the first call refuses it
        return engine_of(name, self.weight_ih.device, self.weight_ih.dtype, self._engine_name)

    @property
    def _cell_name(self) -> str | None:
        return cell_name(self)

    def _forward(self, input: Any, hx: Any) -> Any:
        """What torch's class gives for the same call; its errors too, with what would have been right behind them."""
        like = self.weight_ih
        if self._cell_name is None or not self._fits(input, hx, like):
            refuse(self, self._theirs.forward, (input, hx), self._wanted())
        if self._runs() == KERNELS:
            return self._theirs.forward(self, input, hx)
        if not is_autocast(like.device):
            return self._called(input, hx)
        with torch.autocast(like.device.type, enabled=False):
            return self._called(*cast((input, hx), like.dtype))

    def _fits(self, input: Any, hx: Any, like: Tensor) -> bool:
        """Whether torch would run the call."""
        if not isinstance(input, Tensor) or input.dim() not in (1, 2):
            return False
        if not fits(input, like, (*input.shape[:-1], self.input_size)):
            return False
        states = [hx] if self._states == 1 else hx
        if hx is None:
            return True
        if not isinstance(states, (tuple, list)) or len(states) != self._states:
            return False
        return all(fits(value, like, (*input.shape[:-1], self.hidden_size)) for value in states)

    def _wanted(self) -> str:
        shape = f"(B, {self.hidden_size})"
        states = " and ".join([shape] * self._states)
        return (
            f"Give {self} (B, {self.input_size}) or ({self.input_size}), with the state {states} or none, "
            f"all {self.weight_ih.dtype} on {self.weight_ih.device}."
        )

    def _called(self, input: Tensor, hx: Any) -> Any:
        x = input if input.dim() == 2 else input.unsqueeze(0)
        ends = self._step(x, self._before(x, hx))
        if input.dim() == 1:
            ends = [value.squeeze(0) for value in ends]
        return ends[0] if self._states == 1 else tuple(ends)

    def _before(self, x: Tensor, hx: Any) -> list[Tensor]:
        """The states before the step, each (1, B, H)."""
        if hx is None:
            return [x.new_zeros(1, len(x), self.hidden_size)] * self._states
        given: Sequence[Tensor] = [hx] if self._states == 1 else hx
        return [value.reshape(1, len(x), self.hidden_size) for value in given]

    def _step(self, x: Tensor, states: list[Tensor]) -> list[Tensor]:
        """The states after the step, each (B, H)."""
        weights = self._named()
        if is_operator(self._runs()):
            ends = run_operator(self._operator_text(), weights, x.unsqueeze(0), states)[1:]
            return [value[0] for value in ends]
        steps = Packing.dense(1, len(x)).steps
        outcome = self._engine().run(job(str(self._cell_name), self._letters(), weights, steps, x, states))
        # Copies: engines keep their results for backward, and torch lets a caller change them.
        return [value[0].clone() if value.requires_grad else value[0] for value in outcome.states.values()]

    def _named(self) -> dict[str, Tensor]:
        """The parameters by their names in the equations."""
        biases = (self.bias_ih, self.bias_hh)
        return named_weights(str(self._cell_name), self.weight_ih, self.weight_hh, biases, None)

    def _letters(self) -> dict[str, int]:
        return letters_of(str(self._cell_name), self.input_size, self.hidden_size, 0)

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _operator_text(self) -> str:
        return operator_text(str(self._cell_name), self._letters(), False, self._named())

    def extra_repr(self) -> str:
        """Torch's line, and the engine where one was named."""
        named = f", engine={self._engine_name!r}" if self._engine_name else ""
        return super().extra_repr() + named


class RNNCell(_OneStep, nn.RNNCell):
    """torch.nn.RNNCell on our engines: one step of `RNN`, with torch's arguments, parameters, seeds and errors.

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with `nonlinearity="relu"`.

    Args:
        args, kwargs: those of torch.nn.RNNCell: input_size, hidden_size, bias, nonlinearity, device, dtype.
        engine: the name of an engine; by default the first that accepts the equations, device and dtype.

    Called with input (B, I) or (I,) and the state (B, H), (H,) or none, it returns the new state.

    Raises what torch raises, with what would have been right behind it; EngineError for an engine that cannot run.

    Example:
        >>> import torch
        >>> RNNCell(3, 5)(torch.zeros(2, 3)).shape
        torch.Size([2, 5])
    """

    _theirs = nn.RNNCell

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The state after one step."""
        state: Tensor = self._forward(input, hx)
        return state


class GRUCell(_OneStep, nn.GRUCell):
    """torch.nn.GRUCell on our engines: one step of `GRU`, with torch's arguments, parameters, seeds and errors.

    h' = (1 - z) * n + z * h, the cell `gru_reset_after` of the catalogue.

    Args:
        args, kwargs: those of torch.nn.GRUCell: input_size, hidden_size, bias, device, dtype.
        engine: the name of an engine; by default the first that accepts the equations, device and dtype.

    Shapes and errors are those of `RNNCell`.

    Example:
        >>> import torch
        >>> GRUCell(3, 5)(torch.zeros(3)).shape
        torch.Size([5])
    """

    _theirs = nn.GRUCell

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The state after one step."""
        state: Tensor = self._forward(input, hx)
        return state


class LSTMCell(_OneStep, nn.LSTMCell):
    """torch.nn.LSTMCell on our engines: one step of `LSTM`, with torch's arguments, parameters, seeds and errors.

    c' = f * c + i * g, h' = o * tanh(c'), the cell `lstm` of the catalogue.

    Args:
        args, kwargs: those of torch.nn.LSTMCell: input_size, hidden_size, bias, device, dtype.
        engine: the name of an engine; by default the first that accepts the equations, device and dtype.

    Shapes and errors are those of `RNNCell`; the state is the pair of h and c, each (B, H).

    Example:
        >>> import torch
        >>> h, c = LSTMCell(3, 5)(torch.zeros(2, 3))
        >>> h.shape, c.shape
        (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    _theirs = nn.LSTMCell
    _states = 2

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """The states h and c after one step."""
        h, c = self._forward(input, hx)
        return h, c
