"""The language of cells: equations in, graph and schedule out."""

from unrolled.equations.definition import Cell, cell
from unrolled.equations.graph import Graph, Node
from unrolled.equations.operations import (
    absolute,
    concat,
    delayed,
    every,
    exp,
    layer_norm,
    log,
    maximum,
    minimum,
    relu,
    sigmoid,
    softmax,
    softplus,
    split,
    sqrt,
    tanh,
    upper_blocks,
    where,
)
from unrolled.equations.schedule import Schedule

__all__ = [
    "Cell",
    "Graph",
    "Node",
    "Schedule",
    "absolute",
    "cell",
    "concat",
    "delayed",
    "every",
    "exp",
    "layer_norm",
    "log",
    "maximum",
    "minimum",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "split",
    "sqrt",
    "tanh",
    "upper_blocks",
    "where",
]
