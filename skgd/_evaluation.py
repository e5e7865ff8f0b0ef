"""The objective of an estimator and its gradient, at any parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._problem import Problem

__all__ = ["Evaluation"]


class Evaluation:
    """What is minimised, for those who want to look at it."""

    def objective(self: Any, X, y, coef=None, intercept=None, sample_weight=None) -> tuple[float, tuple]:
        """Evaluate the objective F that ``fit`` minimises, and its gradient.

        The estimator stays as it is. To check a gradient, or a loss of your own, compare with
        :math:`(F(w + h e_j) - F(w - h e_j)) / 2h` for a small h.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        coef : array-like, shape of ``coef_``, or list of them, shapes of ``coefs_``, default=None
            Weights to evaluate at; None: those of the fitted model.
        intercept : array-like, shape of ``intercept_``, or list of them, default=None
            Intercepts to evaluate at. None: those of the fitted model if ``coef`` is None too, else zeros.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows; only their ratios matter.

        Returns
        -------
        value : float
            F: the weighted mean loss plus the penalty.
        gradient : tuple of (ndarray, ndarray) or of two lists of ndarrays
            Derivatives with respect to weights and intercepts, in their shapes. Under an l1 penalty that of
            :math:`|w|` is its sign, 0 at 0; so is that of losses with kinks.

        Examples
        --------
        >>> import numpy as np
        >>> from skgd import GDRegressor
        >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 3.0])
        >>> value, (of_weights, of_intercept) = GDRegressor(alpha=0).objective(X, y, coef=[1.0])
        >>> value, of_weights.tolist(), of_intercept.tolist()  # residuals 0 and -1
        (0.25, [-1.0], [-0.5])
        """
        self._validate_params()
        options = self._options(X, reset=False).with_stopping(early_stopping=False)
        if coef is None:
            check_is_fitted(self, self._fitted)
            coef = getattr(self, self._fitted)
            if intercept is None:
                intercept = self._vectors if self._fitted == "coefs_" else self.intercept_
        rows = self._training_rows(options, X, y, sample_weight)
        problem = Problem(rows.design, rows.targets, self._known_columns(options, rows.schema).objective)
        theta = problem.zeros()
        if intercept is None:
            intercept = [np.zeros(block.shape[1]) for block in problem.blocks(theta)]
            intercept = intercept[0] if self._fitted == "coef_" else intercept
        self._start_at(problem, theta, options.seed, coef, intercept)
        gradient = problem.gradient(theta, options.threads)
        weights, intercepts = self._unpack(gradient, problem)
        found = self._attributes(weights, intercepts, rows.task)
        return problem.value(theta, options.threads), tuple(list(found.values())[:2])
