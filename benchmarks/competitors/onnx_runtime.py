"""ONNX Runtime's LSTM, GRU and RNN, forward only."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.competitors.competitor import Competitor, Runner
from benchmarks.workloads import Case
from unrolled.layers.gate_stacks import Stack, gates

# ONNX stacks i o f c, and z r candidate.
NETWORKS: dict[str, tuple[str, dict[str, int], Stack]] = {
    "elman": ("RNN", {}, Stack(gates("-"))),
    "lstm": ("LSTM", {}, Stack(gates("i o f c"))),
    "gru": ("GRU", {"linear_before_reset": 0}, Stack(gates("z r -"))),
    "gru_reset_after": ("GRU", {"linear_before_reset": 1}, Stack(gates("z r -"), second="c")),
}


def make(case: Case) -> Runner | None:
    """A session over a graph of one node."""
    name = case.workload.cell
    if name not in NETWORKS:
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(_model(case), options, providers=["CPUExecutionProvider"])
    feed: dict[str, np.ndarray] = {"x": case.x.numpy()}
    if case.lengths:
        feed["lengths"] = np.array(case.lengths, np.int32)
    return Runner(lambda: session.run(["y"], feed)[0], lambda y: y[:, 0])  # y (T, D, B, H)


def _weights(case: Case) -> dict[str, Tensor]:
    """ONNX's z keeps the old state; the cell gru's takes the new one, and sigmoid(-a) = 1 - sigmoid(a)."""
    turned = {"W_z", "U_z", "b_z"} if case.workload.cell == "gru" else set()
    return {name: -value if name in turned else value for name, value in case.weights.items()}


def _model(case: Case) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    kind, attributes, stack = NETWORKS[case.workload.cell]
    shape = case.workload.shape
    W, U, b, c = stack.join(_weights(case))
    constants: dict[str, Any] = {"W": W[None], "R": U[None], "B": torch.cat([b, c])[None]}
    ragged = ["lengths"] if case.lengths else []
    node = helper.make_node(kind, ["x", *constants, *ragged], ["y"], hidden_size=shape.H, **attributes)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [shape.T, shape.B, shape.I])]
    inputs += [helper.make_tensor_value_info(name, TensorProto.INT32, [shape.B]) for name in ragged]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape.T, 1, shape.B, shape.H])
    stored = [numpy_helper.from_array(value.contiguous().numpy(), name) for name, value in constants.items()]
    graph = helper.make_graph([node], "cell", inputs, [output], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return model.SerializeToString()


COMPETITOR = Competitor("ONNX Runtime", make, packages=("onnx", "onnxruntime"))
