"""Recurrences whose gradient over many steps is held in check by their form."""

from unrolled.equations import cell, relu


@cell
def indrnn(x, h, *, W, u, b):
    """Independent units: each sees only its own past (Li et al. 2018, arXiv:1803.04831).

    h_t = relu(W x_t + u * h_{t-1} + b)

    Shapes: W (H, I), u and b (H,).
    Use it in deep stacks over thousands of steps; units meet in the next layer. The gradient over n steps
    grows with u to the power n, so keep abs(u) at most 2 to the power 1/T.
    """
    return relu(W @ x + u * h + b)
