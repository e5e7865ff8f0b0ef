"""Settings of the estimators for scikit-learn's check_estimator, and what may fail in them.

A check may fail where it fails for the counterpart in scikit-learn under the same setting: SGD* for the
linear models, MLP* for the perceptrons, LogisticRegressionCV for the searches.
"""

import warnings
from itertools import combinations, product

import numpy as np
from sklearn.utils.estimator_checks import check_estimator

import skgd
from skgd.optimizers import OPTIMIZERS

ROWS = {"batch": "all", "minibatch": "some", "sgd": "one"}
LINEAR = [skgd.GDRegressor, skgd.GDClassifier]
PERCEPTRONS = [skgd.GDMLPRegressor, skgd.GDMLPClassifier]
SEARCHES = [skgd.GDRegressorCV, skgd.GDClassifierCV]

AXES = {
    "kind": LINEAR + PERCEPTRONS,
    "solver": list(ROWS),
    "optimizer": [
        "plain",
        *(name for name, rule in OPTIMIZERS.items() if name != "plain" and rule.own_rate is None),
    ],
    "penalty": ["l2", None, "l1", "elasticnet"],
    "standardize": [False, True],
    "early_stopping": [False, True],
    "average": ["auto", True],
}

WEIGHTS = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
ORDER = dict.fromkeys(WEIGHTS, "repeated or removed rows change the order of the updates")
NO_STREAM = "partial_fit is not available with early_stopping"
TOO_FEW = "too few rows, or rows of a class, to hold some out"
HELD_OUT = {
    **dict.fromkeys(WEIGHTS, "repeated or removed rows change the split"),
    "check_estimators_partial_fit_n_features": NO_STREAM,
    "check_fit_score_takes_y": NO_STREAM,
    "check_n_features_in_after_fitting": NO_STREAM,
    "check_dict_unchanged": TOO_FEW,
    "check_estimators_nan_inf": TOO_FEW,
    "check_fit2d_1feature": TOO_FEW,
    "check_fit2d_predict1d": TOO_FEW,
}
HELD_OUT_CLASSES = {
    # SGDClassifier, which restores nothing, fails it in 11 of 18 such settings, wherever it averages at its
    # default rates
    "check_class_weight_classifiers": "the most accurate parameters on held-out rows are restored",
    "check_class_weight_balanced_linear_classifier": TOO_FEW,
    "check_dont_overwrite_parameters": TOO_FEW,
    "check_f_contiguous_array_estimator": TOO_FEW,
    "check_methods_sample_order_invariance": TOO_FEW,
    "check_methods_subset_invariance": TOO_FEW,
    "check_sparsify_coefficients": TOO_FEW,
}


def is_valid(setting):
    """Whether the rule is defined for the solver and the loss; perceptrons have one penalty."""
    kind, rule = setting["kind"], OPTIMIZERS[setting["optimizer"]]
    loss = "squared_error" if kind._task == "regression" else "log_loss"
    fits = ROWS[setting["solver"]] in rule.rows and loss in (rule.losses or (loss,))
    if setting["optimizer"] in {"schedule_free", "barzilai_borwein"}:
        fits = fits and setting["average"] is not True
    if kind in PERCEPTRONS:
        return fits and setting["penalty"] == "l2" and rule.losses is None
    return fits


def complete(axes=AXES):
    """Every valid setting."""
    settings = (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
    return [setting for setting in settings if is_valid(setting)]


def parts_of(setting):
    """What a cover has to contain: each optimizer, and each pair of values of two other axes."""
    others = {name: value for name, value in setting.items() if name != "optimizer"}
    return {setting["optimizer"], *combinations(others.items(), 2)}


def cover(axes=AXES, seed=0):
    """Few settings with all of these parts that are possible, chosen greedily."""
    rest = complete(axes)
    np.random.default_rng(seed).shuffle(rest)
    parts = [parts_of(setting) for setting in rest]
    missing, chosen = set().union(*parts), []
    while missing:
        best = max(range(len(rest)), key=lambda i: len(parts[i] & missing))
        missing -= parts[best]
        chosen.append(rest[best])
    return chosen


def allowed(setting):
    """Checks that may fail in a setting, with the reason."""
    found = ORDER if setting["solver"] == "sgd" else {}
    if setting["early_stopping"]:
        found = {**found, **HELD_OUT, **(HELD_OUT_CLASSES if setting["kind"]._task != "regression" else {})}
    return found


def estimator_of(setting, max_iter=50):
    params = {name: value for name, value in setting.items() if name != "kind"}
    kind = setting["kind"]
    if kind in PERCEPTRONS:
        del params["penalty"]
        params["hidden_layer_sizes"] = (5,)
    # three of ten rows are enough to hold out for three classes
    return kind(max_iter=max_iter, validation_fraction=0.3, **params)


def name_of(setting):
    kind, *values = setting.values()
    names = dict(zip(list(setting)[1:], values, strict=True))
    flags = [name for name, value in names.items() if value is True]
    return "-".join([kind.__name__, *(str(value) for value in values if not isinstance(value, bool)), *flags])


def failures(estimator):
    """Names of the checks that fail, with the error of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_fail=None, on_skip=None)
    return {
        result["check_name"]: f"{type(result['exception']).__name__}: {result['exception']}"
        for result in results
        if result["status"] == "failed"
    }
