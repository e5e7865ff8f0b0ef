"""Standard errors, tests and confidence intervals of linear models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from copy import copy
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted, column_or_1d

from ._covariance import Estimates, Rows, SingularError, estimates_of
from ._design import design_of
from ._penalty import L2, NoPenalty
from ._replicates import Following, Replicates
from ._streaming import has_partial_fit
from ._summary import names_of, table_of
from ._targets import of_mean_one
from ._validation import check_offset, check_weights
from .linear import LinearModel
from .losses import _PinballLoss

__all__ = ["StreamBootstrap", "summarize"]

_NEAR = 0.25  # standard errors that a weight may be off before there is a warning
_KINDS = ("model", "robust", "clustered")
_DENSITIES = ("window", "kernel")


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
    offset: ArrayLike | None = None,
    density: str = "window",
    frequencies: bool = False,
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
    density of the residuals at zero: one for all rows under "model", one of each row in the others (Powell
    1991). It is estimated from the residuals between their quantiles q - h and q + h, with the bandwidth h of
    Hall & Sheather (1988); see ``density``.

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
        Weights of the rows, as in the fit; only their ratios matter, unless they are ``frequencies``. Class
        weights are multiplied with them.
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
    offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Offset of the raw scores, as in the fit.
    density : {"window", "kernel"}, default="window"
        Estimate of the density of residuals, for the quantile and the absolute error. "window": 2 h over the
        distance of the residuals' quantiles q - h and q + h (Siddiqui 1960); for single rows, one over
        that distance where the residual lies between them. "kernel": Epanechnikov's kernel, with a width of
        :math:`\sigma (\Phi^{-1}(q + h) - \Phi^{-1}(q - h))` as in Koenker (2005, 3.4.2), which is the default
        of statsmodels; its intervals are too wide where residuals are dense, and too narrow for outer
        quantiles.
    frequencies : bool, default=False
        Whether sample_weight tells for how many equal rows each row stands: errors are those of all of them.

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
        If the loss has no such covariance, features depend linearly on each other, the penalty is not l2, or
        a weight is at a bound.
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
    Siddiqui (1960). Distribution of quantiles from a bivariate population. J. Res. National Bureau of
    Standards 64B.

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
    if density not in _DENSITIES:
        raise ValueError(f"density={density!r} must be one of {list(_DENSITIES)}.")
    if isinstance(loss, _PinballLoss):
        loss = copy(loss)
        loss._density = density
    options = model._options(X, reset=False)
    rows, numbers = _rows_of(model, task, X, y, sample_weight, groups, offset, frequencies)
    theta = np.column_stack([np.atleast_2d(_dense(model.coef_)), model.intercept_]).astype(float)[:, : rows.p]
    penalty = options.objective.penalty
    _check_bounds(penalty.bounds, _dense(model.coef_))
    l2 = _l2_of(penalty, getattr(model, "penalty", None), vars(model).get("alpha_"))
    if covariance == "model" and getattr(model, "class_weight", None) is not None:
        raise ValueError('covariance="model" knows no class_weight: use "robust" (or "clustered").')
    try:
        found = estimates_of(rows, loss, theta, l2, covariance, numbers, correction)
    except SingularError as error:
        raise _dependent(error, names_of(model, rows.design.d)) from None
    _warn(found)
    if len(found.covariance) == 1 and len(theta) > 1:
        theta = theta - theta.mean(axis=0)
    return table_of(model, theta, found.errors, level)


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
    _check_level(level)


def _check_level(level) -> None:
    if not isinstance(level, Real) or not 0 < float(level) < 1:
        raise ValueError(f"level={level!r} must be a number between 0 and 1.")


def _dense(coef) -> np.ndarray:
    return coef if isinstance(coef, np.ndarray) else coef.toarray()


def _rows_of(model, task, X, y, sample_weight, groups, offset, frequencies) -> tuple[Rows, np.ndarray | None]:
    """Validated rows with their raw scores, and the numbers of their groups."""
    X = model._check_rows(model, X, reset=False)
    y = _check_y(y, multi_output=True, y_numeric=model._task == "regression", estimator=model)
    check_consistent_length(X, y)
    weight = check_weights(sample_weight, X)
    targets = model._encode(task, y, weight, np.dtype(float), model._fitted_loss)
    targets = targets.with_offset(check_offset(offset, X, targets.columns), model._fitted_loss)
    raw = np.asarray(X @ _dense(model.coef_).reshape(-1, X.shape[1]).T.astype(float) + model.intercept_)
    if frequencies:
        weight = _frequencies(weight, model)
    else:
        weight = None if targets.weight is None else _counting(targets.weight.astype(float))
    raw, intercept = targets.offset_to(raw.astype(float)), bool(model.fit_intercept)
    rows = Rows(design_of(X), targets.y, raw, weight, intercept, bool(frequencies))
    if groups is None:
        return rows, None
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    numbers = np.unique(groups, return_inverse=True)[1]
    if numbers.max() < 1:
        raise ValueError("groups holds one group only: independent ones are needed, and many.")
    return rows, numbers


def _frequencies(weight, model) -> np.ndarray:
    """Numbers of equal rows, or an error."""
    if (
        weight is None
        or getattr(model, "class_weight", None) is not None
        or np.any(weight != np.round(weight))
    ):
        raise ValueError("frequencies=True needs whole numbers as sample_weight, and no class_weight.")
    return np.asarray(weight, dtype=float)


def _counting(weight: np.ndarray) -> np.ndarray:
    """Weights with a mean of one over the rows that count."""
    counts = weight > 0
    return np.where(counts, of_mean_one(weight) * counts.mean(), 0.0)


def _l2_of(penalty, given, alpha) -> np.ndarray | float:
    """Strength of the l2 penalty of each feature, or of all; raises where there is another penalty."""
    if penalty.joint and penalty.bounds is not None:
        raise ValueError(
            "Weights with bounds for each output have no standard errors: fit without the bounds."
        )
    if type(penalty) not in (NoPenalty, L2):
        raise ValueError(
            f"penalty={given!r} selects weights by looking at the rows: their errors are not known. Fit with "
            'penalty=None or "l2", to other rows where features were selected.'
        )
    if alpha is None or not penalty.l2:
        return penalty.l2_of_features
    return alpha if penalty.factors is None else alpha * penalty.factors


def _check_bounds(bounds, coef: np.ndarray) -> None:
    """Weights within their bounds are where they would be without."""
    if bounds is None:
        return
    low, high = np.moveaxis(bounds.of_features(coef.shape[-1]), 1, -1)
    if ((coef <= low) | (coef >= high)).any():
        raise ValueError(
            "Weights at a bound (positive, bounds) are not normally distributed, and others depend on which "
            "ones are there: there are no standard errors. Fit without the bounds."
        )


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


class StreamBootstrap(BaseEstimator):
    r"""Standard errors of a linear model that learns from a stream, without the rows gone by.

    Beside the model go B copies of it, which see the same rows under random weights :math:`W_{ib}` that are
    0 or 2 with equal probability (mean and variance one). With the slope :math:`g` of the loss and the
    learning rate :math:`\eta_t`, the same for all,

    .. math:: w_b \leftarrow w_b - \eta_t\, W_{ib}\, g(y_i, x_i^\top w_b)\, x_i .

    The copies, or their means of the iterates, scatter about the model as the model does about the minimum
    of the expected loss (Fang, Xu & Yang 2018). The errors are robust: they need rows that are independent,
    and no model of the noise.

    Parameters
    ----------
    estimator : GDRegressor or GDClassifier
        What is to learn from the stream; it is cloned. It may have ``penalty=None`` or "l2", and best
        ``alpha=0``, as the intervals are for what penalised models are near to.
    n_replicates : int, default=50
        Copies B. Standard errors are known to about :math:`1 / \sqrt{2 B}` of their size.
    random_state : int, RandomState instance or None, default=None
        Determines the weights.

    Attributes
    ----------
    estimator_ : GDRegressor or GDClassifier
        The model, equal to one that was given the same calls of ``partial_fit`` by itself.
    replicates_ : ndarray of shape (n_replicates, n_outputs, n_features + 1)
        Weights and intercepts of the copies.

    See Also
    --------
    summarize : Standard errors at the minimum, from all rows.

    Notes
    -----
    On dense rows with one output, or two classes, and a loss and an optimizer of the core that look at one
    weight at a time, the copies are columns of one matrix, and each row is read once for all of them.
    Otherwise each copy costs as much as the model.

    Errors describe chance, not how far the descent is from its minimum, so that has to be small: keep
    ``average="auto"`` or True, wait for some thousand rows, and give ``solver="sgd"`` a falling rate,
    ``schedule=InvScaling(power=0.5)``. At a rate that does not fall the mean of the iterates stays beside the
    minimum of a loss that is not quadratic; in mini-batches that is little.

    References
    ----------
    Fang, Xu & Yang (2018). Online bootstrap confidence intervals for the stochastic gradient descent
    estimator. Journal of Machine Learning Research 19(78).

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.inference import StreamBootstrap
    >>> rng = np.random.default_rng(0)
    >>> stream = StreamBootstrap(GDRegressor(alpha=0, random_state=0), random_state=0)
    >>> for _ in range(20):
    ...     X = rng.normal(size=(500, 2))
    ...     y = X @ [1.0, -2.0] + rng.normal(size=500)
    ...     stream = stream.partial_fit(X, y)
    >>> found = stream.summarize()
    >>> bool(np.all((found["low"][:2] < [1, -2]) & ([1, -2] < found["high"][:2])))
    True
    """

    estimator_: Any
    _replicates: Replicates

    def __init__(self, estimator, *, n_replicates: int = 50, random_state=None):
        self.estimator = estimator
        self.n_replicates = n_replicates
        self.random_state = random_state

    def partial_fit(self, X, y, classes=None, sample_weight=None, offset=None):
        """Update the model and its copies with some more rows.

        A call that raises, or is interrupted, leaves all of them as they were.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the stream.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        classes : array-like of shape (n_classes,), default=None
            Of a classifier, as in its ``partial_fit``.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, used as they are.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Offset of the raw scores of these rows.

        Returns
        -------
        self : object
            The updated bootstrap.
        """
        begun = hasattr(self, "estimator_")
        estimator = self.estimator_ if begun else clone(self._checked())
        has_partial_fit(estimator)
        estimator._validate_params()
        penalty = estimator._options(X, reset=False).objective.penalty
        _l2_of(penalty, estimator.penalty, None)
        if penalty.bounds is not None:
            raise ValueError("Weights within bounds (positive, bounds) have no standard errors in a stream.")
        copies = self._replicates if begun else Replicates(self.n_replicates, self._generator())
        following = Following(copies)
        estimator._stream(X, y, classes, sample_weight=sample_weight, offset=offset, beside=following)
        self.estimator_, self._replicates = estimator, following.close()
        return self

    def summarize(self, *, level: float = 0.95) -> Mapping[str, Any]:
        """Tell the weights with standard errors, tests and confidence intervals.

        The tests and intervals are by Student's distribution with B - 1 degrees of freedom, as the errors are
        known from B copies only.

        Parameters
        ----------
        level : float in (0, 1), default=0.95
            Probability that an interval holds the limit of its weight.

        Returns
        -------
        summary : DataFrame, or dict of ndarrays where pandas is not installed
            As from :func:`summarize`.

        Warns
        -----
        UserWarning
            If there is no mean of the iterates, or single rows are learnt at a rate that does not fall.
        """
        copies = self.replicates_
        _check_level(level)
        _warn_of_iterates(self.estimator_)
        model, intercept = self.estimator_, bool(self.estimator_.fit_intercept)
        theta = np.column_stack([np.atleast_2d(_dense(model.coef_)), model.intercept_]).astype(float)
        if model._fitted_loss._ties_classes and len(theta) > 1:
            theta, copies = theta - theta.mean(axis=0), copies - copies.mean(axis=1, keepdims=True)
        p = theta.shape[1] - (not intercept)
        errors = copies.std(axis=0, ddof=1)[:, :p]
        return table_of(model, theta[:, :p], errors, level, len(copies) - 1)

    @property
    def replicates_(self) -> np.ndarray:
        if not hasattr(self, "estimator_"):
            raise NotFittedError("This StreamBootstrap has seen no rows yet: call partial_fit.")
        return self._replicates.parameters()

    def __getstate__(self):
        state = super().__getstate__()
        known = state.get("_replicates")
        return state if known is None else {**state, "_replicates": known.settled()}

    def _checked(self):
        """The estimator, if it is one whose stream has errors."""
        estimator, count = self.estimator, self.n_replicates
        if not isinstance(estimator, LinearModel) or not hasattr(estimator, "_stream"):
            raise TypeError(
                f"estimator={estimator!r} must be a GDRegressor or GDClassifier: of a pipeline give the last "
                "step and the rows as it gets them."
            )
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 2:
            raise ValueError(f"n_replicates={count!r} must be a whole number of at least 2.")
        return estimator

    def _generator(self) -> np.random.Generator:
        seed = check_random_state(self.random_state).randint(2**32, dtype=np.uint64)
        return np.random.default_rng(int(seed))


def _warn_of_iterates(model) -> None:
    """That do not come to rest: their mean can stay away from the minimum by more than the errors say."""
    if model.average is False:
        advice = "average=False: single iterates do not settle at a minimum. Take average=True."
    elif model.solver == "sgd" and model.schedule == "constant":
        advice = (
            'solver="sgd" at a rate that does not fall: the mean of its iterates can stay away from the '
            "minimum, and the copies scatter more than the model. Take a falling rate, such as "
            "schedule=InvScaling(power=0.5)."
        )
    else:
        return
    warnings.warn(f"The standard errors can be wrong with {advice}", stacklevel=3)
