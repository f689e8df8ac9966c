"""jax.lax.scan under jax.jit. Gates are stacked, and the products with the input are one product for all steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.competitors.competitor import Competitor, Runner
from benchmarks.competitors.stacks import STACKS
from benchmarks.workloads import Arrays, Case


def make(case: Case) -> Runner | None:
    """Compiled functions for the output, and for the gradients."""
    name = case.workload.cell
    if name not in STACKS or case.lengths:
        return None
    import jax

    stack = STACKS[name]
    weights = [jax.numpy.asarray(value.numpy()) for value in stack.join(case.weights)]
    x, gradient = jax.numpy.asarray(case.x.numpy()), jax.numpy.asarray(case.gradient.numpy())
    run = _network(name)
    forward = jax.jit(run)
    pull = jax.jit(lambda x, *weights: jax.vjp(run, x, *weights)[1](gradient))

    def gradients(found: Any) -> Arrays:
        by_x, *rest = (torch.from_numpy(np.array(value)) for value in found)
        return {name: value.numpy() for name, value in {"x": by_x, **stack.part(*rest)}.items()}

    return Runner(
        lambda: forward(x, *weights).block_until_ready(),
        np.asarray,
        lambda: jax.block_until_ready(pull(x, *weights)),
        gradients,
    )


def _network(name: str) -> Callable[..., Any]:
    import jax
    from jax import numpy as jnp

    def run(x: Any, W: Any, U: Any, b: Any, c: Any) -> Any:
        zero = jnp.zeros((x.shape[1], U.shape[1]), x.dtype)
        start = (zero, zero) if name == "lstm" else zero
        step = STEPS[name]
        return jax.lax.scan(lambda state, driven: step(state, driven, U, c), start, x @ W.T + b)[1]

    return run


def elman(h: Any, driven: Any, U: Any, c: Any) -> Any:
    from jax import numpy as jnp

    h = jnp.tanh(driven + h @ U.T)
    return h, h


def lstm(state: Any, driven: Any, U: Any, c: Any) -> Any:
    import jax
    from jax import numpy as jnp

    h, memory = state
    i, f, candidate, o = jnp.split(driven + h @ U.T, 4, 1)
    memory = jax.nn.sigmoid(f) * memory + jax.nn.sigmoid(i) * jnp.tanh(candidate)
    h = jax.nn.sigmoid(o) * jnp.tanh(memory)
    return (h, memory), h


def gru(h: Any, driven: Any, U: Any, c: Any) -> Any:
    import jax
    from jax import numpy as jnp

    size = h.shape[1]
    z, r = jnp.split(jax.nn.sigmoid(driven[:, : 2 * size] + h @ U[: 2 * size].T), 2, 1)
    candidate = jnp.tanh(driven[:, 2 * size :] + (r * h) @ U[2 * size :].T)
    h = (1 - z) * h + z * candidate
    return h, h


def gru_reset_after(h: Any, driven: Any, U: Any, c: Any) -> Any:
    import jax
    from jax import numpy as jnp

    r, z, kept = jnp.split(h @ U.T + c, 3, 1)
    driven_r, driven_z, driven_candidate = jnp.split(driven, 3, 1)
    r, z = jax.nn.sigmoid(driven_r + r), jax.nn.sigmoid(driven_z + z)
    h = (1 - z) * jnp.tanh(driven_candidate + r * kept) + z * h
    return h, h


STEPS: dict[str, Callable[..., Any]] = {
    "elman": elman,
    "lstm": lstm,
    "gru": gru,
    "gru_reset_after": gru_reset_after,
}

COMPETITOR = Competitor("JAX scan", make, packages=("jax",))
