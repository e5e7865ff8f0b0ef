"""Random parameters for the fuzzer, some of which no estimator can have, and functions that raise."""

import functools

import numpy as np
from _fuzz_data import choose

import skgd
from skgd import losses, optimizers, penalties, schedules

SOLVERS = ["batch", "minibatch", "sgd"]


class Planned(Exception):
    """What losses, schedules and callbacks of a case raise."""


class Raising(losses.Loss):
    """Half the square, in Python; raises after some blocks, or gives what is not finite."""

    task = "regression"
    calls = 0  # since the last call of the case

    def __init__(self, after=5, with_nan=False):
        self.after, self.with_nan = after, with_nan

    def value_and_slope(self, y, raw):
        Raising.calls += 1
        if Raising.calls > self.after:
            if not self.with_nan:
                raise Planned
            return np.full(len(raw), np.nan), np.full_like(raw, np.nan)
        error = raw - y.reshape(raw.shape)
        return 0.5 * (error**2).sum(axis=1), error


class RaisingClasses(Raising):
    """The same for classes."""

    task = "classification"

    def value_and_slope(self, y, raw):
        return super().value_and_slope(np.broadcast_to(np.reshape(y, (-1, 1)), raw.shape), raw)


def raising_schedule(t):
    if t[-1] > 20:
        raise Planned
    return np.ones(len(t))


def odd_schedule(t):
    return np.array([-1.0, np.nan, np.inf, 0.0])[np.asarray(t) % 4]


SCHEDULES = [
    *schedules.SCHEDULES,
    schedules.Adaptive(patience=1),
    schedules.Warmup(3),
    schedules.Warmup(3, then="cosine"),
    schedules.Step(period=1),
    schedules.MultiStep([1, 2]),
    schedules.Cosine(period=2),
    raising_schedule,
    odd_schedule,
    lambda t: 1 / (1 + t),
    lambda t: 1.0,
    lambda t: np.ones(1),
]
FACTORS = {"scaling": 6.0, "frequencies": 0.0, 0: 1e-300}
ODD = [
    -1,
    0,
    0.0,
    np.nan,
    np.inf,
    "auto",
    "no",
    None,
    True,
    10**9,
    1e-300,
    1e300,
    [],
    (),
    {},
    np.float32(0.5),
]


class RaisingPenalty(penalties.Penalty):
    """The l1 norm, in Python; raises after some steps, or gives what is not finite."""

    def __init__(self, after=5, with_nan=False):
        self.after, self.with_nan = after, with_nan

    def value(self, weights):
        return np.abs(weights).sum()

    def prox(self, weights, step):
        Raising.calls += 1
        if Raising.calls > self.after:
            if not self.with_nan:
                raise Planned
            return np.full_like(weights, np.nan)
        return np.sign(weights) * np.maximum(np.abs(weights) - step, 0)


def raising_activation(z):
    Raising.calls += 1
    if Raising.calls > 40:
        raise Planned
    return np.tanh(z), 1 - np.tanh(z) ** 2


def loss_for(rng, classifies):
    names = [name for name, loss in losses.LOSSES.items() if (loss.task == "classification") == classifies]
    if rng.random() < 0.85:
        return choose(rng, names)
    if classifies:
        own = RaisingClasses(int(rng.integers(30)), bool(rng.random() < 0.3))
        return choose(rng, [own, own, losses.LogLoss(0.1), losses.LogLoss(soft_labels=True)])
    own = Raising(int(rng.integers(30)), bool(rng.random() < 0.3))
    named = [losses.Huber(epsilon=1e-3), losses.Quantile(0.9), losses.Tweedie(1.2)]
    several = [losses.Quantile(q) for q in ([0.5], [0.1, 0.5, 0.9], list(np.linspace(0.01, 0.99, 17)))]
    return choose(rng, [own, own, *named, *several])


def penalty_for(rng, d):
    """Mostly one of the names; else of groups of features, without bias, or in Python."""
    if rng.random() < 0.75:
        return choose(rng, [None, "l2", "l1", "elasticnet"])
    groups = rng.integers(0, max(1, d // 2), d)
    own = RaisingPenalty(int(rng.integers(60)), bool(rng.random() < 0.3))
    given = [penalties.GroupLasso(groups), penalties.GroupLasso(groups, l1_ratio=0.5), penalties.MCP()]
    return choose(rng, [*given, penalties.SCAD(), own])


def bounds_for(rng, d):
    low, high = np.sort(rng.normal(size=(2, d)), axis=0)
    return choose(rng, [(-0.1, 0.2), (None, 1.0), (0.0, None), (low, high), (low, None), (1.0, 1.0)])


RULES = [
    *optimizers.OPTIMIZERS,
    *(rule() for rule in optimizers.OPTIMIZERS.values()),
    optimizers.PassiveAggressive(C=0.1, variant="pa2"),
]
SHARED = {
    "solver": SOLVERS,
    "batch_size": [1, 2, 7, 32, 1000],
    "learning_rate": ["auto", "auto", "auto", 1e-3, 0.1, 10.0, 1e-300, 1e300],
    "schedule": [*["constant"] * (3 * len(SCHEDULES) // 2), *SCHEDULES],
    "optimizer": RULES,
    "alpha": [0, 1e-4, 0.1, 1e6, 1e-300, 1e300],
    "fit_intercept": [True, True, False],
    "standardize": ["auto", True, False],
    "max_iter": [1, 2, 5, 20],
    "max_time": [None, None, None, 1e-6, 0.01],
    "tol": [1e-4, None, 0, 1e300],
    "n_iter_no_change": [1, 3],
    "check_every": ["epoch", "epoch", 1, 3, 1000],
    "early_stopping": [False, False, True],
    "validation_fraction": [0.1, 0.5, 0.99, [(np.arange(2), np.arange(2, 5))]],
    "refit": [False, True],
    "scoring": [None, None, "r2", "accuracy", ["r2", "max_error"], "roc_auc"],
    "average": ["auto", "auto", True, False, 3, 10**6],
    "shuffle": [True, True, False],
    "random_state": [0, None, 7, np.random.RandomState, 2**31],
    "warm_start": [False, True],
    "n_jobs": [None, None, 2],
    "verbose": [0, 0, 0, 0, 0, 2],
    "record_path": [False, True],
}


def own_parameters(rng, kind, d):
    found = {}
    activations = ["relu", "tanh", "logistic", "identity", "gelu", "softplus", "mish", "selu", "leaky_relu"]
    activations += ["parametric_silu", "parametric_relu", "parametric_tanh", raising_activation]
    if "MLP" in kind:
        found |= {
            "hidden_layer_sizes": choose(rng, [(), 3, (5,), (4, 4), "auto", (1,) * 5]),
            "activation": choose(rng, ["auto", *activations, tuple(choose(rng, activations) for _ in "ab")]),
            "init": choose(rng, ["auto", "glorot_normal", "he_uniform", "lecun_normal"]),
            "freeze": choose(rng, [None, None, 0, -1, [0, 1], []]),
            "penalty": choose(rng, [None, "l2", "l1", "elasticnet"]),
            "l1_ratio": choose(rng, [0, 0.15, 1]),
            "rate_factors": choose(
                rng, [None, {0: 3.0, -1: 0.5}, {"intercepts": 0.1, "activations": 0.1}, FACTORS]
            ),
            "parametrization": choose(rng, ["standard", "ntp"]),
            "dropout_schedule": choose(rng, ["constant", *SCHEDULES]),
            "scaling_layer": choose(rng, [False, True]),
            "n_frequencies": choose(rng, [0, 1, 5]),
            "frequency_scale": choose(rng, [0.1, 10.0]),
            "dtype": choose(rng, ["auto", "float32", "float64"]),
            "dropout": choose(rng, ["auto", 0.0, 0.5, 0.999]),
            "max_grad_norm": choose(rng, [None, 1.0, 1e-12]),
            "encoding": choose(rng, ["auto", "auto", "table", None]),
            "categorical_features": choose(rng, [*["from_dtype"] * 3, None, [0]]),
            "n_members": choose(rng, [1, 1, 1, 2]),
        }
    else:
        found |= {"penalty": penalty_for(rng, d), "l1_ratio": choose(rng, [0, 0.15, 1])}
        if rng.random() < 0.3:  # which most rules and penalties cannot keep together
            found |= choose(rng, [{"positive": True}, {"bounds": bounds_for(rng, d)}])
        if rng.random() < 0.3:
            found |= {"alpha": rng.uniform(0, 1, d) * (rng.random(d) < 0.8)}
    found |= {"nu": choose(rng, [0.1, 0.5, 1.0])}
    if "Classifier" in kind:
        found |= {"class_weight": choose(rng, [None, None, "balanced", {0: 2.0, 1: 0.0}, {"no": 1.0}])}
    if "CV" in kind:
        found |= {"learning_rates": choose(rng, [3, [1e-3, 0.1], "auto", [1e300]])}
        found |= {"alphas": choose(rng, [None, [1e-4, 1.0]]), "cv": choose(rng, [2, 2, 2, 3, 3, None])}
    return found


@functools.cache
def known_parameters(kind):
    return tuple(sorted(getattr(skgd, kind)().get_params(deep=False)))


def some_parameters(rng, kind, share, d):
    """Each parameter with some probability; now and then one of a value that it cannot have."""
    known = known_parameters(kind)
    chosen = {
        name: choose(rng, values) for name, values in SHARED.items() if name in known and rng.random() < share
    }
    if chosen.get("random_state") is np.random.RandomState:
        chosen["random_state"] = np.random.RandomState(1)
    own = own_parameters(rng, kind, d)
    chosen |= {name: value for name, value in own.items() if name in known and rng.random() < share}
    chosen.setdefault("max_iter", 3)
    if rng.random() < 0.08:
        chosen[choose(rng, known)] = choose(rng, ODD)
        chosen["max_iter"] = min(chosen["max_iter"], 20) if type(chosen["max_iter"]) is int else 3
    for name in ("n_members", "learning_rates", "alphas"):
        if chosen.get(name) == 10**9:  # would take as long as it should
            chosen[name] = 2
    if rng.random() < 0.2 and "loss" in known:
        chosen["loss"] = loss_for(rng, "Classifier" in kind)
    return chosen
