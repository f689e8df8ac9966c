"""Networks with a time scale of their own: leaks, longer connections, clocks."""

from unrolled.equations import cell, delayed, every, tanh, upper_blocks


@cell
def leaky(x, h, *, W, U, b, leak=0.3):
    """Leaky units: a running mean of a simple recurrent network (Jaeger et al. 2007, Neural Networks 20(3)).

    h_t = (1 - leak) * h_{t-1} + leak * tanh(W x_t + U h_{t-1} + b)

    Shapes: W (H, I), U (H, H), b (H,); leak is a number in (0, 1].
    Use it for slow, smooth signals; a unit remembers about 1 / leak steps. leak = 1 is elman.
    """
    candidate = tanh(W @ x + U @ h + b)
    return (1 - leak) * h + leak * candidate


@cell
def skip_in_time(x, h, *, W, U, U_k, b, k=4):
    """A second connection that skips k steps (Lin et al. 1996, IEEE Trans. Neural Networks 7(6)).

    h_t = tanh(W x_t + U h_{t-1} + U_k h_{t-k} + b)

    Shapes: W (H, I), U and U_k (H, H), b (H,); k is a whole number >= 1.
    Use it when what matters lies a known number of steps back: gradients vanish k times more slowly.
    """
    return tanh(W @ x + U @ h + U_k @ delayed(h, k) + b)


@cell
def removed_connections(x, h, *, W, U_k, b, k=4):
    """Connections of length one removed, longer ones kept (El Hihi & Bengio 1995, NIPS 8).

    h_t = tanh(W x_t + U_k h_{t-k} + b)

    Shapes: W (H, I), U_k (H, H), b (H,); k is a whole number >= 1.
    Use it to force units onto a slow time scale: k interleaved networks, each seeing every k-th step.
    """
    return tanh(W @ x + U_k @ delayed(h, k) + b)


@cell
def clockwork(x, h, *, W, U, b, periods=(1, 2, 4, 8)):
    """Blocks of units that run at their own periods (Koutnik et al. 2014, arXiv:1402.3511).

    candidate_t = tanh(W x_t + U h_{t-1} + b)
    h_t = candidate_t in block i when t is a multiple of periods[i], else h_{t-1}

    Shapes: W (H, I), U (H, H), b (H,); H is a multiple of the number of periods. U is block upper triangular:
    with periods in ascending order, a block reads blocks as slow as itself or slower.
    Use it when fast and slow events mix, as in audio; the first step (t = 0) runs every block.
    """
    active = every(periods)
    candidate = tanh(W @ x + upper_blocks(U, periods) @ h + b)
    return active * candidate + (1 - active) * h
