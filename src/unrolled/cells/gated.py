"""Gated networks: the long short-term memory and the gated recurrent unit, with their variants."""

from unrolled.equations import cell, layer_norm, sigmoid, split, tanh


@cell
def lstm(x, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_c, U_c, b_c, W_o, U_o, b_o):
    """Long short-term memory with a forget gate (Gers et al. 2000, Neural Computation 12(10)).

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)
    f_t = sigmoid(W_f x_t + U_f h_{t-1} + b_f)
    candidate_t = tanh(W_c x_t + U_c h_{t-1} + b_c)
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + b_o)
    c_t = f_t * c_{t-1} + i_t * candidate_t
    h_t = o_t * tanh(c_t)

    Shapes: W_* (H, I), U_* (H, H), b_* (H,); h and c (H,).
    Use it first when the memory must be long; it equals torch.nn.LSTM, whose two biases sum to b_*.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    candidate = tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    c = f * c + i * candidate
    return o * tanh(c), c


@cell
def lstm_linear_output(x, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_c, U_c, b_c, W_o, U_o, b_o):
    """Long short-term memory that reads its cell without a tanh (Gers et al. 2002, JMLR 3).

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)
    f_t = sigmoid(W_f x_t + U_f h_{t-1} + b_f)
    candidate_t = tanh(W_c x_t + U_c h_{t-1} + b_c)
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + b_o)
    c_t = f_t * c_{t-1} + i_t * candidate_t
    h_t = o_t * c_t

    Shapes: W_* (H, I), U_* (H, H), b_* (H,); h and c (H,).
    Use it when the cells count and the count must be read off; c_t, and so h_t, has no upper bound.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    candidate = tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    c = f * c + i * candidate
    return o * c, c


@cell
def lstm_no_bias(x, h, c, *, W_i, U_i, W_f, U_f, W_c, U_c, W_o, U_o):
    """Long short-term memory without biases (Gers et al. 2000, Neural Computation 12(10), biases left out).

    i_t = sigmoid(W_i x_t + U_i h_{t-1})
    f_t = sigmoid(W_f x_t + U_f h_{t-1})
    candidate_t = tanh(W_c x_t + U_c h_{t-1})
    o_t = sigmoid(W_o x_t + U_o h_{t-1})
    c_t = f_t * c_{t-1} + i_t * candidate_t
    h_t = o_t * tanh(c_t)

    Shapes: W_* (H, I), U_* (H, H); h and c (H,).
    Use it for the equations as many slides print them; no bias holds the forget gate open at the start.
    """
    i = sigmoid(W_i @ x + U_i @ h)
    f = sigmoid(W_f @ x + U_f @ h)
    candidate = tanh(W_c @ x + U_c @ h)
    o = sigmoid(W_o @ x + U_o @ h)
    c = f * c + i * candidate
    return o * tanh(c), c


@cell(sizes={"h": "projection"})
def lstm_projected(x, h, c, *, W_i, U_i, b_i, W_f, U_f, b_f, W_c, U_c, b_c, W_o, U_o, b_o, V):
    """Long short-term memory with a recurrent projection (Sak et al. 2014, arXiv:1402.1128).

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)
    f_t = sigmoid(W_f x_t + U_f h_{t-1} + b_f)
    candidate_t = tanh(W_c x_t + U_c h_{t-1} + b_c)
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + b_o)
    c_t = f_t * c_{t-1} + i_t * candidate_t
    h_t = V (o_t * tanh(c_t))

    Shapes: W_* (H, I), U_* (H, projection), b_* (H,), V (projection, H); h (projection,), c (H,).
    Use it for a large memory at a small price: what is fed back is shorter than what is remembered. It equals
    torch.nn.LSTM with proj_size; the paper's cell has peepholes as well.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    candidate = tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    c = f * c + i * candidate
    return V @ (o * tanh(c)), c


@cell
def lstm_1997(x, h, c, *, W_i, U_i, b_i, W_c, U_c, b_c, W_o, U_o, b_o):
    """Long short-term memory before the forget gate (Hochreiter & Schmidhuber 1997, Neural Computation 9(8)).

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)
    candidate_t = tanh(W_c x_t + U_c h_{t-1} + b_c)
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + b_o)
    c_t = c_{t-1} + i_t * candidate_t
    h_t = o_t * tanh(c_t)

    Shapes: W_* (H, I), U_* (H, H), b_* (H,); h and c (H,).
    Use it for sums over whole sequences that start afresh: nothing is ever forgotten. The paper scales the
    two squashing functions to (-2, 2) and (-1, 1); both are tanh here, as lectures print it.
    """
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    candidate = tanh(W_c @ x + U_c @ h + b_c)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    c = c + i * candidate
    return o * tanh(c), c


@cell
def lstm_peephole(x, h, c, *, W_i, U_i, p_i, b_i, W_f, U_f, p_f, b_f, W_c, U_c, b_c, W_o, U_o, p_o, b_o):
    """Long short-term memory whose gates see the cell (Gers & Schmidhuber 2000, IJCNN).

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigmoid(W_f x_t + U_f h_{t-1} + p_f * c_{t-1} + b_f)
    candidate_t = tanh(W_c x_t + U_c h_{t-1} + b_c)
    c_t = f_t * c_{t-1} + i_t * candidate_t
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o)
    h_t = o_t * tanh(c_t)

    Shapes: W_* (H, I), U_* (H, H), p_* and b_* (H,); h and c (H,).
    Use it for counting and exact timing: a closed output gate no longer hides the cell from the gates.
    """
    i = sigmoid(W_i @ x + U_i @ h + p_i * c + b_i)
    f = sigmoid(W_f @ x + U_f @ h + p_f * c + b_f)
    candidate = tanh(W_c @ x + U_c @ h + b_c)
    c = f * c + i * candidate
    o = sigmoid(W_o @ x + U_o @ h + p_o * c + b_o)
    return o * tanh(c), c


@cell
def lstm_layer_norm(x, h, c, *, W_h, alpha_1, beta_1, W_x, alpha_2, beta_2, b, alpha_3, beta_3):
    """Long short-term memory with layer normalization (Ba et al. 2016, arXiv:1607.06450).

    (f_t, i_t, o_t, g_t) = LN(W_h h_{t-1}; alpha_1, beta_1) + LN(W_x x_t; alpha_2, beta_2) + b
    c_t = sigmoid(f_t) * c_{t-1} + sigmoid(i_t) * tanh(g_t)
    h_t = sigmoid(o_t) * tanh(LN(c_t; alpha_3, beta_3))
    LN(v; alpha, beta) = alpha * (v - mean(v)) / sqrt(variance(v) + 1e-5) + beta

    Shapes: W_h (4H, H), W_x (4H, I), alpha_1, beta_1, alpha_2, beta_2 and b (4H,), alpha_3 and beta_3 (H,).
    One mean and one variance serve the four stacked gates together, as the paper's supplement prints it.
    Use it when training is unsteady or the scale of the input drifts.
    """
    recurrent = alpha_1 * layer_norm(W_h @ h) + beta_1
    driven = alpha_2 * layer_norm(W_x @ x) + beta_2
    f, i, o, g = split(recurrent + driven + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(alpha_3 * layer_norm(c) + beta_3), c


@cell
def gru(x, h, *, W_z, U_z, b_z, W_r, U_r, b_r, W, U, b):
    """Gated recurrent unit, reset gate before the product (Chung et al. 2014, arXiv:1412.3555).

    z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)
    r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
    candidate_t = tanh(W x_t + U (r_t * h_{t-1}) + b)
    h_t = (1 - z_t) * h_{t-1} + z_t * candidate_t

    Shapes: W_z, W_r and W (H, I), U_z, U_r and U (H, H), b_z, b_r and b (H,).
    Use it as the first choice after elman: an LSTM's memory in one state and three quarters of the numbers.
    """
    z = sigmoid(W_z @ x + U_z @ h + b_z)
    r = sigmoid(W_r @ x + U_r @ h + b_r)
    candidate = tanh(W @ x + U @ (r * h) + b)
    return (1 - z) * h + z * candidate


@cell
def gru_reset_after(x, h, *, W_r, U_r, b_r, W_z, U_z, b_z, W, U, b, c):
    """Gated recurrent unit, reset gate after the product (Cho et al. 2014, arXiv:1406.1078v1).

    r_t = sigmoid(W_r x_t + U_r h_{t-1} + b_r)
    z_t = sigmoid(W_z x_t + U_z h_{t-1} + b_z)
    candidate_t = tanh(W x_t + b + r_t * (U h_{t-1} + c))
    h_t = (1 - z_t) * candidate_t + z_t * h_{t-1}

    Shapes: W_r, W_z and W (H, I), U_r, U_z and U (H, H), b_r, b_z, b and c (H,).
    Use it for weights from PyTorch, cuDNN or Keras: it equals torch.nn.GRU (W_ir, W_hr: W_r, U_r; its biases
    b_ir + b_hr: b_r; b_in: b; b_hn: c). Here z_t keeps the old state; in gru it takes the new one.
    """
    r = sigmoid(W_r @ x + U_r @ h + b_r)
    z = sigmoid(W_z @ x + U_z @ h + b_z)
    candidate = tanh(W @ x + b + r * (U @ h + c))
    return (1 - z) * candidate + z * h
