"""Standard errors, tests and confidence intervals of linear models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted, column_or_1d

from ._covariance import Estimates, Rows, SingularError, estimates_of
from ._design import design_of
from ._penalty import L2, NoPenalty
from ._targets import of_mean_one
from ._validation import check_weights
from .linear import LinearModel

__all__ = ["summarize"]

_NEAR = 0.25  # standard errors that a weight may be off before there is a warning
_KINDS = ("model", "robust", "clustered")


def summarize(
    model,
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    covariance: str = "model",
    groups: ArrayLike | None = None,
    *,
    level: float = 0.95,
    correction: bool = True,
) -> Mapping[str, Any]:
    r"""Tell the weights of a fitted linear model with standard errors, z tests and confidence intervals.

    The weights minimise the weighted mean of losses :math:`\ell(y_i, z_i)`, :math:`z_i = x_i^\top w` (the
    intercept is one of the weights, of a feature that is 1). They scatter about their limit with the
    covariance

    .. math:: H^{-1} V H^{-1}, \qquad H = \sum_i s_i\, \ell''(y_i, z_i)\, x_i x_i^\top + n \alpha D,

    where :math:`s_i` are the sample weights, scaled to a mean of one, and D has ones for the weights that an
    l2 penalty acts on (White 1982). The kinds differ in V:

    - "model": :math:`\phi \sum_i s_i\, \mathrm{E}\,\ell''(y_i, z_i)\, x_i x_i^\top`, which is right if the
      model that the loss stands for is. The dispersion :math:`\phi` is 1 for log loss and Poisson; the sum of
      squares over n - p for squared error; Pearson's for gamma and Tweedie, :math:`\sum_i s_i (y_i - \mu_i)^2
      / \mu_i^q / (n - p)` with :math:`\mu_i = e^{z_i}` and the power q of the variance; Huber's (1981, 7.6.5)
      for other losses of residuals; and :math:`q (1 - q) / f(0)^2` for the quantile q (Koenker & Bassett
      1978).
    - "robust": :math:`\sum_i s_i^2\, \ell'(y_i, z_i)^2 x_i x_i^\top`, which needs rows that are independent,
      and no more (Huber 1967, White 1980).
    - "clustered": :math:`\sum_g u_g u_g^\top` with :math:`u_g = \sum_{i \in g} s_i\, \ell'(y_i, z_i)\, x_i`,
      which needs groups that are independent, and many of them (Liang & Zeger 1986).

    Where the slope of a loss jumps (quantile, absolute error), the second derivative is the jump times the
    density of the residuals at zero, estimated with Epanechnikov's kernel and the bandwidth of Hall &
    Sheather (1988): one density for all rows under "model", one of each row in the others (Powell 1991).

    Parameters
    ----------
    model : GDRegressor, GDClassifier or a search over them
        A fitted linear model, best one that was fitted with ``penalty=None``, ``solver="batch"`` and a small
        ``tol``.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows that it was fitted to.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, as in the fit; only their ratios matter. Class weights are multiplied with them.
    covariance : {"model", "robust", "clustered"}, default="model"
        What is assumed about the rows; see above.
    groups : array-like of shape (n_samples,), default=None
        Group of each row, for "clustered".
    level : float in (0, 1), default=0.95
        Probability that an interval holds the limit of its weight.
    correction : bool, default=True
        Whether to correct for few rows: dispersions with n - p in the denominator instead of n, "robust"
        times n / (n - p) (HC1; without: HC0), "clustered" times G / (G - 1) (n - 1) / (n - p) for G groups. p
        is the number of the parameters of one output or class.

    Returns
    -------
    summary : DataFrame, or dict of ndarrays where pandas is not installed
        ``name`` (of the feature; "intercept"), ``coefficient``, ``standard_error``, ``z`` (their ratio),
        ``p_value`` (of the two-sided normal test of zero), ``low`` and ``high``; with several outputs,
        quantiles or classes also ``output``, the number of the output, or ``class``, the label. Units are
        those of ``coef_``.

    Raises
    ------
    ValueError
        If the loss has no such covariance, features depend linearly on each other, or the penalty is not l2.
    TypeError
        If the model is not linear.

    Warns
    -----
    ConvergenceWarning
        If the weights are more than a quarter of a standard error away from the minimum.
    UserWarning
        If the penalty moves a weight by more than a quarter of its standard error. The intervals are then
        those of what penalised fits scatter about, not of the weights without a penalty.

    Notes
    -----
    In softmax any constant can be added to the weights of all classes. Reported are those that sum to zero
    over the classes, with their errors.

    The intervals rest on the normal distribution, as for many rows; statsmodels takes Student's in linear
    regression. Weights that were selected by looking at the same rows have other errors.

    References
    ----------
    White (1982). Maximum likelihood estimation of misspecified models. Econometrica 50(1).
    Koenker (2005). Quantile Regression. Cambridge University Press.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.inference import summarize
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = GDRegressor(penalty=None, solver="batch", tol=1e-10).fit(X[["bmi", "bp"]], y)
    >>> summary = summarize(model, X[["bmi", "bp"]], y, covariance="robust")
    >>> summary["name"].tolist()
    ['bmi', 'bp', 'intercept']
    >>> [round(float(error), 2) for error in summary["standard_error"]]
    [0.72, 0.24, 18.06]
    """
    _check(model, covariance, groups, level)
    loss, task = model._fitted_loss, model._fitted_task()
    options = model._options(X, reset=False)
    rows, numbers = _rows_of(model, task, X, y, sample_weight, groups)
    theta = np.column_stack([np.atleast_2d(_dense(model.coef_)), model.intercept_]).astype(float)[:, : rows.p]
    l2 = _l2_of(options.objective.penalty, vars(model).get("alpha_"))
    if covariance == "model" and getattr(model, "class_weight", None) is not None:
        raise ValueError('covariance="model" knows no class_weight: use "robust" (or "clustered").')
    try:
        found = estimates_of(rows, loss, theta, l2, covariance, numbers, correction)
    except SingularError as error:
        raise _dependent(error, _names(model, rows)) from None
    _warn(found)
    if len(found.covariance) == 1 and len(theta) > 1:
        theta = theta - theta.mean(axis=0)
    return _table(_columns_of(model, rows, theta, found, level))


def _check(model, covariance, groups, level) -> None:
    """Raise where the question has no answer."""
    if not isinstance(model, LinearModel):
        raise TypeError(
            f"summarize needs a fitted GDRegressor or GDClassifier, not {type(model).__name__}: of a "
            "pipeline give the last step and the rows as it gets them; weights of perceptrons have no "
            "errors of their own."
        )
    check_is_fitted(model, "coef_")
    if covariance not in _KINDS:
        raise ValueError(f"covariance={covariance!r} must be one of {list(_KINDS)}.")
    if (groups is None) == (covariance == "clustered"):
        raise ValueError('groups and covariance="clustered" belong together: give both or neither.')
    if not isinstance(level, Real) or not 0 < float(level) < 1:
        raise ValueError(f"level={level!r} must be a number between 0 and 1.")


def _dense(coef) -> np.ndarray:
    return coef if isinstance(coef, np.ndarray) else coef.toarray()


def _rows_of(model, task, X, y, sample_weight, groups) -> tuple[Rows, np.ndarray | None]:
    """Validated rows with their raw scores, and the numbers of their groups."""
    X = model._check_rows(model, X, reset=False)
    y = _check_y(y, multi_output=True, y_numeric=model._task == "regression", estimator=model)
    check_consistent_length(X, y)
    weight = check_weights(sample_weight, X)
    targets = model._encode(task, y, weight, np.dtype(float), model._fitted_loss)
    raw = np.asarray(X @ _dense(model.coef_).reshape(-1, X.shape[1]).T.astype(float) + model.intercept_)
    weight = None if targets.weight is None else _counting(targets.weight.astype(float))
    intercept = bool(model.fit_intercept)
    rows = Rows(design_of(X), targets.y, raw.astype(float), weight, intercept)
    if groups is None:
        return rows, None
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    numbers = np.unique(groups, return_inverse=True)[1]
    if numbers.max() < 1:
        raise ValueError("groups holds one group only: independent ones are needed, and many.")
    return rows, numbers


def _counting(weight: np.ndarray) -> np.ndarray:
    """Weights with a mean of one over the rows that count."""
    counts = weight > 0
    return np.where(counts, of_mean_one(weight) * counts.mean(), 0.0)


def _l2_of(penalty, alpha) -> float:
    """Strength of the l2 penalty; raises where there is another one."""
    if type(penalty) not in (NoPenalty, L2):
        raise ValueError(
            f"penalty={penalty.name!r} selects weights by looking at the rows: their errors are not known. "
            "Fit with "
            f'penalty=None or "l2", to other rows where features were selected.'
        )
    return float(penalty.l2 if alpha is None or not penalty.l2 else alpha)


def _names(model, rows: Rows) -> list[str]:
    known = getattr(model, "feature_names_in_", None)
    names = [f"x{j}" for j in range(rows.design.d)] if known is None else list(map(str, known))
    return names + ["intercept"] * rows.intercept


def _dependent(error: SingularError, names: list[str]) -> ValueError:
    taking_part = [names[j] for j in error.columns]
    return ValueError(
        f"There are no standard errors: {', '.join(taking_part[:10])} can be traded for each other, as "
        "features are constant or depend linearly on each other (or classes are separated). Leave out some "
        "of them."
    )


def _warn(found: Estimates) -> None:
    """Of weights that are not what the intervals are for."""
    if found.distance > _NEAR:
        warnings.warn(
            f"A weight is {found.distance:.2g} standard errors away from the minimum of the objective: fit "
            "with "
            f'solver="batch" and a smaller tol (for example 1e-10), to the same rows.',
            ConvergenceWarning,
            stacklevel=3,
        )
    if found.shift > _NEAR:
        warnings.warn(
            f"The penalty moves a weight by {found.shift:.2g} standard errors: the intervals are those of "
            "penalised weights, and can miss the weights without a penalty. Fit with penalty=None, or a "
            "smaller alpha.",
            stacklevel=3,
        )


def _columns_of(model, rows: Rows, theta, found: Estimates, level: float) -> dict[str, np.ndarray]:
    K, errors = len(theta), found.errors.ravel()
    coefficient = theta.ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        z = coefficient / errors
    half = ndtri((1 + level) / 2) * errors
    columns = {
        "name": np.array(_names(model, rows) * K, dtype=object),
        "coefficient": coefficient,
        "standard_error": errors,
        "z": z,
        "p_value": 2 * ndtr(-np.abs(z)),
        "low": coefficient - half,
        "high": coefficient + half,
    }
    if K == 1:
        return columns
    classes = getattr(model, "classes_", None)
    name, values = ("output", np.arange(K)) if classes is None else ("class", classes)
    return {name: np.repeat(values, rows.p), **columns}


def _table(columns: dict[str, np.ndarray]):
    """A data frame where pandas is there."""
    try:
        from pandas import DataFrame
    except ImportError:
        return columns
    return DataFrame(columns)
