"""Losses: functions of the target and the prediction that are minimised on average over the rows.

For targets ``y`` and raw scores ``raw``, each loss returns its value and its slope, d value / d raw.
The built-in losses are computed by the compiled core; to define your own, subclass :class:`Loss` and
implement ``value_and_slope`` in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, log_expit, log_softmax

from ._core import core
from ._log_link import LogLink
from ._loss import Loss, targets_and_scores
from ._residuals import (
    centre,
    density_weights,
    margins_of,
    median,
    of_location,
    quantiles_of,
    residual,
    spread,
    with_variance,
)

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


class _Compiled(Loss):
    """A loss of the core, unless a subclass writes another one."""

    falls_to_zero = True

    def value_and_slope(self, y, raw):
        y, z, codes = targets_and_scores(self.task if not self.takes_shares else "", y, raw)
        values = np.empty(len(z), dtype=z.dtype)
        core.value_and_slope(self._struct(z.shape[1], codes), y, z, values, codes)
        return values, z.reshape(np.shape(raw))

    @property
    def _written(self) -> bool:
        """Whether a subclass has defined another loss."""
        return type(self).value_and_slope is not _Compiled.value_and_slope

    @property
    def _quadratic(self):
        return self.name == "squared_error" and not self._written

    def _values(self, y, raw):
        return super()._values(y, raw) if self._written else self.value_and_slope(y, raw)[0]

    def _core_spec(self, n_columns, codes):
        return self._callback if self._written else self._struct(n_columns, codes)

    def _struct(self, n_columns: int, codes: bool) -> tuple[str, float | list[float]]:
        """Name and parameters of the struct in the core."""
        parameters = [float(value) for value in self.get_params().values()]
        return str(self.name), (parameters or [0.0])[0]


class _LocationLoss(_Compiled):
    """A smooth function of the residual z - y."""

    def _model_based(self, y, raw, weight, df):
        slopes = self.value_and_slope(y, raw)[1]
        return of_location(slopes, self.second_derivative(y, raw), weight, df)


class SquaredError(_LocationLoss):
    r"""Half the squared error, :math:`\frac{1}{2}(z - y)^2`."""

    name = "squared_error"

    def second_derivative(self, y, raw):
        return np.ones(np.shape(raw))


class Huber(_LocationLoss):
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
        return min(1.0, self.epsilon / spread(y, weight))

    def second_derivative(self, y, raw):
        return (np.abs(residual(y, raw)) <= self.epsilon).astype(float)

    def _constant(self, y, weight):
        return centre(y, weight, self._curvature(y, weight))


class _PinballLoss(_Compiled):
    """Its slope jumps by `_jump` at zero residuals, whose density stands for second derivatives."""

    smooth = False
    bounded_slope = True
    _jump = 1.0
    _density = "window"  # how that density is estimated

    @property
    def _quantiles(self) -> float:
        """What is estimated."""
        return 0.5

    def _mean_second(self, y, raw, weight):
        return self._jump * density_weights(residual(y, raw), self._quantiles, weight, self._density)

    def _model_based(self, y, raw, weight, df):
        q = np.asarray(self._quantiles, dtype=float)
        terms = density_weights(residual(y, raw), q, weight, self._density)
        density = np.average(terms, axis=0, weights=weight)
        return np.ones(np.shape(raw)), q * (1 - q) / density**2


class AbsoluteError(_PinballLoss):
    r"""Absolute error, :math:`|z - y|`; estimates the median."""

    name = "absolute_error"
    _jump = 2.0

    def _curvature(self, y, weight):
        return 1.0 / spread(y, weight)

    def _constant(self, y, weight):
        return median(y.reshape(len(y), -1), weight)


class Quantile(_PinballLoss):
    r"""Pinball loss (Koenker & Bassett 1978) for the quantile q, or for several at once.

    :math:`q\,(y - z)_+ + (1 - q)\,(z - y)_+`; of several quantiles the sum of theirs, with a raw score for
    each. A model then predicts all of them in one fit, sorted in each row, so that they do not cross
    (Chernozhukov, Fernandez-Val & Galichon 2010).

    Parameters
    ----------
    quantile : float in (0, 1) or sequence of them, rising, default=0.5
        The quantile to estimate, or several: predictions then have the shape (n_samples, n_quantiles), and
        ``score`` is the mean over the quantiles of the share of the pinball loss of the best constant that
        the model saves (``sklearn.metrics.d2_pinball_score``).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skgd import GDRegressor
    >>> from skgd.losses import Quantile
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = GDRegressor(Quantile([0.1, 0.5, 0.9]), solver="batch", alpha=0).fit(X, y)
    >>> low, middle, high = model.predict(X).T
    >>> bool(abs(((low <= y) & (y <= high)).mean() - 0.8) < 0.03)
    True
    """

    name = "quantile"
    _ranges = {"quantile": (0, 1)}

    def __init__(self, quantile: float | Sequence[float] = 0.5):
        self.quantile = quantile

    @property
    def levels(self):
        return None if np.ndim(self.quantile) == 0 else tuple(float(q) for q in np.ravel(self.quantile))

    def _check(self):
        given = np.ravel(self.quantile)
        rise = given.dtype.kind in "fiu" and np.all(np.diff([0.0, *given, 1.0]) > 0)
        if not (rise and len(given)):
            raise ValueError(
                f"quantile={self.quantile!r} must be a number between 0 and 1, or several that rise."
            )

    @property
    def _quantiles(self):
        return self.quantile if self.levels is None else self.levels

    def _struct(self, n_columns, codes):
        if self.levels is None:
            return super()._struct(n_columns, codes)
        return "quantiles" if len(self.levels) > 1 else "quantile", list(self.levels)

    def _curvature(self, y, weight):
        return float(np.max(np.maximum(self._quantiles, 1 - np.asarray(self._quantiles)))) / spread(y, weight)

    def _constant(self, y, weight):
        y = y.reshape(len(y), -1)
        return quantiles_of(y, weight, np.broadcast_to(self._quantiles, y.shape[1]))


class LogCosh(_LocationLoss):
    r"""Log-cosh loss, :math:`\log\cosh(z - y)`: quadratic for small residuals, linear for large ones."""

    name = "log_cosh"
    bounded_slope = True

    def _curvature(self, y, weight):
        return min(1.0, 1.0 / spread(y, weight))

    def second_derivative(self, y, raw):
        return 1 - np.tanh(residual(y, raw)) ** 2

    def _constant(self, y, weight):
        return centre(y, weight, self._curvature(y, weight))


class EpsilonInsensitive(_Compiled):
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
        return 1.0 / spread(y, weight)

    def _constant(self, y, weight):
        return median(y.reshape(len(y), -1), weight)


class SquaredEpsilonInsensitive(_LocationLoss):
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

    def second_derivative(self, y, raw):
        return 2.0 * (np.abs(residual(y, raw)) > self.epsilon)

    def _curvature(self, y, weight):
        return 2.0


class Poisson(LogLink, _Compiled):
    r"""Half the Poisson deviance with log link, :math:`e^z - y z`; y must be non-negative."""

    name = "poisson"

    def second_derivative(self, y, raw):
        return np.exp(raw)

    def _model_based(self, y, raw, weight, df):
        return np.exp(raw), 1.0

    _power = 1.0

    def _curvature_from_zero(self, mean):
        return mean


class Gamma(LogLink, _Compiled):
    r"""Half the gamma deviance with log link, :math:`z + y e^{-z}`; y must be positive."""

    name = "gamma"
    _lowest_allowed = False

    def second_derivative(self, y, raw):
        return np.reshape(y, np.shape(raw)) * np.exp(-raw)

    def _model_based(self, y, raw, weight, df):
        return with_variance(2.0, y, raw, weight, df)

    _power = 2.0

    def _curvature_from_zero(self, mean):
        return mean  # y exp(-z) at z = 0


class Tweedie(LogLink, _Compiled):
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

    def _model_based(self, y, raw, weight, df):
        return with_variance(self.power, y, raw, weight, df)

    def second_derivative(self, y, raw):
        p = self.power
        return (2 - p) * np.exp((2 - p) * raw) + (p - 1) * np.reshape(y, np.shape(raw)) * np.exp(
            (1 - p) * raw
        )

    @property
    def _power(self):
        return self.power

    def _curvature_from_zero(self, mean):
        p = self.power
        return np.maximum((2 - p) + (p - 1) * mean, mean ** (2 - p))  # at z = 0 and at the mean


class _ClassificationLoss(_Compiled):
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
    soft_labels : bool, default=False
        Whether y holds, instead of labels, the probability of each class: a matrix of shape (n_samples,
        n_classes) whose rows sum to one (shares of several votes, or what another model predicts). The loss
        is the cross entropy
        :math:`-\sum_k y_k \log p_k` with the probabilities p of the model. Without it a matrix of zeros and
        ones means that each column is a label of its own (multilabel), which is another model.

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

    def __init__(self, label_smoothing: float = 0.0, soft_labels: bool = False):
        self.label_smoothing = label_smoothing
        self.soft_labels = soft_labels

    @property
    def takes_shares(self):
        return bool(self.soft_labels)

    def _check(self):
        if self.soft_labels and self.label_smoothing:
            raise ValueError("soft_labels=True leaves no use for label_smoothing: smooth y itself.")

    def _struct(self, n_columns, codes):
        if self.soft_labels and n_columns > 1:
            return "cross_entropy", []
        name, smoothing = "softmax" if codes and n_columns > 1 else "log_loss", float(self.label_smoothing)
        return (f"smoothed_{name}" if smoothing else name), smoothing

    def second_derivative(self, y, raw):
        codes = np.reshape(y, (len(raw), -1)).shape[1] == 1
        if raw.shape[1] == 1 or not (codes or self.soft_labels):
            return expit(raw) * expit(-raw)
        p = self.probabilities(raw)
        return p[:, :, None] * (np.eye(raw.shape[1]) - p[:, None, :])

    def _model_based(self, y, raw, weight, df):
        if self.label_smoothing:
            return super()._model_based(y, raw, weight, df)
        return self.second_derivative(y, raw), 1.0

    def _curvature(self, y, weight):
        several = np.ndim(y) == 2 and np.shape(y)[1] > 1 and self.soft_labels
        return 0.25 if np.max(y, initial=1) <= 1 and not several else 0.5

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

    def second_derivative(self, y, raw):
        return 2.0 * (margins_of(y, raw) < 1)

    def _curvature(self, y, weight):
        return 2.0


class ModifiedHuber(_ClassificationLoss):
    r"""Modified Huber loss (Zhang 2004): squared hinge for :math:`t z \ge -1`, else :math:`-4 t z`."""

    name = "modified_huber"
    bounded_slope = True
    has_probabilities = True

    def second_derivative(self, y, raw):
        margins = margins_of(y, raw)
        return 2.0 * ((margins >= -1) & (margins < 1))

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
