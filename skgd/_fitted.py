"""What estimators do once they are fitted, beside predicting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ._loss_spec import loss_from_spec
from ._options import loss_of
from ._validation import check_offset
from .losses import Loss

__all__ = ["NO_OFFSET_OF_MEMBERS", "FittedModel"]

NO_OFFSET_OF_MEMBERS = (
    "An offset needs n_members=1, or share_weights=True: what several fits predict is averaged first."
)


class FittedModel:
    """A fitted estimator: its loss, its raw scores, its counterpart in scikit-learn."""

    _fitted: str  # the attribute that tells a fitted model
    _twin: Callable  # (estimator, loss) -> the same in scikit-learn
    _check_rows: Any
    _raw: Callable

    def _check_offsets(self, offsets: tuple) -> None:
        """Raise where there are offsets, not None, that the model cannot have."""

    def strip(self) -> Self:
        """Drop what only further training needs, for a smaller pickle.

        Predictions stay as they are. ``warm_start`` and ``partial_fit`` begin anew afterwards.

        Returns
        -------
        self : object
            The fitted estimator, without its descent, its history and its path.

        Examples
        --------
        >>> import pickle
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDClassifier
        >>> model = GDClassifier(random_state=0).fit(*load_iris(return_X_y=True))
        >>> whole = len(pickle.dumps(model))
        >>> len(pickle.dumps(model.strip())) < whole / 2
        True
        """
        check_is_fitted(self, self._fitted)
        shown = ("history_", "loss_curve_", "path_", "validation_scores_")
        for name in ("_descent", "_units", "_kept", "_held_out_raw_", *shown):
            self.__dict__.pop(name, None)
        return self

    def to_sklearn(self) -> BaseEstimator:
        """The fitted estimator of scikit-learn that predicts the same.

        For tools that know scikit-learn's own classes only (converters to ONNX or PMML, SHAP). Linear
        models become SGDRegressor or SGDClassifier; softmax LogisticRegression; a log link
        PoissonRegressor, GammaRegressor or TweedieRegressor; several outputs LinearRegression.
        Perceptrons become MLPRegressor or MLPClassifier.

        Returns
        -------
        twin : object
            A fitted scikit-learn estimator with copies of the fitted arrays.

        Raises
        ------
        ValueError
            If scikit-learn has no estimator of the kind: other activations, losses of your own,
            perceptrons with a log link or a loss without probabilities.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> GDClassifier(random_state=0).fit(X, y).to_sklearn().predict(X[:2])
        array([0, 0])
        """
        check_is_fitted(self, self._fitted)
        return type(self)._twin(self, self._fitted_loss)

    @property
    def _fitted_loss(self) -> Loss:
        """The loss that the model was fitted with; before a fit the one it will be."""
        model = vars(self).get("_model")
        return loss_of(self) if model is None else loss_from_spec(model["loss"])

    def _check_fitted(self) -> None:
        if self._fitted not in vars(self):  # tags take as long as a thousand scores
            check_is_fitted(self, self._fitted)

    def _raw_scores(self, X):
        self._check_fitted()
        return self._raw(self._check_rows(self, X, reset=False))

    def _raw_with(self, X, offset) -> np.ndarray:
        """Raw scores (n, K) of rows, and an offset of them."""
        raw = self._raw_scores(X)
        if offset is None:
            return raw
        if hasattr(self, "members_"):
            raise ValueError(NO_OFFSET_OF_MEMBERS)
        return raw + check_offset(offset, raw, raw.shape[1])

    def _predicted(self, X, offset, from_raw: Callable, directly: Callable | None = None):
        """What becomes of the raw scores of rows: ``from_raw(raw)``.

        Linear models take dense rows to ``directly(X, theta, threads)`` where it is given: the core then
        predicts from scores that are in the cache. It gives the same, and whether all scores are finite.
        """
        return from_raw(self._raw_with(X, offset))
