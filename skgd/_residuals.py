"""Where targets lie, how far they scatter about a model, and how dense residuals are at zero."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

__all__ = [
    "centre",
    "density_weights",
    "margins_of",
    "median",
    "of_location",
    "one_column",
    "quantiles_of",
    "residual",
    "spread",
    "weighted_quantile",
    "with_variance",
]


def residual(y, raw) -> np.ndarray:
    """Raw scores less targets, in the shape of the raw scores."""
    return np.asarray(raw, dtype=float) - np.reshape(y, np.shape(raw))


def margins_of(y, raw) -> np.ndarray:
    """t z for each column: t is 1 where the row is of its class (has its label), else -1."""
    y, raw = np.reshape(y, (len(raw), -1)), np.reshape(raw, (len(raw), -1))
    codes = y.shape[1] == 1 < raw.shape[1]
    return np.where(y == np.arange(raw.shape[1]) if codes else y > 0, raw, -raw)


def spread(y, weight):
    """Mean absolute deviation of y from its median (1 if that is 0): the typical size of residuals."""
    y = one_column(np.asarray(y, dtype=np.float64))
    deviation = np.abs(y - median(y, weight)).mean(axis=1)
    return float(np.average(deviation, weights=weight)) or 1.0


def weighted_quantile(y, weight, share=0.5):
    """Quantile of each column of y (n, K): of all that split the weights so, the middle."""
    weight = np.ones(len(y)) if weight is None else weight
    order = np.argsort(y, axis=0)
    below = np.cumsum(weight[order], axis=0, dtype=float)
    bounds = share * below[-1] * np.array([[1 - 1e-9], [1 + 1e-9]])  # but for rounding
    places = [np.minimum((below <= bound).sum(axis=0), len(y) - 1) for bound in bounds]
    low, high = (np.take_along_axis(y, order[place, range(y.shape[1])][None], axis=0)[0] for place in places)
    return (low + high) / 2


def one_column(y) -> np.ndarray:
    """y as (n, K), or as (n, 1) where all columns are the same, as several quantiles have it."""
    y = np.reshape(y, (len(y), -1))
    return y[:, :1] if y.shape[1] > 1 and np.array_equal(y[:, 1:], y[:, :-1]) else y


def quantiles_of(y, weight, shares) -> np.ndarray:
    """The quantile of each column of y (n, K), of shares (K,)."""
    only = one_column(y)
    if only.shape[1] == 1 and weight is None:  # sorted once for all
        n, ranks = len(only), np.asarray(shares) * len(only)
        low = np.minimum(np.floor(ranks * (1 - 1e-9)).astype(int), n - 1)
        high = np.minimum(np.floor(ranks * (1 + 1e-9)).astype(int), n - 1)
        rising = np.sort(only[:, 0])
        return (rising[low] + rising[high]) / 2
    return np.concatenate([weighted_quantile(y[:, k : k + 1], weight, q) for k, q in enumerate(shares)])


def median(y, weight):
    """Median of each column of y (n, K)."""
    return np.median(y, axis=0) if weight is None else weighted_quantile(y, weight)


def centre(y, weight, curvature):
    """The mean, or the median where most residuals lie on the straight parts of a loss."""
    y = y.reshape(len(y), -1)
    return np.average(y, axis=0, weights=weight) if curvature == 1 else median(y, weight)


def _ones(weight, n: int) -> np.ndarray:
    return np.ones(n) if weight is None else weight


def of_location(slopes, second, weight, df: float) -> tuple[np.ndarray, np.ndarray]:
    """Expected second derivatives, all one, and the dispersion of each column of a loss of residuals.

    k^2 [sum psi^2 / df] / [mean psi']^2 with k = 1 + p / n var(psi') / mean(psi')^2 (Huber 1981, 7.6.5); of
    squared error, the sum of squares over df.
    """
    n, s = len(slopes), _ones(weight, len(slopes))[:, None]
    mean = (s * second).sum(axis=0) / s.sum()
    variance = (s * (second - mean) ** 2).sum(axis=0) / s.sum()
    rows = s.sum()
    factor = 1 + (rows - df) / rows * variance / mean**2
    squares = (s * slopes**2).sum(axis=0) / df
    return np.ones((n, slopes.shape[1])), factor**2 * squares / mean**2


def with_variance(power: float, y, raw, weight, df: float) -> tuple[np.ndarray, np.ndarray]:
    """Expected second derivatives, and Pearson's dispersion of each column, of losses with a log link and a
    variance that is proportional to a power of the mean."""
    mean, s = np.exp(raw), _ones(weight, len(raw))[:, None]
    squares = (s * (np.reshape(y, mean.shape) - mean) ** 2 / mean**power).sum(axis=0)
    return mean ** (2 - power), squares / df


def density_weights(residuals, quantiles, weight, density: str = "window") -> np.ndarray:
    """Terms (n, K) whose mean is the density of each column's residuals at zero.

    With the bandwidth h of Hall & Sheather (1988) on the scale of probabilities. "window": the same for all
    residuals between their quantiles p - h and p + h, for the share p below zero; the mean is the quotient of
    Siddiqui (1960), for which that bandwidth was derived. "kernel": Epanechnikov's, as wide as the distance
    of these quantiles in a normal distribution, as in Koenker (2005, 3.4.2).
    """
    terms = _in_window if density == "window" else _under_kernel
    columns = [
        _density_weights(terms, residuals[:, k], q, weight)
        for k, q in enumerate(np.broadcast_to(quantiles, residuals.shape[1]))
    ]
    return np.column_stack(columns)


def _density_weights(terms, residual, q: float, weight) -> np.ndarray:
    n = len(residual) if weight is None else round(weight.sum())
    h = _hall_sheather(n, q)
    if not 0 < q - h < q + h < 1:
        raise ValueError(f"{n} rows are too few for standard errors of the quantile {q:g}.")
    found = terms(residual, q, h, weight)
    if found is None or not found.any():
        raise ValueError(f"The residuals of the quantile {q:g} have no density at zero: y takes few values.")
    return found


def _in_window(residual, q: float, h: float, weight) -> np.ndarray | None:
    s = _ones(weight, len(residual))
    below = float(s @ ((residual < 0) + 0.5 * (residual == 0)) / s.sum())
    low, high = (
        np.percentile(residual, 100 * share)
        if weight is None
        else weighted_quantile(residual[:, None], weight, share)[0]
        for share in (max(below - h, 0.0), min(below + h, 1.0))
    )
    if not high > low:
        return None
    inside = (residual >= low) & (residual <= high)
    share = min(below + h, 1.0) - max(below - h, 0.0)
    return inside * (share / (s @ inside / s.sum()) / (high - low))


def _under_kernel(residual, q: float, h: float, weight) -> np.ndarray | None:
    width = _scale(residual, weight) * (ndtri(q + h) - ndtri(q - h))
    if not width > 0:
        return None
    u = residual / width
    return np.where(np.abs(u) <= 1, 0.75 * (1 - u**2), 0.0) / width


def _hall_sheather(n, q: float, level: float = 0.05) -> float:
    """Bandwidth on the scale of probabilities."""
    z = ndtri(q)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return n ** (-1 / 3) * ndtri(1 - level / 2) ** (2 / 3) * (1.5 * density**2 / (2 * z**2 + 1)) ** (1 / 3)


def _scale(residual, weight) -> float:
    """A standard deviation, or that which the quartiles of a normal distribution would tell of, if
    smaller."""
    if weight is None:
        low, high = np.percentile(residual, [25, 75])
        return min(float(np.std(residual)), (high - low) / 1.34)
    low, high = (weighted_quantile(residual[:, None], weight, share)[0] for share in (0.25, 0.75))
    mean = np.average(residual, weights=weight)
    return min(float(np.sqrt(np.average((residual - mean) ** 2, weights=weight))), (high - low) / 1.34)
