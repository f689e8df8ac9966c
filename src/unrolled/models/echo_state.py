"""Echo-state networks: a recurrent network with fixed random weights, and a linear readout in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self, TypeAlias

import torch
from torch import Tensor, nn

from unrolled.cells import find
from unrolled.equations import Cell
from unrolled.equations.operations import is_finite_number
from unrolled.errors import SettingError, ShapeError
from unrolled.layers.ragged import Ragged
from unrolled.layers.recurrent import Recurrent
from unrolled.layers.reservoir import Drawing, draw_reservoir
from unrolled.layers.reservoir_sparse import SparseRecurrent
from unrolled.layers.state import State
from unrolled.models.echo_state_rows import (
    Rows,
    as_numbers,
    as_ragged,
    cut,
    floating,
    pooled,
    shifted,
)
from unrolled.models.kept import Kept, check_no_statics
from unrolled.models.ridge import NormalEquations, Piece, RidgePath, TriangularRoot, regress

READOUTS = ("step", "last", "mean")
DTYPES = ("float32", "float64")
WINDOW = 2**22  # numbers of states that are held at a time

Batches: TypeAlias = Iterable[tuple[Rows | None, Rows]]


@dataclass(frozen=True)
class EchoState:
    """What an `EchoStateNetwork` carries: the state of its layers, and the output (B, O) that is fed back next."""

    recurrent: State
    fed: Tensor | None = None

    def rows(self, index: Tensor | Sequence[int]) -> EchoState:
        """The state of some rows of the batch."""
        fed = None if self.fed is None else self.fed[torch.as_tensor(index)]
        return EchoState(self.recurrent.rows(index), fed)


class EchoStateNetwork(Kept):
    """Any cell with fixed random weights; what is learned is a linear readout, in closed form.

        s_t = cell([x_t, y_{t-1}], s_{t-1}),    y_t = V h_t + c

    h_t is what all layers and directions give, one after the other; y_{t-1} is there with output feedback only.
    `fit` finds V and c by ridge regression; `unfreeze` then makes it an ordinary module whose weights are all trained
    by gradients, which starts from that solution.

    Args:
        cell: a `Cell`, or the name of one in the catalogue. Named sizes of it are `hidden_size`.
        input_size: I; 0 for a network that reads nothing but its own output.
        hidden_size: H, or one for each layer.
        output_size: O; for classes, their number.
        num_layers: L; a deep reservoir, and the readout sees all of it.
        bidirectional: D = 2; without feedback.
        leak: the cell's constant of that name, where it has one.
        spectral_radius, density, input_scaling, depth_scaling, bias_scaling: see `unrolled.layers.reservoir`.
        feedback_scaling: the scale of the weights of the output that is fed back, fixed as well; None for no feedback.
        readout: "step" for an output at every step; "last" and "mean" for one of a whole row, from its last states
            (of the backward direction, the one of the first step) or the mean of all of them.
        reads_input: the readout also sees what the first layer reads.
        washout: steps at the begin of a row that do not count in `fit`, nor in the mean.
        sparse: multiply recurrent matrices in compressed rows, for large reservoirs that are very sparse. Against the
            native dense run, leaky cell, float32, one thread, for 1 / 16 / 64 rows: 0.1 / 0.7 / 0.6 times as fast
            with 400 units of density 0.01, 2.6 / 1.7 / 0.8 with 1000, 2.3 / 5.7 / 3.2 with 4000; at density 0.1
            0.7 / 0.9 / 1.2 with 1000 and 0.8 / 3.6 / 1.6 with 4000 (a busy machine; measure on yours).
        seed: of all that is drawn.
        dtype: "float32" or "float64".
        draw: False leaves the weights of the reservoir as they are at first, where others are to be filled in.

    Raises:
        SettingError: an unknown cell or option, a number outside its range, feedback where it cannot be.

    Example:
        >>> network = EchoStateNetwork("leaky", 1, 50, 1, washout=10, seed=1, dtype="float64")
        >>> x = torch.sin(torch.arange(300.0).double() / 5)[:, None, None]  # (T, B, I)
        >>> path = network.fit([(x[:-1], x[1:])], ridges=1e-9)
        >>> output, state = network(x)
        >>> bool((output[100:-1] - x[101:]).abs().max() < 1e-3)
        True

    Paper: Jaeger & Haas 2004, Harnessing nonlinearity, Science 304; Gallicchio et al. 2017, Deep reservoir computing.
    """

    architecture: ClassVar[str] = "echo_state"

    def __init__(
        self,
        cell: Cell | str = "leaky",
        input_size: int = 0,
        hidden_size: int | Sequence[int] = 400,
        output_size: int = 1,
        num_layers: int | None = None,
        *,
        bidirectional: bool = False,
        leak: float | None = None,
        spectral_radius: float = 0.9,
        density: float = 0.1,
        input_scaling: float = 1.0,
        depth_scaling: float = 1.0,
        bias_scaling: float = 0.1,
        feedback_scaling: float | None = None,
        readout: str = "step",
        reads_input: bool = False,
        washout: int = 0,
        sparse: bool = False,
        seed: int = 0,
        dtype: str = "float32",
        draw: bool = True,
    ) -> None:
        super().__init__()
        self.cell = _with_leak(find(cell) if isinstance(cell, str) else cell, leak)
        _check_options(self.cell, readout, dtype, output_size, washout)
        self.readout, self.reads_input, self.washout = readout, reads_input, washout
        self.output_size, self.has_feedback = output_size, feedback_scaling is not None
        self._check_feedback(bidirectional, input_size)
        self.drawing = Drawing(
            spectral_radius,
            density,
            input_scaling,
            depth_scaling,
            bias_scaling,
            output_size if self.has_feedback else 0,
            1.0 if feedback_scaling is None else feedback_scaling,
            seed,
        )
        widths = [hidden_size] if isinstance(hidden_size, int) else list(hidden_size)
        deep = len(widths) > 1 or (num_layers or 1) > 1
        made = getattr(torch, dtype)
        # What is drawn depends on `seed` alone, and the caller's random numbers stay where they are.
        with torch.random.fork_rng(devices=[]):
            self.recurrent = (SparseRecurrent if sparse else Recurrent)(
                self.cell,
                input_size + self.drawing.feedback,
                hidden_size,
                num_layers,
                bidirectional,
                sizes=dict.fromkeys(self.cell.named_sizes, widths[0]),
                skip=deep,
                dtype=made,
            )
            self.input_size = input_size
            if draw:
                draw_reservoir(self.recurrent, self.drawing)
            self.register_buffer("_from_behind", self._backward_features(), persistent=False)
            self.output = nn.Linear(len(self._from_behind), output_size, dtype=made)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.freeze()

    _from_behind: Tensor

    def _check_feedback(self, bidirectional: bool, input_size: int) -> None:
        if self.has_feedback and (bidirectional or self.readout != "step"):
            raise SettingError(
                "feedback_scaling is for one direction and readout='step': an output must be there at the next step. "
                "Leave it out."
            )
        if not self.has_feedback and input_size == 0:
            raise SettingError(
                "a network with input_size=0 reads its own output. Give feedback_scaling=1.0, or an input_size."
            )

    # --- what is trained -------------------------------------------------------------------------

    def freeze(self) -> None:
        """Only the readout is trained; the weights of the reservoir are fixed, as they are at first."""
        self.recurrent.requires_grad_(False)

    def unfreeze(self) -> None:
        """All weights are trained, by gradients through time. Zeros of sparse matrices learn as well.

        Raises:
            SettingError: it runs on sparse products.
        """
        if self.sparse:
            raise SettingError(
                "sparse products give no gradients of the weights. Set network.sparse = False before unfreeze()."
            )
        self.recurrent.requires_grad_(True)

    @property
    def sparse(self) -> bool:
        """Whether recurrent matrices are multiplied in compressed rows; a network made with sparse=True may change."""
        return isinstance(self.recurrent, SparseRecurrent) and self.recurrent.sparse

    @sparse.setter
    def sparse(self, value: bool) -> None:
        if not isinstance(self.recurrent, SparseRecurrent):
            raise SettingError(
                "sparse is for a network made with sparse=True, this one is dense. Make it so."
            )
        self.recurrent.sparse = value

    # --- running ---------------------------------------------------------------------------------

    def forward(
        self, x: Rows | None, state: EchoState | None = None, *, targets: Rows | None = None
    ) -> tuple[Any, EchoState]:
        """Run over a batch.

        Args:
            x: (T, B, I), or a `Ragged` with values (N, I); None when I is 0.
            state: what an earlier call returned; by default all zero.
            targets: with output feedback the true outputs, (T, B, O) or `Ragged`: the step after is fed with them
                (teacher forcing). `generate` runs without.

        Returns:
            The output: (T, B, O), or a `Ragged` with values (N, O), for readout "step", else (B, O); and the state.
        """
        inputs, fed = self._inputs(x, targets, state)
        hidden, end = self.recurrent(inputs, None if state is None else state.recurrent)
        seen = self._seen(inputs, hidden)
        if self.readout != "step":
            seen = self._pooled(seen)
        output = seen.map(self.output) if isinstance(seen, Ragged) else self.output(seen)
        return output, EchoState(end, fed)

    @torch.no_grad()
    def generate(
        self, steps: int, state: EchoState | None = None, x: Tensor | None = None, batch_size: int = 1
    ) -> tuple[Tensor, EchoState]:
        """Run freely: every step is fed with the network's own output of the step before.

        Args:
            steps: T, how far.
            state: where to begin, such as the end of a teacher-forced call; by default all zero.
            x: (T, B, I) the inputs, where I is not 0.
            batch_size: B without a state.

        Returns:
            The outputs (T, B, O), and the state after them.

        Raises:
            SettingError: a network without output feedback.
            ShapeError: inputs that do not fit.
        """
        if not self.has_feedback:
            raise SettingError(
                "generate feeds outputs back, and this network has no feedback. Make it with feedback_scaling=1.0."
            )
        rows = batch_size if state is None else state.recurrent.batch_size
        if (x is None) != (self.input_size == 0) or (
            x is not None and x.shape != (steps, rows, self.input_size)
        ):
            got = "None" if x is None else tuple(x.shape)
            raise ShapeError(
                f"x must be (T, B, I) = {(steps, rows, self.input_size)}, got {got}. Correct it."
            )
        stream = self.recurrent.stream(None if state is None else state.recurrent, rows)
        fed = self._fed(state, rows)
        outputs = []
        for t in range(steps):
            frame = fed if x is None else torch.cat([x[t].to(fed), fed], 1)
            fed = self.output(self._seen(frame, stream.step(frame)))
            outputs.append(fed)
        generated = torch.stack(outputs) if outputs else fed.new_zeros(0, rows, self.output_size)
        return generated, EchoState(stream.state, fed)

    def _inputs(
        self, x: Rows | None, targets: Rows | None, state: EchoState | None
    ) -> tuple[Rows, Tensor | None]:
        """What the first layer reads, and the output to be fed back after the last step."""
        if not self.has_feedback:
            if x is None:
                raise ShapeError(f"x must be (T, B, I) with I={self.input_size}, got None. Give the input.")
            return floating(x, self.output.weight), None
        if targets is None:
            raise SettingError(
                "a network with output feedback needs targets= to run over; or use generate(steps)."
            )
        taught = floating(targets, self.output.weight)
        rows = taught.batch_size if isinstance(taught, Ragged) else taught.shape[1]
        earlier, last = shifted(taught, self._fed(state, rows))
        if x is None:
            return earlier, last
        given = floating(x, self.output.weight)
        if isinstance(given, Ragged) and isinstance(earlier, Ragged):
            return given.map(lambda *both: torch.cat(both, 1), earlier), last
        if isinstance(given, Ragged) or isinstance(earlier, Ragged) or given.shape[:2] != earlier.shape[:2]:
            raise ShapeError(
                "x and targets must be the same kind of batch, with the same T and B. Correct them."
            )
        return torch.cat([given, earlier], 2), last

    def _fed(self, state: EchoState | None, rows: int) -> Tensor:
        if state is None or state.fed is None:
            return self.output.weight.new_zeros(rows, self.output_size)
        if len(state.fed) != rows:
            raise ShapeError(
                f"the state must be that of B={rows} rows, got {len(state.fed)}. Use state.rows(...)."
            )
        return state.fed

    def _seen(self, inputs: Rows, hidden: Rows) -> Any:
        """What the readout sees."""
        if not self.reads_input:
            return hidden
        if isinstance(hidden, Ragged) and isinstance(inputs, Ragged):
            return hidden.map(lambda *both: torch.cat(both, 1), inputs)
        assert isinstance(inputs, Tensor) and isinstance(hidden, Tensor)
        return torch.cat([hidden, inputs], -1)

    def _pooled(self, seen: Rows) -> Tensor:
        return pooled(as_ragged(seen), self.readout, self.washout, self._from_behind)

    def _backward_features(self) -> Tensor:
        """Which of the features (F,) the backward direction gives."""
        layer = self.recurrent
        marks = []
        for k, width in enumerate(layer.widths):
            size = layer.cell.output_size(layer._input_of(k), width, **layer.sizes)
            marks += [torch.full((size,), bool(d)) for d in range(layer.directions)]
        marks.append(torch.zeros(layer.input_size if self.reads_input else 0, dtype=torch.bool))
        return torch.cat(marks)

    # --- the readout in closed form --------------------------------------------------------------

    @torch.no_grad()
    def fit(
        self,
        batches: Batches,
        ridges: float | Sequence[float] = 1e-6,
        *,
        validation: Batches | None = None,
        refit: bool = False,
        precise: bool = False,
    ) -> RidgePath:
        """Find the readout by ridge regression, and keep the one of the best strength.

        Only sums are kept (see `NormalEquations`), and the states of one batch; of one window of steps where every
        step has a target. Every batch begins in the zero state.

        Args:
            batches: pairs (x, targets), gone through once. Targets are (T, B, O) or `Ragged` for readout "step",
                (B, O) otherwise; whole numbers below O, (T, B), a `Ragged` or (B,), stand for classes.
            ridges: strengths r of 1/N sum ||y - V h - c||^2 + r ||V||^2; several are compared on `validation`, by
                wrong classes where targets are classes, and by squared error.
            validation: pairs as `batches`, gone through once.
            refit: with the best strength, take in the validation data as well.
            precise: keep the triangular root of the sums instead, for strengths below about 1e-14: slower.

        Raises:
            SettingError: several strengths and no validation data.
            DataError: no data, targets that are not classes below O or not finite.
            ShapeError: targets that do not fit.
        """
        pieces = self._regressions(batches)
        judged = None if validation is None else self._regressions(validation)
        kept = TriangularRoot if precise else NormalEquations
        equations = kept(self.output.in_features, self.output_size)
        path, weight, bias = regress(equations, pieces, ridges, judged, refit)
        self.output.weight.copy_(weight)
        self.output.bias.copy_(bias)
        return path

    def _regressions(self, batches: Batches) -> Iterator[Piece]:
        """Features (N, F) and targets (N, O), piece by piece, and whether the targets are classes."""
        for x, targets in batches:
            wanted, classes = as_numbers(targets, self.output_size, self.readout == "step")
            if self.readout == "step":
                yield from ((*piece, classes) for piece in self._by_windows(x, as_ragged(wanted)))
            else:
                assert isinstance(wanted, Tensor) and x is not None
                inputs, _ = self._inputs(as_ragged(x), None, None)
                seen = self._pooled(self._seen(inputs, self.recurrent(inputs)[0]))
                if len(seen) != len(wanted):
                    raise ShapeError(
                        f"targets must be one for each of B={len(seen)} rows, got {len(wanted)}."
                    )
                yield seen, wanted, classes

    def _by_windows(self, x: Rows | None, wanted: Ragged) -> Iterator[tuple[Tensor, Tensor]]:
        given = None if x is None else as_ragged(x)
        if given is not None and given.extents.listed != wanted.extents.listed:
            raise ShapeError(
                "targets must have the lengths of the input, a target for every step. Correct them."
            )
        inputs, _ = self._inputs(given, wanted if self.has_feedback else None, None)
        assert isinstance(inputs, Ragged)
        steps = max(1, WINDOW // max(1, inputs.batch_size * self.output.in_features))
        steps = inputs.longest if self.recurrent.bidirectional else steps
        state = None
        for begin in range(0, inputs.longest, max(1, steps)):
            window = cut(inputs, begin, begin + steps)
            hidden, state = self.recurrent(window, state)
            counted = begin + window.extents.steps >= self.washout
            target = cut(wanted, begin, begin + steps)
            yield self._seen(window, hidden).values[counted], target.values[counted]

    # --- what it is ------------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        """Sizes and options, and how the weights were drawn; the leak is a constant of the cell."""
        drawing = asdict(self.drawing)
        del drawing["feedback"]
        return {
            **drawing,
            "input_size": self.input_size,
            "hidden_size": list(self.recurrent.widths),
            "output_size": self.output_size,
            "bidirectional": self.recurrent.bidirectional,
            "feedback_scaling": self.drawing.feedback_scaling if self.has_feedback else None,
            "readout": self.readout,
            "reads_input": self.reads_input,
            "washout": self.washout,
            "sparse": isinstance(self.recurrent, SparseRecurrent),
            "dtype": str(self.output.weight.dtype).removeprefix("torch."),
        }

    @property
    def contents(self) -> dict[str, Any]:
        """Nothing: it reads and gives numbers as they are."""
        return {}

    @classmethod
    def restored(cls, contents: Mapping[str, Any], cell: Cell, settings: Mapping[str, Any]) -> Self:
        """A network of the same structure, with weights still to be filled."""
        return cls(cell, **settings, draw=False)


def _with_leak(cell: Cell, leak: float | None) -> Cell:
    if leak is None:
        return cell
    if "leak" not in cell.graph.constants:
        raise SettingError(f"{cell.name} has no constant leak. Leave leak= out, or use the cell leaky.")
    if not is_finite_number(leak) or not 0 < leak <= 1:
        raise SettingError(f"leak must be in (0, 1], got {leak!r}. Correct it.")
    return cell.set(leak=leak)


def _check_options(cell: Cell, readout: str, dtype: str, output_size: int, washout: int) -> None:
    for name, value, allowed in (("readout", readout, READOUTS), ("dtype", dtype, DTYPES)):
        if value not in allowed:
            raise SettingError(
                f"{name} must be one of {', '.join(allowed)}, got {value!r}. Use one of these."
            )
    for name, size, least in (("output_size", output_size, 1), ("washout", washout, 0)):
        if not isinstance(size, int) or isinstance(size, bool) or size < least:
            raise SettingError(f"{name} must be a whole number >= {least}, got {size!r}. Correct it.")
    check_no_statics(cell, "network of fixed weights")
