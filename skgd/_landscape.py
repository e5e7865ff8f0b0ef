"""The objective over a plane of parameters, and the paths of descents in it."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ._callbacks import clone_unwatched

_MARGIN = 0.15  # of the span of the paths, left free around them


class Landscape:
    """A plane through parameter space: origin + a directions[0] + b directions[1].

    Attributes
    ----------
    origin : ndarray of shape (n_params,)
        Parameters, as in `path_`, where both coordinates are zero.
    directions : ndarray of shape (2, n_params)
        Orthonormal.
    optimum : ndarray of shape (n_params,)
        The lowest parameters known.
    labels : tuple of two str
        What the coordinates are.
    """

    def __init__(self, model, problem, paths, optimum, parameters):
        self.model, self.problem, self.optimum = model, problem, optimum
        moves = np.vstack([path - optimum for path in paths])
        if parameters is None:
            moving = np.flatnonzero(np.abs(moves).max(axis=0) > 0)
            free = [*moving, *(i for i in range(len(optimum)) if i not in moving)]
            parameters = free[:2] if len(moving) <= 2 else None
        if parameters is None:
            self._take_principal(moves)
        else:
            self._take_parameters([self._position(given) for given in parameters])

    def _take_principal(self, moves):
        _, sizes, directions = np.linalg.svd(moves, full_matrices=False)
        shares = 100 * sizes**2 / max(np.sum(sizes**2), np.finfo(float).tiny)
        self.origin, self.directions = self.optimum, directions[:2]
        self.labels = tuple(f"principal direction {i + 1} of the paths ({shares[i]:.0f} %)" for i in range(2))

    def _take_parameters(self, pair):
        if len(set(pair)) != 2:
            raise ValueError("parameters must be two different parameters.")
        self.origin = self.optimum.copy()
        self.origin[pair] = 0  # so that coordinates are the parameters themselves
        self.directions = np.eye(len(self.optimum))[pair]
        self.labels = tuple(self._name(i) for i in pair)

    def _name(self, position) -> str:
        if not self._linear:
            return f"parameter {position}"
        d, K = self.problem.d, self.problem.targets.columns
        output, feature = divmod(position, d) if position < d * K else (position - d * K, None)
        name = "intercept"
        if feature is not None:
            known = getattr(self.model, "feature_names_in_", None)
            name = f"weight {feature}" if known is None else f"weight of {known[feature]}"
        return name if K == 1 else f"{name}, output {output}"

    def _position(self, given) -> int:
        """Place in `path_` of a parameter given by number, by the name of its feature, or "intercept"."""
        size = len(self.optimum)
        if not isinstance(given, str):
            if not -size <= given < size:
                raise ValueError(f"parameters={given!r}: there are {size} parameters.")
            return int(given) % size
        known = list(getattr(self.model, "feature_names_in_", ()))
        if self._linear and given == "intercept":
            return self.problem.d * self.problem.targets.columns
        if not self._linear or given not in known:
            raise ValueError(f"parameters={given!r} is neither 'intercept' nor a feature of a linear model.")
        return known.index(given)

    @property
    def optimum_name(self) -> str:
        return "optimum" if self._linear else "lowest end"

    @property
    def _linear(self) -> bool:
        return self.problem.network is None

    def coordinates(self, path) -> np.ndarray:
        """Places (n, 2) in the plane of parameters (n, n_params)."""
        return (np.asarray(path, dtype=float) - self.origin) @ self.directions.T

    def objective(self, flat) -> float:
        """F of parameters in the form of `path_`."""
        theta = self.problem.zeros()
        self.model._fill(self.problem, theta, flat)
        with np.errstate(over="ignore", invalid="ignore"):
            return self.problem.value(theta)

    def grid(self, places, resolution: int):
        """Coordinates (resolution,) twice, around the places, and F over them (resolution, resolution)."""
        low, high = places.min(axis=0), places.max(axis=0)
        span = high - low
        span = np.maximum(span, 0.25 * max(span.max(), 1e-12))
        middle = (low + high) / 2
        reach = span * (0.5 + _MARGIN)
        a, b = np.linspace(middle - reach, middle + reach, resolution).T
        along, across = self.directions
        values = [[self.objective(self.origin + u * along + v * across) for u in a] for v in b]
        return a, b, np.array(values)


def landscape_of(estimators, X, y, sample_weight=None, parameters=None) -> tuple[Landscape, list[np.ndarray]]:
    """The plane for the objective of the first estimator, and the paths of all of them in it (n, 2)."""
    paths = [np.asarray(estimator.path_, dtype=float) for estimator in estimators]
    if len({path.shape[1] for path in paths}) > 1:
        raise ValueError("The estimators have different numbers of parameters: their paths share no plane.")
    model = clone(estimators[0]).set_params(standardize=False)  # which changes coordinates, not F
    problem = model._objective_of(X, y, sample_weight)
    if len(paths[0][0]) != model._flatten(*model._unpack(problem.zeros(), problem)).size:
        raise ValueError("X and y do not have the shape of the data that the estimators were fitted to.")
    best = _optimum(estimators[0], problem, X, y, sample_weight)
    land = Landscape(estimators[0], problem, paths, paths[0][-1] if best is None else best, parameters)
    if best is None:
        ends = [path[-1] for path in paths]
        lowest = ends[int(np.argmin([land.objective(end) for end in ends]))]
        land = Landscape(estimators[0], problem, paths, lowest, parameters)
    return land, [land.coordinates(path) for path in paths]


def _optimum(estimator, problem, X, y, sample_weight):
    """Where a long batch descent of a linear model ends; None for networks, which have no single one."""
    if problem.network is not None:
        return None
    descent = clone_unwatched(estimator).set_params(
        solver="batch", optimizer="plain", learning_rate="auto", schedule="constant", average="auto"
    )
    descent.set_params(standardize=True, max_iter=5000, tol=1e-12, n_iter_no_change=20, check_every="epoch")
    descent.set_params(early_stopping=False, max_time=None, warm_start=False, record_path=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return descent.fit(X, y, sample_weight=sample_weight).path_[-1].astype(float)
