"""Linear readouts in closed form: ridge regression from sums over the data, which is never held as a whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from unrolled.equations.operations import is_finite_number
from unrolled.errors import DataError, SettingError, ShapeError

EPSILON = torch.finfo(torch.float64).eps
Piece: TypeAlias = tuple[Tensor, Tensor, bool]  # features (N, n), targets (N, O), whether these are classes


@dataclass(frozen=True)
class RidgePoint:
    """One strength of the path: `error` is the mean squared error on the validation data, a mean over steps or rows
    and the sum over outputs; `wrong` the share of wrong classes there, None for numbers; both None without such data.
    `norm` is the Frobenius norm of the weights.
    """

    ridge: float
    norm: float
    error: float | None = None
    wrong: float | None = None


@dataclass(frozen=True)
class RidgePath:
    """All strengths that were tried, in ascending order, and the one that was taken."""

    points: tuple[RidgePoint, ...]
    best: RidgePoint

    def __str__(self) -> str:
        lines = [f"{'ridge':>9} {'norm':>9} {'error':>9} {'wrong':>7}"]
        for point in self.points:
            error = "-" if point.error is None else f"{point.error:.3g}"
            wrong = "-" if point.wrong is None else f"{point.wrong:.2%}"
            mark = " <" if point is self.best else ""
            lines.append(f"{point.ridge:>9.1e} {point.norm:>9.3g} {error:>9} {wrong:>7}{mark}")
        return "\n".join(lines)


class Regression(ABC):
    """What a linear regression keeps of features (N, n) and targets (N, O) that come batch by batch.

    `solve` minimises, over W (O, n) and b (O,),

        1/N sum_i ||y_i - W f_i - b||^2 + r ||W||^2

    The bias is not penalised, and the strength r does not depend on N. One decomposition serves all strengths. All of
    it is float64 on the CPU.
    """

    def __init__(self, features: int, outputs: int) -> None:
        self.features, self.outputs = features, outputs
        self.count = 0

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Take in features (N, n) and targets (N, O).

        Raises:
            ShapeError: other shapes.
            DataError: numbers that are not finite.
        """
        wanted = [(len(features), self.features), (len(features), self.outputs)]
        if [tuple(features.shape), tuple(targets.shape)] != wanted:
            raise ShapeError(
                f"features must be (N, {self.features}) and targets (N, {self.outputs}), got "
                f"{tuple(features.shape)} and {tuple(targets.shape)}. Correct them."
            )
        x, y = features.detach().double().cpu(), targets.detach().double().cpu()
        if not (bool(x.isfinite().all()) and bool(y.isfinite().all())):
            what = "targets" if bool(x.isfinite().all()) else "states"
            raise DataError(f"{what} must be finite numbers, got nan or inf. Correct the data or its scale.")
        if len(x):
            self.count += len(x)
            self._add(x, y)

    def solve(self, ridges: Sequence[float]) -> tuple[Tensor, Tensor]:
        """The weights (R, O, n) and biases (R, O) of R strengths; at 0 the smallest weights of least squares.

        Raises:
            DataError: nothing has been added.
        """
        if not self.count:
            raise DataError(
                "a readout needs at least one step of data, got none. Give more, or less washout."
            )
        vectors, values, products, noise, means = self._decomposed()
        strengths = torch.tensor(list(ridges), dtype=torch.float64)[:, None]
        # Without a ridge what the data does not determine is zero, as in the pseudoinverse.
        factors = torch.where((strengths == 0) & (values <= noise), 0.0, 1 / (values + strengths))
        weights = (vectors @ (factors[:, :, None] * products)).transpose(1, 2)
        return weights, means[1] - weights @ means[0]

    @abstractmethod
    def _add(self, x: Tensor, y: Tensor) -> None: ...

    @abstractmethod
    def _decomposed(self) -> tuple[Tensor, Tensor, Tensor, float, tuple[Tensor, Tensor]]:
        """Eigenvectors Q (n, n) and eigenvalues (n,) of the covariance of the features, Q' times their covariance with
        the targets, the eigenvalue that is rounding, and the means of both.
        """


class NormalEquations(Regression):
    """A regression that keeps sums of squares and products: (n+1, n+1) and (n+1, O) numbers, whatever N is.

    Squares lose half of the digits: strengths below about 1e-14 times the mean square of the features drown in
    rounding; see `TriangularRoot`.

    Example:
        >>> equations = NormalEquations(1, 1)
        >>> equations.add(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]]))
        >>> weight, bias = equations.solve([0.0])
        >>> round(weight.item(), 6), round(bias.item(), 6)
        (2.0, 1.0)

    Paper: Hoerl & Kennard 1970, Technometrics 12(1).
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        self.squares = torch.zeros(features + 1, features + 1, dtype=torch.float64)
        self.products = torch.zeros(features + 1, outputs, dtype=torch.float64)
        # Sums are taken around the first batch's mean: around zero, means would cost digits of the squares.
        self.around = (torch.zeros(features, dtype=torch.float64), torch.zeros(outputs, dtype=torch.float64))

    def _add(self, x: Tensor, y: Tensor) -> None:
        if self.count == len(x):
            self.around = x.mean(0), y.mean(0)
        x = torch.cat([x - self.around[0], x.new_ones(len(x), 1)], 1)
        self.squares.addmm_(x.t(), x)
        self.products.addmm_(x.t(), y - self.around[1])

    def _decomposed(self) -> tuple[Tensor, Tensor, Tensor, float, tuple[Tensor, Tensor]]:
        x, y = self.squares[-1, :-1] / self.count, self.products[-1] / self.count
        squares = self.squares[:-1, :-1] / self.count - torch.outer(x, x)
        products = self.products[:-1] / self.count - torch.outer(x, y)
        values, vectors = torch.linalg.eigh(squares)
        noise = float(values[-1]) * self.features * EPSILON
        return (
            vectors,
            values.clamp_min(0),
            vectors.t() @ products,
            noise,
            (x + self.around[0], y + self.around[1]),
        )


class TriangularRoot(Regression):
    """A regression that keeps the triangular root of the sums of squares, R with R'R = [1 F Y]'[1 F Y].

    As large as the sums, and no digit is lost by squaring: strengths down to about 1e-30 times the mean square of the
    features make a difference. It takes two to four times as long. Rows wait until there are 2n of them.

    Paper: Golub & Van Loan, Matrix Computations, 5.3 (least squares by QR).
    """

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__(features, outputs)
        self.root = torch.zeros(0, 1 + features + outputs, dtype=torch.float64)
        self._waiting: list[Tensor] = []

    def _add(self, x: Tensor, y: Tensor) -> None:
        self._waiting.append(torch.cat([x.new_ones(len(x), 1), x, y], 1))
        if sum(map(len, self._waiting)) >= 2 * self.root.shape[1]:
            self._fold()

    def _fold(self) -> None:
        self.root = torch.linalg.qr(torch.cat([self.root, *self._waiting]), mode="r")[1]
        self._waiting = []

    def _decomposed(self) -> tuple[Tensor, Tensor, Tensor, float, tuple[Tensor, Tensor]]:
        self._fold()
        # The column of ones comes first: below its row stand the roots of squares around the means.
        n, count = self.features, self.count
        means = self.root[0, 1:] / self.root[0, 0]
        inner = self.root[1:, 1:] / count**0.5
        u, s, vh = torch.linalg.svd(inner[:, :n], full_matrices=False)
        products = s[:, None] * (u.t() @ inner[:, n:])
        noise = float(s[:1].sum() * max(inner.shape) * EPSILON) ** 2
        return vh.t(), s.square(), products, noise, (means[:n], means[n:])


class ValidationErrors:
    """Errors of many readouts over data that comes batch by batch: weights (R, O, n), biases (R, O)."""

    def __init__(self, weights: Tensor, biases: Tensor) -> None:
        self.weights, self.biases, self.classes = weights, biases, False
        self.squared = torch.zeros(len(weights), dtype=torch.float64)
        self.wrong = torch.zeros(len(weights), dtype=torch.float64)
        self.count = 0

    def add(self, features: Tensor, targets: Tensor, classes: bool) -> None:
        """Take in features (N, n) and targets (N, O), one-hot where they are classes."""
        self.classes = classes
        answers = features.detach().double().cpu() @ self.weights.transpose(1, 2) + self.biases[:, None]
        wanted = targets.detach().double().cpu()
        self.squared += (answers - wanted).square().sum((1, 2))
        self.wrong += (answers.argmax(2) != wanted.argmax(1)).sum(1)
        self.count += len(wanted)

    def path(self, ridges: Sequence[float]) -> RidgePath:
        """All strengths, the best by wrong classes and then by squared error."""
        if not self.count:
            raise DataError("the validation data must have at least one step, got none. Give more of it.")
        points = tuple(
            RidgePoint(
                ridge,
                float(self.weights[k].norm()),
                float(self.squared[k] / self.count),
                float(self.wrong[k] / self.count) if self.classes else None,
            )
            for k, ridge in enumerate(ridges)
        )
        return RidgePath(points, min(points, key=lambda point: (point.wrong or 0.0, point.error)))


def regress(
    equations: Regression,
    training: Iterable[Piece],
    ridges: float | Sequence[float],
    validation: Iterable[Piece] | None = None,
    refit: bool = False,
) -> tuple[RidgePath, Tensor, Tensor]:
    """The readout (O, n), (O,) of the best strength, over data that comes piece by piece; and the path of all.

    With `refit` the best strength is solved for once more, with the validation data as well.

    Raises SettingError for several strengths, or `refit`, without validation data.
    """
    strengths = checked_ridges(ridges)
    if validation is None and (len(strengths) > 1 or refit):
        raise SettingError("several ridges, and refit, need validation= data to choose by. Give some.")
    for features, targets, _ in training:
        equations.add(features, targets)
    weights, biases = equations.solve(strengths)
    if validation is None:
        point = RidgePoint(strengths[0], float(weights[0].norm()))
        return RidgePath((point,), point), weights[0], biases[0]
    errors = ValidationErrors(weights, biases)
    for features, targets, classes in validation:
        errors.add(features, targets, classes)
        if refit:
            equations.add(features, targets)
    path = errors.path(strengths)
    chosen = strengths.index(path.best.ridge)
    if refit:
        (weights, biases), chosen = equations.solve([path.best.ridge]), 0
    return path, weights[chosen], biases[chosen]


def checked_ridges(ridges: float | Sequence[float]) -> list[float]:
    """The strengths in ascending order, each once."""
    given = list(ridges) if isinstance(ridges, Sequence) else [ridges]
    if not given or not all(is_finite_number(ridge) and ridge >= 0 for ridge in given):
        raise SettingError(
            f"ridges must be numbers >= 0, at least one, got {ridges!r}. Use 1e-6, or several."
        )
    return sorted({float(ridge) for ridge in given})
