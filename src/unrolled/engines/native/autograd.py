"""Where the core meets autograd: first derivatives by its backward program, all others by the reference engine."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from unrolled.engines.native.backward import backward
from unrolled.engines.native.forward import Setting, forward, twin
from unrolled.errors import EngineError


def results_of(setting: Setting) -> int:
    """How many of a run's results can be differentiated: output, final rings and further sequences."""
    return 1 + len(setting.plan.looped) + len(setting.plan.further)


class Run(torch.autograd.Function):
    """A run of the core. `keep` says whether it also gives what its backward run reads."""

    @staticmethod
    def forward(setting: Setting, keep: bool, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the forward program."""
        return forward(setting, setting.named(tensors), keep)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the tensors of the run and what it gave."""
        setting, keep, *tensors = inputs
        ctx.setting, ctx.keep, ctx.count = setting, keep, len(tensors)
        ctx.mark_non_differentiable(*output[results_of(setting) :])
        ctx.save_for_backward(*tensors, *output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        """Run the backward program; when its result is to be differentiated again, differentiate the reference."""
        saved = ctx.saved_tensors
        tensors, results = saved[: ctx.count], saved[ctx.count :]
        gradients = gradients[: results_of(ctx.setting)]
        if torch.is_grad_enabled():
            return (None, None, *_differentiable(ctx.setting, tensors, gradients))
        of_input = "x" in ctx.setting.names and ctx.needs_input_grad[2 + ctx.setting.names.index("x")]
        tensors = ctx.setting.named(tensors)
        return (None, None, *backward(ctx.setting, tensors, results, gradients, of_input))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> NoReturn:
        """Forward mode is refused."""
        raise EngineError(
            "the native engine has no forward-mode derivatives. Make the layer with engine='reference', or use "
            "reverse mode (torch.func.vjp, grad, jacrev)."
        )


def _differentiable(
    setting: Setting, tensors: tuple[Tensor, ...], gradients: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    def run(*one: Tensor) -> tuple[Tensor, ...]:
        return twin(setting, setting.named(one), keep=False)

    pull = torch.func.vjp(run, *tensors)[1]
    found: tuple[Tensor, ...] = pull(gradients)
    return found
