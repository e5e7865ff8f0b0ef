"""The learning rate: the largest one that works, and a picture of those that do."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from . import _options as options
from ._estimator import of_mean_one
from ._problem import Penalty, Problem
from ._step_size import scale_of
from ._targets import class_codes, classes_of, classification_targets, regression_targets
from ._validation import check_matrix, check_weights
from .display import LearningRateDisplay
from .losses import LOSSES, Loss

__all__ = ["StableRate", "find_learning_rate", "largest_stable_learning_rate"]


class StableRate(float):
    """A learning rate, a float in every use, that knows the data it was found for.

    Attributes
    ----------
    critical_batch_size : float
        The batch size beyond which larger ones save no passes over the data: the stable rate, which
        grows with the batch size, has reached half of what all rows would allow.
    condition : float
        Condition number of the objective, largest over smallest curvature: batch descent needs a
        number of epochs proportional to it (to its root with Nesterov's momentum). Exact for squared
        loss and up to 128 features; a lower bound for more, where the mean curvature stands for the
        smallest.
    """

    critical_batch_size: float
    condition: float

    def __new__(cls, rate: float, critical_batch_size: float = np.nan, condition: float = np.nan):
        self = super().__new__(cls, rate)
        self.critical_batch_size, self.condition = float(critical_batch_size), float(condition)
        return self

    def __getnewargs__(self):
        return float(self), self.critical_batch_size, self.condition


@validate_params(
    {
        "X": ["array-like", "sparse matrix"],
        "y": ["array-like", None],
        "loss": [StrOptions(set(LOSSES)), Loss],
        "solver": [StrOptions({"batch", "sgd", "minibatch"})],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "sample_weight": ["array-like", None],
        "fit_intercept": ["boolean"],
        "alpha": [Interval(Real, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def largest_stable_learning_rate(
    X,
    y=None,
    *,
    loss: str | Loss = "squared_error",
    solver: str = "minibatch",
    batch_size: int = 32,
    sample_weight=None,
    fit_intercept: bool = True,
    alpha: float = 0.0,
) -> StableRate:
    r"""The largest constant learning rate for which plain gradient descent does not diverge.

    For b rows per update

    .. math:: \eta_{\max} = \frac{2}{c\,[(1 - 1/b)\,\lambda_{\max} + R^2 / b] + \alpha},
              \qquad R^2 = \frac{\sum_i \|x_i\|^4}{\sum_i \|x_i\|^2},

    where :math:`\lambda_{\max}` is the largest eigenvalue of :math:`X^\top X / n` (with the column of
    ones of the intercept) and c the curvature of the loss: 1 for squared error, 1/4 for log loss.
    With all rows (``solver="batch"``) the term of single rows is not there, and the limit is the
    classical :math:`2 / L`. One row at a time the longest rows decide. For quadratic objectives
    descent diverges beyond; losses with bounded slopes oscillate instead.

    X is read three times at most.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows, scaled as they will be for the fit.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets. Needed only where the curvature depends on them: for losses with linear tails or
        kinks, whose unit is the spread of y (1 without y); for a log link, where it grows with the
        mean (1 without y); for the softmax of more than two classes (two without y).
    loss : str or skgd.losses.Loss, default="squared_error"
        As in the estimators.
    solver : {"batch", "sgd", "minibatch"}, default="minibatch"
        Rows per update: all, one, or ``batch_size``.
    batch_size : int, default=32
        Rows per update of ``solver="minibatch"``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    fit_intercept : bool, default=True
        Whether there is an intercept, which is a feature that is always one.
    alpha : float, default=0.0
        Strength of the l2 penalty.

    Returns
    -------
    rate : StableRate
        The rate: a float with the attributes ``critical_batch_size`` and ``condition``.

    See Also
    --------
    find_learning_rate : Tries rates and draws what comes of them.

    References
    ----------
    Ma, Bassily & Belkin (2018). The power of interpolation: understanding the effectiveness of SGD in
    modern over-parametrized learning. ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd.learning_rate import largest_stable_learning_rate
    >>> X = StandardScaler().fit_transform(load_diabetes().data)
    >>> for solver in ("batch", "minibatch", "sgd"):
    ...     print(f"{solver:9} {largest_stable_learning_rate(X, solver=solver):.3f}")
    batch     0.497
    minibatch 0.461
    sgd       0.142
    >>> rate = largest_stable_learning_rate(X)
    >>> print(f"{rate.critical_batch_size:.1f} rows, condition {rate.condition:.0f}")
    4.5 rows, condition 470
    """
    loss = LOSSES[loss]() if isinstance(loss, str) else loss
    X = check_matrix(X)
    weight = of_mean_one(check_weights(sample_weight, X))
    targets = _targets(X, y, weight, loss)
    problem = Problem(X, targets, loss, Penalty(l2=float(alpha)), bool(fit_intercept))
    rows = options.rows_of(solver, batch_size, problem.n)
    scale = scale_of(problem, max(2, rows), few_passes=True)  # with the eigenvalue, whatever the solver
    parameters = problem.d + bool(fit_intercept)
    return StableRate(scale.largest_stable(rows), scale.critical_batch_size(), scale.condition(parameters))


def _targets(X, y, weight, loss):
    if y is None:
        y = np.zeros(X.shape[0], dtype=X.dtype)
        return regression_targets(y, weight, X.dtype, Loss())
    y = np.asarray(y)
    if len(y) != X.shape[0]:
        raise ValueError(f"X and y have inconsistent numbers of samples: {X.shape[0]} and {len(y)}.")
    if loss.task == "regression":
        return regression_targets(y, weight, X.dtype, loss)
    classes = classes_of(y)
    return classification_targets(class_codes(y, classes, X.dtype), weight, len(classes))


def find_learning_rate(
    estimator, X, y, *, rates=None, sample_weight=None, max_iter: int | None = None
) -> LearningRateDisplay:
    """Try many learning rates at once, and suggest one.

    Every rate gets an epoch from the same start over the same order of the rows, and the objective
    after it. That is the descent itself, not a ramp in which each rate inherits what the ones before
    it spoilt. For linear models the rates are columns of one parameter matrix, so that each row is
    read once for all of them; softmax, losses in Python, Nesterov's momentum, the adaptive schedule and
    perceptrons are fitted one after the other.

    Parameters
    ----------
    estimator : object
        One of skgd's estimators, or a Pipeline that ends with one; it is not changed. Its own
        ``learning_rate`` does not matter; its optimizer, schedule and solver do.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    rates : array-like of shape (n_rates,), default=None
        Rates to try. By default 40, from a thousandth of twice the automatic rate, which for plain
        updates is about the largest stable one, to ten times it (a hundred for adaptive optimizers).
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    max_iter : int, default=None
        Epochs for each rate. By default one, or as many as make 20 updates.

    Returns
    -------
    display : LearningRateDisplay
        With the rates, what came of each, ``stable_limit_``, and ``suggestion_``: the rate with the
        lowest objective up to that limit, or a tenth of it for adaptive optimizers. ``display.plot()``
        draws it.

    See Also
    --------
    largest_stable_learning_rate : The limit, without any training.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skgd import GDClassifier
    >>> from skgd.learning_rate import find_learning_rate
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), GDClassifier(tol=1e-3, random_state=0))
    >>> found = find_learning_rate(model, X, y)
    >>> found.suggestion_ <= found.stable_limit_
    True
    >>> model = model.set_params(gdclassifier__learning_rate=found.suggestion_).fit(X, y)
    """
    return LearningRateDisplay._found(estimator, X, y, sample_weight, rates, max_iter)
