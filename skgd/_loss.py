"""The base class of losses."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["Loss", "targets_and_scores"]


class Loss(BaseEstimator):
    """Base class of losses; subclass it to define your own.

    A subclass implements :meth:`value_and_slope` and overrides the class attributes below if their
    defaults do not apply. It then works with every solver and in every model of skgd.

    Attributes
    ----------
    task : {"regression", "classification"}, default="regression"
        The kind of estimator that accepts the loss. For classification ``y`` holds class codes
        0 .. K-1, and ``raw`` has one column for two classes and K columns for more.
    smooth : bool, default=True
        Whether the slope is continuous; the automatic learning rate depends on it.
    bounded_slope : bool, default=False
        Whether slopes are bounded. If they are, descent at a rate that is too high oscillates instead
        of overflowing.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd import GDRegressor
    >>> from skgd.losses import Loss
    >>> class Quartic(Loss):
    ...     def value_and_slope(self, y, raw):
    ...         residual = raw - y.reshape(raw.shape)
    ...         return (residual**4 / 4).sum(axis=1), residual**3
    >>> X, y = np.array([[-1.0], [0.0], [1.0]]), np.array([-1.0, 0.0, 1.0])
    >>> model = GDRegressor(Quartic(), solver="batch", learning_rate=0.3, alpha=0).fit(X, y)
    >>> bool(abs(model.coef_[0] - 1) < 0.2)
    True
    """

    name: str | None = None  # name of the core's struct; None: defined in Python
    task = "regression"
    smooth = True
    bounded_slope = False
    has_probabilities = False
    log_link = False
    logistic = False  # whether raw scores are logits
    _ties_classes = False  # whether the slopes of several classes depend on each other
    _ranges: dict[str, tuple] = {}  # of parameters: least, most, and whether the least is allowed
    least_at_zero = False  # the objective is lowest at zero parameters
    falls_to_zero = False  # the loss of a row is zero, or nearly, where the row is fitted exactly

    def value_and_slope(self, y: np.ndarray, raw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the loss of each row and its slope with respect to each raw score.

        Parameters
        ----------
        y : ndarray of shape (m,) or (m, K)
            Targets; class codes for classification.
        raw : ndarray of shape (m, K)
            Raw scores.

        Returns
        -------
        values : ndarray of shape (m,)
            Loss of each row, summed over outputs.
        slopes : ndarray of shape (m, K)
            Derivative of the row's loss with respect to each of its raw scores.
        """
        raise NotImplementedError(f"{type(self).__name__} must define value_and_slope.")

    @property
    def levels(self) -> tuple[float, ...] | None:
        """Quantiles, each of which has a column of raw scores; None: the columns are outputs or classes."""
        return None

    @property
    def takes_shares(self) -> bool:
        """Whether y holds the probabilities of the classes."""
        return False

    def _check(self) -> None:
        """Raise ValueError where parameters of the loss have no meaning."""

    def inverse_link(self, raw: np.ndarray) -> np.ndarray:
        """Predictions of regression from raw scores: the identity, or exp for a log link."""
        return np.exp(raw) if self.log_link else raw

    @property
    def _quadratic(self) -> bool:
        """Whether this is half the squared error, a function of the second moments of the data."""
        return False

    def _values(self, y, raw) -> np.ndarray:
        """Loss (m,) of rows."""
        return self._checked(y.copy(), raw)[0]

    def _core_spec(self, n_columns: int, codes: bool):
        """The loss as the core takes it: its name and parameters, or a callable."""
        return self._callback

    def _callback(self, y, weight, z, n_columns):
        """Called by the core: replaces the raw scores in z (m, padded columns) by weighted slopes."""
        targets = (y[:, 0] if y.shape[1] == 1 else y).copy()
        values, slopes = self._checked(targets, z[:, :n_columns])
        weight = np.ones(len(z)) if weight is None else weight
        z[:, n_columns:] = 0
        z[:, :n_columns] = slopes * weight[:, None]
        return float(np.dot(weight, values))

    def _checked(self, y, raw):
        """Values (m,) and slopes (m, K) of a loss written in Python, or an error that names its class."""
        name = f"{type(self).__name__}.value_and_slope"
        result = self.value_and_slope(y, raw.copy())
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise ValueError(f"{name} must return two arrays, (values, slopes); it returned {_what(result)}.")
        arrays = []
        for what, given, shape in zip(("values", "slopes"), result, (raw.shape[:1], raw.shape), strict=True):
            try:
                array = np.asarray(given, dtype=np.float64)
            except (TypeError, ValueError):
                array = None
            # a column may be given as a vector, and a vector as a column
            if array is None or array.shape not in {shape, (*shape, 1), (*shape[:1],) * (raw.shape[1] == 1)}:
                raise ValueError(
                    f"{name} must return {what} of shape {shape} for raw scores of shape {raw.shape}; "
                    f"it returned {_what(given)}."
                )
            arrays.append(array.reshape(shape))
        self._check_not_nan(name, y, raw, arrays)
        return arrays

    def _check_not_nan(self, name, y, raw, arrays):
        """Far from zero nan may come of overflow, which is divergence; nearer it is an error of the loss."""
        undefined = np.isnan(arrays[0]) | np.isnan(arrays[1]).any(axis=1)
        if not undefined.any():
            return
        undefined &= (np.abs(raw) <= _MODERATE).all(axis=1)
        if undefined.any():
            row = int(np.argmax(undefined))
            raise ValueError(f"{name} returned nan for y = {y[row]} and raw = {raw[row]}.")

    def second_derivative(self, y: np.ndarray, raw: np.ndarray) -> np.ndarray:
        """Return the second derivatives of the loss of each row with respect to its raw scores.

        For losses of your own they are differences of the slopes. A subclass may give a formula, and has to
        where a slope jumps.

        Parameters
        ----------
        y : ndarray of shape (m,) or (m, K)
            Targets; class codes for classification.
        raw : ndarray of shape (m, K)
            Raw scores.

        Returns
        -------
        second : ndarray of shape (m, K) or (m, K, K)
            Derivative of each slope with respect to its own raw score; with K x K entries a row where slopes
            depend on the scores of other columns.

        Raises
        ------
        ValueError
            If the loss has kinks.
        """
        if not self.smooth:
            raise ValueError(f"{type(self).__name__} has kinks, and so no second derivatives.")
        return differences_of_slopes(self.value_and_slope, y, np.asarray(raw, dtype=float))

    def _mean_second(self, y, raw, weight):
        """Second derivatives (n, K) or (n, K, K) of all rows, whose sum is the curvature of the loss."""
        return self.second_derivative(y, raw)

    def _model_based(self, y, raw, weight, df) -> tuple[np.ndarray, np.ndarray | float]:
        """Expected second derivatives (n, K) or (n, K, K) under the model that the loss stands for, and the
        dispersion of each column; of n rows `df` remain after the parameters."""
        raise ValueError(
            f"{self!r} is no likelihood, so there is no model-based covariance: use "
            f'covariance="robust" (or "clustered").'
        )

    def _curvature(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        """Typical size of d slope / d raw for the automatic rate; an upper bound if there is one."""
        return 1.0

    def _curvature_in_units(self, y: np.ndarray, weight: np.ndarray | None, units=None) -> float:
        """The same on the way from the best constant, or from that of other `units` of y."""
        return self._curvature(y, weight)

    def _constant_of_units(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        """What the unit of y adds to the objective, whatever the raw scores."""
        return 0.0

    def _constant(self, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray | float:
        """The (approximately) best constant raw scores, at which perceptrons start."""
        if self.task == "classification":
            return 0.0
        mean = np.average(y.reshape(len(y), -1), axis=0, weights=weight)
        return np.log(np.maximum(mean, np.finfo(y.dtype).tiny)) if self.log_link else mean

    def _check_targets(self, y: np.ndarray) -> None:
        """Raise ValueError if y lies outside the domain of the loss."""


_MODERATE = 40.0  # raw scores whose exponential, squared, is finite in float32


def _what(value) -> str:
    """What a loss returned, for a message."""
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{type(value).__name__}"


def differences_of_slopes(value_and_slope, y, raw) -> np.ndarray:
    """Second derivatives (m, 1), or (m, K, K) of K columns, as central differences of slopes."""
    m, K = raw.shape
    second = np.empty((m, K, K))
    for k in range(K):
        step = np.cbrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(raw[:, k]))
        ends = []
        for sign in (1, -1):
            moved = raw.copy()
            moved[:, k] += sign * step
            ends.append((moved[:, k], np.reshape(value_and_slope(y, moved)[1], raw.shape)))
        (high, above), (low, below) = ends
        second[:, :, k] = (above - below) / (high - low)[:, None]
    return second[:, :, 0] if K == 1 else (second + second.transpose(0, 2, 1)) / 2


def targets_and_scores(task: str, y, raw) -> tuple[np.ndarray, np.ndarray, bool]:
    """y and a copy of raw scores (m, K) as the core takes them, and whether y are codes of classes."""
    raw = np.asarray(raw)
    dtype = np.float32 if raw.dtype == np.float32 else np.float64
    z = np.array(raw, dtype=dtype, order="C", copy=True).reshape(len(raw), -1)
    y = np.ascontiguousarray(y, dtype=dtype)
    if len(y) != len(raw):
        raise ValueError(f"y has {len(y)} rows and raw has {len(raw)}.")
    y = y.reshape(len(raw), -1)
    codes = task == "classification" and y.shape[1] == 1
    if y.shape[1] not in (1, z.shape[1]) or (y.shape[1] != z.shape[1] and not codes):
        raise ValueError(f"y has {y.shape[1]} columns and raw has {z.shape[1]}.")
    return y, z, codes
