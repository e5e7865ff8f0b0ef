"""How sure a network or a mean of them is: the spread of members, and intervals from rows held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

__all__ = ["Spread", "Uncertainty", "cross_conformal"]

_HALVINGS = 60  # of the range that a bound lies in


def _has_members(estimator) -> bool:
    fitted = {"members_", "adapters_"} & vars(estimator).keys()
    if not fitted and (estimator.n_members == 1 or "coefs_" in vars(estimator)):
        raise AttributeError("predict_std needs several networks: n_members > 1.")
    loss = estimator._fitted_loss
    if loss.task == "classification" and not loss.has_probabilities:
        raise AttributeError(f"predict_std needs probabilities, which loss={loss.name or loss!r} has not.")
    return True


class Spread:
    """How far several networks disagree."""

    _predict_each: Callable  # X -> (n_members, n_samples) or (n_members, n_samples, n_outputs)

    @available_if(_has_members)
    def predict_std(self, X) -> np.ndarray:
        """Standard deviation of what the members predict, with ``n_members - 1`` in the denominator.

        Of regressors they predict numbers, of classifiers probabilities. It tells where the networks
        disagree, as they do far from the rows of the fit. Noise of y, about which they agree, is no part of
        it: an interval that numbers fall into is what ``predict_interval`` of regressors gives.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        std : ndarray of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_classes)
            In the units of y; of classifiers as ``predict_proba``.
        """
        check_is_fitted(self, "coefs_")
        return np.std(self._predict_each(X), axis=0, ddof=1)


class Uncertainty(Spread):
    """Predictions of a network, or of a mean of them, with what is known of their errors."""

    oof_residuals_: list[np.ndarray] | None

    def predict_interval(self, X, coverage: float = 0.9) -> np.ndarray:
        """Intervals that y falls into with about the given probability, by CV+ (Barber et al. 2021).

        With ``early_stopping=True`` each network k (or the only one) holds out rows of its own. Their
        absolute residuals :math:`R_i = |y_i - \\mu_{k(i)}(x_i)|` tell how far predictions of rows not seen
        are off. The bounds are quantiles of :math:`\\mu_{k(i)}(x) - R_i` and of
        :math:`\\mu_{k(i)}(x) + R_i` over the n rows held out, of ranks
        :math:`\\lfloor (1 - c)(n + 1) \\rfloor` and
        :math:`\\lceil c\\,(n + 1) \\rceil`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.
        coverage : float in (0, 1), default=0.9
            The probability c, over rows that come from where those of the fit did.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper bounds, in the units of y; of several outputs each has its own. Infinite where
            so few rows were held out that none of them bounds such a part.

            After a fit of several quantiles they are those of conformalised quantile regression (Romano,
            Patterson & Candes 2019): :math:`R_i = \\max(l_{k(i)}(x_i) - y_i,\\; y_i - u_{k(i)}(x_i))`,
            negative for a y inside, with the lowest and the highest quantile l and u in place of :math:`\\mu`
            in the bounds. They widen where y is noisier.

        Notes
        -----
        The coverage is at least 2 c - 1 for any data and any model, and about c for stable ones. It holds
        on average over the rows, not for each of them: unless quantiles are fitted, the intervals hardly
        widen where y is noisier. Rows of weight zero do not count; others count alike, whatever their weight.
        What is held out also chooses the epoch at which a network stops, which changes the residuals little.
        With ``refit=True`` they are those of the networks before they were fitted to all rows. One network is
        one model, and so is the mean of networks with ``share_weights``, which hold out the same rows: the
        bounds are then those of split conformal prediction.

        References
        ----------
        Barber, Candes, Ramdas & Tibshirani (2021). Predictive inference with the jackknife+. Annals of
        Statistics 49(1).

        Romano, Patterson & Candes (2019). Conformalized quantile regression. NeurIPS 32.
        """
        if not isinstance(coverage, Real) or not 0 < coverage < 1:
            raise ValueError(f"coverage={coverage!r} must be a number between 0 and 1.")
        check_is_fitted(self, "coefs_")
        if vars(self).get("oof_residuals_") is None:  # of a stream there are none
            raise ValueError(
                "predict_interval needs rows that each network held out: fit with early_stopping=True, "
                "with a number as validation_fraction, and without X_val."
            )
        predictions = self._predict_each(X) if "members_" in vars(self) else self.predict(X)[None]
        if self._fitted_loss.levels is not None:
            scores = [np.maximum(-part[:, 0], part[:, -1]) for part in self.oof_residuals_]
            return conformal_bounds(predictions[..., 0], predictions[..., -1], scores, coverage)
        flat = predictions.ndim == 2
        outputs = predictions[..., None] if flat else predictions
        bounds = [
            cross_conformal(outputs[..., k], [_column(part, k) for part in self.oof_residuals_], coverage)
            for k in range(outputs.shape[2])
        ]
        return bounds[0] if flat else np.stack(bounds, axis=1)


def _column(residuals: np.ndarray, k: int) -> np.ndarray:
    return residuals.reshape(len(residuals), -1)[:, k]


def cross_conformal(predictions: np.ndarray, residuals: Sequence[np.ndarray], coverage: float) -> np.ndarray:
    """Bounds (m, 2) of CV+, from predictions (k, m) of k models and the residuals of what each held out."""
    return conformal_bounds(predictions, predictions, [np.abs(part) for part in residuals], coverage)


def conformal_bounds(lows, highs, scores: Sequence[np.ndarray], coverage: float) -> np.ndarray:
    """Bounds (m, 2) from those (k, m) of k models and, for what each held out, how far y lay outside of "
    "them."""
    sizes = [np.sort(np.asarray(part, dtype=float)) for part in scores]
    low, high = (np.asarray(part, dtype=float) for part in (lows, highs))
    rank = int(np.ceil(coverage * (sum(map(len, sizes)) + 1) - 1e-9))
    bounds = np.column_stack([-_of_rank(-low, sizes, rank), _of_rank(high, sizes, rank)])
    return np.sort(bounds, axis=1)  # of an empty interval, the narrowest that is none


def _of_rank(shifts: np.ndarray, sizes: list[np.ndarray], rank: int) -> np.ndarray:
    """The values (m,) of this rank, counted from 1, among shifts (k, m) plus the k sorted lists of sizes."""
    if rank > sum(map(len, sizes)):
        return np.full(shifts.shape[1], np.inf)
    ends = np.concatenate(sizes)
    low, high = shifts.min(axis=0) + ends.min(), shifts.max(axis=0) + ends.max()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        lists = zip(shifts, sizes, strict=True)
        below = sum(np.searchsorted(part, middle - shift, side="right") for shift, part in lists)
        reached = below >= rank
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high
