"""Where the core meets autograd: first derivatives by its backward program, all others by the reference engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from unrolled.engines.native.backward import backward
from unrolled.engines.native.forward import Setting, forward, twin
from unrolled.errors import EngineError


def results_of(setting: Setting) -> int:
    """How many of a run's results can be differentiated: output, final rings and further sequences."""
    return 1 + len(setting.plan.carried) + len(setting.plan.further)


class Run(torch.autograd.Function):
    """A run of the core that also gives what its backward run reads.

    `setup_context` would cost more than everything else here, and only `torch.func` needs it, which never comes here.
    """

    @staticmethod
    def forward(ctx: Any, setting: Setting, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the forward program; keep the tensors of the run and what it gave."""
        output = forward(setting, setting.named(tensors), keep=True)
        ctx.setting, ctx.count = setting, len(tensors)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*output[results_of(setting) :])
        ctx.save_for_backward(*tensors, *output)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        """Run the backward program; when its result is to be differentiated again, differentiate the reference."""
        saved, setting = ctx.saved_tensors, ctx.setting
        tensors, results = saved[: ctx.count], saved[ctx.count :]
        gradients = gradients[: results_of(setting)]
        if torch.is_grad_enabled():
            return (None, *_differentiable(setting, tensors, results, gradients))
        wanted = {
            name for name, needed in zip(setting.names, ctx.needs_input_grad[1:], strict=True) if needed
        }
        found = backward(setting, setting.named(tensors), results, gradients, wanted)
        return (None, *(found.get(name) if name in wanted else None for name in setting.names))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        """Forward mode is refused."""
        raise EngineError(
            "the native engine has no forward-mode derivatives. Make the layer with engine='reference', or use "
            "reverse mode (torch.func.vjp, grad, jacrev)."
        )


def _differentiable(
    setting: Setting,
    tensors: tuple[Tensor, ...],
    results: tuple[Tensor, ...],
    gradients: Sequence[Tensor | None],
) -> tuple[Tensor, ...]:
    def run(*one: Tensor) -> tuple[Tensor, ...]:
        return twin(setting, setting.named(one))

    whole = [
        torch.zeros_like(result) if gradient is None else gradient
        for gradient, result in zip(gradients, results, strict=False)
    ]
    pull = torch.func.vjp(run, *tensors)[1]
    found: tuple[Tensor, ...] = pull(tuple(whole))
    return found
