"""The hidden layers of a fitted perceptron: what they make of rows, by the core."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._design import design_of
from ._feature_layer import FeatureLayer
from ._network import Network, is_parametric, shares
from ._problem import scoring_problem
from ._shared_weights import member_of

__all__ = ["HiddenLayers", "scores_of"]


class HiddenLayers:
    """A fitted perceptron by its layers."""

    coefs_: list
    intercepts_: list
    members_: list
    _model: dict

    @property
    def _vectors(self) -> list:
        """Intercepts of the layers, and what units have learnt of their activations."""
        adapters = [each for pair in vars(self).get("adapters_", ()) for each in pair]
        return [*self.intercepts_, *vars(self).get("activation_shares_", ()), *adapters]

    @property
    def _networks(self) -> list[tuple]:
        """Weights, and intercepts and shares, of each of the networks that share weights, or of the only
        one."""
        if "adapters_" not in vars(self):
            return [(self.coefs_, self._vectors)]
        return [member_of(self.coefs_, self._vectors, i) for i in range(len(self.coefs_[-1]))]

    _fitted: str
    _check_rows: Any

    @property
    def _network(self) -> Network:
        """The hidden layers of the fitted model."""
        known = self._model.get("features")
        features = None if known is None else FeatureLayer(known[1], numbers=known[0])
        hidden = tuple(intercepts.shape[-1] for intercepts in self.intercepts_[known is not None : -1])
        activation = self._model["activation"]
        several = isinstance(activation, tuple)
        activations = activation if several else (activation,) * len(hidden)
        return Network(hidden, activations, features=features)

    def hidden(self, X, layer: int = -1) -> np.ndarray:
        """Activations of a hidden layer: what the network makes of the features.

        As a step of a pipeline: ``FunctionTransformer(model.hidden)``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.
        layer : int, default=-1
            Number of the hidden layer: 0 is the first, -1 the last.

        Returns
        -------
        activations : ndarray of shape (n_samples, n_units)
            Without dropout. With ``share_weights`` those of the members stand side by side.
        """
        check_is_fitted(self, self._fitted)
        if "members_" in vars(self):
            raise ValueError(
                f"Each of the {len(self.members_)} networks has layers of its own: see members_."
            )
        network = self._network
        layers = len(network.hidden)
        if not isinstance(layer, Integral) or not -layers <= layer < layers:
            raise ValueError(f"layer={layer!r} must be one of the {layers} hidden layers, 0 to {layers - 1}.")
        X, last = self._check_rows(self, X, reset=False), int(layer) % layers + 1
        dtype = np.result_type(X.dtype, self.coefs_[0].dtype)
        part = replace(network, hidden=network.hidden[:last], activations=network.activations[:last])
        units = np.eye(part.hidden[-1])  # a last layer that passes them on
        last += network.features is not None
        learnt, X, found = sum(map(is_parametric, part.activations)), X.astype(dtype, copy=False), []
        for coefs, vectors in self._networks:
            of_shares = vectors[len(coefs) :][:learnt]
            vectors = [*vectors[:last], np.zeros(len(units)), *of_shares]
            found.append(scores_of(X, part, [*coefs[:last], units], vectors))
        return found[0] if len(found) == 1 else np.hstack(found)


def scores_of(X, network: Network, coefs, vectors, threads: int = 1) -> np.ndarray:
    """Raw scores (n, K) of rows, computed by the core; `vectors` are intercepts, then shares of units."""
    intercepts, of_shares = vectors[: len(coefs)], vectors[len(coefs) :]
    problem = scoring_problem(design_of(X), len(intercepts[-1]), network)
    theta = problem.zeros()
    for block, coef, intercept in zip(problem.blocks(theta), coefs, intercepts, strict=True):
        block[:-1], block[-1] = coef, intercept
    for into, share in zip(shares(theta, problem.layers), of_shares, strict=True):
        into[:] = share
    return problem.scores(theta, threads)
