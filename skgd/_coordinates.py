"""standardize: when to, the scale of each feature, and parameters into those coordinates and out of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ._descent import Descent
from ._design import DenseDesign, Design, Standard
from ._features import Present
from ._moments import Moments, on_grid
from ._options import Objective, Options
from ._problem import Problem
from ._targets import OutputUnits, Targets
from ._validation import check_largest

__all__ = [
    "ALMOST_EMPTY",
    "Units",
    "asks_for_units",
    "of_present_features",
    "standard_of",
    "to_original",
    "to_standardized",
]

_ENOUGH = 32  # rows of a stream before they do
_APART = 3.0  # size of a feature, over or under one, from which its unit matters
ALMOST_EMPTY = 64  # features over the non-zeros of a row, from which a stream of such rows keeps its units
_WIDE = 64  # features of a perceptron from which on those that are hardly ever filled may be small
_RARE = 0.02  # the share of all non-zeros that such features have at most
_FAR = 1.5  # mean over standard deviation from which a feature lies far from zero


@np.errstate(over="ignore", invalid="ignore")
def asks_for_units(moments: Moments, fit_intercept: bool, rare: float = 0.0) -> bool:
    """Whether features differ in size from each other (from one, the intercept's) or lie far from zero.

    Small ones do not count if they have at most the share `rare` of the non-zeros.
    """
    if moments.rows < 2:
        return False
    sizes, deviations = moments.sizes(), moments.deviations(moments.mean)
    varies = deviations > 0
    if not varies.any():
        return False
    sizes = sizes[varies]
    if not fit_intercept:
        return bool(sizes.max() > _APART**2 * sizes.min())
    far = np.abs(moments.mean[varies]) > _FAR * deviations[varies]
    small = sizes < 1 / _APART
    counts = moments.filled[varies][small].sum() > rare * moments.filled.sum()
    return bool(sizes.max() > _APART or counts or far.any())


def _rare(objective: Objective, features: int) -> float:
    """Pixels at the edge of pictures hardly ever differ from zero: that they are small is no question of
    units, and rows that are mostly zeros cost a perceptron many times as much once they are standardised."""
    network = objective.network
    return _RARE if network is not None and network.hidden and features >= _WIDE else 0.0


def _sparse_asks_for_units(
    moments: Moments, fit_intercept: bool, rare: float = 0.0, features: int | None = None
) -> bool:
    """The same where updates of sparse rows cost their non-zeros, but all features once standardised:
    of streams, of an l1 penalty, and of rules that find the units of sparse features themselves.

    Rows that are almost empty, such as hashed words, keep their units unless a feature that most of them
    have is large. There are so many `features`, where moments are of those alone that some row has.
    """
    features = len(moments.filled) if features is None else features
    if ALMOST_EMPTY * moments.filled.sum() > moments.weight * features:
        return asks_for_units(moments, fit_intercept, rare)
    usual = moments.filled > moments.weight / 2
    return bool((moments.sizes()[usual] > _APART**2).any())


def _costs_non_zeros(options: Options, design: Design) -> bool:
    """Whether an update of a fit costs the non-zeros of its rows, though only in the units of X."""
    size, rule, penalty = options.batch_size, options.optimizer, options.objective.penalty
    clips = rule.lazy_l1 and penalty.l1 > 0 and penalty.bounds is None and not penalty.joint
    if not design.is_sparse or size is None or options.objective.network is not None:
        return False
    return (rule.lazy or clips) and 2 * size * design.X.nnz < design.d * len(design)


def standard_of(
    moments: Moments, fit_intercept: bool, softening: np.ndarray | float = 0.0, dtype=np.float64
) -> Standard:
    """Coordinates u_j = t_j w_j in which the objective is about equally curved along every feature.

    t_j^2 = s_j^2 + softening, with s_j the standard deviation of the feature (its root mean square where no
    intercept could take up its mean), and softening = l2 / c the penalty's curvature over that of the loss.
    The objective's curvature along u_j is then (c s_j^2 + l2) / t_j^2 = c, whatever the unit of the feature.
    """
    center = np.zeros_like(moments.mean)
    if fit_intercept:  # which takes up the centre; exact in the precision of the rows
        center = moments.mean
    scale = np.sqrt(moments.deviations(center) ** 2 + softening)
    scale = np.where(scale > 0, on_grid(scale, scale), 1.0)
    return Standard(on_grid(center, scale).astype(dtype).astype(float), scale)


@dataclass(frozen=True)
class Units:
    """What is known of the units of the features, and whether to standardise.

    Of a stream they are judged once, by the first rows that are enough for it.
    """

    standardize: bool | None = None  # None while it is not known
    moments: Moments | None = None
    curvature: float = 0.0  # sum over rows of the scale of the loss's second derivative
    outputs: Moments | None = None  # of y, for perceptrons
    of_y: bool | None = None  # whether outputs get units of their own; None: where y asks for it
    features: tuple | None = None  # (numbers in X of those with moments, features of X); None: all

    @classmethod
    def of_fit(cls, options: Options, design: Design, targets: Targets) -> Units:
        """Those of a fit to all rows."""
        objective = options.objective
        standardize = options.standardize
        if standardize is None:
            asks = _sparse_asks_for_units if _costs_non_zeros(options, design) else asks_for_units
            rare = _rare(objective, design.d)
            standardize = asks(design.sampled_moments(targets.weight), objective.fit_intercept, rare)
        return cls(standardize, of_y=options.standardize_outputs).after(design, targets, objective)

    def after(self, design: Design, targets: Targets, objective: Objective) -> Units:
        """With some more rows."""
        outputs = self._outputs_after(targets, objective)
        if self.standardize is False:
            return self if outputs is self.outputs else replace(self, outputs=outputs)
        return self._features_after(design, targets, objective, outputs)

    @np.errstate(over="ignore", invalid="ignore")  # an error tells of it
    def _features_after(self, design: Design, targets: Targets, objective: Objective, outputs) -> Units:
        choice = self.standardize
        if choice is None and self.moments is None:  # of many first rows some tell, as of those of a fit
            some = _moments_of_present_features(design, targets.weight)
            choice = self._choice(some, objective, design.d) if np.isfinite(some.squares).all() else None
            if choice is False:
                return Units(False, outputs=outputs, of_y=self.of_y)
        moments, curvature = design.moments(targets.weight), 0.0
        if moments.weight:
            curvature = moments.weight * objective.loss._curvature(targets.y, targets.weight)
        if self.moments is not None:
            moments, curvature = self.moments + moments, self.curvature + curvature
        if not np.isfinite(moments.squares).all():
            check_largest(design.X)
        choice = self._choice(moments, objective, design.d) if choice is None else choice
        if choice is False:
            return Units(False, outputs=outputs, of_y=self.of_y)
        return Units(choice, moments, curvature, outputs, self.of_y)

    @staticmethod
    def _choice(moments: Moments, objective: Objective, features: int) -> bool | None:
        """Whether to standardise rows of a stream; None where there are too few of them."""
        if moments.rows < _ENOUGH:
            return None
        rare = _rare(objective, features)
        return _sparse_asks_for_units(moments, objective.fit_intercept, rare, features)

    def _outputs_after(self, targets: Targets, objective: Objective) -> Moments | None:
        """Moments of y with some more rows, where it is a number that the last layer could give."""
        loss, network = objective.loss, objective.network
        numbers = network is not None and network.hidden and loss.task == "regression" and not loss.log_link
        if self.of_y is False or not numbers:
            return None
        found = DenseDesign(targets.y.reshape(len(targets.y), -1)).moments(targets.weight)
        return found if self.outputs is None else self.outputs + found

    def output_units(self, objective: Objective) -> OutputUnits | None:
        """Units of the outputs in which y is about standardised; None where it is so already."""
        if self.outputs is None or not (self.of_y or asks_for_units(self.outputs, True)):
            return None
        deviations = self.outputs.deviations(self.outputs.mean)
        shift = self.outputs.mean if objective.fit_intercept else np.zeros_like(deviations)
        scale = deviations if objective.fit_intercept else self.outputs.deviations(shift)
        return OutputUnits(shift, np.where(scale > 0, scale, 1.0))

    def standard(self, objective: Objective, dtype) -> Standard | None:
        """The coordinates of the rows to come; None for those of X."""
        if not self.standardize or self.moments is None or not self.moments.weight:
            return None
        softening: np.ndarray | float = 0.0  # of a loss that is flat, in numbers, at such y
        if self.curvature > 0:
            softening = objective.penalty.l2_of_features * (self.moments.weight / self.curvature)
        found = standard_of(self.moments, objective.fit_intercept, softening, dtype)
        return replace(found, scale=objective.penalty.common_scale(found.scale))

    def among(self, features: Present | None) -> Units:
        """The same, of which it is known that the features are these of X."""
        return self if features is None else replace(self, features=(features.numbers, features.total))

    def applied(self, options: Options, design: Design, targets: Targets) -> tuple[Design, Targets]:
        """Rows and targets in the coordinates of a descent."""
        objective = options.objective
        design = design.standardized(self.standard(objective, design.dtype)).in_precision(options.dtype)
        return design, targets.in_units(self.output_units(objective)).in_precision(options.dtype)

    def state(self) -> dict:
        """All of it as arrays and numbers."""
        state = dict(vars(self))
        for name in ("moments", "outputs"):
            state[name] = None if state[name] is None else dict(vars(state[name]))
        return state

    @classmethod
    def from_state(cls, state: dict) -> Units:
        moments = None if state["moments"] is None else Moments(**state["moments"])
        outputs = None if state["outputs"] is None else Moments(**state["outputs"])
        if moments is not None and state["features"] is not None:
            moments = moments.of_each_feature(Present(*state["features"]).in_all)
        return cls(state["standardize"], moments, state["curvature"], outputs, state["of_y"])


def _moments_of_present_features(design: Design, weight: np.ndarray | None) -> Moments:
    """The moments of a sample of the rows, of wide ones without features that none of these has."""
    index = design.sampled_rows(weight)
    rows = design.take(index).of_present_features()
    return rows.moments(None if weight is None else weight[index])


def of_present_features(
    design: Design, objective: Objective, at_zero: bool, state: dict | None = None
) -> Design:
    """Rows without features that none of them has, where their weights stay at zero: of a linear model that
    starts there (`at_zero`), under a penalty that is the same for all features. A training that goes on from
    a `state` keeps the features that it has."""
    penalty = objective.penalty
    differs = penalty.joint or penalty.factors is not None or penalty.bounds is not None
    if objective.network is not None or differs or not at_zero:
        return design
    found = design.of_present_features()
    return found if state is None or state["descent"].widths[0] == found.d else design


def to_standardized(descent: Descent, problem: Problem) -> Descent:
    """The descent in the coordinates and the precision of the problem, in place (optimizer state stays as it
    is)."""
    if not problem.has_coordinates:
        return descent
    descent.theta = problem.standardize(descent.theta).astype(problem.dtype, copy=False)
    if descent.average is not None:
        descent.average = problem.standardize(descent.average).astype(problem.dtype, copy=False)
    return descent


def to_original(descent: Descent, problem: Problem) -> Descent:
    """A copy of the descent in the coordinates and the precision of X and y; the descent itself where it has
    no others, or is lazy."""
    if descent.lazy is not None or not problem.has_coordinates:
        return descent.among(problem.design.features)
    descent, given = descent.copy(), problem.design.given
    descent.theta = problem.unstandardize(descent.theta.astype(given, copy=False))
    if descent.average is not None:
        descent.average = problem.unstandardize(descent.average.astype(given, copy=False))
    return descent.among(problem.design.features)
