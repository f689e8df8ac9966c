"""Minimal gated networks: how little of an LSTM or a GRU is enough."""

from unrolled.equations import cell, sigmoid, tanh


@cell
def gru_update_only(x, h, *, W_z, U_z, b_z, W, U, b):
    """Gated recurrent unit with the update gate alone (Collins et al. 2016, arXiv:1611.09913).

    z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)
    candidate_t = tanh(W x_t + U h_{t-1} + b)
    h_t = (1 - z_t) * h_{t-1} + z_t * candidate_t

    Shapes: W_z and W (H, I), U_z and U (H, H), b_z and b (H,).
    Use it when a GRU is too large or too slow: two thirds of its numbers. It is the simplified GRU of the
    lectures, and the paper's update gate network with z_t = 1 - g_t.
    """
    z = sigmoid(W_z @ x + U_z @ h + b_z)
    candidate = tanh(W @ x + U @ h + b)
    return (1 - z) * h + z * candidate


@cell
def minimal_gated(x, h, *, W_f, U_f, b_f, W_h, U_h, b_h):
    """Minimal gated unit: one gate forgets and updates (Zhou et al. 2016, arXiv:1603.09420).

    f_t = sigmoid(W_f x_t + U_f h_{t-1} + b_f)
    candidate_t = tanh(W_h x_t + U_h (f_t * h_{t-1}) + b_h)
    h_t = (1 - f_t) * h_{t-1} + f_t * candidate_t

    Shapes: W_f and W_h (H, I), U_f and U_h (H, H), b_f and b_h (H,).
    Use it when a GRU is too large and the candidate should still choose what it reads of the past.
    """
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    candidate = tanh(W_h @ x + U_h @ (f * h) + b_h)
    return (1 - f) * h + f * candidate


@cell
def mingru(x, h, *, W_z, b_z, W_h, b_h):
    """Gated recurrent unit whose gate reads only the input (Feng et al. 2024, arXiv:2410.01201).

    z_t = sigmoid(W_z x_t + b_z)
    candidate_t = W_h x_t + b_h
    h_t = (1 - z_t) * h_{t-1} + z_t * candidate_t

    Shapes: W_z and W_h (H, I), b_z and b_h (H,).
    Use it for long sequences: every product is done before time starts. Stack layers, since one layer's
    gates cannot depend on its past.
    """
    z = sigmoid(W_z @ x + b_z)
    candidate = W_h @ x + b_h
    return (1 - z) * h + z * candidate


@cell
def minlstm(x, h, *, W_f, b_f, W_i, b_i, W_h, b_h):
    """Long short-term memory whose gates read only the input (Feng et al. 2024, arXiv:2410.01201).

    f_t = sigmoid(W_f x_t + b_f)
    i_t = sigmoid(W_i x_t + b_i)
    candidate_t = W_h x_t + b_h
    h_t = f_t / (f_t + i_t) * h_{t-1} + i_t / (f_t + i_t) * candidate_t

    Shapes: W_f, W_i and W_h (H, I), b_f, b_i and b_h (H,).
    Use it like mingru when keeping and writing should be weighed one against the other.
    """
    f = sigmoid(W_f @ x + b_f)
    i = sigmoid(W_i @ x + b_i)
    candidate = W_h @ x + b_h
    keep = f / (f + i)
    write = i / (f + i)
    return keep * h + write * candidate
