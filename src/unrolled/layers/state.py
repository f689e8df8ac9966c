"""What a layer carries from one call to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from unrolled.errors import ShapeError


@dataclass(frozen=True)
class CellState:
    """The state of one layer in one direction.

    `values[name]` (K, B, n) the last K values, newest first (K > 1 where the cell has `delayed`), and `clock` (B,),
    the steps each row has run.
    """

    values: Mapping[str, Tensor]
    clock: Tensor


@dataclass(frozen=True)
class Key:
    """What random masks depend on beside their place: `number`, and the steps (B,) each row has run under it."""

    number: int
    steps: Tensor


class State:
    """The carried state of a layer: values, history and clock of every layer and direction.

    `state["h"]` is (L*D, B, n), where the sizes allow; iterating gives the states in the order of the cell, so that
    `h, c = state` reads as in PyTorch.
    """

    def __init__(self, cells: Sequence[CellState], key: Key | None = None) -> None:
        self.cells = tuple(cells)
        self.key = key  # of the masks of a layer that trains with some

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the states."""
        return tuple(self.cells[0].values)

    @property
    def clock(self) -> Tensor:
        """The steps each row has run, (L*D, B)."""
        return torch.stack([cell.clock for cell in self.cells])

    @property
    def batch_size(self) -> int:
        """B."""
        return len(self.cells[0].clock)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.names:
            raise ShapeError(f"the state has {', '.join(self.names)}, not {name}. Use one of these.")
        return torch.stack([cell.values[name][0] for cell in self.cells])

    def __iter__(self) -> Iterator[Tensor]:
        return (self[name] for name in self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {tuple(self[name].shape)}" for name in self.names)
        return f"State({shown}, clock {self.clock.flatten()[:4].tolist()}{'...' if self.clock.numel() > 4 else ''})"

    def map(self, change: Callable[[Tensor], Tensor]) -> State:
        """The state with `change` applied to every value (K, B, n); clocks stay."""
        return State(
            [CellState({n: change(v) for n, v in cell.values.items()}, cell.clock) for cell in self.cells],
            self.key,
        )

    def detach(self) -> State:
        """The same values, cut off from what computed them: the border of truncated BPTT. New masks are drawn there."""
        return State(self.map(Tensor.detach).cells)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> State:
        """The state on another device, or its values in another dtype."""
        moved = self.map(lambda value: value.to(device=device, dtype=dtype))
        device = next(iter(moved.cells[0].values.values())).device
        key = None if self.key is None else Key(self.key.number, self.key.steps.to(device))
        return State([CellState(cell.values, cell.clock.to(device)) for cell in moved.cells], key)

    def rows(self, index: Tensor | Sequence[int]) -> State:
        """The state of some rows of the batch, in the order of `index` or where a mask (B,) is true.

        Random masks are drawn anew: they depend on where a row stands in its batch.
        """
        chosen = torch.as_tensor(index, device=self.cells[0].clock.device)
        chosen = chosen.nonzero().flatten() if chosen.dtype == torch.bool else chosen.long()
        kept = self.map(lambda value: value.index_select(1, chosen))
        return State([CellState(cell.values, cell.clock[chosen]) for cell in kept.cells])

    def state_dict(self) -> dict[str, Tensor]:
        """All tensors under flat names, to save; `State.from_state_dict` reads them back."""
        flat = {
            f"{i}.values.{name}": v for i, cell in enumerate(self.cells) for name, v in cell.values.items()
        }
        key = {} if self.key is None else {"key": torch.tensor(self.key.number), "key.steps": self.key.steps}
        return {**flat, **{f"{i}.clock": cell.clock for i, cell in enumerate(self.cells)}, **key}

    @classmethod
    def from_state_dict(cls, tensors: Mapping[str, Tensor]) -> State:
        """The state that `state_dict` wrote."""
        cells = []
        for i in range(len(tensors)):
            if f"{i}.clock" not in tensors:
                break
            prefix = f"{i}.values."
            values = {name.removeprefix(prefix): v for name, v in tensors.items() if name.startswith(prefix)}
            cells.append(CellState(values, tensors[f"{i}.clock"]))
        key = Key(int(tensors["key"]), tensors["key.steps"]) if "key" in tensors else None
        return cls(cells, key)


# So that `torch.export`, `torch.vmap` and the other transforms look into a state.
Kind = list[Any]  # the names of each layer's and direction's states, and the number of the key, if any


def _flatten(state: State) -> tuple[list[Tensor], Kind]:
    tensors = [tensor for cell in state.cells for tensor in (*cell.values.values(), cell.clock)]
    names = [list(cell.values) for cell in state.cells]
    if state.key is None:
        return tensors, [names, None]
    return [*tensors, state.key.steps], [names, state.key.number]


def _flatten_with_keys(state: State) -> tuple[list[tuple[Any, Tensor]], Kind]:
    tensors, kind = _flatten(state)
    names = [f"{i}.{name}" for i, one in enumerate(kind[0]) for name in (*one, "clock")]
    return [(pytree.MappingKey(n), t) for n, t in zip([*names, "key"], tensors, strict=False)], kind


def _unflatten(tensors: Iterable[Any], kind: Kind) -> State:
    given, (names, number) = iter(tensors), kind
    cells = [CellState({name: next(given) for name in one}, next(given)) for one in names]
    return State(cells, None if number is None else Key(number, next(given)))


pytree.register_pytree_node(
    State,
    _flatten,
    _unflatten,
    serialized_type_name="unrolled.State",
    to_dumpable_context=lambda kind: kind,
    from_dumpable_context=lambda kind: kind,
    flatten_with_keys_fn=_flatten_with_keys,
)
torch.serialization.add_safe_globals([State, CellState, Key])  # they hold tensors and a number only
