"""Random problems in raw units, and the minimum of a linear one by a solver that is not ours.

A problem has columns in units from 1e-4 to 1e4, offsets, heavy tails, duplicates and constants; a random
loss, solver, optimizer, penalty, weights, dense or CSR rows in float32 or float64. The rest of the
settings are defaults, so that the learning rate is automatic.
"""

import warnings
from dataclasses import dataclass

import _reference as reference
import numpy as np
from scipy import sparse
from scipy.optimize import minimize

import skgd
from skgd.losses import LOSSES
from skgd.optimizers import OPTIMIZERS

ROWS = {"batch": "all", "sgd": "one", "minibatch": "some"}
KINKS = {"absolute_error", "quantile", "epsilon_insensitive", "hinge"}
GAP = 1e-2  # of F(0) - F*, that a fit may be away from the minimum
LEAST = 1e-6  # of F(0): what rounding and the reference may be wrong by
RELU = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "identity": lambda z: z}


@dataclass
class Problem:
    seed: int
    loss: str
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    given: object  # X as fit gets it
    settings: dict
    perceptron: bool

    def __str__(self):
        storage = "CSR" if sparse.issparse(self.given) else "dense"
        n, d = self.X.shape
        kind = "perceptron" if self.perceptron else "linear"
        weighted = ", weights" if self.weights is not None else ""
        text = f"seed {self.seed}: {kind}, {self.loss}, {n} x {d}, {storage} {self.given.dtype}{weighted}"
        return f"{text}, {self.settings}"


# ---------------------------------------------------------------- problems


def random_rows(rng, n, d):
    tails = [
        rng.standard_normal,
        rng.standard_normal,
        lambda size: rng.standard_t(2, size),
        lambda size: rng.lognormal(0, 1.5, size),
    ]
    X = tails[rng.integers(4)]((n, d))
    if rng.random() < 0.3:  # offsets, up to a hundred deviations
        X = X + rng.choice([-1, 1], d) * 10 ** rng.uniform(-1, 2, d)
    X *= 10 ** rng.uniform(-4, 4, d)
    X[:, rng.random(d) < 0.1] = X[:, :1]  # duplicates
    X[:, rng.random(d) < 0.1] = 10 ** rng.uniform(-4, 4)  # constants
    if rng.random() < 0.3:
        X[rng.random((n, d)) < 0.6] = 0
    return X


def random_targets(rng, loss, X):
    deviation = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    scores = Z @ rng.standard_normal(X.shape[1])
    scores = scores / (scores.std() or 1.0) + rng.choice([0.1, 1.0]) * rng.standard_normal(len(X))
    if loss.task == "classification":
        classes = int(rng.integers(2, 4))
        y = np.searchsorted(np.quantile(scores, np.arange(1, classes) / classes), scores)
        y[:classes] = np.arange(classes)  # all of them occur
        return y
    if loss.log_link:
        return np.exp(np.clip(scores, -5, 5)) * 10 ** rng.uniform(-1, 2)
    return (scores + rng.choice([0, 3])) * 10 ** rng.uniform(-3, 3)


def optimizers_for(loss, solver, perceptron):
    """Names of the rules that `learning_rate="auto"` serves in this setting."""
    return [
        name
        for name, rule in OPTIMIZERS.items()
        if ROWS[solver] in rule.rows
        and rule.own_rate is None
        and (rule.losses is None or loss.name in rule.losses)
        and (loss.smooth or not rule.searches)
        and not (perceptron and rule.losses is not None)
    ]


def random_settings(rng, loss, perceptron):
    solver = str(rng.choice(list(ROWS)))
    rules = optimizers_for(loss, solver, perceptron)
    # the default optimizer as often as all of the others
    default = "adam" if perceptron else "plain"
    settings = {
        "solver": solver,
        "optimizer": default if rng.random() < 0.3 else str(rng.choice(rules)),
        "alpha": float(10 ** rng.uniform(-6, -1)),
        "fit_intercept": bool(rng.random() < 0.85),
        "random_state": int(rng.integers(1000)),
    }
    if perceptron:
        return {
            **settings,
            "fit_intercept": True,  # so that the best constant is one of its functions
            "hidden_layer_sizes": [(5,), (20,), (10, 5)][rng.integers(3)],
            "activation": str(rng.choice(["relu", "tanh"])),
        }
    return {**settings, "penalty": ["l2", "l2", "l2", None, "l1", "elasticnet"][rng.integers(6)]}


def random_problem(seed):
    rng = np.random.default_rng([9, seed])
    perceptron = bool(rng.random() < 0.3)
    loss = LOSSES[str(rng.choice([name for name in LOSSES if name != "perceptron"]))]()
    n, d = int(rng.integers(20, 300)), int(rng.integers(1, 12))
    dtype = np.float32 if rng.random() < 0.2 else np.float64
    X = random_rows(rng, n, d).astype(dtype)
    y = random_targets(rng, loss, X.astype(float))
    weights = rng.exponential(size=n) if rng.random() < 0.3 else None
    settings = random_settings(rng, loss, perceptron)
    given = sparse.csr_matrix(X) if rng.random() < 0.2 else X
    return Problem(seed, loss.name, X.astype(float), y, weights, given, settings, perceptron)


def fitted(problem):
    """The fitted model and the texts of its warnings."""
    kind = "Classifier" if LOSSES[problem.loss].task == "classification" else "Regressor"
    kind = getattr(skgd, f"GD{'MLP' if problem.perceptron else ''}{kind}")
    record = {"record_path": True} if problem.perceptron else {}
    model = kind(problem.loss, **problem.settings, **record)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(problem.given, problem.y, sample_weight=problem.weights)
    return model, [str(each.message) for each in caught]


# ---------------------------------------------------------------- minima of linear problems


def strengths(problem):
    if problem.perceptron:
        return 0.0, problem.settings["alpha"]
    return reference.strengths(problem.settings["penalty"], problem.settings["alpha"])


def objective(problem, theta):
    l1, l2 = strengths(problem)
    with np.errstate(over="ignore", invalid="ignore"):
        return reference.objective(
            theta, problem.X, problem.y, problem.loss, l1=l1, l2=l2, weights=problem.weights
        )


def _smooth_abs(r, delta):
    inside = np.abs(r) < delta
    value = np.where(inside, r**2 / (2 * delta), np.abs(r) - delta / 2)
    return value, np.clip(r / delta, -1, 1)


def _smooth_plus(t, delta):
    """max(t, 0), smooth within delta of 0."""
    value, slope = _smooth_abs(t, delta)
    return (value + t) / 2, (slope + 1) / 2


def _smoothed(loss, y, z, delta):
    """Values and slopes of a loss with kinks, within delta of it (for all raw scores z)."""
    if loss == "hinge":
        signs = 2.0 * (y[:, None] == (1 if z.shape[1] == 1 else np.arange(z.shape[1]))) - 1
        value, slope = _smooth_plus(1 - signs * z, delta)
        return value.sum(axis=1), -signs * slope
    r = z - y[:, None]
    if loss == "epsilon_insensitive":
        above, up = _smooth_plus(r - 0.1, delta)
        below, down = _smooth_plus(-r - 0.1, delta)
        return (above + below).sum(axis=1), up - down
    value, slope = _smooth_abs(r, delta)  # quantile is at the median by default
    factor = 0.5 if loss == "quantile" else 1.0
    return factor * value.sum(axis=1), factor * slope


def _value_and_slope(problem, z, delta):
    if delta:
        return _smoothed(problem.loss, problem.y, z, delta)
    return reference.value_and_slope(problem.loss, problem.y, z)


class Standardized:
    """The problem in coordinates in which its curvature is about the same along each feature."""

    def __init__(self, problem, columns):
        X, self.problem = problem.X, problem
        weights = reference.mean_one(problem.weights, len(X))
        self.share = weights / len(X)
        self.intercept = problem.settings["fit_intercept"]
        self.l1, self.l2 = strengths(problem)
        self.mean = self.share @ X if self.intercept else np.zeros(X.shape[1])
        squares = self.share @ (X - self.mean) ** 2
        flat = squares <= 1e-20 * (self.share @ X**2)  # constants, but for rounding
        squares[flat] = 0
        self.scale = np.sqrt(squares + self.l2)
        self.scale[self.scale == 0] = 1.0
        self.Z = (X - self.mean) / self.scale
        self.Z[:, flat] = 0
        kind = LOSSES[problem.loss]
        numbers = kind.task == "regression" and not kind.log_link
        self.unit = (np.abs(problem.y).mean() or 1.0) if numbers else 1.0
        self.shape = X.shape[1], columns

    def unpacked(self, packed):
        size = int(np.prod(self.shape))
        plus, minus, b = packed[:size], packed[size : 2 * size], packed[2 * size :]
        V = self.unit * (plus - minus).reshape(self.shape)
        return V, self.unit * b * self.intercept

    def __call__(self, packed, delta, divisor):
        V, b = self.unpacked(packed)
        with np.errstate(over="ignore", invalid="ignore"):
            values, slopes = _value_and_slope(self.problem, self.Z @ V + b, delta)
        strength = self.l1 / self.scale[:, None], self.l2 / self.scale[:, None] ** 2
        size = len(packed) - len(b)
        norms = self.unit * (packed[:size].reshape(2, *self.shape) * strength[0]).sum()
        value = self.share @ values + norms + (strength[1] * V**2).sum() / 2
        slopes = self.share[:, None] * slopes
        smooth = self.Z.T @ slopes + strength[1] * V
        gradient = np.concatenate(
            [
                (smooth + strength[0]).ravel(),
                (strength[0] - smooth).ravel(),
                slopes.sum(axis=0) * self.intercept,
            ]
        )
        if not np.isfinite(value):
            return 1e300, np.zeros(len(packed))
        return value / divisor, self.unit * gradient / divisor

    def theta(self, packed):
        V, b = self.unpacked(packed)
        W = V / self.scale[:, None]
        return np.vstack([W, b - self.mean @ W])


def minimum(problem, columns):
    """theta at the minimum of F, by L-BFGS-B in standardised coordinates.

    Weights are differences of two non-negative parts, so that the l1 norm is linear; losses with kinks
    are smoothed less and less.
    """
    F = Standardized(problem, columns)
    size = int(np.prod(F.shape))
    packed = np.zeros(2 * size + columns)
    bounds = [(0, None)] * (2 * size) + [(None, None)] * columns
    divisor = abs(F(packed, 0.0, 1.0)[0]) or 1.0
    kinks = problem.loss in KINKS
    # the second pass begins with a fresh memory, where the first one has ended early
    for delta in F.unit * np.array([1.0, 1e-1, 1e-2, 1e-3, 1e-4]) if kinks else [0.0, 0.0]:
        result = minimize(
            F,
            packed,
            args=(delta, divisor),
            jac=True,
            bounds=bounds,
            method="L-BFGS-B",
            options={"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-14, "gtol": 1e-9, "maxcor": 30},
        )
        packed = result.x
    return F.theta(packed)


# ---------------------------------------------------------------- perceptrons


def layers_at(model, problem, row):
    """Weights and intercepts of each layer at a row of `path_`."""
    shapes = [coef.shape for coef in model.coefs_]
    ends = np.cumsum([a * b for a, b in shapes] + [b for _, b in shapes])
    parts = np.split(np.asarray(model.path_[row], dtype=float), ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=False)], parts[len(shapes) :]


def network_objective(model, problem, row):
    coefs, intercepts = layers_at(model, problem, row)
    h = problem.X
    with np.errstate(over="ignore", invalid="ignore"):
        for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
            h = RELU[problem.settings["activation"]](h @ coef + intercept)
        values, _ = reference.value_and_slope(problem.loss, problem.y, h @ coefs[-1] + intercepts[-1])
    penalty = problem.settings["alpha"] / 2 * sum((coef**2).sum() for coef in coefs)
    return np.average(values, weights=problem.weights) + penalty


# ---------------------------------------------------------------- outcomes

CAUSES = {
    "badly scaled": "units",
    "penalty acts": "penalty",
    "oscillates": "rate",
    "Maximum number of epochs": "max_iter",
}


@dataclass
class Outcome:
    problem: Problem
    error: str | None = None  # of a fit that raised
    start: float = np.nan  # F at zero, or where a perceptron starts
    end: float = np.nan
    lowest: float = np.nan  # F*, of linear models; of perceptrons F of the best constant
    warnings: tuple = ()
    stop: str = ""

    @property
    def gap(self):
        """What is left of F(0) - F*, as a share of it."""
        least = LEAST * abs(self.start) if not self.problem.perceptron else 1e-3 * abs(self.lowest)
        room = max(self.start - self.lowest, least)
        return (self.end - self.lowest) / room if room > 0 else float(self.end > self.lowest)

    @property
    def cause(self):
        """Which cause the warnings name; None without a warning."""
        if not self.warnings:
            return None
        text = " ".join(self.warnings)
        return next((cause for part, cause in CAUSES.items() if part in text), "other")

    @property
    def rose(self):
        """Whether the fit ended above its start."""
        slack = 1e-5 if self.problem.given.dtype == np.float32 else 1e-8
        return not self.end <= self.start + slack * max(abs(self.start), abs(self.lowest))

    @property
    def far(self):
        """Whether a linear model is far from the minimum; a perceptron, above the best constant."""
        return self.gap > GAP

    @property
    def violation(self):
        """What is wrong, or None: "error", "overflow", "rose", or "silent" for far without a warning."""
        if self.error:
            return "error"
        if not np.isfinite(self.end):
            return "overflow"
        if self.rose:
            return "rose"
        return "silent" if self.far and self.cause is None else None


def outcome(problem):
    try:
        model, texts = fitted(problem)
    except Exception as error:  # the automatic rate must not fail
        return Outcome(problem, error=f"{type(error).__name__}: {error}")
    done = {"warnings": tuple(texts), "stop": model.stop_reason_}
    if problem.perceptron:
        start, end = (network_objective(model, problem, row) for row in (0, -1))
        columns = model.intercepts_[-1].size
        constant = Problem(**{**vars(problem), "X": np.zeros((len(problem.X), 1))})
        constant.settings = {**problem.settings, "fit_intercept": True}
        lowest = objective(constant, minimum(constant, columns))
        return Outcome(problem, start=start, end=end, lowest=lowest, **done)
    coef, intercept = np.atleast_2d(model.coef_).astype(float), np.atleast_1d(model.intercept_).astype(float)
    theta = np.vstack([coef.T, intercept])
    lowest = min(objective(problem, minimum(problem, len(intercept))), objective(problem, theta))
    start, end = objective(problem, 0 * theta), objective(problem, theta)
    return Outcome(problem, start=start, end=end, lowest=lowest, **done)
