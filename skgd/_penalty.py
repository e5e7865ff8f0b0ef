"""Penalties: alpha R(w) on the weights, never on intercepts, one class each; bounds of the weights."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ._bounds import Bounds, bounds_of, numbers_of, same

__all__ = [
    "PENALTIES",
    "Bounds",
    "ElasticNet",
    "Kinks",
    "L1",
    "L2",
    "NoPenalty",
    "Penalty",
    "Together",
    "penalty_from",
]


@dataclass(frozen=True, eq=False)
class Penalty:
    """sum_j alpha f_j [l1_ratio |w_j| + (1 - l1_ratio) w_j^2 / 2] for weights within bounds.

    ``factors`` f (d,) are one where there are none. ``scale`` (d,), where it is given, multiplies the weights
    before they are penalised: the penalty then keeps its meaning for the original features while the descent
    goes in other coordinates.
    """

    alpha: float = 0.0
    l1_ratio: float = 0.0
    factors: np.ndarray | None = None
    bounds: Bounds | None = None

    name: ClassVar[str | None] = None
    joint: ClassVar[bool] = False  # whether it is one of all weights together

    def __eq__(self, other) -> bool:
        return (
            type(self) is type(other)
            and self.key == other.key
            and same(self.factors, other.factors)
            and self.bounds == other.bounds
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def key(self) -> tuple[float, float]:
        """Strengths of both norms."""
        return self.l1, self.l2

    @property
    def l1(self) -> float:
        """Strength of |w|_1, where factors are one."""
        return self.alpha * self.l1_ratio

    @property
    def l2(self) -> float:
        """Strength of |w|_2^2 / 2, where factors are one: its second derivative."""
        return self.alpha * (1 - self.l1_ratio)

    @property
    def l1_of_features(self) -> np.ndarray | float:
        """Strength of |w_j| for each feature (d,), or for all of them."""
        return self.l1 if self.factors is None else self.l1 * self.factors

    @property
    def l2_of_features(self) -> np.ndarray | float:
        """Strength of w_j^2 / 2 for each feature (d,), or for all of them."""
        return self.l2 if self.factors is None else self.l2 * self.factors

    @property
    def typical_alpha(self) -> float:
        """alpha, or the mean of those of all features."""
        return self.alpha if self.factors is None else self.alpha * float(np.mean(self.factors))

    @property
    def kinked(self) -> bool:
        """Whether updates end with a proximal step."""
        return self.l1 > 0 or self.bounds is not None

    def check_features(self, d: int) -> None:
        """Raise where what is given for each feature does not fit the number of features."""
        if self.factors is None and self.bounds is None:
            return
        named = {"alpha": self.factors}
        if self.bounds is not None:
            named |= {"The lower bound": self.bounds.low, "The upper bound": self.bounds.high}
        for name, values in named.items():
            if np.ndim(values) and len(values) not in ({1, d} if np.ndim(values) == 2 else {d}):  # type: ignore[arg-type]
                raise ValueError(f"{name} has {_size(values)}, but X has {d} features.")

    def check_rule(self, optimizer, own, rule) -> None:
        """Raise where an optimizer cannot keep weights within bounds, or take a penalty of all weights
        together; `own` and `rule` are the penalty and the optimizer as the user gave them."""
        if self.joint and self.bounds is not None and not optimizer.takes_joint:
            raise ValueError(f'Bounds for each output need optimizer="plain", not {rule!r}.')
        if self.joint and not optimizer.takes_joint:
            raise ValueError(
                f'penalty={own!r} needs optimizer="plain" (or "barzilai_borwein"), not {rule!r}: its '
                f"proximal step follows a step along the gradient."
            )
        if self.bounds is not None and not optimizer.keeps_bounds:
            raise ValueError(
                f"optimizer={rule!r} cannot keep weights within bounds (positive, bounds): its updates end "
                f'elsewhere. Take "plain", "momentum", "nesterov", "adagrad" or "adam".'
            )

    def value(self, weights: np.ndarray, scale: np.ndarray | float = 1.0) -> float:
        """alpha R(w) of weights (d, ...)."""
        w = np.asarray(weights, dtype=float)
        w = w * _by_row(scale, w)
        l1, l2 = (_by_row(each, w) for each in (self.l1_of_features, self.l2_of_features))
        return float((l1 * np.abs(w)).sum() + (l2 / 2 * np.square(w)).sum())

    def prox(self, weights: np.ndarray, step: float, scale: np.ndarray | float = 1.0) -> np.ndarray:
        """The proximal step argmin_u |u - w|^2 / 2 + step alpha R(scale u), with scale u within bounds."""
        s, l1, l2 = (_by_row(each, weights) for each in (scale, self.l1_of_features, self.l2_of_features))
        shrunk = np.sign(weights) * np.maximum(np.abs(weights) - step * l1 * s, 0.0)
        moved = shrunk / (1 + step * l2 * s**2)
        if self.bounds is None:
            return moved
        low, high = self.bounds.of_features(len(moved), np.broadcast_to(1 / np.asarray(scale), len(moved)))
        return np.clip(moved, _by_row(low, moved), _by_row(high, moved))

    def common_scale(self, scale: np.ndarray) -> np.ndarray:
        """Scales (d,) of coordinates in which a proximal step can be made, from those that standardise."""
        return scale

    def core_spec(
        self,
        dtype: Any = np.float64,
        limits: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        columns: int = 1,
    ) -> tuple:
        """What names this penalty to the core: its strengths (l1, l2), their factors, bounds (2, d), and what
        computes it in Python; in coordinates of this scale."""
        factors = None if self.factors is None else self.factors.astype(dtype)
        return self.l1, self.l2, factors, limits, None

    @classmethod
    def build(cls, alpha: float, l1_ratio: float, **parts) -> Penalty:
        """From the parameters of an estimator."""
        return cls(alpha, **parts)


class NoPenalty(Penalty):
    """Zero, whatever alpha, which schedules may still ask for."""

    l1 = l2 = 0.0

    @classmethod
    def build(cls, alpha, l1_ratio, factors=None, **parts):
        return cls(alpha, **parts)


class L2(Penalty):
    """alpha |w|_2^2 / 2: ridge."""

    name = "l2"


class L1(Penalty):
    """alpha |w|_1: lasso, with exact zeros."""

    name = "l1"

    @classmethod
    def build(cls, alpha, l1_ratio, **parts):
        return cls(alpha, 1.0, **parts)


class ElasticNet(Penalty):
    """alpha [l1_ratio |w|_1 + (1 - l1_ratio) |w|_2^2 / 2] (Zou & Hastie 2005)."""

    name = "elasticnet"

    @classmethod
    def build(cls, alpha, l1_ratio, **parts):
        return cls(alpha, float(l1_ratio), **parts)


@dataclass(frozen=True, eq=False)
class Together(Penalty):
    """A penalty of all weights together, computed by an object of :mod:`skgd.penalties`."""

    own: Any = None
    joint = True
    kinked = True
    l1 = l2 = 0.0

    @property
    def key(self):
        return id(self.own), self.alpha

    @property
    def strength(self) -> np.ndarray | float:
        """alpha, or those of the features (d, 1)."""
        return self.alpha if self.factors is None else self.alpha * self.factors[:, None]

    def check_features(self, d):
        super().check_features(d)
        self.own._bound(d)

    def common_scale(self, scale):
        return self.own._bound(len(scale))._common_scale(scale)

    def value(self, weights, scale=1.0):
        w = np.asarray(weights, dtype=float).reshape(len(weights), -1)
        return float(self.own._bound(len(w))._value(w * _by_row(scale, w), self.strength))

    def least_alpha(self, pull: np.ndarray) -> float:
        """The least alpha at which all weights are zero, from minus the slopes of the loss (d, K)."""
        strength = 1.0 if self.factors is None else self.factors[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.own._bound(len(pull))._least_alpha(pull, strength)

    def core_spec(self, dtype=np.float64, limits=None, scale=None, columns=1):
        return 0.0, 0.0, None, None, _InCore(self, scale, columns)


@dataclass(frozen=True)
class _Within:
    """Norms of weights (d, K) that each have bounds of their own, as objects of :mod:`skgd.penalties` are."""

    l1: float
    l2: float
    bounds: Bounds

    def _bound(self, d: int) -> _Within:
        return self

    def _common_scale(self, scale: np.ndarray) -> np.ndarray:
        return scale

    def _value(self, weights, alpha) -> float:
        return float((alpha * (self.l1 * np.abs(weights) + self.l2 / 2 * np.square(weights))).sum())

    def _prox(self, weights, step, alpha) -> np.ndarray:
        strength = step * alpha
        shrunk = np.sign(weights) * np.maximum(np.abs(weights) - strength * self.l1, 0.0)
        return np.clip(shrunk / (1 + strength * self.l2), self.bounds.low, self.bounds.high)

    def _least_alpha(self, pull: np.ndarray, alpha) -> float:
        return float(np.max(np.abs(pull) / (alpha * max(self.l1, 1e-3)), initial=0.0))


class _InCore:
    """Such a penalty as the core calls it, for weights (d, padded columns) in coordinates of the descent."""

    def __init__(self, penalty: Together, scale: np.ndarray | None, columns: int):
        self.name, self.own, self.columns = type(penalty.own).__name__, penalty.own, columns
        self.alpha = penalty.strength
        self.scale = scale
        self.bound: Any = None

    def _weights(self, theta: np.ndarray) -> np.ndarray:
        if self.bound is None:
            self.bound = self.own._bound(len(theta))
        w = theta[:, : self.columns].astype(float)
        return w if self.scale is None else w / self.scale[:, None]

    def value(self, theta: np.ndarray) -> float:
        w = self._weights(theta)
        return float(self.bound._value(w, self.alpha))

    def prox(self, theta: np.ndarray, step: float) -> None:
        w = self._weights(theta)
        each: Any = step
        if self.scale is not None:  # in units t of the weights a step is t^2 times as long
            each = step / self.scale[:, None] ** 2 if np.ptp(self.scale) else step / self.scale[0] ** 2
        moved = np.asarray(self.bound._prox(w, each, self.alpha))
        if moved.shape != w.shape or moved.dtype.kind not in "fiu":
            raise ValueError(
                f"{self.name}.prox must return an array of shape {w.shape}; it returned one of shape "
                f"{moved.shape} and type {moved.dtype}."
            )
        if np.isnan(moved).any() and np.isfinite(w).all():
            raise ValueError(f"{self.name}.prox returned nan for weights that are finite.")
        moved = moved if self.scale is None else moved * self.scale[:, None]
        theta[:, : self.columns] = moved + 0.0  # no negative zeros


PENALTIES = {penalty.name: penalty for penalty in (NoPenalty, L2, L1, ElasticNet)}


def penalty_from(name, alpha, l1_ratio, positive: bool = False, bounds=None) -> Penalty:
    """The penalty of an estimator's parameters; an array alpha holds the factors of a strength of one."""
    within, factors = bounds_of(positive, bounds), None
    if isinstance(alpha, (Mapping, Set)):  # which have a length, and pass for arrays
        raise ValueError(
            f"alpha must be a number, or an array with one for each feature. Got {alpha!r} instead."
        )
    if not (name is None or isinstance(name, str)):
        return _together(name, alpha, within)
    if np.ndim(alpha):
        factors, alpha = _factors_of(alpha), 1.0
    if within is not None and within.of_outputs:
        norms = PENALTIES[name].build(1.0, l1_ratio)
        return Together(float(alpha), factors=factors, bounds=within, own=_Within(norms.l1, norms.l2, within))
    return PENALTIES[name].build(float(alpha), l1_ratio, factors=factors, bounds=within)


@dataclass(frozen=True)
class Kinks:
    """Where a penalty keeps the parameters (d + 1, K) of a linear model from following the gradient."""

    l1: np.ndarray  # (d + 1, 1), strengths
    low: np.ndarray  # (d + 1, 1), bounds
    high: np.ndarray

    @classmethod
    def of(cls, penalty: Penalty, scale: np.ndarray) -> Kinks:
        """Those for weights times `scale` (d,), and intercepts."""
        d, bounds = len(scale), penalty.bounds
        l1 = np.append(penalty.l1_of_features / scale, 0.0)
        none = np.broadcast_to([[-np.inf], [np.inf]], (2, d))
        low, high = none if bounds is None else bounds.of_features(d, scale)
        return cls(l1[:, None], np.append(low, -np.inf)[:, None], np.append(high, np.inf)[:, None])

    @property
    def sides(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (d, 1) of the weights alone."""
        return self.low[:-1], self.high[:-1]

    def held(self, u: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The gradient with that of the l1 norm; zero where a weight is held at zero or at a bound."""
        slope = np.where(u != 0, np.sign(u) * self.l1, -np.clip(gradient, -self.l1, self.l1))
        whole = gradient + slope
        outwards = ((u <= self.low) & (whole > 0)) | ((u >= self.high) & (whole < 0))
        return np.where(outwards, 0.0, whole)

    def after(self, u: np.ndarray, step: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Parameters after a step that ends at bounds and, under an l1 norm, at zero."""
        after = u - step
        side = np.where(u != 0, np.sign(u), -np.sign(gradient))
        stopped = np.where((self.l1 > 0) & (np.sign(after) != side), 0.0, after)
        return np.clip(stopped, self.low, self.high)


def _factors_of(alpha) -> np.ndarray:
    factors = numbers_of(alpha, "alpha")
    if factors.ndim != 1:
        raise ValueError(
            f"alpha must be a number or have one for each feature, of shape (n_features,); it has shape "
            f"{factors.shape}."
        )
    if not (np.isfinite(factors) & (factors >= 0)).all():
        raise ValueError("The elements of alpha must be finite and not negative.")
    return factors


def _together(own, alpha, within: Bounds | None) -> Together:
    if within is not None:
        raise ValueError(f"penalty={own!r} cannot be combined with bounds of the weights (positive, bounds).")
    if not np.ndim(alpha):
        return Together(float(alpha), own=own)
    if not own._by_feature:
        raise ValueError(f"penalty={own!r} needs one number as alpha, not one for each feature.")
    return Together(1.0, factors=_factors_of(alpha), own=own)


def _size(values) -> str:
    if np.ndim(values) < 2:
        return f"{len(values)} elements"
    return f"shape {np.shape(values)[::-1]}, of outputs and features"


def _by_row(values, like: np.ndarray) -> np.ndarray:
    """Numbers of features (d,), or one, in a shape to multiply weights (d, ...) by."""
    return np.reshape(values, (-1,) + (1,) * (np.ndim(like) - 1))
