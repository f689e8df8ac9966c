"""How loops written by hand stack the gates of a cell."""

from __future__ import annotations

from unrolled.inspection.torch_networks import CANDIDATE, NETWORKS, Stack

STACKS = {
    "gru": Stack((("W_z", "U_z", "b_z"), ("W_r", "U_r", "b_r"), CANDIDATE)),
    **{name: NETWORKS[name][2] for name in ("lstm", "gru_reset_after", "elman")},
}
