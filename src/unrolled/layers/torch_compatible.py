"""`RNN`, `GRU` and `LSTM` with torch.nn's arguments, weights and results, run by our engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence

from unrolled.engines import Engine, choose
from unrolled.engines.engine import Steps
from unrolled.engines.segments import checked_checkpoint
from unrolled.engines.zeros import read_only_zeros
from unrolled.layers.packing import Packing
from unrolled.layers.regularise import Regularise, checked_regularise
from unrolled.layers.torch_compatible_call import (
    KERNELS,
    cast,
    cell_name,
    engine_of,
    fits,
    fits_packed,
    is_autocast,
    is_operator,
    job,
    letters_of,
    named_weights,
    refuse,
    untraced,
)
from unrolled.layers.torch_compatible_options import (
    Call,
    Opened,
    running_schedule,
    training_schedule,
)
from unrolled.layers.torch_compatible_traced import operator_text, run_operator


class _Sequences(nn.RNNBase):
    """What the three classes share: torch's parameters and checks, and a forward of our own."""

    _theirs: ClassVar[Any]
    weight_ih_l0: Tensor
    # Of the class, for a module of torch's that became ours.
    regularise: Regularise | None = None
    checkpoint: str | int | None = None

    def __init__(
        self,
        *args: Any,
        engine: str | None = None,
        regularise: Regularise | None = None,
        checkpoint: str | int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._engine_name = engine
        self.regularise = checked_regularise(regularise, self.num_layers)
        self.checkpoint = checked_checkpoint(checkpoint)
        _ = self.engine  # an engine that cannot run is refused now, not at the first batch
        if regularise is not None:
            like = self.weight_ih_l0
            choose(training_schedule(self._cell_name, regularise), like.device, like.dtype, engine)

    # --- what runs -------------------------------------------------------------------------------

    @property
    def engine(self) -> str:
        """The name of the engine that runs this module where its parameters are now."""
        return str(self._runs())

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _runs(self) -> str:
        return self._engine().name

    def _engine(self) -> Engine:
        like, name = self.weight_ih_l0, self._engine_name
        if self.regularise is None:
            return engine_of(self._cell_name, like.device, like.dtype, name)
        return choose(running_schedule(self._cell_name, self.regularise), like.device, like.dtype, name)

    @property
    def _cell_name(self) -> str:
        return str(cell_name(self))

    @property
    def _state_sizes(self) -> tuple[int, ...]:
        """n of each state."""
        first = self.proj_size or self.hidden_size
        return (first, self.hidden_size) if self.mode == "LSTM" else (first,)

    # --- calls -----------------------------------------------------------------------------------

    def _forward(self, input: Any, hx: Any, resets: Any, record: Sequence[str]) -> Any:
        run = self._checked  # where Dynamo gives up this frame, if it does: before it takes a branch
        own = resets is not None or record or self.regularise is not None or self.checkpoint is not None
        if own:
            return untraced(run, input, hx, (resets, record))
        return run(input, hx) if torch.compiler.is_compiling() else untraced(run, input, hx)

    def _checked(self, input: Any, hx: Any, own: tuple[Any, Sequence[str]] | None = None) -> Any:
        """What torch's class gives for the same call; its errors too, with what would have been right behind them."""
        like = self.weight_ih_l0
        if not self._fits(input, hx, like):
            refuse(self, self._theirs.forward, (input, hx), self._wanted())
        if own is None and self._runs() == KERNELS:
            return self._theirs.forward(self, input, hx)
        if not is_autocast(like.device):
            return self._called(input, hx, own)
        with torch.autocast(like.device.type, enabled=False):
            x, states = cast((input, hx), like.dtype)
            return self._called(x, states, own)

    def _fits(self, input: Any, hx: Any, like: Tensor) -> bool:
        """Whether torch would run the call; a sequence of no steps is run as well."""
        if isinstance(input, PackedSequence):
            batched, rows = True, int(input.batch_sizes[0]) if len(input.batch_sizes) else 0
            if not fits_packed(input, self.input_size, like):
                return False
        else:
            if not isinstance(input, Tensor) or input.dim() not in (2, 3):
                return False
            batched, rows = input.dim() == 3, input.shape[0 if self.batch_first else 1]
            if not fits(input, like, (*input.shape[:-1], self.input_size)):
                return False
        leading = (self.num_layers * (1 + self.bidirectional), *([rows] if batched else []))
        return hx is None or self._states_fit(hx, like, leading)

    def _states_fit(self, hx: Any, like: Tensor, leading: tuple[int, ...]) -> bool:
        sizes = self._state_sizes
        if self.mode != "LSTM":
            return fits(hx, like, (*leading, *sizes))
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            return False
        return all(fits(value, like, (*leading, n)) for value, n in zip(hx, sizes, strict=True))

    def _wanted(self) -> str:
        layout = "B, T" if self.batch_first else "T, B"
        rows = self.num_layers * (1 + self.bidirectional)
        states = " and ".join(f"({rows}, B, {n})" for n in self._state_sizes)
        like = self.weight_ih_l0
        return (
            f"Give {self} ({layout}, {self.input_size}), (T, {self.input_size}) or a PackedSequence, with "
            f"initial states {states} or none, all {like.dtype} on {like.device}."
        )

    def _called(self, input: Any, hx: Any, own: tuple[Any, Sequence[str]] | None) -> Any:
        if own is not None:
            return self._with_options(input, hx, *own)
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.dim() == 3:
            output, states = self._dense(input.transpose(0, 1) if self.batch_first else input, _listed(hx))
            return output.transpose(0, 1) if self.batch_first else output, self._delisted(states)
        before = _listed(hx)
        alone = before and [value.unsqueeze(1) for value in before]
        output, states = self._dense(input.unsqueeze(1), alone)
        return output.squeeze(1), self._delisted([value.squeeze(1) for value in states])

    def _packed(self, given: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        data, counts, order, back = given
        states = _listed(hx)
        if states is not None and order is not None:
            states = [value.index_select(1, order) for value in states]
        steps = Steps(tuple(counts.tolist()), int(counts[0]))
        output, ends = self._layers(data, steps, self._or_zeros(states, data, steps.rows))
        if back is not None:
            ends = [value.index_select(1, back) for value in ends]
        return PackedSequence(output, counts, order, back), self._delisted(ends)

    def _dense(self, x: Tensor, states: Sequence[Tensor] | None) -> tuple[Tensor, list[Tensor]]:
        """x (T, B, I)."""
        time, rows = x.shape[:2]
        if is_operator(self._runs()):
            return self._layers(x, None, self._or_zeros(states, x, rows))
        packing = Packing.dense(time, rows)
        output, ends = self._layers(packing.pack(x), packing.steps, self._or_zeros(states, x, rows))
        return packing.unpack(output), ends

    def _with_options(self, input: Any, hx: Any, resets: Any, record: Sequence[str]) -> Any:
        """A call with something that torch's classes do not have."""
        batch = Opened.of(input, self.batch_first)
        call, packing, given = Call(self, batch, resets, record), batch.packing, _listed(hx)
        begun = given and [packing.sort(v.unsqueeze(1) if batch.is_single else v, 1) for v in given]
        states = self._or_zeros(begun, batch.values, packing.rows)
        output, ends = self._layers(batch.values, packing.steps, states, call)
        ends = [packing.unsort(v, 1) for v in ends]
        final = self._delisted([v.squeeze(1) for v in ends] if batch.is_single else ends)
        answer = (batch.answer(output), final)
        return (*answer, call.records(batch)) if record else answer

    # --- layers ----------------------------------------------------------------------------------

    def _layers(
        self, values: Tensor, steps: Steps | None, states: Sequence[Tensor], call: Call | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Rows in the order of `steps` (N, I), or (T, B, I) without, to the same with D * n, and the final states."""
        before, directions, ends = self._by_direction(states), 1 + self.bidirectional, []
        for layer in range(self.num_layers):
            outputs = []
            values = call.into(layer, values) if call else values
            for index in range(layer * directions, (layer + 1) * directions):
                output, *final = self._direction(index, values, steps, before[index], call)
                outputs.append(output)
                ends.append(final)
            values = outputs[0] if directions == 1 else torch.cat(outputs, -1)
            values = self._dropped(values, layer)
        values = call.out(values) if call else values
        return _own(values, directions == 1), [
            _own(_joined(one), len(one) == 1) for one in zip(*ends, strict=True)
        ]

    def _direction(
        self, index: int, x: Tensor, steps: Steps | None, states: Sequence[Tensor], call: Call | None
    ) -> list[Tensor]:
        """Output and final states (1, B, n) of one layer in one direction."""
        weights = self._named(index)
        if steps is None:
            return run_operator(self._operator_text(index), weights, x, states)
        steps = steps.turned if self._reverse(index) else steps
        made = job(self._cell_name, self._letters(index), weights, steps, x, states)
        outcome = call.run(made, index) if call else self._engine().run(made)
        return [outcome.output, *outcome.states.values()]

    def _reverse(self, index: int) -> bool:
        return index % (1 + self.bidirectional) == 1

    def _letters(self, index: int) -> dict[str, int]:
        directions = 1 + self.bidirectional
        size = self.input_size if index < directions else directions * self._state_sizes[0]
        return letters_of(self._cell_name, size, self.hidden_size, self.proj_size)

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _operator_text(self, index: int) -> str:
        return operator_text(self._cell_name, self._letters(index), self._reverse(index), self._named(index))

    def _or_zeros(self, states: Sequence[Tensor] | None, like: Tensor, rows: int) -> Sequence[Tensor]:
        if states is not None:
            return states
        count = self.num_layers * (1 + self.bidirectional)
        return [read_only_zeros((count, rows, n), like.dtype, like.device) for n in self._state_sizes]

    def _by_direction(self, states: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
        """For each layer and direction its states (1, B, n): one split has one backward, slices have many."""
        return list(zip(*(value.split(1) for value in states), strict=True))

    def _named(self, index: int) -> dict[str, Tensor]:
        """The parameters of one layer and direction by their names in the equations."""
        given = {name.rpartition("_l")[0]: getattr(self, name) for name in self._all_weights[index]}
        return named_weights(
            self._cell_name,
            given["weight_ih"],
            given["weight_hh"],
            (given.get("bias_ih"), given.get("bias_hh")),
            given.get("weight_hr"),
        )

    def _dropped(self, values: Tensor, layer: int) -> Tensor:
        """Dropout between layers while training; torch draws the same numbers for the same seed."""
        if not self.training or not self.dropout or layer == self.num_layers - 1:
            return values
        return functional.dropout(values, self.dropout)

    def _delisted(self, states: list[Tensor]) -> Any:
        return tuple(states) if self.mode == "LSTM" else states[0]

    def extra_repr(self) -> str:
        """Torch's line, and what was asked for beside torch's arguments."""
        own = {"engine": self._engine_name, "regularise": self.regularise, "checkpoint": self.checkpoint}
        return super().extra_repr() + "".join(f", {k}={v!r}" for k, v in own.items() if v is not None)


def _listed(hx: Any) -> list[Tensor] | None:
    return None if hx is None else [hx] if isinstance(hx, Tensor) else list(hx)


def _joined(ends: Sequence[Tensor]) -> Tensor:
    return ends[0] if len(ends) == 1 else torch.cat(list(ends))


def _own(value: Tensor, kept: bool) -> Tensor:
    """A result the caller may change in place, as torch's: where the engine keeps it for its backward, a copy."""
    return value.clone() if kept and value.requires_grad else value


class RNN(_Sequences, nn.RNN):
    """torch.nn.RNN on our engines: the same arguments, parameters, seeds, layouts, results and errors.

    h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh), or relu with `nonlinearity="relu"`; the cells `elman` and
    `elman_relu` of the catalogue.

    Args:
        args, kwargs: those of torch.nn.RNN: input_size, hidden_size, num_layers, nonlinearity, bias, batch_first,
            dropout, bidirectional, device, dtype.
        engine: the name of an engine; by default the first that accepts the equations, device and dtype.

        regularise: dropout of other kinds, a `Regularise`; the masks are drawn anew at every call.
        checkpoint: "sqrt", or how many bytes a layer and direction may keep for its gradients; as of `Recurrent`.

    Called with input (T, B, I), (T, I) or a PackedSequence, and the initial state (L*D, B, H) or none, it returns
    the output (T, B, D*H), as the kind that went in, and the final state (L*D, B, H). With `batch_first` (B, T, ...).
    `resets=` (T, B) bool, in the layout of the input: a row starts from zero again before the steps that are marked.
    `record=("h",)` adds a third result: for every name in the equations of the cell a list with the value at every
    step, one for each layer and direction. With any of these a compiled model runs the module apart from its graph.

    Raises what torch raises, with what would have been right behind it; EngineError for an engine that cannot run.

    Example:
        >>> import torch
        >>> layer = RNN(3, 5, nonlinearity="relu")
        >>> output, h = layer(torch.zeros(7, 2, 3))
        >>> output.shape, h.shape, isinstance(layer, torch.nn.RNN)
        (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]), True)
    """

    _theirs = nn.RNN

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        *,
        resets: Tensor | PackedSequence | None = None,
        record: Sequence[str] = (),
    ) -> Any:
        """The output, as the kind that went in, and the final state; with `record` the records too."""
        return self._forward(input, hx, resets, record)


class GRU(_Sequences, nn.GRU):
    """torch.nn.GRU on our engines: the same arguments, parameters, seeds, layouts, results and errors.

    The cell `gru_reset_after` of the catalogue (Cho et al. 2014, arXiv:1406.1078v1):
    h_t = (1 - z_t) * n_t + z_t * h_{t-1}, with the reset gate behind the product with h_{t-1}.

    Args:
        args, kwargs: those of torch.nn.GRU: input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device, dtype.
        engine, regularise, checkpoint: those of `RNN`.

    Shapes, options of a call and errors are those of `RNN`.

    Example:
        >>> import torch
        >>> layer = GRU(3, 5, num_layers=2, bidirectional=True, batch_first=True)
        >>> output, h = layer(torch.zeros(2, 7, 3))
        >>> output.shape, h.shape
        (torch.Size([2, 7, 10]), torch.Size([4, 2, 5]))
    """

    _theirs = nn.GRU

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        *,
        resets: Tensor | PackedSequence | None = None,
        record: Sequence[str] = (),
    ) -> Any:
        """The output, as the kind that went in, and the final state; with `record` the records too."""
        return self._forward(input, hx, resets, record)


class LSTM(_Sequences, nn.LSTM):
    """torch.nn.LSTM on our engines: the same arguments, parameters, seeds, layouts, results and errors.

    The cells `lstm` (Gers et al. 2000) and, with `proj_size`, `lstm_projected` of the catalogue:
    c_t = f_t * c_{t-1} + i_t * g_t, h_t = o_t * tanh(c_t).

    Args:
        args, kwargs: those of torch.nn.LSTM: input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype.
        engine, regularise, checkpoint: those of `RNN`.

    Shapes, options of a call and errors are those of `RNN`; the state is the pair of h (L*D, B, H or proj_size) and
    c (L*D, B, H).

    Example:
        >>> import torch
        >>> layer = LSTM(3, 5)
        >>> _ = layer.load_state_dict(torch.nn.LSTM(3, 5).state_dict())
        >>> output, (h, c) = layer(torch.zeros(7, 2, 3))
        >>> output.shape, h.shape, c.shape
        (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]), torch.Size([1, 2, 5]))
    """

    _theirs = nn.LSTM

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        resets: Tensor | PackedSequence | None = None,
        record: Sequence[str] = (),
    ) -> Any:
        """The output, as the kind that went in, and the final h and c; with `record` the records too."""
        return self._forward(input, hx, resets, record)
