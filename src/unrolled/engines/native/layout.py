"""What every call of a program hands to the core, worked out once: which tensor goes where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from unrolled.engines.native.lowering import Lowered

LANES = 16  # rows of the core's buffers are whole vectors
BEYOND = 4 * LANES  # so many entries may be read beyond the last row of a sequence


def whole_vectors(size: int) -> int:
    """`size` rounded up to whole vectors."""
    return (size + LANES - 1) // LANES * LANES


@dataclass(frozen=True)
class Tape:
    """The sequences that only the backward run reads, in one tensor: `steps[i]` is the row step of node i."""

    steps: Mapping[int, int]

    def entries(self, room: int) -> int:
        """How many entries it has, with room for so many steps of all rows."""
        return sum(room * step + BEYOND for step in self.steps.values())

    def places(self, tape: Tensor, room: int) -> dict[int, int]:
        """The address of each sequence."""
        found, at, size = {}, tape.data_ptr(), tape.element_size()
        for position, step in self.steps.items():
            found[position] = at
            at += (room * step + BEYOND) * size
        return found


@dataclass(frozen=True)
class Layout:
    """The places of a call's tensors by name.

    `brought`: (name, buffer). `given`: (node, buffer, row step) of the sequences that a run gives. `rings`: (state,
    the first of its four places). `matrices`: (name, whether it is turned, whether it is looked up in).
    """

    buffers: int
    brought: tuple[tuple[str, int], ...]
    given: tuple[tuple[int, int, int], ...]
    rings: tuple[tuple[str, int], ...]
    matrices: tuple[tuple[str, bool, bool], ...]

    @classmethod
    def of(cls, lowered: Lowered) -> Layout:
        """The places of a lowered program."""
        program = lowered.program
        gates = [gate for group in program.groups for stage in group for gate in stage.gates]
        looked_up = {factor.matrix for gate in gates for factor in gate.factors if factor.lookup >= 0}
        return cls(
            buffers=len(program.buffers),
            brought=tuple(lowered.external.items()),
            given=tuple(
                (position, buffer, whole_vectors(program.buffers[buffer].width))
                for position, buffer in lowered.exported.items()
                if not program.buffers[buffer].inside
            ),
            rings=tuple((name, 4 * buffer) for name, buffer in lowered.rings.items()),
            matrices=tuple(
                (name, turned, i in looked_up) for i, (name, turned) in enumerate(lowered.matrices)
            ),
        )
