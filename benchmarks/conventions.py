"""check_estimator for every estimator, solver, optimizer, penalty, standardize, early_stopping and average.

The suite runs a pairwise cover of these settings (tests/test_conventions.py). This is the complete product,
in a random order of its own: --first and --count cut pieces from it. Failures that the counterpart in
scikit-learn has under the same setting are allowed (tests/_conventions.py). A setting that fails after 50
epochs is checked again with 200. Checks of containers, dtypes and shapes, half of the time, are made once for
each estimator, solver, optimizer and early_stopping: what they look at comes before penalty, coordinates and
averages.
"""

import _bench  # isort: skip
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from _conventions import allowed, complete, estimator_of, name_of
from sklearn.utils.estimator_checks import estimator_checks_generator

INPUT = {
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_array",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_classifier_data_not_an_array",
    "check_regressor_data_not_an_array",
    "check_dtype_object",
    "check_estimators_nan_inf",
    "check_f_contiguous_array_estimator",
    "check_readonly_memmap_input",
    "check_sample_weights_pandas_series",
    "check_sample_weights_not_an_array",
    "check_sample_weights_list",
    "check_sample_weights_shape",
    "check_positive_only_tag_during_fit",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_fit2d_predict1d",
    "check_set_params",
}


def failures(setting, max_iter, skipped):
    """Unexpected errors by the names of their checks."""
    skipped, found = skipped | set(allowed(setting)), {}
    for estimator, check in estimator_checks_generator(estimator_of(setting, max_iter), mark=None):
        name = check.func.__name__
        if name in skipped:
            continue
        try:
            check(estimator)
        except Exception as error:  # whatever it is, it is a failure
            if type(error).__name__ != "SkipTest":
                found[name] = f"{type(error).__name__}: {error}"
    return found


def faults_of(settings, first):
    """Names of the settings that fail, each with its errors."""
    met, faults = set(), {}
    for number, setting in enumerate(settings):
        if number % 100 == 0:
            print(f"setting {first + number}", file=sys.stderr, flush=True)
        group = tuple(setting[name] for name in ("kind", "solver", "optimizer", "early_stopping"))
        skipped = INPUT if group in met else set()
        met.add(group)
        found = failures(setting, 50, skipped) and failures(setting, 200, skipped)
        for check, error in found.items():
            print(f"{name_of(setting)}: {check}: {error[:300]!r}", flush=True)
        if found:
            faults[name_of(setting)] = found
    return faults


def main():
    given = _bench.options(__doc__, first="number of the first setting", count="how many settings")
    warnings.simplefilter("ignore")
    settings = complete()
    np.random.default_rng(0).shuffle(settings)
    first = int(given.first or 0)
    count = int(given.count or (50 if given.quick else len(settings)))
    chosen = settings[first : first + count]
    kept = len(chosen) - len(faults_of(chosen, first))
    print(f"\n{kept} of {len(chosen)} settings (of {len(settings)}) keep the conventions: ", end="")
    print(_bench.verdict(kept == len(chosen)))


if __name__ == "__main__":
    main()
