"""Scorers of scikit-learn, by name or as callables, as functions of a fitted model, rows and weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, wraps
from inspect import signature
from numbers import Real
from typing import Any

import numpy as np

from ._residuals import weighted_quantile

__all__ = ["Scorer", "accuracy", "d2_pinball", "r2", "scorers_of", "with_offset"]


_OF_RAW_SCORES = ("predict", "decision_function", "predict_proba", "predict_log_proba")
_RESERVED = ("loss", "score")  # columns of the history that there are without scorers


@dataclass(frozen=True)
class Scorer:
    """A scorer(model, X, y), which gets the weights of the rows if it takes them; higher is better."""

    name: str
    function: Any
    takes_weights: bool

    @classmethod
    def of(cls, estimator, scoring, name: str = "score") -> Scorer:
        """The scorer that a name or a callable stands for."""
        from sklearn.metrics import check_scoring  # late: slow to import

        function = check_scoring(estimator, scoring)
        parameters = signature(getattr(function, "_score_func", function)).parameters
        return cls(name, function, "sample_weight" in parameters)

    def __call__(self, model, X, y, weight=None) -> float:
        weighted = {} if weight is None or not self.takes_weights else {"sample_weight": weight}
        try:
            score = self.function(model, X, y, **weighted)
        except AttributeError as error:  # what the model cannot predict
            raise ValueError(
                f"The scorer {self.name!r} does not fit {type(model).__name__}: {error}"
            ) from error
        if not isinstance(score, Real):
            raise ValueError(f"The scorer {self.name!r} must return a number; it returned {score!r}.")
        return float(score)


def scorers_of(estimator, scoring) -> list[Scorer]:
    """The scorers that one name or callable, a list of names, or a dict of either stands for."""
    if scoring is None:
        return []
    if isinstance(scoring, str) or callable(scoring):
        return [Scorer.of(estimator, scoring)]
    named = scoring if isinstance(scoring, dict) else dict(zip(scoring, scoring, strict=True))
    wrong = [name for name in named if not isinstance(name, str) or name in _RESERVED]
    if not named or wrong or len(named) < len(scoring):
        raise ValueError(
            f"scoring={scoring!r} must be a name, a callable, a list of different names, or a dict of "
            f"names to either, whose names are strings other than {' and '.join(map(repr, _RESERVED))}."
        )
    return [Scorer.of(estimator, each, name) for name, each in named.items()]


class _WithOffset:
    """A fitted model whose methods get an offset, as scorers know of none."""

    def __init__(self, model, offset):
        self._model, self._offset = model, offset

    def __getattr__(self, name):
        found = getattr(self._model, name)
        if name not in _OF_RAW_SCORES:
            return found
        return wraps(found)(partial(found, offset=self._offset))  # scorers ask for the name


def with_offset(model, offset):
    """The model as scorers see it, for rows with this offset."""
    return model if offset is None else _WithOffset(model, offset)


def accuracy(right: np.ndarray, weight: np.ndarray | None) -> float:
    """Share of the rows that are right."""
    return float(right.mean() if weight is None else np.average(right, weights=weight))


def r2(y: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None) -> float:
    """Coefficient of determination, its mean over outputs, as scikit-learn defines it.

    1 - sum w (y - p)^2 / sum w (y - mean)^2; where y is constant, 1 if the predictions are exact and else 0.
    """
    if len(y) < 2:
        return np.nan
    y = np.asarray(y, dtype=float).reshape(len(y), -1)
    errors = _sum_of_squares(y - np.reshape(predicted, y.shape), weight)
    spread = _sum_of_squares(y - np.average(y, axis=0, weights=weight), weight)
    varies = spread != 0
    each = np.where(varies, 1 - errors / np.where(varies, spread, 1.0), errors == 0)
    return float(each.mean())


def d2_pinball(y: np.ndarray, predicted: np.ndarray, levels, weight: np.ndarray | None) -> float:
    """Share of the pinball loss of the best constant that predictions (n, K) of quantiles save; its mean over
    them.

    Where the constant has no loss, 1 if the predictions are exact and else 0.
    """
    if len(y) < 2:
        return np.nan
    y, q = np.asarray(y, dtype=float).reshape(-1, 1), np.asarray(levels, dtype=float)
    constants = [weighted_quantile(y, weight, level) for level in levels]
    lost, base = (_pinball(y - np.asarray(z), q, weight) for z in (predicted, np.hstack(constants)))
    varies = base != 0
    return float(np.where(varies, 1 - lost / np.where(varies, base, 1.0), lost == 0).mean())


def _pinball(residuals: np.ndarray, q: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Mean loss of each quantile."""
    return np.average(np.maximum(q * residuals, (q - 1) * residuals), axis=0, weights=weight)


def _sum_of_squares(z: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """Of each column, over the rows."""
    return np.einsum("ij,ij->j", z, z) if weight is None else np.einsum("i,ij,ij->j", weight, z, z)
