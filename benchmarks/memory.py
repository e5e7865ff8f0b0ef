"""Memory that fit takes beyond X, at 1,000,000 x 50 float64 (400 MB).

Two measures, each in a process of its own: growth of the resident set during fit (the highest mark
minus the size before), which sees the compiled core too, and the peak of NumPy's and Python's
allocations by tracemalloc. Target for both: less than 5% of X.
"""

import json
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import _bench
import numpy as np

import skgd

CASES = [
    (name, solver, options)
    for name in ("GDRegressor", "GDClassifier")
    for solver in ("batch", "minibatch", "sgd")
    for options in ({}, {"standardize": True})
]


def resident(field):
    """Bytes of a field of /proc/self/status, such as VmRSS and VmHWM (its highest mark)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{field} is not in /proc/self/status")


def child(name, solver, options, n, d):
    """Fit once and print what it took, by both measures, in bytes."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    X, y = np.empty((n, d)), np.empty(n)
    rng.standard_normal(out=X)
    np.dot(X, rng.standard_normal(d), out=y)
    if name == "GDClassifier":
        np.greater(y, 0, out=y)
    model = getattr(skgd, name)(solver=solver, max_iter=3, tol=None, random_state=0, **options)
    model.fit(X[:1000], y[:1000])  # what is loaded and kept once
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    before = resident("VmRSS")
    model.fit(X, y)
    growth = resident("VmHWM") - before
    tracemalloc.start()
    model.fit(X, y)
    print(json.dumps([growth, tracemalloc.get_traced_memory()[1]]))


def main():
    quick = _bench.start(__doc__)
    n, d = 1_000_000, 50
    bytes_of_X = 8 * n * d
    table = _bench.Table(
        f"Beyond X of {bytes_of_X / 1e6:.0f} MB",
        **{"case": 44, "resident_MB": 11, "tracemalloc_MB": 14},
        **{"share_of_X": 10, "target": 6, "verdict": 7},
    )
    for name, solver, options in CASES[::2] if quick else CASES:
        case = [sys.executable, __file__, "--child", json.dumps([name, solver, options, n, d])]
        run = subprocess.run(case, capture_output=True, text=True, check=True)
        measures = json.loads(run.stdout)
        share = max(measures) / bytes_of_X
        label = ", ".join([name, solver, *options])
        sizes = (f"{size / 1e6:.1f}" for size in measures)
        table.add(label, *sizes, f"{share:.1%}", "< 5%", _bench.verdict(share < 0.05))


if __name__ == "__main__":
    if "--child" in sys.argv:
        child(*json.loads(sys.argv[-1]))
    else:
        main()
