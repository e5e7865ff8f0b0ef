"""The one-class support vector machine by gradient descent: which rows are unlike the others."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, _fit_context
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from ._descent import Descent
from ._diagram import Diagram
from ._docs import documented
from ._export import precision_for
from ._hints import HelpfulParameters
from ._streaming import partial_fit_available
from ._validation import check_design, check_weights, door_of, schema_of
from .linear import GDRegressor
from .losses import Quantile
from .optimizers import Optimizer
from .schedules import Schedule

__all__ = ["GDOneClassSVM"]

_ROWS = 4096  # that are taken in float64 at a time
_HANDED_ON = ("n_iter_", "n_updates_", "learning_rate_")
_CURVE_LENGTH = 10_000  # entries of loss_curve_ that a stream keeps


@documented
class GDOneClassSVM(HelpfulParameters, Diagram, OutlierMixin, BaseEstimator):
    """Linear one-class support vector machine by gradient descent.

    Minimises over the weights w and the offset :math:`\\rho`

    .. math:: F(w, \\rho) = \\frac{\\nu}{2} \\|w\\|^2 - \\nu \\rho
              + \\frac{1}{\\sum_i s_i} \\sum_i s_i \\max(0, \\rho - x_i^\\top w)

    (Schoelkopf et al. 2001, times :math:`\\nu`), the objective of scikit-learn's ``SGDOneClassSVM`` and of
    ``OneClassSVM(kernel="linear")``. Rows with :math:`x^\\top w < \\rho` are outliers: a fraction of about
    :math:`\\nu` of those in ``fit``.

    With the mean row m, :math:`v = w - m` and :math:`y_i = -m^\\top (x_i - m)` this is, up to a constant,
    quantile regression of y on x: the pinball loss for the quantile :math:`1 - \\nu` with the penalty
    :math:`\\frac{\\nu}{2} \\|v\\|^2`. So :class:`GDRegressor` fits it, with every solver and optimizer.
    Non-linear boundaries come of features that are, such as those of
    :class:`sklearn.kernel_approximation.Nystroem`.

    Parameters
    ----------
    nu : float in (0, 1], default=0.5
        About the fraction of outliers among the rows of ``fit``.
    {parameters}

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features)
        Weights w.
    offset_ : ndarray of shape (1,)
        Offset :math:`\\rho`: ``decision_function`` is ``score_samples`` less it.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has string names.
    loss_ : float
        Objective F at the fitted parameters.
    loss_curve_ : ndarray of shape (n_checks,)
        Objective at each check, as in :class:`GDRegressor`.
    history_ : dict of ndarrays of shape (n_checks,)
        What was seen at each check, as in :class:`GDRegressor`.
    n_iter_, n_updates_ : int
        Numbers of epochs and of updates.
    learning_rate_ : float
        The base learning rate.
    stop_reason_ : {"tol", "max_iter", "max_time", "interrupted"}
        Why the last call of ``fit`` stopped.

    See Also
    --------
    sklearn.linear_model.SGDOneClassSVM : One row per update, in scikit-learn.
    sklearn.svm.OneClassSVM : With kernels, for up to some ten thousand rows.
    GDRegressor : What fits it.

    References
    ----------
    Schoelkopf, Platt, Shawe-Taylor, Smola & Williamson (2001). Estimating the support of a high-dimensional
    distribution. Neural Computation 13.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDOneClassSVM
    >>> X = np.array([[1.0, 1.1], [1.0, 0.9], [1.1, 1.0], [0.9, 1.0], [0.1, -1.0]])
    >>> GDOneClassSVM(nu=0.2, solver="batch").fit(X).predict([[1.0, 1.0], [0.0, -1.0]])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {
        "nu": [Interval(Real, 0, 1, closed="right")],
        **{
            name: GDRegressor._parameter_constraints[name]
            for name in (
                *(
                    "solver",
                    "batch_size",
                    "learning_rate",
                    "schedule",
                    "optimizer",
                    "standardize",
                    "max_iter",
                ),
                *("max_time", "tol", "n_iter_no_change", "average", "shuffle", "random_state", "n_jobs"),
                "verbose",
            )
        },
    }

    def __init__(
        self,
        nu: float = 0.5,
        *,
        solver: str = "minibatch",
        batch_size: int = 32,
        learning_rate: float | str = "auto",
        schedule: str | Schedule | Callable = "constant",
        optimizer: str | Optimizer = "plain",
        standardize: bool | str = "auto",
        max_iter: int = 1000,
        max_time: float | None = None,
        tol: float | None = 1e-4,
        n_iter_no_change: int = 5,
        average: bool | int | str = "auto",
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.nu = nu
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.optimizer = optimizer
        self.standardize = standardize
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.average = average
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data, most of it of the one class; CSR is not made dense.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; only their ratios matter.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        DivergenceError
            If a given ``learning_rate`` is too high for the data.
        """
        door = door_of(self)
        X = check_design(door, X, reset=True)
        weight = check_weights(sample_weight, X)
        total, mean = _mean_row(X, weight)
        model = self._regressor()
        try:
            model.fit(X, _targets(X, mean), sample_weight=weight)
        finally:  # an interrupted fit has a model too
            if hasattr(model, "coef_"):
                self._become(model, mean, total, door)
        return self

    @partial_fit_available
    def partial_fit(self, X, y=None, sample_weight=None) -> Self:
        """Update the model with some more rows of a stream, in one pass, or go on from ``fit``.

        The mean row m is that of all rows so far, and the model is carried over from the m of the call
        before. This costs all features a call, of sparse rows too. Not available for ``solver="batch"``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of the stream, most of them of the one class.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, used as they are.

        Returns
        -------
        self : object
            The updated estimator.
        """
        known = vars(self).get("_stream")
        self._validate_new_params()
        door = door_of(self)
        X = check_design(door, X, reset=known is None)
        weight = check_weights(sample_weight, X)
        total, mean = _mean_row(X, weight)
        model = self._regressor()
        if known is not None:
            before, centre, counted = known
            mean = centre + (mean - centre) * (total / (counted + total))
            total += counted
            model.__dict__.update(_carried_over(before, centre, mean))
        model.partial_fit(X, _targets(X, mean), sample_weight=weight)
        self._become(model, mean, total, door, streams=True)
        return self

    def _regressor(self) -> GDRegressor:
        """What fits the equivalent quantile regression."""
        shared = {name: value for name, value in self.get_params(deep=False).items() if name != "nu"}
        nu = float(self.nu)
        # at nu = 1 the quantile is the lowest; losses know those above zero
        return GDRegressor(Quantile(max(1 - nu, 1e-12)), alpha=nu, **shared)

    def _become(
        self, model: GDRegressor, mean: np.ndarray, total: float, door, streams: bool = False
    ) -> None:
        """Take over the fitted model, whose objective is higher by a constant, and the schema of X."""
        dtype = model.coef_.dtype
        coef = (model.coef_ + mean).astype(dtype)[None]
        offset = (mean @ mean - model.intercept_).astype(dtype)
        if not (np.isfinite(coef).all() and np.isfinite(offset).all()):
            raise ValueError(f"The weights overflow {dtype}: lower learning_rate={self.learning_rate!r}.")
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(schema_of(door))
        shift = -self.nu * float(mean @ mean) / 2
        curve = model.loss_curve_ + shift
        if streams:
            curve = np.append(vars(self).get("loss_curve_", ()), curve[-1:])[-_CURVE_LENGTH:]
        self.coef_, self.offset_ = coef, offset
        self.loss_, self.loss_curve_ = model.loss_ + shift, curve
        if not streams:
            self.history_ = {**model.history_, "loss": curve}
            self.stop_reason_ = model.stop_reason_
        for name in _HANDED_ON:
            setattr(self, name, getattr(model, name))
        self._stream = model, mean, total

    def score_samples(self, X) -> np.ndarray:
        """Raw scores :math:`x^\\top w`; the lower, the less like the rows of ``fit``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores.
        """
        check_is_fitted(self)
        return np.asarray(check_design(self, X, reset=False) @ self.coef_[0])

    def decision_function(self, X) -> np.ndarray:
        """Scores less the offset: negative for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to score.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Signed distances from the boundary, times the norm of w.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """1 for rows like those of ``fit``, -1 for outliers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            1 or -1.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def to_onnx(self, X=None) -> Any:
        """The fitted model in the format of ONNX (extra ``skgd[onnx]``), for runtimes without Python.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows whose precision, float32 or float64, the input gets; by default it is that of the weights.
            The values do not matter.

        Returns
        -------
        model : onnx.ModelProto
            Its input "X" has the shape (n_samples, n_features), its outputs "label" and "scores", what
            :meth:`predict` and :meth:`decision_function` give to rounding, (n_samples,).

        Raises
        ------
        ImportError
            Without the package onnx.

        Examples
        --------
        >>> import pytest
        >>> _ = pytest.importorskip("onnx")
        >>> from skgd import GDOneClassSVM
        >>> model = GDOneClassSVM(random_state=0).fit([[1.0, 1.0], [1.1, 0.9], [0.9, 1.0]]).to_onnx()
        >>> [output.name for output in model.graph.output]
        ['label', 'scores']
        """
        from ._onnx import converted_outliers  # late: few need it

        check_is_fitted(self)
        precision = precision_for(X, self.coef_.dtype)
        return converted_outliers(type(self).__name__, self.coef_, np.reshape(self.offset_, (1,)), precision)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _mean_row(X, weight: np.ndarray | None) -> tuple[float, np.ndarray]:
    """Sum of the weights of the rows, and their weighted mean, in float64."""
    weight = np.ones(X.shape[0]) if weight is None else weight.astype(float)
    starts = range(0, X.shape[0], _ROWS)
    total = sum(np.asarray(X[k : k + _ROWS].T @ weight[k : k + _ROWS]).ravel() for k in starts)
    return float(weight.sum()), np.asarray(total / weight.sum())


def _carried_over(model: GDRegressor, old: np.ndarray, new: np.ndarray) -> dict:
    """Fitted attributes of the regression about the mean row `new`, of that about `old`: v + m stays what it
    is, and so does the offset."""
    descent = Descent.from_state(vars(model)["_descent"]).copy()
    moved = np.append(old - new, new @ new - old @ old)
    for array in (descent.theta, descent.average):
        if array is not None:
            array[:, 0] += moved.astype(array.dtype)
    parameters = model.get_params(deep=False)
    fitted = {name: value for name, value in vars(model).items() if name not in parameters}
    return {**fitted, "_descent": descent.state()}


def _targets(X, mean: np.ndarray) -> np.ndarray:
    """y of the equivalent regression."""
    with np.errstate(over="ignore", invalid="ignore"):
        y = mean @ mean - _products(X, mean)
    if not np.isfinite(y).all():
        raise ValueError(
            "Products of the rows of X with their mean overflow. Divide X by its largest values."
        )
    return y


def _products(X, mean: np.ndarray) -> np.ndarray:
    """Products of the rows with their mean, in float64."""
    parts = (X[start : start + _ROWS] for start in range(0, X.shape[0], _ROWS))
    return np.concatenate([np.asarray(part @ mean).ravel() for part in parts])
