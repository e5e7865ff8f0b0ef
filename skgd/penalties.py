"""Penalties of all weights of a linear model together: of groups of features, without bias, or of your own.

The penalties "l2", "l1" and "elasticnet" go by their names. The ones here are objects for the parameter
``penalty`` of the linear models; ``alpha`` is their strength. An update of plain gradient descent is followed
by their proximal step. To define your own, subclass :class:`Penalty` and implement ``value`` and ``prox``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

__all__ = ["MCP", "SCAD", "GroupLasso", "Penalty"]

_BISECTIONS = 60  # of an interval that holds a strength


class Penalty(BaseEstimator):
    r"""Base class of penalties; subclass it to define your own.

    A subclass implements :meth:`value`, R(W), and :meth:`prox`. The objective is the mean loss plus
    :math:`\alpha R(W)`, and each update of plain gradient descent, at the rate :math:`\eta`, ends with the
    proximal step

    .. math:: W \leftarrow \mathrm{prox}_{\eta \alpha R}(W - \eta \nabla),\quad
              \mathrm{prox}_{s R}(W) = \arg\min_U \tfrac{1}{2} \|U - W\|^2 + s R(U).

    It then works with every solver on dense and sparse rows, with every loss, in ``path`` and in searches;
    not with other optimizers than "plain" and "barzilai_borwein". Weights are arrays (n_features, n_outputs),
    with one column for one output or two classes.

    Attributes
    ----------
    separable : bool, default=True
        Whether R is a sum of functions of single weights. The step is then an array (n_features, 1) where the
        descent goes in standardised coordinates. Otherwise it is a number, and ``standardize`` gives all
        features the same scale.

    Examples
    --------
    Distances from other weights than zero:

    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import Penalty
    >>> class Near(Penalty):
    ...     def __init__(self, prior=0.0):
    ...         self.prior = prior
    ...
    ...     def value(self, weights):
    ...         return np.abs(weights - self.prior).sum()
    ...
    ...     def prox(self, weights, step):
    ...         from_prior = weights - self.prior
    ...         return self.prior + np.sign(from_prior) * np.maximum(np.abs(from_prior) - step, 0)
    >>> X, y = np.array([[-1.0, 0.3], [0.0, -0.5], [1.0, 0.2]]), np.array([-1.0, 0.0, 1.0])
    >>> GDRegressor(penalty=Near(prior=0.5), alpha=1.0, solver="batch").fit(X, y).coef_
    array([0.5, 0.5])
    """

    separable = True
    _by_feature = False  # whether alpha may be an array (d, 1)

    def value(self, weights: np.ndarray) -> float:
        """Return R of the weights.

        Parameters
        ----------
        weights : ndarray of shape (n_features, n_outputs)
            Weights of a linear model.

        Returns
        -------
        value : float
            R, without the factor alpha.
        """
        raise NotImplementedError(f"{type(self).__name__} must define value.")

    def prox(self, weights: np.ndarray, step) -> np.ndarray:
        """Return the proximal step.

        Parameters
        ----------
        weights : ndarray of shape (n_features, n_outputs)
            Weights after the step along the gradient.
        step : float or ndarray of shape (n_features, 1)
            The learning rate times alpha.

        Returns
        -------
        moved : ndarray of shape (n_features, n_outputs)
            The minimum over U of half the squared distance from the weights plus step times R(U).
        """
        raise NotImplementedError(f"{type(self).__name__} must define prox.")

    def _bound(self, d: int) -> Any:
        """What has the methods below, for d features; raises where these do not fit."""
        return self

    def _value(self, weights, alpha) -> float:
        """The penalty alpha R."""
        return alpha * self.value(weights)

    def _prox(self, weights, step, alpha) -> np.ndarray:
        """The proximal step of alpha R."""
        return self.prox(weights, step * alpha)

    def _common_scale(self, scale: np.ndarray) -> np.ndarray:
        """Scales (d,) in which the proximal step can be made, from those that standardise features."""
        return scale if self.separable else np.full_like(scale, np.sqrt(np.mean(scale**2)))

    def _least_alpha(self, pull: np.ndarray, alpha) -> float:
        """What alpha is multiplied by to keep all weights at zero against minus the slopes (d, K) there."""
        return float(np.max(np.abs(pull) / alpha, initial=0.0))


class GroupLasso(Penalty):
    r"""Group lasso: the weights of a group of features become zero together.

    .. math:: R(W) = \rho \sum_j |w_j| + (1 - \rho) \sum_g c_g \sqrt{\textstyle\sum_{j \in g} w_j^2}

    with :math:`c_g = \sqrt{|g|}`, the root of the number of features in a group, by default, and
    :math:`\rho` = ``l1_ratio``. With :math:`\rho > 0` (sparse group lasso) single weights within a group
    become zero as well. With several outputs or classes the weights of all of them belong to the group of
    their feature: groups of one feature each are then the multi-task lasso. Typical groups are the columns
    that one categorical or spline feature is encoded by.

    Parameters
    ----------
    groups : array-like of shape (n_features,) or list of array-likes
        The label of the group of each feature, or for each group the numbers of its features. Features in
        none of such lists are not penalised.
    weights : array-like of shape (n_groups,), default=None
        :math:`c_g`, in the order of the sorted labels or of the list.
    l1_ratio : float in [0, 1], default=0.0
        Share of the l1 norm.

    References
    ----------
    Yuan & Lin (2006). Model selection and estimation in regression with grouped variables. J. Royal
    Statistical Society B 68.

    Simon, Friedman, Hastie & Tibshirani (2013). A sparse-group lasso. J. Computational and Graphical
    Statistics 22.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import GroupLasso
    >>> X, y = load_diabetes(return_X_y=True)
    >>> groups = ["person", "person", "body", "body", *6 * ["serum"]]
    >>> model = GDRegressor(penalty=GroupLasso(groups), alpha=12, solver="batch").fit(scale(X), y)
    >>> (model.coef_ != 0).tolist()
    [False, False, True, True, True, True, True, True, True, True]
    """

    separable = False

    def __init__(
        self, groups: ArrayLike | Sequence, *, weights: ArrayLike | None = None, l1_ratio: float = 0.0
    ):
        self.groups = groups
        self.weights = weights
        self.l1_ratio = l1_ratio

    def value(self, weights):
        return self._bound(len(weights))._value(weights, 1.0)

    def prox(self, weights, step):
        return self._bound(len(weights))._prox(weights, step, 1.0)

    def _bound(self, d):
        if not isinstance(self.l1_ratio, Real) or not 0 <= self.l1_ratio <= 1:
            raise ValueError(f"l1_ratio={self.l1_ratio!r} of GroupLasso must be a number from 0 to 1.")
        label = self._labels(d)
        sizes = np.bincount(label[label >= 0]).astype(float)
        if self.weights is None:
            weights = np.sqrt(sizes)
        else:
            weights = np.asarray(self.weights, dtype=float)
            if weights.shape != sizes.shape or not (np.isfinite(weights) & (weights >= 0)).all():
                raise ValueError(
                    f"weights of GroupLasso must be {len(sizes)} numbers that are not negative, one for each "
                    f"group; they are {self.weights!r}."
                )
        return _Groups(label, weights, float(self.l1_ratio))

    def _labels(self, d: int) -> np.ndarray:
        """Number of the group of each feature, -1 of those in none."""
        given: Any = self.groups
        if len(given) and all(np.ndim(group) == 1 for group in given):
            return _labels_of_lists(given, d)
        groups = np.asarray(given)
        if groups.shape != (d,):
            raise ValueError(
                f"groups of GroupLasso must have a label for each of the {d} features of X, or be a list of "
                f"arrays of their numbers; it has shape {groups.shape}."
            )
        return np.unique(groups, return_inverse=True)[1]


def _labels_of_lists(groups, d: int) -> np.ndarray:
    label = np.full(d, -1)
    for number, group in enumerate(groups):
        members = np.asarray(group)
        if not len(members) or not all(isinstance(each, Integral) for each in members.tolist()):
            raise ValueError(f"Each group of GroupLasso must hold numbers of features; one is {group!r}.")
        if members.min() < 0 or members.max() >= d:
            raise ValueError(f"Groups of GroupLasso hold numbers from 0 to {d - 1}; one is {group!r}.")
        if (label[members] >= 0).any() or len(set(members.tolist())) < len(members):
            raise ValueError("A feature can be in one group of GroupLasso only.")
        label[members] = number
    return label


@dataclass(frozen=True)
class _Groups:
    """The groups of d features."""

    label: np.ndarray  # (d,), -1 of features without a penalty
    weights: np.ndarray  # (G,)
    l1_ratio: float

    def _norms(self, squares: np.ndarray) -> np.ndarray:
        """Roots of the sums (G,) of numbers (d,) over the groups."""
        inside = self.label >= 0
        return np.sqrt(np.bincount(self.label[inside], squares[inside], minlength=len(self.weights)))

    def _of_features(self, values: np.ndarray, outside: float) -> np.ndarray:
        """Numbers of the groups for each feature, (d, 1)."""
        return np.append(values, outside)[self.label][:, None]

    def _value(self, weights, alpha) -> float:
        penalised = np.abs(weights[self.label >= 0]).sum()
        norms = self._norms(np.square(weights).sum(axis=1))
        return float(alpha * (self.l1_ratio * penalised + (1 - self.l1_ratio) * (self.weights @ norms)))

    def _prox(self, weights, step, alpha) -> np.ndarray:
        threshold = np.broadcast_to(step * alpha, (len(weights), 1))
        l1 = np.where(self.label[:, None] >= 0, self.l1_ratio * threshold, 0.0)
        w = np.sign(weights) * np.maximum(np.abs(weights) - l1, 0)
        norms = self._of_features(self._norms(np.square(w).sum(axis=1)), 1.0)
        shrunk = (1 - self.l1_ratio) * threshold * self._of_features(self.weights, 0.0)
        return w * np.where(norms > shrunk, 1 - shrunk / np.where(norms > 0, norms, 1.0), 0.0)

    def _common_scale(self, scale) -> np.ndarray:
        sizes = np.bincount(self.label[self.label >= 0], minlength=len(self.weights))
        common = self._of_features(self._norms(scale**2) / np.sqrt(sizes), 0.0)[:, 0]
        return np.where(self.label >= 0, common, scale)

    def _least_alpha(self, pull, alpha) -> float:
        """The root of a falling function, by bisection: norms of what the l1 part leaves of the pull."""

        def holds(strength: float) -> bool:
            left = np.maximum(np.abs(pull) - strength * self.l1_ratio, 0)
            norms = self._norms(np.square(left).sum(axis=1))
            return bool((norms <= strength * (1 - self.l1_ratio) * self.weights).all())

        low, high = 0.0, float(np.abs(pull).max(initial=0.0)) + np.finfo(float).tiny
        for _ in range(_BISECTIONS):
            if holds(high):
                break
            high *= 2
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            low, high = (low, middle) if holds(middle) else (middle, high)
        return high / alpha


class _FoldedConcave(Penalty):
    """What penalties share that grow like l1 at zero and end to grow at gamma times alpha."""

    gamma: float
    _by_feature = True
    _least_gamma: float  # that gamma has to exceed

    def value(self, weights):
        return self._value(weights, 1.0)

    def prox(self, weights, step):
        return self._prox(weights, step, 1.0)

    def _bound(self, d):
        gamma, least = self.gamma, self._least_gamma
        if not isinstance(gamma, Real) or not least < float(gamma) < np.inf:
            name = type(self).__name__
            raise ValueError(f"gamma={gamma!r} of {name} must be a number greater than {least:g}.")
        return self

    def _value(self, weights, alpha):
        return float(self._of_sizes(np.abs(weights), alpha).sum())

    def _of_sizes(self, size, alpha):
        """The penalty alpha R of weights of these sizes."""
        raise NotImplementedError

    def _prox(self, weights, step, alpha):
        """The candidate with the least penalty and distance."""
        size = np.abs(weights)
        candidates = self._candidates(size, step, alpha)
        sizes = np.stack([np.broadcast_to(each, size.shape) for each in candidates])
        costs = (sizes - size) ** 2 / 2 + step * self._of_sizes(sizes, alpha)
        best = np.take_along_axis(sizes, costs.argmin(axis=0)[None], axis=0)[0]
        return np.sign(weights) * best

    def _candidates(self, size, step, alpha) -> list:
        """The minima of penalty and distance over each piece of the penalty."""
        raise NotImplementedError


class MCP(_FoldedConcave):
    r"""Minimax concave penalty: exact zeros as of l1, and no bias of large weights. It is not convex.

    .. math:: \alpha R(w) = \sum_j \begin{cases} \alpha |w_j| - w_j^2 / (2 \gamma) & |w_j| \le \gamma \alpha\\
              \gamma \alpha^2 / 2 & \text{else.} \end{cases}

    Fits end in a local minimum, which depends on the start, the solver and the order of the rows;
    ``solver="batch"`` is the one to use. ``path`` takes each model from that of the next larger alpha.
    ``alpha`` may be an array per feature.

    Parameters
    ----------
    gamma : float, default=3.0
        How far the penalty bends, greater than 0, for features with a standard deviation of one. Large values
        give l1; below one (over the curvature of the loss), weights jump from zero.

    References
    ----------
    Zhang (2010). Nearly unbiased variable selection under minimax concave penalty. Annals of Statistics 38.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import MCP
    >>> X = np.random.default_rng(0).normal(size=(200, 8))
    >>> y = X[:, 0] + 0.1 * X[:, 1]
    >>> GDRegressor(penalty=MCP(), alpha=0.2, solver="batch", tol=1e-9).fit(X, y).coef_.round(1).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    _least_gamma = 0.0

    def __init__(self, gamma: float = 3.0):
        self.gamma = gamma

    def _of_sizes(self, size, alpha):
        bent = alpha * size - size**2 / (2 * self.gamma)
        return np.where(size <= self.gamma * alpha, bent, self.gamma * (alpha * alpha) / 2)

    def _candidates(self, size, step, alpha):
        end = self.gamma * alpha
        curvature = 1 - step / self.gamma  # of the bent part with half the squared distance
        inner = np.divide(size - step * alpha, curvature, out=np.zeros_like(size), where=curvature > 0)
        return [0.0, np.clip(inner, 0, end), np.maximum(size, end)]


class SCAD(_FoldedConcave):
    r"""Smoothly clipped absolute deviation: l1 near zero, and no bias of large weights. It is not convex.

    .. math:: \alpha R(w) = \sum_j \begin{cases} \alpha |w_j| & |w_j| \le \alpha\\
              (2 \gamma \alpha |w_j| - w_j^2 - \alpha^2) / (2 (\gamma - 1))
              & \alpha < |w_j| \le \gamma \alpha\\
              \alpha^2 (\gamma + 1) / 2 & \text{else.} \end{cases}

    Fits end in a local minimum, which depends on the start, the solver and the order of the rows;
    ``solver="batch"`` is the one to use. ``path`` takes each model from that of the next larger alpha.
    ``alpha`` may be an array per feature.

    Parameters
    ----------
    gamma : float, default=3.7
        Where the penalty ends to grow, over alpha, greater than 1, for features with a standard deviation of
        one. Large values give l1.

    References
    ----------
    Fan & Li (2001). Variable selection via nonconcave penalized likelihood and its oracle properties. J.
    American Statistical Association 96.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.penalties import SCAD
    >>> X = np.random.default_rng(0).normal(size=(200, 8))
    >>> y = X[:, 0] + 0.1 * X[:, 1]
    >>> GDRegressor(penalty=SCAD(), alpha=0.2, solver="batch", tol=1e-9).fit(X, y).coef_.round(1).tolist()
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    _least_gamma = 1.0

    def __init__(self, gamma: float = 3.7):
        self.gamma = gamma

    def _of_sizes(self, size, alpha):
        square = alpha * alpha  # inf where it overflows; alpha**2 would raise
        bent = (2 * self.gamma * alpha * size - size**2 - square) / (2 * (self.gamma - 1))
        outer = np.where(size <= self.gamma * alpha, bent, square * (self.gamma + 1) / 2)
        return np.where(size <= alpha, alpha * size, outer)

    def _candidates(self, size, step, alpha):
        end = self.gamma * alpha
        curvature = self.gamma - 1 - step
        middle = (self.gamma - 1) * size - step * end
        middle = np.divide(middle, curvature, out=np.zeros_like(size), where=curvature > 0)
        return [np.clip(size - step * alpha, 0, alpha), np.clip(middle, alpha, end), np.maximum(size, end)]
