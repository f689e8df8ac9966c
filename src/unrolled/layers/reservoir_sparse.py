"""Recurrent layers whose sparse matrices are multiplied as such, for reservoirs that are large and fixed."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from unrolled.engines import Engine, Job, Outcome
from unrolled.engines.reference import _Run
from unrolled.equations import Schedule
from unrolled.equations.schedule import Product
from unrolled.errors import EngineError
from unrolled.layers.recurrent import Recurrent

SPARSE_BELOW = 0.25  # a matrix with more entries is multiplied as a dense one


class SparseProducts:
    """The reference engine, with the sparse matrices of the time loop kept in compressed rows. It has no gradients
    of the weights: for weights that do not change.
    """

    name = "sparse"
    runs = "any cell, with recurrent matrices in compressed rows: torch operations, one step at a time, fixed weights"

    def __init__(self) -> None:
        self._kept: dict[tuple[int, ...], tuple[tuple[int, ...], Tensor]] = {}

    def __reduce__(self) -> tuple[type[SparseProducts], tuple[()]]:
        return SparseProducts, ()  # a copy compresses its own matrices: torch cannot copy compressed ones

    def accepts(self, schedule: Schedule, device: torch.device, dtype: torch.dtype) -> str | None:
        """It runs every schedule in float32 and float64."""
        known = dtype in (torch.float32, torch.float64)
        return None if known else f"it computes in float32 and float64, got {dtype}"

    def run(self, job: Job) -> Outcome:
        """Run one layer in one direction.

        Raises:
            EngineError: gradients of the weights are wanted.
        """
        if torch.is_grad_enabled() and any(p.requires_grad for p in job.parameters.values()):
            raise EngineError(
                "sparse products give no gradients of the weights. Set sparse = False before you train them."
            )
        return _SparseRun(job, self).outcome()

    def compressed(self, job: Job, product: Product, matrix: Tensor) -> Tensor:
        """The matrix in compressed rows, made once as long as the parameters stay what they are."""
        place = (product.vector, *product.results, *(p.data_ptr() for p in job.parameters.values()))
        versions = tuple(p._version for p in job.parameters.values())
        if self._kept.get(place, (None, matrix))[0] != versions:
            self._kept[place] = (versions, _in_compressed_rows(matrix))
        return self._kept[place][1]


class _SparseRun(_Run):
    def __init__(self, job: Job, engine: SparseProducts) -> None:
        super().__init__(job)
        for phase in self.schedule.step:
            for product in phase.products:
                matrix = self.stacked[product]
                if matrix.count_nonzero() < SPARSE_BELOW * matrix.numel():
                    self.stacked[product] = engine.compressed(job, product, matrix)

    def multiply(self, product: Product, vector: Tensor) -> list[Tensor]:
        matrix = self.stacked[product]
        if matrix.layout is not torch.sparse_csr:
            return super().multiply(product, vector)
        result = (matrix @ vector.t()).t()
        sizes = [self.graph.size(i).value(self.job.letters) for i in product.results]
        return [result] if len(sizes) == 1 else list(result.split(sizes, -1))


class SparseRecurrent(Recurrent):
    """A `Recurrent` that runs on sparse products while `sparse` is true; as usual when it is not."""

    sparse = True

    def _engine(self, schedule: Schedule, like: Tensor) -> Engine:
        if not self.sparse:
            return super()._engine(schedule, like)
        if "_products" not in self.__dict__:
            self.__dict__["_products"] = SparseProducts()
        engine: Engine = self.__dict__["_products"]
        if reason := engine.accepts(schedule, like.device, like.dtype):
            raise EngineError(f"sparse=True cannot run {self.cell.name}: {reason}. Use sparse=False.")
        return engine


def _in_compressed_rows(matrix: Tensor) -> Tensor:
    with warnings.catch_warnings():  # torch calls its compressed rows a beta at their first use
        warnings.filterwarnings("ignore", message="Sparse", category=UserWarning)
        return matrix.detach().to_sparse_csr()
