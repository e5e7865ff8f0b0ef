"""Fitted models for other programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._table import precision_of

if TYPE_CHECKING:
    from ._onnx import Model

__all__ = ["Export", "precision_for"]


class Export:
    """What estimators can be turned into."""

    _nets: Callable  # () -> (layers, activation) of each network whose mean is predicted; see Net

    def to_onnx(self: Any, X=None) -> Any:
        """The fitted model in the format of ONNX (extra ``skgd[onnx]``), for runtimes without Python.

        Its output "prediction" (regression), or "label" and "probabilities" (classification; "scores" where
        the loss has no probabilities), are what :meth:`predict` and ``predict_proba`` (``decision_function``)
        give, to rounding. The encoder of the columns is part of the graph. For a Pipeline see
        :func:`skgd.onnx.register_converters`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Rows whose precision, float32 or float64, the input gets; by default it is that of the weights.
            The values do not matter.

        Returns
        -------
        model : onnx.ModelProto
            Its input "X" has the shape (n_samples, n_features). A table with categories has one input for
            each column, of shape (n_samples, 1) and the name of the column: numbers in float64, categories
            as text (empty where missing) or int64.

        Raises
        ------
        ImportError
            Without the package onnx.
        ValueError
            If a part of the model has no counterpart in ONNX: predictions of losses of your own that are
            computed in Python, encoders of your own, labels and categories that are neither text nor numbers.

        Examples
        --------
        >>> import pytest
        >>> _ = pytest.importorskip("onnx")
        >>> from sklearn.datasets import load_iris
        >>> from skgd import GDClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = GDClassifier(random_state=0).fit(X, y).to_onnx()
        >>> [output.name for output in model.graph.output]
        ['label', 'probabilities']
        """
        from ._onnx import converted  # late: few need it

        check_is_fitted(self, self._fitted)
        return converted(self._exported(), precision_for(X, self._nets()[0][0][0][0].dtype))

    def _exported(self: Any) -> Model:
        from ._onnx import Model, Net

        names = getattr(self, "feature_names_in_", None)
        return Model(
            type(self).__name__,
            [Net(*net) for net in self._nets()],
            self._fitted_task(),
            self._fitted_loss,
            self.n_features_in_,
            None if names is None else list(names),
            vars(self).get("encoder_"),
        )


def precision_for(X, of_weights: np.dtype) -> np.dtype:
    """The precision, float32 or float64, of X, or of the weights where there is no X."""
    return np.dtype(of_weights) if X is None else precision_of(X)
