"""Losses: functions of the target and the prediction that are minimised on average over the rows.

For targets ``y`` and raw scores ``raw``, each loss returns its value and its slope, d value / d raw.
The built-in losses are computed by the compiled core; to define your own, subclass :class:`Loss` and
implement ``value_and_slope`` in NumPy.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import BaseEstimator

from ._core import core

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "EpsilonInsensitive",
    "Gamma",
    "Hinge",
    "Huber",
    "LogCosh",
    "LogLoss",
    "Loss",
    "ModifiedHuber",
    "Perceptron",
    "Poisson",
    "Quantile",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "Tweedie",
]


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
        raw = np.asarray(raw)
        dtype = np.float32 if raw.dtype == np.float32 else np.float64
        z = np.array(raw, dtype=dtype, order="C", copy=True).reshape(len(raw), -1)
        y = np.ascontiguousarray(y, dtype=dtype)
        if len(y) != len(raw):
            raise ValueError(f"y has {len(y)} rows and raw has {len(raw)}.")
        y = y.reshape(len(raw), -1)
        codes = self.task == "classification" and y.shape[1] == 1
        if y.shape[1] not in (1, z.shape[1]) or (y.shape[1] != z.shape[1] and not codes):
            raise ValueError(f"y has {y.shape[1]} columns and raw has {z.shape[1]}.")
        values = np.empty(len(z), dtype=dtype)
        core.value_and_slope(self._struct(z.shape[1], codes), y, z, values, codes)
        return values, z.reshape(raw.shape)

    def inverse_link(self, raw: np.ndarray) -> np.ndarray:
        """Predictions of regression from raw scores: the identity, or exp for a log link."""
        return np.exp(raw) if self.log_link else raw

    @property
    def _quadratic(self) -> bool:
        """Whether this is half the squared error, a function of the second moments of the data."""
        return self.name == "squared_error" and type(self).value_and_slope is Loss.value_and_slope

    def _values(self, y, raw) -> np.ndarray:
        """Loss (m,) of rows, whoever wrote it."""
        written = type(self).value_and_slope is not Loss.value_and_slope
        return self._checked(y.copy(), raw)[0] if written else self.value_and_slope(y, raw)[0]

    def _core_spec(self, n_columns: int, codes: bool):
        """The loss as the core takes it: (name, parameter), or a callable."""
        written = type(self).value_and_slope is not Loss.value_and_slope
        return self._callback if written else self._struct(n_columns, codes)

    def _struct(self, n_columns: int, codes: bool) -> tuple[str, float]:
        """Name and parameter of the struct in the core."""
        if self.name is None:
            raise NotImplementedError(f"{type(self).__name__} must define value_and_slope.")
        parameters = [float(value) for value in self.get_params().values()]
        return self.name, (parameters or [0.0])[0]

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

    def _curvature(self, y: np.ndarray, weight: np.ndarray | None) -> float:
        """Typical size of d slope / d raw for the automatic rate; an upper bound if there is one."""
        return 1.0

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


def _spread(y, weight):
    """Mean absolute deviation of y from its median (1 if that is 0): the typical size of residuals."""
    y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
    deviation = np.abs(y - _median(y, weight)).mean(axis=1)
    return float(np.average(deviation, weights=weight)) or 1.0


def _quantile(y, weight, share=0.5):
    """Quantile of each column of y (n, K): of all that split the weights so, the middle."""
    weight = np.ones(len(y)) if weight is None else weight
    order = np.argsort(y, axis=0)
    below = np.cumsum(weight[order], axis=0, dtype=float)
    bounds = share * below[-1] * np.array([[1 - 1e-9], [1 + 1e-9]])  # but for rounding
    places = [np.minimum((below <= bound).sum(axis=0), len(y) - 1) for bound in bounds]
    low, high = (np.take_along_axis(y, order[place, range(y.shape[1])][None], axis=0)[0] for place in places)
    return (low + high) / 2


def _median(y, weight):
    """Median of each column of y (n, K)."""
    return np.median(y, axis=0) if weight is None else _quantile(y, weight)


def _centre(y, weight, curvature):
    """The mean, or the median where most residuals lie on the straight parts of a loss."""
    y = y.reshape(len(y), -1)
    return np.average(y, axis=0, weights=weight) if curvature == 1 else _median(y, weight)


class SquaredError(Loss):
    r"""Half the squared error, :math:`\frac{1}{2}(z - y)^2`."""

    name = "squared_error"


class Huber(Loss):
    r"""Huber loss: squared for residuals up to epsilon, linear beyond.

    :math:`r^2/2` if :math:`|r| \le \epsilon`, else :math:`\epsilon |r| - \epsilon^2/2`, with
    :math:`r = z - y` (Huber 1964).

    Parameters
    ----------
    epsilon : float, default=1.35
        Size of the residual at which the loss becomes linear, in units of y; positive.
    """

    name = "huber"
    _ranges = {"epsilon": (0, np.inf)}
    bounded_slope = True

    def __init__(self, epsilon: float = 1.35):
        self.epsilon = epsilon

    def _curvature(self, y, weight):
        return min(1.0, self.epsilon / _spread(y, weight))

    def _constant(self, y, weight):
        return _centre(y, weight, self._curvature(y, weight))


class AbsoluteError(Loss):
    r"""Absolute error, :math:`|z - y|`; estimates the median."""

    name = "absolute_error"
    smooth = False
    bounded_slope = True

    def _curvature(self, y, weight):
        return 1.0 / _spread(y, weight)

    def _constant(self, y, weight):
        return _median(y.reshape(len(y), -1), weight)


class Quantile(Loss):
    r"""Pinball loss (Koenker & Bassett 1978) for the quantile q.

    :math:`q\,(y - z)_+ + (1 - q)\,(z - y)_+`.

    Parameters
    ----------
    quantile : float in (0, 1), default=0.5
        The quantile to estimate.
    """

    name = "quantile"
    _ranges = {"quantile": (0, 1)}
    smooth = False
    bounded_slope = True

    def __init__(self, quantile: float = 0.5):
        self.quantile = quantile

    def _curvature(self, y, weight):
        return max(self.quantile, 1 - self.quantile) / _spread(y, weight)

    def _constant(self, y, weight):
        return _quantile(y.reshape(len(y), -1), weight, self.quantile)


class LogCosh(Loss):
    r"""Log-cosh loss, :math:`\log\cosh(z - y)`: quadratic for small residuals, linear for large ones."""

    name = "log_cosh"
    bounded_slope = True

    def _curvature(self, y, weight):
        return min(1.0, 1.0 / _spread(y, weight))

    def _constant(self, y, weight):
        return _centre(y, weight, self._curvature(y, weight))


class EpsilonInsensitive(Loss):
    r"""Epsilon-insensitive loss of support vector regression, :math:`\max(0, |z - y| - \epsilon)`.

    Parameters
    ----------
    epsilon : float, default=0.1
        Residuals up to this size, in units of y, have zero loss.
    """

    name = "epsilon_insensitive"
    _ranges = {"epsilon": (0, np.inf, True)}
    smooth = False
    bounded_slope = True

    def __init__(self, epsilon: float = 0.1):
        self.epsilon = epsilon

    def _curvature(self, y, weight):
        return 1.0 / _spread(y, weight)

    def _constant(self, y, weight):
        return _median(y.reshape(len(y), -1), weight)


class SquaredEpsilonInsensitive(Loss):
    r"""Squared epsilon-insensitive loss, :math:`\max(0, |z - y| - \epsilon)^2`.

    Parameters
    ----------
    epsilon : float, default=0.1
        Residuals up to this size, in units of y, have zero loss.
    """

    name = "squared_epsilon_insensitive"
    _ranges = {"epsilon": (0, np.inf, True)}

    def __init__(self, epsilon: float = 0.1):
        self.epsilon = epsilon

    def _curvature(self, y, weight):
        return 2.0


class _LogLinkLoss(Loss):
    log_link = True
    _lowest = 0.0  # y must be greater, or equal if _lowest_allowed
    _lowest_allowed = True

    def _curvature(self, y, weight):
        mean = np.average(np.asarray(y, dtype=np.float64), axis=0, weights=weight)
        return float(np.max(self._curvature_at_mean(np.maximum(mean, 1.0))))

    def _check_targets(self, y):
        low = y < self._lowest if self._lowest_allowed else y <= self._lowest
        if np.any(low):
            allowed = "non-negative" if self._lowest_allowed else "positive"
            raise ValueError(
                f"Some value(s) of y are out of the valid range of the loss {self.name!r}: "
                f"y must be {allowed}; its smallest value is {y.min():g}."
            )


class Poisson(_LogLinkLoss):
    r"""Half the Poisson deviance with log link, :math:`e^z - y z`; y must be non-negative."""

    name = "poisson"

    def _curvature_at_mean(self, mean):
        return mean


class Gamma(_LogLinkLoss):
    r"""Half the gamma deviance with log link, :math:`z + y e^{-z}`; y must be positive."""

    name = "gamma"
    _lowest_allowed = False

    def _curvature_at_mean(self, mean):
        return mean  # y exp(-z) at the start, z = 0


class Tweedie(_LogLinkLoss):
    r"""Half the Tweedie deviance with log link, for a power p strictly between 1 and 2.

    :math:`\frac{e^{(2-p)z}}{2-p} - y\,\frac{e^{(1-p)z}}{1-p}`; y must be non-negative.

    Parameters
    ----------
    power : float in (1, 2), default=1.5
        The power p; the limit 1 is the Poisson distribution, the limit 2 the gamma distribution.
    """

    name = "tweedie"
    _ranges = {"power": (1, 2)}

    def __init__(self, power: float = 1.5):
        self.power = power

    def _curvature_at_mean(self, mean):
        p = self.power
        return np.maximum((2 - p) + (p - 1) * mean, mean ** (2 - p))  # at z = 0 and at the mean


class _ClassificationLoss(Loss):
    task = "classification"

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Class probabilities of shape (m, K) from raw scores (m, 1) or (m, K)."""
        raise NotImplementedError

    def log_probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Logarithms of the class probabilities."""
        with np.errstate(divide="ignore"):
            return np.log(self.probabilities(raw))


class LogLoss(_ClassificationLoss):
    r"""Log loss: logistic regression, with softmax for more than two classes.

    Two classes: :math:`\log(1 + e^z) - y z`, y in {0, 1}. K classes:
    :math:`\log\sum_k e^{z_k} - z_y`.

    Parameters
    ----------
    label_smoothing : float in [0, 1), default=0.0
        The share s of the targets that is spread over the classes (Szegedy et al. 2016): of K classes the
        one of the row has the target :math:`1 - s + s / K`, the others :math:`s / K`; of two classes, and
        of each label in multilabel classification, y becomes :math:`(1 - s)\,y + s / 2`. Scores of
        rows that are classified well then stay moderate, and so do predicted probabilities. The loss is
        that of the smoothed targets in ``validation_loss`` too.

    Examples
    --------
    >>> import numpy as np
    >>> from skgd.losses import LogLoss
    >>> loss = LogLoss(label_smoothing=0.1)
    >>> _, slopes = loss.value_and_slope(np.array([2.0]), np.zeros((1, 4)))
    >>> slopes.round(3).tolist()  # a quarter each, less the targets
    [[0.225, 0.225, -0.675, 0.225]]
    """

    name = "log_loss"
    _ranges = {"label_smoothing": (0, 1, True)}
    bounded_slope = True
    has_probabilities = True
    logistic = True
    _ties_classes = True

    def __init__(self, label_smoothing: float = 0.0):
        self.label_smoothing = label_smoothing

    def _struct(self, n_columns, codes):
        name, smoothing = "softmax" if codes and n_columns > 1 else "log_loss", float(self.label_smoothing)
        return (f"smoothed_{name}" if smoothing else name), smoothing

    def _curvature(self, y, weight):
        return 0.25 if np.max(y, initial=1) <= 1 else 0.5

    def probabilities(self, raw):
        if raw.shape[1] == 1:
            out = np.empty((len(raw), 2), dtype=raw.dtype)
            core.logistic(np.ascontiguousarray(raw[:, 0]), out)
            return out
        out = np.array(raw, order="C")
        core.softmax(out)
        return out

    def log_probabilities(self, raw):
        return np.hstack([log_expit(-raw), log_expit(raw)]) if raw.shape[1] == 1 else log_softmax(raw, axis=1)


class Hinge(_ClassificationLoss):
    r"""Hinge loss of linear support vector machines, :math:`\max(0, 1 - t z)` with :math:`t = \pm 1`."""

    name = "hinge"
    smooth = False
    bounded_slope = True


class SquaredHinge(_ClassificationLoss):
    r"""Squared hinge loss, :math:`\max(0, 1 - t z)^2` with :math:`t = \pm 1`."""

    name = "squared_hinge"

    def _curvature(self, y, weight):
        return 2.0


class ModifiedHuber(_ClassificationLoss):
    r"""Modified Huber loss (Zhang 2004): squared hinge for :math:`t z \ge -1`, else :math:`-4 t z`."""

    name = "modified_huber"
    bounded_slope = True
    has_probabilities = True

    def _curvature(self, y, weight):
        return 2.0

    def probabilities(self, raw):
        positive = (np.clip(raw, -1, 1) + 1) / 2  # Zhang & Oles 2001
        if raw.shape[1] == 1:
            return np.hstack([1 - positive, positive])
        total = positive.sum(axis=1, keepdims=True)
        even = np.full_like(positive, 1 / positive.shape[1])
        return np.divide(positive, total, out=even, where=total > 0)


class Perceptron(_ClassificationLoss):
    r"""Perceptron loss, :math:`\max(0, -t z)` with :math:`t = \pm 1`."""

    name = "perceptron"
    least_at_zero = True
    smooth = False
    bounded_slope = True


LOSSES = {
    loss.name: loss
    for loss in (
        SquaredError,
        Huber,
        AbsoluteError,
        Quantile,
        LogCosh,
        EpsilonInsensitive,
        SquaredEpsilonInsensitive,
        Poisson,
        Gamma,
        Tweedie,
        LogLoss,
        Hinge,
        SquaredHinge,
        ModifiedHuber,
        Perceptron,
    )
}


def loss_spec(loss: Loss) -> tuple[str, dict] | Loss:
    """A built-in loss by its name and parameters, which need no class of skgd to be unpickled."""
    if loss.name is not None and type(loss) is LOSSES.get(loss.name):
        return loss.name, loss.get_params()
    return loss


def loss_from_spec(spec: tuple[str, dict] | Loss) -> Loss:
    """The loss of a spec."""
    return spec if isinstance(spec, Loss) else LOSSES[spec[0]](**spec[1])
