"""Regularisation paths: the models of many strengths of the penalty."""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ._coordinates import Units
from ._design import Design, design_of
from ._diagnosis import convergence_warnings
from ._fit import Fit
from ._fitting import begin_fit, end_fit
from ._options import Objective, Options
from ._path import goes_by_path, minimisers, pull_of_zeros
from ._penalty import Kinks, NoPenalty, Penalty, Together
from ._problem import Problem
from ._quadratic import CentredMoments
from ._rows import TrainingRows
from ._scoring import scorers_of
from ._training import Record, train
from ._validation import is_count, positive

__all__ = ["RegularizationPath", "alphas_of", "path_of"]

_LEAST_L1_SHARE = 1e-3  # that the largest alpha is found with, as in glmnet
_EPS = 1e-3  # ratio of the smallest and the largest alpha
_OF_DESCENTS = 64  # roundings by which it is raised for descents
_ROUNDING = 1e-12  # by which the largest alpha is raised, so that its weights are exactly zero
_DOUBLINGS, _HALVINGS = 60, 60  # of an interval that holds the best constant
_Model = tuple[np.ndarray, np.ndarray, dict]  # weights (K, d), intercepts (K,), other fitted attributes


@dataclass(frozen=True, eq=False, repr=False)
class RegularizationPath:
    """The models of many strengths of the penalty, from the strongest to the weakest.

    For each alpha the weights W and intercepts b that minimise the weighted mean loss plus penalty,

    .. math:: F(W, b) = \\frac{1}{\\sum_i s_i} \\sum_i s_i\\, \\ell(y_i, W x_i + b) + \\alpha R(W).

    Made by :meth:`GDRegressor.path` and :meth:`GDClassifier.path`. The shapes below are those of one output
    or two classes; with several outputs or more than two classes ``coef`` is of shape (n_alphas, n_outputs,
    n_features) and ``intercept`` (n_alphas, n_outputs).

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Strengths of the penalty, decreasing.
    coef : ndarray of shape (n_alphas, n_features)
        Weights of each model, in the precision of X.
    intercept : ndarray of shape (n_alphas,)
        Intercepts, which are not penalised.
    objective : ndarray of shape (n_alphas,)
        F of each model, penalty included.
    feature_names : ndarray of shape (n_features,)
        Names of the features; x0, x1, ... where X has none.
    estimator : object
        An estimator, not fitted, with the parameters that are the same for all models.
    n_nonzero : ndarray of shape (n_alphas,)
        Number of weights of each model that are not zero, of all outputs together.

    See Also
    --------
    RegularizationPathDisplay : Draws the weights against alpha.
    GDRegressorCV : Chooses alpha by cross-validation.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from skgd import GDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = GDRegressor(penalty="l1").path(scale(X), y, n_alphas=5)
    >>> path.n_nonzero.tolist()
    [0, 4, 7, 9, 10]
    >>> path.select(1.0).coef_.shape
    (10,)
    """

    alphas: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    objective: np.ndarray
    feature_names: np.ndarray
    estimator: Any
    _models: tuple[dict, ...]  # fitted attributes

    def __repr__(self) -> str:
        ends = f"{len(self.alphas)} alphas from {self.alphas[0]:.3g} to {self.alphas[-1]:.3g}"
        return f"<RegularizationPath of {self.estimator!r}: {ends}, {len(self.feature_names)} features>"

    @property
    def n_nonzero(self) -> np.ndarray:
        return np.count_nonzero(self.coef.reshape(len(self.alphas), -1), axis=1)

    def select(self, alpha: float):
        """The model of the alpha of the path that is nearest to the given one, by their ratio.

        Parameters
        ----------
        alpha : float
            Strength of the penalty, not negative.

        Returns
        -------
        estimator : object
            A fitted estimator of the class that the path was made with. It predicts; ``partial_fit`` and
            ``warm_start`` begin anew.
        """
        if not alpha >= 0:
            raise ValueError(f"alpha={alpha!r} must not be negative.")
        return self._at(self._nearest(alpha))

    def predict(self, X, offset=None) -> np.ndarray:
        """Predictions of all models.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        y : ndarray of shape (n_alphas, n_samples) or (n_alphas, n_samples, n_outputs)
            Predictions in the order of ``alphas``.
        """
        return np.stack([self._at(k).predict(X, offset=offset) for k in range(len(self.alphas))])

    def _nearest(self, alpha: float) -> int:
        tiny = np.finfo(float).tiny  # stands for zero
        ratios = np.log(np.maximum(self.alphas, tiny)) - np.log(max(alpha, tiny))
        return int(np.argmin(np.abs(ratios)))

    def _at(self, k: int):
        alpha, own = float(self.alphas[k]), self.estimator.alpha
        each = alpha * np.asarray(own, dtype=float) if np.ndim(own) else alpha
        model = clone(self.estimator).set_params(alpha=each)
        model._become(deepcopy(self._models[k]))
        return model


def path_of(
    estimator, X, y, alphas, n_alphas: int, eps: float, sample_weight, offset=None
) -> RegularizationPath:
    """The path of an estimator of linear models, which stays as it is."""
    estimator._validate_params()
    options = estimator._options(X)
    if is_count(alphas):
        alphas, n_alphas = None, alphas
    given = None if alphas is None else np.sort(positive(alphas, "alphas", zero=True, count=True))[::-1]
    _check(options.objective.penalty, n_alphas, eps)
    rows = estimator._training_rows(options, X, y, sample_weight, offsets=(offset, None))
    with rows.check:
        find = _finder(estimator, options, rows)
        given = _grid(find.largest_alpha, n_alphas, eps) if given is None else given
        return _path(estimator, options, rows, given, find(given))


def alphas_of(estimator, X, y, count: int, sample_weight=None, offset=None) -> np.ndarray:
    """So many alphas as a path to these rows has."""
    estimator._validate_params()
    options = estimator._options(X)
    _check(options.objective.penalty, count)
    rows = estimator._training_rows(options, X, y, sample_weight, offsets=(offset, None))
    with rows.check:
        return _grid(_finder(estimator, options, rows).largest_alpha, count)


def _check(penalty: Penalty, n_alphas: int, eps: float = _EPS) -> None:
    if penalty.factors is not None and not penalty.factors.any():
        raise ValueError("Several alphas need a penalty, but all elements of alpha are zero.")
    if isinstance(penalty, NoPenalty):
        raise ValueError("Several alphas need a penalty: with penalty=None the model is the same for all.")
    if not is_count(n_alphas) or n_alphas < 1:
        raise ValueError(f"n_alphas={n_alphas!r} must be a whole number, at least 1.")
    if not isinstance(eps, Real) or not 0 < eps < 1:
        raise ValueError(f"eps={eps!r} must be a number between 0 and 1.")


def _path(
    estimator, options: Options, rows: TrainingRows, alphas, models: list[_Model]
) -> RegularizationPath:
    """The path of these models."""
    task, problem = rows.task, Problem(rows.design, rows.targets, options.objective)
    coef = np.stack([weights for weights, *_ in models]).astype(problem.dtype)
    intercept = np.stack([intercepts for _, intercepts, _ in models]).astype(problem.dtype)
    fitted = tuple(
        {**rows.schema, **estimator._model_of(task, problem, w, b), **facts}
        for w, b, (*_, facts) in zip(coef, intercept, models, strict=True)
    )
    if task.coef_is_flat or (rows.targets.codes and coef.shape[1] == 1):
        coef, intercept = coef[:, 0], intercept[:, 0]
    objective = np.array([model["loss_"] for model in fitted])
    names = rows.schema.get("feature_names_in_")
    if names is None:
        names = np.array([f"x{j}" for j in range(problem.d)], dtype=object)
    return RegularizationPath(alphas, coef, intercept, objective, names, clone(estimator), fitted)


def _grid(largest: float, n_alphas: int, eps: float = _EPS) -> np.ndarray:
    """Alphas a constant factor apart, from the largest down to eps times it."""
    largest = max(largest, np.finfo(float).resolution)  # of a constant y it is zero
    return np.geomspace(largest, largest * eps, n_alphas)


def _finder(estimator, options: Options, rows: TrainingRows) -> Minima | Descents:
    """What finds the models of alphas."""
    if goes_by_path(options, rows.design):
        moments = CentredMoments.of(rows.design, rows.targets, options.objective.fit_intercept)
        if moments.is_finite:
            return Minima(moments, options.objective.penalty)
    return Descents(estimator, options, rows)


def _smallest_alpha_for_zeros(penalty: Penalty, pull: np.ndarray) -> float:
    """From minus the slopes (d, K) of the mean loss at the best constant, and at the best weights of features
    without a penalty; of l2 that of an l1 share of a thousandth."""
    if isinstance(penalty, Together):
        return penalty.least_alpha(pull) * (1 + _ROUNDING)
    share = replace(penalty, alpha=1.0).l1
    low, high = Kinks.of(penalty, np.ones(len(pull))).sides
    reach = np.maximum(np.where(high > 0, pull, 0.0), np.where(low < 0, -pull, 0.0)).max(axis=1)
    factors = np.ones(len(pull)) if penalty.factors is None else penalty.factors
    steepest = np.max(reach[factors > 0] / factors[factors > 0], initial=0.0)
    return float(steepest) / max(share, _LEAST_L1_SHARE) * (1 + _ROUNDING)


# -- squared error --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Minima:
    """The exact minima of squared error and penalty."""

    moments: CentredMoments
    penalty: Penalty

    @property
    def largest_alpha(self) -> float:
        return _smallest_alpha_for_zeros(self.penalty, pull_of_zeros(self.moments, self.penalty.factors))

    def __call__(self, alphas) -> list[_Model]:
        path = minimisers(self.moments, alphas, self.penalty)
        facts = [{"loss_": float(value)} for value in path.objective]
        return list(zip(path.coef, path.intercept, facts, strict=True))


# -- other losses ---------------------------------------------------------------------------------


class Descents:
    """The ends of descents: the first from the best constant, the others from the end of the last."""

    def __init__(self, estimator, options: Options, rows: TrainingRows):
        self.estimator, self.options, self.rows = estimator, options, rows
        self.constant = _best_constant(rows, options.objective)

    @property
    def largest_alpha(self) -> float:
        problem = Problem(self.rows.design, self.rows.targets, self.options.objective)
        factors = problem.penalty.factors
        if factors is None or factors.all():
            slopes = _slopes_between(problem, *self.constant)
        else:
            slopes = self._slopes_beside(problem, np.flatnonzero(factors == 0))
        rounding = _OF_DESCENTS * float(np.finfo(problem.dtype).eps)  # of the gradients in their precision
        return _smallest_alpha_for_zeros(problem.penalty, -slopes) * (1 + rounding)

    def _slopes_beside(self, problem: Problem, free: np.ndarray) -> np.ndarray:
        """Slopes (d, K) of the mean loss at the best weights of some features alone, without a penalty."""
        design = self.rows.design
        alone = design_of(design.X[:, free].copy(), design.kept)
        objective = replace(self.options.objective, penalty=NoPenalty())
        options = replace(self.options, objective=objective)
        end = np.zeros((self.rows.targets.columns, len(free))), np.mean(self.constant, axis=0)
        fit = self._begin(options, end, alone)
        end_fit(fit, train(fit))
        weights, intercepts = self.estimator._unpack(fit.descent.parameters, fit.problem)
        theta = problem.zeros()
        theta[free, : len(weights)], theta[-1, : len(weights)] = weights.T, intercepts
        return problem.loss_gradient(theta)[:-1, : len(weights)].astype(float)

    def __call__(self, alphas) -> list[_Model]:
        estimator, rows = self.estimator, self.rows
        scorers, messages, models = scorers_of(estimator, estimator.scoring), [], []
        end = np.zeros((rows.targets.columns, rows.design.d)), np.mean(self.constant, axis=0)
        for alpha in alphas:
            options = self.options.with_rate(self.options.learning_rate, float(alpha))
            fit = self._begin(options, end)
            record = train(fit, estimator._validation(fit.problem, rows, scorers))
            if record.stop_reason == "interrupted":
                raise KeyboardInterrupt
            fit.check_rows(record.seen)
            facts = _facts(fit, record)
            end = estimator._unpack(fit.descent.parameters, fit.problem)
            models.append((*end, facts))
            messages += [(alpha, text) for text in convergence_warnings(fit, record, facts["loss_"])]
        _warn_of(messages, len(alphas))
        return models

    def _begin(self, options: Options, end: tuple, design: Design | None = None) -> Fit:
        rows, estimator = self.rows, self.estimator
        design = rows.design if design is None else design
        units = Units.of_fit(options, design, rows.targets)
        design, targets = units.applied(options, design, rows.targets)
        return begin_fit(options, design, targets, start=estimator._start(options, *end), check=rows.check)


def _facts(fit: Fit, record: Record) -> dict:
    """The end of a descent, and what it tells of itself, by attributes of a fitted estimator."""
    return {
        "loss_": end_fit(fit, record),
        "n_iter_": max(1, record.epochs),
        "n_updates_": fit.descent.t,
        "learning_rate_": fit.descent.rate,
        "stop_reason_": record.stop_reason,
    }


def _warn_of(messages: list[tuple[float, str]], count: int) -> None:
    """One warning for all descents that ended too early."""
    if messages:
        alpha, text = messages[0]
        alphas = len({each for each, _ in messages})
        told = f"{alphas} of the {count} fits of the path, the first at alpha={alpha:.3g}: {text}"
        warnings.warn(told, ConvergenceWarning, stacklevel=5)


# -- the best constant ----------------------------------------------------------------------------


def _slopes_between(problem: Problem, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Slopes (d, K) of the mean loss along weights that are zero, at intercepts between close bounds.

    Where a kink lies between them, the slopes at the bounds are mixed so that those of the intercepts are
    zero.
    """

    def slopes(intercepts):
        theta = problem.zeros()
        theta[-1, : len(intercepts)] = intercepts
        return problem.loss_gradient(theta)[:, : len(intercepts)].astype(float)

    below, above = slopes(low), slopes(high)
    gap = above[-1] - below[-1]
    share = np.clip(np.divide(-below[-1], gap, out=np.ones_like(gap), where=gap > 0), 0, 1)
    return (below + share * (above - below))[:-1]


def _best_constant(rows: TrainingRows, objective: Objective) -> tuple[np.ndarray, np.ndarray]:
    """Close bounds of the best intercepts (K,) of zero weights."""
    targets = replace(rows.targets, of_all=None)
    nothing = design_of(sparse.csr_array((len(targets.y), 1), dtype=rows.design.dtype))
    bare = replace(objective, penalty=NoPenalty())
    problem, K = Problem(nothing, targets, bare), targets.columns
    if not objective.fit_intercept:
        return np.zeros(K), np.zeros(K)

    def at(intercepts):
        theta = problem.zeros()
        theta[-1, :K] = intercepts
        return problem.value(theta), problem.loss_gradient(theta)[-1, :K].astype(float)

    start = np.broadcast_to(np.asarray(problem._constant, dtype=float), (K,))
    if objective.loss._ties_classes and K > 1:
        best = minimize(at, start, jac=True, method="BFGS", options={"gtol": 1e-10}).x
        return best, best
    return _bisected(lambda intercepts: at(intercepts)[1], start, np.finfo(problem.dtype).eps)


def _bisected(slopes, start: np.ndarray, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """Close bounds (K,) of where rising slopes pass zero, each along an axis of its own."""
    width = np.maximum(np.abs(start), 1.0) * np.sqrt(precision)
    low, high = start - width, start + width
    for _ in range(_DOUBLINGS):
        below, above = slopes(low) > 0, slopes(high) < 0
        if not (below.any() or above.any()):
            break
        low, high, width = np.where(below, low - width, low), np.where(above, high + width, high), 2 * width
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        rising = slopes(middle) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    return low, high
