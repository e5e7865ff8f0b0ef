"""A Problem: the objective of one fit, as the core sees it, and its Descent, all that continues it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from scipy import sparse

from ._core import core
from ._network import Network, blocks

_PROBLEMS = {"f": core.Problem32, "d": core.Problem64}
_DESCENTS = {"f": core.Descent32, "d": core.Descent64}


@cache
def _lend_blas() -> None:
    """Give the core the matrix products of SciPy's BLAS."""
    from scipy.linalg import cython_blas  # late: only networks need it

    core.use_blas(cython_blas.__pyx_capi__["sgemm"], cython_blas.__pyx_capi__["dgemm"])


@dataclass
class Targets:
    """y as the core takes it: (n, K) values, or (n,) class codes."""

    y: np.ndarray
    weight: np.ndarray | None  # (n,)
    columns: int  # outputs, or columns of raw scores
    codes: bool

    def rows(self, index) -> Targets:
        weight = None if self.weight is None else np.ascontiguousarray(self.weight[index])
        return Targets(np.ascontiguousarray(self.y[index]), weight, self.columns, self.codes)


@dataclass
class Penalty:
    """alpha R(w) = l1 |w|_1 + l2/2 |w|^2."""

    l1: float = 0.0
    l2: float = 0.0


@dataclass
class Standard:
    """Coordinates (x - center) / scale of the descent; parameters are (d + 1, columns) arrays."""

    center: np.ndarray  # (d,)
    scale: np.ndarray  # (d,)

    def into(self, theta: np.ndarray) -> np.ndarray:
        """Parameters for the coordinates from parameters for X."""
        out = theta.copy()
        out[:-1] = theta[:-1] * self.scale[:, None]
        out[-1] = theta[-1] + self.center @ theta[:-1]
        return out

    def out_of(self, theta: np.ndarray) -> np.ndarray:
        """Parameters for X from parameters for the coordinates."""
        out = theta.copy()
        out[:-1] = theta[:-1] / self.scale[:, None]
        out[-1] = theta[-1] - self.center @ out[:-1]
        return out


def aligned_zeros(shape, dtype) -> np.ndarray:
    """Zeros that start a cache line: vectors of the core then never lie across two."""
    size, line = int(np.prod(shape)) * dtype.itemsize, 64
    memory = np.zeros(size + line, dtype=np.uint8)
    start = -memory.__array_interface__["data"][0] % line
    return memory[start : start + size].view(dtype).reshape(shape)


def second_moments(problem: Problem, chunk: int = 4096) -> np.ndarray:
    """Weighted sum of z z', z = (x, 1) or, for squared error, (x, 1, y); float64."""
    targets, d = problem.targets, problem.d
    outputs = targets.columns if problem.loss._quadratic else 0
    z = np.ones((min(chunk, problem.n), d + 1 + outputs))
    total = np.zeros((z.shape[1], z.shape[1]))
    for start in range(0, problem.n, chunk):
        part = slice(start, start + chunk)
        rows = problem.X[part]
        rows = rows.toarray() if sparse.issparse(rows) else rows
        z = z[: len(rows)]
        z[:, :d], z[:, d] = rows, 1
        if problem.standard is not None:
            z[:, :d] -= problem.standard.center
            z[:, :d] /= problem.standard.scale
        if outputs:
            z[:, d + 1 :] = targets.y[part].reshape(len(rows), -1)
        if targets.weight is not None:
            z *= np.sqrt(targets.weight[part, None], dtype=float)
        total += z.T @ z
    return total


class Problem:
    """Design x targets x loss x penalty, with objective and gradient from the core.

    Without a network the model is linear and its parameters an array (d + 1, columns); with one they are
    a vector. `blocks` shows the layers of either.
    """

    def __init__(
        self,
        X,
        targets: Targets,
        loss,
        penalty: Penalty,
        fit_intercept=True,
        standard=None,
        network: Network | None = None,
        folds: tuple | None = None,  # of many columns: see _columns.Columns
    ):
        self.X, self.targets, self.loss, self.penalty = X, targets, loss, penalty
        self.fit_intercept, self.standard, self.network = fit_intercept, standard, network
        self.n, self.d = X.shape
        self.dtype = X.dtype
        coordinates = None
        if standard is not None:
            coordinates = (
                standard.center.astype(self.dtype),
                (1.0 / standard.scale).astype(self.dtype),
            )
        rows = X
        if sparse.issparse(X):
            rows = (X.data, X.indices, X.indptr, self.d)
        self.core = _PROBLEMS[self.dtype.char](
            rows,
            coordinates,
            (targets.y, targets.weight, targets.columns, targets.codes),
            loss._core_spec(targets.columns, targets.codes),
            (penalty.l1, penalty.l2),
            fit_intercept,
            None if network is None else network.core_spec(),
            folds,
        )
        if network is not None:
            _lend_blas()
        self._moments, self.condensed = None, False
        self.units = None  # what a stream knows of the units of its features (_coordinates.Units)
        self.layers = tuple(map(tuple, self.core.layers))
        self.total_weight = float(self.n if targets.weight is None else targets.weight.sum(dtype=float))

    @property
    def columns(self) -> int:
        """Columns of raw scores: those of the targets, padded to whole vectors."""
        return self.core.columns

    def zeros(self) -> np.ndarray:
        inputs, _, columns, offset = self.layers[-1]
        shape = (self.d + 1, columns) if self.network is None else offset + (inputs + 1) * columns
        return aligned_zeros(shape, self.dtype)

    def constant(self) -> np.ndarray:
        """Parameters of a linear model that predicts about the best constant: no weights, an intercept."""
        theta, targets = self.zeros(), self.targets
        if self.fit_intercept and self.network is None:
            theta[-1, : targets.columns] = self.loss._constant(targets.y, targets.weight)
        return theta

    def blocks(self, theta: np.ndarray) -> list[np.ndarray]:
        """Views (inputs + 1, width) of the layers in theta, intercepts last."""
        return blocks(theta, self.layers)

    def features(self, theta: np.ndarray) -> np.ndarray:
        """View (d + 1, columns) of the layer that sees the features, padding included."""
        columns = self.layers[0][2]
        return theta.reshape(-1)[: (self.d + 1) * columns].reshape(self.d + 1, columns)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Raw scores (n, K) of all rows."""
        z = np.empty((self.n, self.columns), dtype=self.dtype)
        self.core.scores(theta, z)
        return z[:, : self.targets.columns]

    def objective(self, theta: np.ndarray, threads: int = 1) -> float:
        """F(theta): weighted mean loss plus penalty."""
        return self.core.evaluate(theta, None, threads) / self.total_weight + self.core.penalty(theta)

    def loss_gradient(self, theta: np.ndarray, threads: int = 1) -> np.ndarray:
        """Gradient of the weighted mean loss, without the penalty."""
        gradient = self.zeros()
        self.core.evaluate(theta, gradient, threads)
        gradient /= self.total_weight
        return gradient

    def second_moments(self) -> np.ndarray:
        """Weighted sum over rows of z z' for z = (x, 1), in the coordinates of the descent.

        Without an intercept z = x. Kept once it is known.
        """
        if self._moments is None:
            self._moments = second_moments(self)
        size = self.d + self.fit_intercept
        return self._moments[:size, :size]

    def spectrum(self) -> np.ndarray:
        """Eigenvalues of X'X / n in the coordinates of the descent, intercept included; rising."""
        return np.linalg.eigvalsh(self.second_moments() / self.total_weight)

    def condense(self, epoch: int) -> None:
        """From some epoch on let batch descent on squared error go by second moments: O(d^2) an epoch.

        They are formed once that costs no more than the epochs before (about d / 16 of them) or when
        they are known anyway.
        """
        waited = self._moments is not None or 16 * epoch >= self.d
        if self.condensed or not waited or not self._may_condense():
            return
        self.condensed = True
        self.second_moments()  # which keeps them
        self.use_moments(self._moments)

    def use_moments(self, moments: np.ndarray) -> None:
        """Give the core second moments (d + 2, d + 2), or more for more outputs; with folds once for each."""
        Z, y = slice(0, self.d + 1), slice(self.d + 1, None)
        gram, products = moments[Z, Z].copy(), moments[Z, y].copy()
        self.core.condense(gram, products, float(np.trace(moments[y, y])))

    def _may_condense(self) -> bool:
        """Squared error, and many more rows than features: enough for an epoch to take a while."""
        return (
            self.loss._quadratic
            and len(self.layers) == 1
            and not sparse.issparse(self.X)
            and self.d <= 2000
            and self.n >= 4 * (self.d + self.targets.columns)
            and self.n * self.d >= 1 << 16
        )

    def bind(self, theta: np.ndarray, slots: tuple, t: int):
        """The core's view of parameters and state of many columns at update t."""
        return _DESCENTS[self.dtype.char](theta, slots, None, (0, 0.0), None, (t, 0))

    def with_squared_loss(self) -> Problem:
        """The same rows and weights under half the squared error with zero targets.

        Its gradient at v is X'X v / n, which is how the step size sees the data.
        """
        from .losses import SquaredError

        targets = Targets(np.zeros(self.n, dtype=self.dtype), self.targets.weight, 1, False)
        return Problem(self.X, targets, SquaredError(), Penalty(), self.fit_intercept, self.standard)


@dataclass
class Descent:
    """Parameters, optimizer state and step counter: all that continues a descent.

    Parameters are in the coordinates of the Problem; `theta[j]` belongs to feature j, `theta[-1]` to
    the intercepts.
    """

    theta: np.ndarray
    slots: tuple
    random: np.ndarray  # uint64, (1,): state of the shuffling generator
    rule: str = "plain"  # whose state the slots are
    layers: tuple = ()  # (inputs, width, columns, offset) of each layer in theta
    gradient: np.ndarray | None = None  # gets the gradient of the last update, where wanted
    average: np.ndarray | None = None
    average_start: int = 0
    average_power: float = 0.0
    t: int = 0
    epochs: int = 0
    rate: float = 0.0  # the base learning rate
    l1: bool = False  # whether updates end with a proximal step
    owed: tuple | None = None  # (l1, l2), where the slots hold what weights owe such a penalty
    blend: float | None = None  # share of the mean in theta where slots[0] is last iterate - mean
    drops: int = 0  # plateaus of the adaptive schedule
    reference: float | None = None  # the objective that an exploding one is compared with
    stream: dict = field(default_factory=dict)  # running statistics of partial_fit

    def copy(self) -> Descent:
        fresh = Descent(**self.__dict__)
        fresh.theta, fresh.random = self.theta.copy(), self.random.copy()
        fresh.stream = dict(self.stream)
        fresh.slots = tuple(slot.copy() for slot in self.slots)
        fresh.average = None if self.average is None else self.average.copy()
        return fresh

    def restore(self, other: Descent) -> None:
        """Go back to a copy taken earlier (the generator moves on)."""
        self.theta[:] = other.theta
        for slot, saved in zip(self.slots, other.slots, strict=True):
            slot[:] = saved
        if self.average is not None:
            self.average[:] = other.average
        self.t, self.average_start = other.t, other.average_start

    def continued_as(self, fresh: Descent) -> Descent:
        """This descent in the form of a fresh one: other dtype, optimizer or averaging.

        Parameters and generator carry over; what belongs to an optimizer or a mean only if they stay.
        """
        if self.widths != fresh.widths:
            raise ValueError(
                f"The model was fitted with {self.widths[0]} features and {self.widths[-1]} columns of raw "
                f"scores; now there are {fresh.widths[0]} and {fresh.widths[-1]}."
                if len(self.widths) == len(fresh.widths) == 2
                else f"The model was fitted with layers of widths {self.widths}; now they are {fresh.widths}."
            )

        def carry(into, array):
            for new, old in zip(blocks(into, fresh.layers), blocks(array, self.layers), strict=True):
                new[:] = old

        carry(fresh.theta, self.theta if fresh.rule == self.rule or self.blend is None else self.parameters)
        fresh.random, fresh.stream = self.random.copy(), dict(self.stream)
        fresh.epochs, fresh.reference, fresh.drops = self.epochs, self.reference, self.drops
        if fresh.rule == self.rule:
            fresh.t, fresh.rate = self.t, self.rate
            if fresh.owed == self.owed:
                for slot, saved in zip(fresh.slots, self.slots, strict=True):
                    carry(slot, saved)
        if fresh.average is not None:
            if self.average is not None and fresh.t == self.t:
                carry(fresh.average, self.average)
                fresh.average_start = self.average_start
            else:
                fresh.average_start += fresh.t
        return fresh

    def bind(self):
        """The core's view of the arrays."""
        weighting = (self.average_start, self.average_power)
        counters = (self.t, int(self.random[0]))
        return _DESCENTS[self.theta.dtype.char](
            self.theta, self.slots, self.average, weighting, self.gradient, counters
        )

    @property
    def widths(self) -> list[int]:
        """Features, units of the hidden layers, columns of raw scores."""
        return [self.layers[0][0], *(width for _, width, _, _ in self.layers)]

    @property
    def averages(self) -> bool:
        """Whether there is a mean of the iterates yet."""
        if self.blend is not None:
            return self.t > 0
        return self.average is not None and self.t > self.average_start

    @property
    def parameters(self) -> np.ndarray:
        """What the descent has to offer: the mean of the iterates once there is one.

        A mean has no exact zeros; under an l1 penalty it gets those of the current iterate.
        """
        if not self.averages:
            return self.theta
        last, mean = self.theta, self.average
        if self.blend is not None:  # theta = (1 - blend) last + blend mean
            last = self.theta + self.blend * self.slots[0]
            mean = self.theta - (1 - self.blend) * self.slots[0]
        return np.where(last == 0, last, mean) if self.l1 else mean

    def start_mean_anew(self) -> None:
        """Forget the iterates so far."""
        self.average_start = self.t
        if self.blend is not None:
            for slot in self.slots:
                slot[:] = 0

    def forget_units(self) -> None:
        """Forget what a stream has told of rates in coordinates that are left, and the optimizer's state."""
        self.stream, self.rate = {}, 0.0
        self.start_mean_anew()
        for slot in self.slots:
            slot[:] = 0

    def settle_at(self, theta: np.ndarray) -> None:
        """Make theta what the descent has to offer."""
        if self.blend is not None:
            self.slots[0][:] = 0
        elif self.averages:
            self.average[:] = theta
        if self.blend is not None or not self.averages or self.l1:
            self.theta[:] = theta
