"""check_estimator for every estimator, solver, optimizer, penalty, standardize, early_stopping and average.

The suite runs a pairwise cover of these settings (tests/test_conventions.py). This is the complete product,
in a random order of its own: --first and --count cut pieces from it. Failures that the counterpart in
scikit-learn has under the same setting are allowed (tests/_conventions.py).
"""

import _bench  # isort: skip
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
from _conventions import allowed, complete, estimator_of, failures, name_of


def main():
    given = _bench.options(__doc__, first="number of the first setting", count="how many settings")
    settings = complete()
    np.random.default_rng(0).shuffle(settings)
    first = int(given.first or 0)
    count = int(given.count or (50 if given.quick else len(settings)))
    chosen, faults = settings[first : first + count], 0
    for number, setting in enumerate(chosen):
        if number % 100 == 0:
            print(f"setting {first + number}", file=sys.stderr, flush=True)
        found = failures(estimator_of(setting, max_iter=200))
        unexpected = {check: error for check, error in found.items() if check not in allowed(setting)}
        faults += bool(unexpected)
        for check, error in unexpected.items():
            print(f"{name_of(setting)}: {check}: {error[:300]!r}", flush=True)
    print(
        f"\n{len(chosen) - faults} of {len(chosen)} settings (of {len(settings)}) keep the conventions: ",
        end="",
    )
    print(_bench.verdict(not faults))


if __name__ == "__main__":
    main()
