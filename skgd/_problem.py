"""A Problem: the objective of one fit on its rows, as the core sees it."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ._arrays import aligned_zeros
from ._bounds import sides_of
from ._core import core
from ._design import Design, design_of
from ._mapped import Segments
from ._network import Network
from ._options import Objective
from ._penalty import NoPenalty, Penalty
from ._quadratic import sums_of_products
from ._shared_weights import member_of
from ._targets import OutputUnits, Targets, padded_columns
from ._theta import Theta
from ._validation import largest_value
from .losses import SquaredError

__all__ = [
    "DESCENTS",
    "STREAMS",
    "Problem",
    "padded",
    "penalty_problem",
    "scoring_problem",
]

_PROBLEMS = {"f": core.Problem32, "d": core.Problem64}
_REMEMBERED = 4  # parameters whose objective is remembered
DESCENTS = {"f": core.Descent32, "d": core.Descent64}
STREAMS = {"f": core.Stream32, "d": core.Stream64}


@cache
def _lend_blas() -> None:
    """Give the core the matrix products of SciPy's BLAS."""
    if sys.platform == "emscripten":  # a call through a pointer of another signature ends the interpreter
        return
    from scipy.linalg import cython_blas  # late: only networks need it

    core.use_blas(cython_blas.__pyx_capi__["sgemm"], cython_blas.__pyx_capi__["dgemm"])


def padded(coef: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """Parameters (d + 1, columns) of a linear model as the core takes them, from weights (K, d)."""
    K = len(coef)
    theta = aligned_zeros((coef.shape[1] + 1, padded_columns(K, coef.dtype)), coef.dtype)
    theta[:-1, :K], theta[-1, :K] = coef.T, intercept
    return theta


def scoring_problem(
    design: Design, columns: int, network: Network | None, units: OutputUnits | None = None
) -> Problem:
    """A problem for the raw scores of its rows alone: their targets are zero."""
    targets = Targets(np.zeros((design.n, columns), dtype=design.dtype), None, columns, False, units)
    return Problem(design, targets, Objective(SquaredError(), NoPenalty(), True, network))


def penalty_problem(d: int, columns: int, dtype, penalty: Penalty, fit_intercept: bool) -> Problem:
    """A linear problem without rows: what is owed of a penalty can be settled with it."""
    design = design_of(sparse.csr_array((0, d), dtype=dtype))
    targets = Targets(np.zeros((0, columns), dtype=dtype), None, columns, False)
    return Problem(design, targets, Objective(SquaredError(), penalty, fit_intercept))


def _core_of(form: tuple, rows, targets: tuple):
    """The core's problem of this form on rows and targets as it takes them."""
    kind, coordinates, *parts = form
    return kind(rows, coordinates, targets, *parts)


def run_core(form: tuple, X: np.ndarray, targets: Targets, bound, rule: tuple, span: tuple, steps: tuple):
    """Carry a descent over the rows of an array in their order; gives sums over them. See Problem.form."""
    problem = _core_of(form, X, targets.core_arrays(None, len(X)))
    return core.run(problem, bound, rule, None, span, steps)


class Problem(Theta):
    """Design x targets x objective, with value and gradient from the core.

    Without a network the model is linear and its parameters an array (d + 1, columns); with one they are
    a vector. `blocks` shows the layers of either.
    """

    def __init__(
        self,
        design: Design,
        targets: Targets,
        objective: Objective,
        folds: tuple | None = None,  # of many columns: see _columns.Columns
    ):
        self.design, self.targets, self.objective = design, targets, objective
        self.loss, self.penalty = objective.loss, objective.penalty
        self.fit_intercept, self.network = objective.fit_intercept, objective.network
        self.n, self.d, self.dtype = design.n, design.d, design.dtype
        scale = None if self.standard is None else self.standard.scale  # of the descent's coordinates
        self.limits = self._limits(1.0 if scale is None else scale)
        self.form = (
            _PROBLEMS[self.dtype.char],
            design.core_coordinates(),
            objective.core_loss(targets.columns, targets.codes),
            self.penalty.core_spec(self.dtype, self.limits, scale, targets.columns),
            self.fit_intercept,
            None if self.network is None else self.network.core_spec(self.d),
            folds,
            None if targets.units is None else targets.units.core_arrays(self.dtype),
        )
        self.core = _core_of(self.form, design.core_rows(), self._core_targets(design, targets))
        if design.kept is not None:
            self.core.keep_rows(design.kept)
        if self.network is not None:
            _lend_blas()
        self._moments: np.ndarray | None = None
        self._values: dict[bytes, float] = {}  # F at the last parameters
        self.condensed = False
        self.layers = tuple(map(tuple, self.core.layers))
        total = float(self.n if targets.weight is None else targets.weight.sum(dtype=float))
        rounded = design.dtype == np.float32 and abs(total - self.n) <= self.n * np.finfo(np.float32).eps
        self.total_weight = float(self.n) if rounded else total  # weights of mean one, as those of blocks

    def _core_targets(self, design: Design, targets: Targets) -> tuple:
        return targets.core_arrays(design.kept, len(design))

    def _limits(self, scale: np.ndarray | float) -> np.ndarray | None:
        """Least and greatest weights (2, d), or (2, d, K), in coordinates of this scale, where they have
        bounds."""
        if self.penalty.bounds is None:
            return None
        return self.penalty.bounds.of_features(self.d, scale, self.targets.columns).astype(self.dtype)

    def keep_bounds(self, theta: np.ndarray) -> np.ndarray:
        """Parameters of a linear model moved, in place, to where the weights lie within their bounds."""
        if self.limits is not None:
            weights, (low, high) = theta[:-1, : self.targets.columns], sides_of(self.limits)
            np.clip(weights, low, high, out=weights)
        return theta

    def free_gradient(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """A gradient at parameters without what would take weights out of their bounds."""
        if self.limits is None:
            return gradient
        free, (low, high), K = gradient.copy(), sides_of(self.limits), self.targets.columns
        weights, slopes = theta[:-1, :K], free[:-1, :K]
        slopes[((weights <= low) & (slopes > 0)) | ((weights >= high) & (slopes < 0))] = 0
        return free

    @property
    def standard(self):
        """The coordinates of the descent, None for those of X."""
        return self.design.standard

    @property
    def has_coordinates(self) -> bool:
        """Whether parameters are in other coordinates, or another precision, than those for X and y."""
        moved = self.standard is not None or self.targets.units is not None
        return moved or self.design.given != self.dtype

    @property
    def columns(self) -> int:
        """Columns of raw scores: those of the targets, padded to whole vectors."""
        return self.core.columns

    def zeros(self) -> np.ndarray:
        inputs, _, columns, offset = self.layers[-1]
        shape = (self.d + 1, columns) if self.network is None else offset + (inputs + 1) * columns
        return aligned_zeros(shape, self.dtype)

    @cached_property
    def units_of_y(self) -> float:
        """What the unit of y adds to objectives, or nearly what they are for rows that are fitted exactly."""
        return self.loss._constant_of_units(self.targets.y, self.targets.weight)

    @cached_property
    def constant(self) -> np.ndarray:
        """Parameters that predict about the best constant: no weights, and intercepts of the last layer."""
        theta, targets = self.zeros(), self.targets
        if not self.fit_intercept:
            return theta
        intercepts = self.last_layer(theta)[1][..., : targets.columns]
        intercepts[:] = self._best_constant if self.network is None else self._constant
        if targets.units is not None:
            intercepts[:] = (intercepts - targets.units.shift) / targets.units.scale
        return theta

    @cached_property
    def _constant(self) -> np.ndarray:
        targets, weight = self.targets, self.targets.weight
        weight = None if weight is None or not weight.any() else weight  # rows of a stream may have none
        constant = np.asarray(self.loss._constant(targets.y, weight), dtype=float)
        if targets.offset is None or targets.codes:
            return constant
        offset = targets.offset.astype(float)
        if not self.loss.log_link:
            return constant - np.average(offset, axis=0, weights=weight)
        largest = offset.max(axis=0)  # the sum of the predictions is that of y
        return constant - largest - np.log(np.average(np.exp(offset - largest), axis=0, weights=weight))

    @cached_property
    def _best_constant(self) -> np.ndarray:
        """To a 256th of the range of y.

        At the exact constant the gradient of the intercept is nothing but rounding, which rules that divide
        by the size of gradients would take for a direction. Range and grid are the same whatever the order,
        the weights or the unit of the rows, so equal problems keep equal paths.
        """
        targets, best = self.targets, self._constant
        if targets.codes or self.loss.log_link or self.loss.task != "regression":
            return best
        y = targets.y if targets.weight is None else targets.y[targets.weight > 0]
        y = np.ascontiguousarray(y.reshape(len(y), -1).T)  # long rows are faster; y itself where it is one
        low = y.min(axis=1).astype(float)
        span = y.max(axis=1).astype(float) - low
        steps = np.round(256 * (best - low) / np.where(span > 0, span, 1.0))
        return np.where(span > 0, low + steps * (span / 256), best)

    def part(self, index) -> Problem:
        """The problem on some of its rows."""
        return Problem(self.design.take(index), self.targets.rows(index), self.objective)

    def loaded(self, order: Segments, position: int, count: int) -> tuple[Problem, Any]:
        """The problem on the rows of a stretch of this order, with the order that the core takes them in; the
        rows of the next two stretches are read ahead."""
        design: Any = self.design
        following = [order.blocks(position + ahead * count, count) for ahead in (1, 2)]
        for block in following[0]:
            self.targets.read_ahead(*block)
        rows, numbers = design.loaded(order.blocks(position, count), following)
        shuffled = core.Order(len(numbers), self.d)
        shuffled.shuffle(order.state(position))
        return Problem(rows, self.targets.rows(numbers), self.objective), shuffled

    def sample(self, rows: int) -> Problem:
        """The problem on so many of its rows, evenly spaced; itself where it has no more."""
        return self if self.n <= rows else self.part(np.linspace(0, self.n - 1, rows).astype(np.intp))

    def scores(self, theta: np.ndarray, threads: int = 1) -> np.ndarray:
        """Raw scores (n, K) of all rows."""
        z = np.empty((self.n, self.columns), dtype=self.dtype)
        self.core.scores(theta, z, threads)
        return self.targets.offset_to(z[:, : self.targets.columns])

    def scores_of_each(self, theta: np.ndarray, threads: int = 1) -> list[np.ndarray]:
        """Raw scores (n, K) of all rows by each of the networks that share weights, or by the only model."""
        if self.shared is None:
            return [self.scores(theta, threads)]
        assert self.network is not None
        objective = replace(self.objective, network=replace(self.network, shared=None))
        one = Problem(self.design, self.targets, objective)
        found, of_member, parts = [], one.zeros(), self.parts(theta)
        for i in range(self.shared.members):
            for places, arrays in zip(one.parts(of_member), member_of(*parts, i), strict=True):
                for into, part in zip(places, arrays, strict=True):
                    into[:] = part
            found.append(one.scores(of_member, threads))
        return found

    def on(self, design: Design, targets: Targets) -> Problem:
        """The same model and loss on other rows, in the same coordinates, without the penalty."""
        objective = Objective(self.loss, NoPenalty(), self.fit_intercept, self.network)
        targets = targets.in_units(self.targets.units).in_precision(self.dtype)
        return Problem(design.like(self.design).in_precision(self.dtype), targets, objective)

    @property
    def has_cheap_value(self) -> bool:
        """Whether its value, found at the speed of reading X, is cheaper than losses of known raw scores."""
        one_column = self.network is None and self.targets.columns == 1
        return one_column and not (self.loss._quadratic or self.design.is_sparse)

    def value(self, theta: np.ndarray, threads: int = 1, as_updates: bool = False) -> float:
        """F(theta): weighted mean loss plus penalty; of the last few parameters it is remembered.

        `as_updates`: from the sums that updates over all rows make. Those of a pass for the value alone are
        others in the last digits of the precision of X, and an objective may be compared with one of them.
        """
        remembers = _REMEMBERED * theta.size <= self.n  # else a copy costs about what a pass over X does
        key = theta.tobytes() if remembers else b""
        if (known := self._values.get(key)) is not None:
            return known
        wanted = self.zeros() if as_updates and self.dtype == np.float32 else None
        value = self.value_of(self.evaluate(theta, wanted, threads), theta)
        if remembers:
            if len(self._values) == _REMEMBERED:
                del self._values[next(iter(self._values))]
            self._values[key] = value
        return value

    def value_of(self, loss: float, theta: np.ndarray) -> float:
        """F(theta), where the sum over all rows of weight * loss is known."""
        # the weight is 0 where all rows of a stream are of classes that do not count
        return loss / (self.total_weight or 1.0) + self.core.penalty(theta)

    def evaluate(self, theta: np.ndarray, gradient: np.ndarray | None, threads: int = 1) -> float:
        """Sum over all rows of weight * loss; `gradient`, where there is one, gets that of this sum."""
        return self.core.evaluate(theta, gradient, threads)

    def row_moments(self) -> tuple[float, float, float]:
        """Sums over rows of s and s^2, and the largest s = weight * |x|^2, intercept included."""
        return self.core.row_moments()

    def run(self, descent, bound, rule: tuple, stretch, steps: tuple):
        """Carry a descent, which the core sees as `bound`, over a stretch; gives sums over its rows."""
        if isinstance(stretch.order, Segments):
            rows, order = self.loaded(stretch.order, *stretch.span)
            return core.run(rows.core, bound, rule, order, (0, rows.n), steps)
        return core.run(self.core, bound, rule, stretch.order, stretch.span, steps)

    def overflow(self) -> ValueError:
        """The error of an objective, or of gradients, that overflow."""
        y, (X, _) = np.max(np.abs(self.targets.y), initial=0.0), largest_value(self.design.X)
        return ValueError(
            f"The objective or its gradient overflows {self.dtype}: the largest absolute values are "
            f"{y:.3g} in y and {X:.3g} in X. Divide them by constants before fitting."
        )

    def loss_gradient(self, theta: np.ndarray, threads: int = 1) -> np.ndarray:
        """Gradient of the weighted mean loss, without the penalty."""
        gradient = self.zeros()
        self.evaluate(theta, gradient, threads)
        gradient /= self.total_weight
        return gradient

    def gradient(self, theta: np.ndarray, threads: int = 1) -> np.ndarray:
        """Gradient of the objective, in the coordinates of X; of an l1 norm the sign."""
        gradient, penalty = self.loss_gradient(theta, threads), self.penalty
        first = 0 if self.network is None or self.network.features is None else 1  # that the penalty acts on
        for into, block in zip(self.parts(gradient)[0][first:], self.parts(theta)[0][first:], strict=True):
            share = 1 / len(block) if block.ndim == 3 else 1.0  # of the last layer of each member
            into += share * (penalty.l2 * block + penalty.l1 * np.sign(block))
        return gradient

    def curvature(self) -> float:
        """Scale of the second derivative of the loss with respect to raw scores, on the way from zero."""
        return self.loss._curvature(self.targets.y, self.targets.weight)

    @property
    def knows_second_moments(self) -> bool:
        return self._moments is not None

    def second_moments(self) -> np.ndarray:
        """Weighted sum over rows of z z' for z = (x, 1), in the coordinates of the descent.

        Without an intercept z = x. Kept once it is known.
        """
        return self._all_moments()[: self.d + self.fit_intercept, : self.d + self.fit_intercept]

    def _all_moments(self) -> np.ndarray:
        """Those of y too, for squared error."""
        if self._moments is None:
            self._moments = sums_of_products(self.design, self.targets, self.loss._quadratic)
        return self._moments

    @cached_property
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
        self.use_moments(self._all_moments())

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
            and not self.design.is_sparse
            and self.d <= 2000
            and self.n >= 4 * (self.d + self.targets.columns)
            and self._is_worth_moments
        )

    @property
    def _is_worth_moments(self) -> bool:
        return self.n * self.d >= 1 << 16

    def bind(self, theta: np.ndarray, slots: tuple, t: int):
        """The core's view of parameters and state of many columns at update t."""
        return DESCENTS[self.dtype.char](theta, slots, None, (0, 0.0), None, (t, 0))

    def with_squared_loss(self) -> Problem:
        """The same rows and weights under half the squared error with zero targets.

        Its gradient at v is X'X v / n, which is how the step size sees the data.
        """
        targets = Targets(np.zeros(self.n, dtype=self.dtype), self.targets.weight, 1, False)
        return Problem(self.design, targets, Objective(SquaredError(), NoPenalty(), self.fit_intercept))
