"""torch.nn's LSTM, GRU and RNN; ragged batches go through PackedSequence, from padded to padded."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.competitors.competitor import Competitor, Runner, torch_runner
from benchmarks.workloads import Case
from unrolled.inspection.torch_networks import NETWORKS, network


def make(case: Case) -> Runner | None:
    """The module with the weights of the case."""
    name = case.workload.cell
    if name not in NETWORKS:
        return None
    module, stack = network(name, case.weights), NETWORKS[name][2]
    lengths = None if case.lengths is None else torch.tensor(case.lengths)

    def run(x: Tensor) -> Tensor:
        if lengths is None:
            return module(x)[0]
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        return pad_packed_sequence(module(packed)[0], total_length=len(x))[0]

    return torch_runner(run, case, module.parameters(), lambda found: stack.part(*found))


COMPETITOR = Competitor("torch.nn", make)
