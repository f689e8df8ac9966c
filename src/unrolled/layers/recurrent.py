"""`Recurrent`: any cell over any batch, deep and in both directions, as one nn.Module."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from unrolled import cells as catalogue
from unrolled.engines import Engine, Job, Outcome, choose
from unrolled.engines.segments import checked_checkpoint, run_within
from unrolled.engines.zeros import is_traced, read_only_zeros
from unrolled.equations import Cell, Schedule
from unrolled.errors import SettingError, ShapeError
from unrolled.layers.arguments import Arguments, Batch, arrange
from unrolled.layers.depth import Depth, widths
from unrolled.layers.initialise import Start, initialise
from unrolled.layers.lookup import looked_up, with_table
from unrolled.layers.masks import checked_rate, drawn_key
from unrolled.layers.packing import Packing
from unrolled.layers.ragged import Ragged
from unrolled.layers.ragged_call import arrange_ragged, is_ragged
from unrolled.layers.regularise import Masks, Regularise, checked_regularise
from unrolled.layers.starts import Scheme, read_start
from unrolled.layers.state import CellState, Key, State
from unrolled.layers.stream import Stream
from unrolled.layers.traced import run_by_operators
from unrolled.layers.variants import with_projection
from unrolled.layers.weights import Weights


class Recurrent(nn.Module):
    """A recurrent layer over any cell, with PyTorch's layouts.

    Computes, for each layer and direction, s_t = cell(x_t, s_{t-1}) over the real steps of every row.

    Args:
        cell: a `Cell`, or the name of one in the catalogue.
        input_size: I; 0 for a network without input, which is then run with `steps=`.
        hidden_size: H, or one for each layer: `[256, 128]`.
        num_layers: L, 1 by default; each layer reads the first returned value of the one below.
        bidirectional: D = 2; see `merge`.
        batch_first: input and output are (B, T, ...) instead of (T, B, ...). States are not affected.
        sizes: the cell's named sizes, static inputs included: `{"output": 10}`.
        initialise: "roles" (orthogonal recurrent, Glorot input, forget bias 1, identity for rectified states),
            "uniform" (as in PyTorch, +-1/sqrt(H)), or a start for long memories, by name ("chrono:500", "identity",
            "orthogonal", "critical:0.95", "forget:2") or as an object of `unrolled.layers.starts`; join some by +.
        start: overrides by parameter name: a name ("identity", "orthogonal", "glorot", "zero", "one"), a number,
            a tensor or a function that fills one.
        initial_state: "zero", or "learned" (one vector for each state, layer and direction).
        merge: the outputs of two directions are concatenated, forward first ("concat"), or added ("sum"); "separate"
            concatenates them between layers and gives the last layer's as (T, B, D, n).
        residual: from the second layer on a layer's output is added to its input (of the same size).
        projection: a size; what each layer and direction gives, and the next one reads, is P times its output. States
            are not projected (`lstm_projected` projects its state).
        skip: the output is the concatenation of all layers' outputs.
        dropout: share of the units dropped between layers while training, others at every step.
        regularise: dropout of other kinds, a `Regularise`.
        checkpoint: keep only the states between segments of the sequence and run each segment again for its
            gradients: "sqrt", or how many bytes a layer and direction may keep. Gradients are the same up to the order
            of sums; double backward is refused. `torch.compile` runs such a layer, and one that trains with masks,
            apart from its graph: without fullgraph=True.
        engine: the name of an engine; by default the first that accepts the cell, device and dtype.

    Example:
        >>> layer = Recurrent("gru", input_size=3, hidden_size=5)
        >>> output, state = layer(torch.zeros(7, 2, 3))
        >>> output.shape, state["h"].shape
        (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))

    Raises:
        ShapeError: sizes, states or lengths that do not fit.
        SettingError: unknown cells or options.
        EngineError: the named engine cannot run this cell; the text says why.
    """

    def __init__(
        self,
        cell: Cell | str,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None = None,
        bidirectional: bool = False,
        batch_first: bool = False,
        *,
        sizes: Mapping[str, int] | None = None,
        initialise: str | Scheme = "roles",
        start: Mapping[str, Start] | None = None,
        initial_state: str = "zero",
        merge: str = "concat",
        residual: bool = False,
        skip: bool = False,
        projection: int | None = None,
        dropout: float = 0.0,
        regularise: Regularise | None = None,
        checkpoint: str | int | None = None,
        engine: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        read_start(initialise)  # what cannot be read is refused before anything is made
        _one_of("initial_state", initial_state, ("zero", "learned"))
        if not isinstance(cell, (Cell, str)):
            raise SettingError(
                f"cell must be a Cell or a name of the catalogue, got {cell!r}. Put @cell over the function."
            )
        if dtype is not None and not dtype.is_floating_point:
            raise SettingError(f"cells compute in floating point, got dtype={dtype}. Use torch.float32.")
        self.cell = catalogue.find(cell) if isinstance(cell, str) else cell
        self.projection = projection
        if projection is not None:
            self.cell = with_projection(self.cell)
            sizes = {**(sizes or {}), "projected": _whole("projection", projection, 1)}
        self.input_size = _whole("input_size", input_size, 0)
        layers = None if num_layers is None else _whole("num_layers", num_layers, 1)
        self.widths = [_whole("hidden_size", size, 1) for size in widths(hidden_size, layers)]
        self.hidden_size = hidden_size if isinstance(hidden_size, Sequence) else self.widths[0]
        self.num_layers = len(self.widths)
        self.depth = Depth(merge, residual, skip)
        self.bidirectional = bidirectional
        self.batch_first = batch_first
        self.sizes = {name: _whole(f"the size {name}", size, 1) for name, size in (sizes or {}).items()}
        self.initialise = initialise
        self.start = dict(start or {})
        self.initial_state = initial_state
        self.dropout = checked_rate("dropout", dropout)
        self.regularise = checked_regularise(regularise, self.num_layers)
        self.checkpoint = checked_checkpoint(checkpoint)
        self._engine_name = engine
        ends = ("", "_reverse")[: self.directions]
        self._layer_names = [f"l{layer}{end}" for layer in range(self.num_layers) for end in ends]
        self._kept = self.cell.graph.delays()
        self.running_cell = self.cell if regularise is None else regularise.cell(self.cell)
        self._training_cell = self.cell if regularise is None else regularise.training_cell(self.cell)
        self._letters = [
            self.cell.letters(self._input_of(k), size, **self.sizes) for k, size in enumerate(self.widths)
        ]
        self._sizes_of_states = [
            self.cell.state_sizes(self._input_of(k), size, **self.sizes) for k, size in enumerate(self.widths)
        ]
        inputs = [self._input_of(k) for k in range(self.num_layers + 1)]
        self.depth.check(inputs[:-1], inputs[1:])
        made = {"device": device, "dtype": dtype}
        self.weights = nn.ModuleDict({n: Weights(self._empty(i, made)) for i, n in enumerate(self._names())})
        self.initial = self._learned_states(made) if initial_state == "learned" else None
        # Device and dtype of a cell that has nothing to learn.
        self.register_buffer("_blank", torch.empty(0, device=device, dtype=dtype), persistent=False)
        self.reset_parameters()
        _ = self.engine  # an engine that cannot run is refused now, not at the first batch

    # --- sizes and names -------------------------------------------------------------------------

    @property
    def directions(self) -> int:
        """D, 1 or 2."""
        return 2 if self.bidirectional else 1

    @property
    def output_size(self) -> int:
        """The size of the output, both directions together; of all layers with `skip`."""
        layers = range(1, self.num_layers + 1) if self.depth.skip else [self.num_layers]
        return sum(map(self._input_of, layers))

    def _input_of(self, layer: int) -> int:
        """The size of what a layer reads; an output of size I depends on it in turn."""
        size = self.input_size
        for width in self.widths[:layer]:
            size = self.depth.width(self.cell.output_size(size, width, **self.sizes), self.directions)
        return size

    def _names(self) -> list[str]:
        """`l0`, `l0_reverse`, `l1`, ...: PyTorch's order of layers and directions."""
        return self._layer_names

    def _empty(self, index: int, made: Mapping[str, Any]) -> dict[str, Tensor]:
        layer = index // self.directions
        shapes = self.cell.parameter_shapes(self._input_of(layer), self.widths[layer], **self.sizes)
        return {name: torch.empty(shape, **made) for name, shape in shapes.items()}

    def _state_sizes(self, index: int) -> dict[str, int]:
        return self._sizes_of_states[index // self.directions]

    def _learned_states(self, made: Mapping[str, Any]) -> nn.ModuleDict:
        return nn.ModuleDict(
            {
                layer: Weights({name: torch.zeros(n, **made) for name, n in self._state_sizes(index).items()})
                for index, layer in enumerate(self._names())
            }
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew; learned initial states return to zero."""
        how = read_start(self.initialise)
        for index, name in enumerate(self._names()):
            values = self.cell_weights(name)
            initialise(self.cell, values, self._letters[index // self.directions], how, self.start)
        for parameter in self.initial.parameters() if self.initial is not None else ():
            nn.init.zeros_(parameter)

    def cell_weights(self, name: str = "l0") -> dict[str, Tensor]:
        """The parameters of one layer and direction (`l0`, `l0_reverse`, `l1`, ...) by their names in the equations."""
        weights = self.weights[name]
        assert isinstance(weights, Weights)
        return weights.items()

    # --- what runs -------------------------------------------------------------------------------

    @property
    def schedule(self) -> Schedule:
        """What waits for time and what does not; `print` it."""
        return self.running_cell.schedule()

    @property
    def engine(self) -> str:
        """The name of the engine that runs this layer where its parameters are now."""
        return self._engine(self.schedule, self._like()).name

    def _engine(self, schedule: Schedule, like: Tensor) -> Engine:
        return choose(schedule, like.device, like.dtype, self._engine_name)

    def _like(self) -> Tensor:
        """A parameter, for its device and dtype."""
        for weights in self.weights.values():
            for parameter in weights._parameters.values():
                if parameter is not None:
                    return parameter
        blank = self._blank
        assert isinstance(blank, Tensor)
        return next(self.parameters(), blank)

    # --- running ---------------------------------------------------------------------------------

    def forward(
        self,
        x: Tensor | Ragged | PackedSequence | None,
        state: State | Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        resets: Tensor | Ragged | PackedSequence | None = None,
        forced: Mapping[str, Tensor | Ragged | PackedSequence] | None = None,
        static: Mapping[str, Tensor] | None = None,
        steps: int | None = None,
        record: Sequence[str] = (),
        table: Tensor | None = None,
    ) -> tuple[Any, ...]:
        """Run the layer over a batch.

        Args:
            x: (T, B, I), (T, I) for one sequence, or (T, B) whole numbers below I that stand for one-hot vectors;
                with `batch_first` (B, T, ...). None when I is 0. Or a ragged batch, N steps in all rows: a `Ragged`
                with values (N, I) or (N,), a PackedSequence, a jagged nested tensor (B, j, I).
            state: what an earlier call returned, or the initial value of the states: a tensor (L*D, B, n), one for
                each state, or by name. Default: zero, or learned.
            lengths: (B,) the steps of each row; what lies beyond is padding, never computed, zero in the output.
            resets: (T, B) bool; a row restarts from the layer's initial state before the steps that are marked.
            forced: states whose value after each step is given, (T, B, n) by name: teacher forcing. With a ragged
                batch, `resets` and `forced` may be ragged too, of the same lengths.
            static: the cell's static inputs, (B, n) by name.
            steps: T for a network without input.
            record: values by their names in the equations, to be returned at every step: `("z", "r")`.
            table: (V, I), an embedding; x are whole numbers below V, (T, B) or a `Ragged`, that pick its rows.

        Returns:
            The output (T, B, D * n), or (N, D * n) as the ragged kind that `x` is, and the `State` after the last
            real step of every row. With `record` also the records: for every name a list with one (T, B, n) for each
            layer and direction.
        """
        like = self._like()
        device = like.device.type
        autocast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        if table is not None:
            x, table = looked_up(self, x, table)
        given = Arguments(
            like, x, lengths, resets, forced or {}, static or {}, steps, tuple(record), autocast, table
        )
        if not autocast:
            return self._run(given, state)
        with torch.autocast(device, enabled=False):
            return self._run(given, state)

    def stream(
        self,
        state: State | Tensor | Sequence[Tensor] | Mapping[str, Tensor] | None = None,
        batch_size: int | None = None,
        *,
        static: Mapping[str, Tensor] | None = None,
    ) -> Stream:
        """The layer with its state, to be run on frame by frame: `stream.step(x)`.

        Args:
            state: what it begins with, as for a call.
            batch_size: B, the rows that run side by side; by default those of `state`, or 1.
            static: the cell's static inputs, (B, n) by name.

        Raises SettingError for a bidirectional layer: its outputs depend on frames that have not come yet.
        """
        rows = None if batch_size is None else _whole("batch_size", batch_size, 1)
        return Stream(self, state, rows, static)

    def _run(self, given: Arguments, state: Any) -> tuple[Any, ...]:
        if type(given.x) is not Tensor and is_ragged(given.x):
            answer: tuple[Any, ...] = self._run_ragged(given, state)
            return answer
        batch = arrange(self, given, state)
        if is_traced() and self._has_operator(tuple(batch.forced)):
            if self._drops or self.checkpoint is not None or batch.record:
                apart: tuple[Any, ...] = self._run_apart(batch)
                return apart
            output, end = run_by_operators(self, batch)
            return batch.layout(output), end
        return self._run_packed(batch, Packing.of(*batch.shape, batch.lengths, given.like.device))

    @torch.compiler.disable(
        reason="a recurrent layer with masks or checkpoint= is run apart from the compiled graph"
    )  # type: ignore[untyped-decorator]
    def _run_apart(self, batch: Batch) -> tuple[Any, ...]:
        return self._run_packed(batch, Packing.of(*batch.shape, batch.lengths, batch.like.device))

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _run_ragged(self, given: Arguments, state: Any) -> tuple[Any, ...]:
        return self._run_packed(*arrange_ragged(self, given, state))

    def _run_packed(self, batch: Batch, packing: Packing) -> tuple[Any, ...]:
        carried = self._start_state(packing.rows) if batch.state is None else batch.state
        masks = self._masks(packing, carried) if self._drops else None
        forced = (*batch.forced, *masks.names) if masks else tuple(batch.forced)
        schedule = (self._training_cell if masks else self.running_cell).schedule(forced, batch.record)
        engine = self._engine(schedule, batch.like)
        values, stack, outcomes = packing.pack(batch.x), list[Tensor](), list[Outcome]()
        for layer in range(self.num_layers):
            given = masks.into(layer, values) if masks else values
            for index in range(layer * self.directions, (layer + 1) * self.directions):
                job = self._job(schedule, index, given, batch, packing, carried.cells[index])
                outcomes.append(self._outcome(engine, job, index, batch, masks))
            outputs = [outcome.output for outcome in outcomes[-self.directions :]]
            values = self.depth.joined(layer, values, outputs)
            stack.append(values)
        values = self.depth.output(stack)
        values = self.depth.directions(masks.out(values) if masks else values, self.directions)
        end = State([packing.end(outcome) for outcome in outcomes], masks.end() if masks else None)
        if not batch.record:
            return batch.layout(packing.unpack(values)), end
        records = {
            name: [batch.layout(packing.unpack(outcome.records[name])) for outcome in outcomes]
            for name in batch.record
        }
        return batch.layout(packing.unpack(values)), end, records

    def _outcome(self, engine: Engine, job: Job, index: int, batch: Batch, masks: Masks | None) -> Outcome:
        """One layer in one direction, with its masks, and in segments if so wished."""
        job = (
            job
            if batch.table is None or index >= self.directions
            else with_table(job, self.cell, batch.table)
        )
        job = masks.job(job, index) if masks else job
        outcome = run_within(engine, job, self.checkpoint)
        return masks.outcome(outcome) if masks else outcome

    @property
    def _drops(self) -> bool:
        return self.training and (self.dropout > 0 or self.regularise is not None)

    def _masks(self, packing: Packing, carried: State) -> Masks:
        """The masks of one call: those of the carried state's key, or of a new one."""
        key = carried.key
        if key is None:
            key = Key(drawn_key(), torch.zeros(packing.rows, dtype=torch.int64, device=self._like().device))
        return Masks(self.regularise or Regularise(), self.dropout, self.cell, key, packing)

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _only_multiplies_input(self) -> bool:
        """Whether indices can stand for one-hot vectors."""
        graph = self.schedule.graph
        source = graph.leaf[graph.signature.input]
        multiplied = all(n.operation == "matmul" for n in graph.nodes if source in n.operands)
        return multiplied and source not in (graph.output, *graph.next_states)

    @torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
    def _has_operator(self, forced: tuple[str, ...]) -> bool:
        """Whether the engine of this layer is one that `torch.compile` sees as an operator."""
        return self._engine(self.running_cell.schedule(forced=forced), self._like()).name == "native"

    def _job(
        self, schedule: Schedule, index: int, x: Tensor, batch: Batch, packing: Packing, carried: CellState
    ) -> Job:
        reverse = index % self.directions == 1
        return Job(
            schedule=schedule,
            letters=self._letters[index // self.directions],
            parameters=self.cell_weights(self._names()[index]),
            steps=packing.direction(reverse),
            x=x,
            states={name: packing.sort(value, 1) for name, value in carried.values.items()},
            start=self._start(index, packing.rows, batch.like),
            clock=packing.sort(carried.clock, 0),
            resets=None if batch.resets is None else packing.resets(batch.resets, reverse),
            forced={name: packing.pack(value) for name, value in batch.forced.items()},
            static={name: packing.sort(value, 0) for name, value in batch.static.items()},
        )

    def _start_state(self, rows: int) -> State:
        """The layer's own initial state: zero or learned, the same for every row, clock 0. Nobody may write to it."""
        like = self._like()
        clock = read_only_zeros((rows,), torch.int64, like.device)
        cells = []
        for index in range(len(self._layer_names)):
            sizes = self._state_sizes(index)
            shapes = {name: (self._kept[name], rows, size) for name, size in sizes.items()}
            cells.append(CellState(self._initial_values(index, shapes, like), clock))
        return State(cells)

    def _start(self, index: int, rows: int, like: Tensor) -> dict[str, Tensor]:
        """What the rows of one layer and direction go back to at a reset, (B, n) by name."""
        shapes = {name: (rows, size) for name, size in self._state_sizes(index).items()}
        return self._initial_values(index, shapes, like)

    def _initial_values(
        self, index: int, shapes: Mapping[str, tuple[int, ...]], like: Tensor
    ) -> dict[str, Tensor]:
        if self.initial is None:
            return {name: read_only_zeros(shape, like.dtype, like.device) for name, shape in shapes.items()}
        weights = self.initial[self._names()[index]]
        assert isinstance(weights, Weights)
        return {name: weights[name].expand(shape) for name, shape in shapes.items()}

    def extra_repr(self) -> str:
        """Cell, sizes, options that are not the default, engine and parameter count."""
        count = sum(parameter.numel() for parameter in self.parameters())
        sizes = "".join(f", {name}={size}" for name, size in self.sizes.items())
        depth = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        flags = "".join(f", {name}=True" for name in ("bidirectional", "batch_first") if getattr(self, name))
        learned = ", initial_state='learned'" if self.initial_state == "learned" else ""
        learned += f", dropout={self.dropout}" if self.dropout else ""
        learned += "".join(
            f", {n}={v!r}" for n in ("regularise", "checkpoint") if (v := getattr(self, n)) is not None
        )
        return (
            f"{self.cell.name}, input_size={self.input_size}, hidden_size={self.hidden_size}{sizes}{depth}{flags}"
            f"{learned}, engine={self.engine}, {count:,} parameters"
        )


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        listed = " or ".join(repr(entry) for entry in allowed)
        raise SettingError(f"{option} must be {listed}, got {value!r}. Use one of these.")


def _whole(option: str, value: object, least: int) -> int:
    if not hasattr(value, "__index__") or isinstance(value, bool) or operator.index(value) < least:
        raise ShapeError(f"{option} must be a whole number >= {least}, got {value!r}. Correct it.")
    return operator.index(value)
