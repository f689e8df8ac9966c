"""Who runs: one module each, in the order of the table. `unrolled` is the one that the others are compared with."""

from benchmarks.competitors import (
    jax_scan,
    onnx_runtime,
    torch_compile,
    torch_loop,
    torch_nn,
    unrolled_native,
)
from benchmarks.competitors.competitor import Competitor

OURS = unrolled_native.COMPETITOR.name
COMPETITORS: tuple[Competitor, ...] = tuple(
    module.COMPETITOR
    for module in (unrolled_native, torch_nn, torch_loop, torch_compile, jax_scan, onnx_runtime)
)
