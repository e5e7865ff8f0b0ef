"""Tools for choosing a learning rate: the largest stable rate, and a comparison of many rates."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from ._design import design_of
from ._labels import classes_of
from ._options import Objective
from ._penalty import L2
from ._problem import Problem
from ._step_size import scale_of
from ._targets import Classes, Numbers, Targets, of_mean_one
from ._validation import check_matrix, check_weights
from .display import LearningRateDisplay
from .losses import LOSSES, Loss

__all__ = ["StableRate", "find_learning_rate", "largest_stable_learning_rate"]


class StableRate(float):
    """A stable learning rate: a float with additional attributes about the data.

    Attributes
    ----------
    critical_batch_size : float
        The batch size beyond which larger batches do not reduce the number of passes over the data: the
        stable rate, which grows with the batch size, is there half the stable rate of batch descent.
    condition : float
        Condition number of the objective, the ratio of the largest to the smallest curvature. Batch
        descent needs a number of epochs proportional to it (to its square root with Nesterov's
        momentum). Exact for squared error and at most 128 features; for more features it is a lower
        bound, computed with the mean curvature instead of the smallest.
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

    where :math:`\lambda_{\max}` is the largest eigenvalue of :math:`X^\top X / n` (including a column of
    ones for the intercept) and c the curvature of the loss: 1 for squared error, 1/4 for log loss.
    For ``solver="batch"`` the term with single rows vanishes, and the limit is the classical
    :math:`2 / L`. With one row per update, the rows with the largest norm determine the limit. At higher
    rates, descent diverges for quadratic objectives and oscillates for losses with bounded slopes.

    X is read at most three times.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data, scaled as for the fit.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Targets. Needed only if the curvature depends on them: for losses with linear tails or kinks, it
        depends on the spread of y (1 without y), for losses with a log link on the mean of y (1 without
        y), and for log loss on whether there are more than two classes (two without y).
    loss : str or skgd.losses.Loss, default="squared_error"
        As in the estimators.
    solver : {"batch", "sgd", "minibatch"}, default="minibatch"
        Number of rows per update: all, one, or ``batch_size``.
    batch_size : int, default=32
        Number of rows per update for ``solver="minibatch"``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    fit_intercept : bool, default=True
        Whether the model has an intercept, which acts like a feature that is always one.
    alpha : float, default=0.0
        Strength of the l2 penalty.

    Returns
    -------
    rate : StableRate
        The rate, a float with the attributes ``critical_batch_size`` and ``condition``.

    See Also
    --------
    find_learning_rate : Compare many rates by training with each of them.

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
    problem = Problem(design_of(X), targets, Objective(loss, L2(float(alpha)), bool(fit_intercept)))
    rows = {"batch": problem.n, "sgd": 1, "minibatch": min(batch_size, problem.n)}[solver]
    scale = scale_of(problem, max(2, rows), few_passes=True)  # with the eigenvalue, whatever the solver
    parameters = problem.d + bool(fit_intercept)
    return StableRate(scale.largest_stable(rows), scale.critical_batch_size(), scale.condition(parameters))


def _targets(X, y, weight, loss) -> Targets:
    if y is None:
        return Numbers(flat=True).encode(np.zeros(X.shape[0]), weight, X.dtype, Loss())
    y = np.asarray(y)
    if len(y) != X.shape[0]:
        raise ValueError(f"X and y have inconsistent numbers of samples: {X.shape[0]} and {len(y)}.")
    task = Numbers(y.ndim == 1) if loss.task == "regression" else Classes(classes_of(y))
    return task.encode(y, weight, X.dtype, loss)


def find_learning_rate(
    estimator, X, y, *, rates=None, sample_weight=None, max_iter: int | None = None
) -> LearningRateDisplay:
    """Compare many learning rates, and suggest one.

    With every rate, the model is trained for one epoch, from the same start and with the same order of
    the rows, and the objective is evaluated. In contrast to a learning-rate range test, which increases
    the rate during a single run, no rate is affected by the rates tried before. For linear models the
    rates are columns of one parameter matrix, so that each row is read once for all of them; softmax,
    losses in Python, Nesterov's momentum, the adaptive schedule and perceptrons are fitted one after the
    other.

    Parameters
    ----------
    estimator : object
        An estimator of skgd, or a Pipeline that ends with one; it is not changed. Its own
        ``learning_rate`` is ignored; its optimizer, schedule and solver are used.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    rates : array-like of shape (n_rates,), default=None
        Rates to try. By default 40 rates from r / 1000 to 10 r (adaptive optimizers: 100 r), where r is
        twice the automatic rate, for plain updates about the largest stable rate.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows.
    max_iter : int, default=None
        Epochs for each rate. By default one, or as many as needed for 20 updates.

    Returns
    -------
    display : LearningRateDisplay
        Contains the rates, the objective for each of them, ``stable_limit_``, and ``suggestion_``: the
        rate with the lowest objective up to that limit, or a tenth of it for adaptive optimizers.
        ``display.plot()`` draws them.

    See Also
    --------
    largest_stable_learning_rate : The largest stable rate, computed without training.

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
