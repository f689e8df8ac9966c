"""The optimisers by their names."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from unrolled.training.settings import CourseSettings


def optimizer_of(parameters: Iterable[nn.Parameter], settings: CourseSettings) -> Optimizer:
    """What turns gradients g into steps, as `settings` say; lr is the rate of the moment, d the weight decay.

        adam     w <- w - lr (m / (sqrt(v) + eps) + d w),      m, v the usual means of g and g^2, corrected
        sgd      w <- w - lr b,       b <- momentum b + (g + d w)
        rmsprop  w <- w - lr b,       b <- momentum b + (g + d w) / (sqrt(v) + eps),  v <- 0.99 v + 0.01 (g + d w)^2

    Papers: Loshchilov and Hutter 2019 (AdamW, arXiv:1711.05101), Hinton 2012 (RMSprop, in a lecture).

    Example:
        >>> import torch
        >>> optimizer_of([nn.Parameter(torch.zeros(2))], CourseSettings(optimizer="sgd")).defaults["lr"]
        1.0
    """
    rate, decay, momentum = settings.rate, settings.weight_decay, settings.momentum
    if settings.optimizer == "sgd":
        return SGD(parameters, lr=rate, weight_decay=decay, momentum=momentum)
    if settings.optimizer == "rmsprop":
        return RMSprop(parameters, lr=rate, weight_decay=decay, momentum=momentum)
    return AdamW(parameters, lr=rate, weight_decay=decay)
