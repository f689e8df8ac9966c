"""How loops written by hand stack the gates of a cell."""

from __future__ import annotations

from unrolled.layers.gate_stacks import TORCH, Stack, gates

STACKS = {
    "gru": Stack(gates("z r -")),
    **{name: TORCH[name] for name in ("lstm", "gru_reset_after", "elman")},
}
