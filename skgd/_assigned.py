"""Weights that the user assigns to a fitted model, from which training goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy import sparse

from ._options import Options

__all__ = ["AssignedWeights"]

_WEIGHTS = frozenset(("coef_", "coefs_", "intercept_", "intercepts_", "activation_shares_", "adapters_"))


class AssignedWeights:
    """Mixin of the estimators: ``partial_fit`` and ``warm_start`` go on from weights that were assigned."""

    def __setattr__(self, name: str, value) -> None:
        super().__setattr__(name, value)
        if name in _WEIGHTS and "_descent" in vars(self):
            self.__dict__["_assigned"] = True

    def _assigned_start(self: Any, options: Options) -> Callable | None:
        """What fills theta with weights that were assigned since the last fit; None where none were."""
        if "_assigned" not in vars(self):
            return None
        coef = getattr(self, self._fitted)
        intercept = self._vectors if self._fitted == "coefs_" else self.intercept_
        return self._start(options, coef.toarray() if sparse.issparse(coef) else coef, intercept)
