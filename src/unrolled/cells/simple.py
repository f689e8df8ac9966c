"""Simple recurrent networks: one product with the input, one with what is fed back, one squashing."""

from unrolled.equations import cell, relu, sigmoid, tanh


@cell
def elman(x, h, *, W, U, b):
    """Simple recurrent network with tanh (Elman 1990, Cognitive Science 14(2)).

    h_t = tanh(W x_t + U h_{t-1} + b)

    Shapes: W (H, I), U (H, H), b (H,). The lectures also write a_t for h_t.
    Use it for short memories and as the yardstick for everything else; it equals torch.nn.RNN, whose two
    biases sum to b.
    """
    return tanh(W @ x + U @ h + b)


@cell
def elman_relu(x, h, *, W, U, b):
    """Simple recurrent network with rectified units (Le et al. 2015, arXiv:1504.00941).

    h_t = relu(W x_t + U h_{t-1} + b)

    Shapes: W (H, I), U (H, H), b (H,).
    Use it for long sums, with U started as the identity and gradients clipped: h_t has no upper bound.
    """
    return relu(W @ x + U @ h + b)


@cell
def elman_sigmoid(x, h, *, W, U, b):
    """Simple recurrent network with logistic units (Elman 1990, Cognitive Science 14(2)).

    h_t = sigmoid(W x_t + U h_{t-1} + b)

    Shapes: W (H, I), U (H, H), b (H,).
    Use it to see gradients vanish: the slope of a logistic unit is at most 1/4.
    """
    return sigmoid(W @ x + U @ h + b)


@cell(sizes={"y": "output"})
def jordan(x, y, *, W_h, U_h, b_h, W_y, b_y):
    """The output, not the hidden layer, is fed back (Jordan 1986, UCSD ICS report 8604).

    h_t = tanh(W_h x_t + U_h y_{t-1} + b_h)
    y_t = W_y h_t + b_y

    Shapes: W_h (H, I), U_h (H, output), b_h (H,), W_y (output, H), b_y (output,).
    Use it when the output is what there is to remember: with the targets fed back (teacher forcing) nothing
    is left to wait for time. The output is linear, so that targets may have any range.
    """
    h = tanh(W_h @ x + U_h @ y + b_h)
    return W_y @ h + b_y
