"""What an option costs: sgd fits with standardize=True, an l1 penalty or Adam over the plain fit.

Whole calls of 10 epochs at a given learning rate, float64. Targets: standardised rows at most 1.2 times the
plain fit, l1 1.5 times, Adam 2.2 times.
"""

import warnings

import _bench
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from speed_linear import PEERS, dense

OPTIONS = {  # what is changed, and at most how many times the plain fit it may cost
    "standardize": ({"standardize": True}, 1.2),
    "l1": ({"penalty": "l1"}, 1.5),
    "adam": ({"optimizer": "adam"}, 2.2),
}


def fit(loss, X, y, **settings):
    shared = {"alpha": 1e-4, "max_iter": 10, "tol": None, "random_state": 0, "average": False}
    plain = {"learning_rate": 0.1 / X.shape[1], "standardize": False}
    model = PEERS[loss][0](loss, solver="sgd", **{**shared, **plain, **settings})
    return lambda: model.fit(X, y)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    widths = {"option": 11, "loss": 14, "n": 7, "d": 5, "ns_per_row": 10, "plain": 6}
    table = _bench.Table("ns per row and epoch", **widths, ratio=6, target=6, verdict=7)
    for loss in PEERS:
        for d in (20, 100):
            n = 20_000 if quick else 100_000
            X, y = dense(n, d, loss, np.float64)
            fits = {name: fit(loss, X, y, **settings) for name, (settings, _) in OPTIONS.items()}
            seconds = _bench.medians({"plain": fit(loss, X, y), **fits}, 3 if quick else 7)
            for name, (_, most) in OPTIONS.items():
                ratio = seconds[name] / seconds["plain"]
                times = [f"{seconds[which] / (10 * n) * 1e9:.1f}" for which in (name, "plain")]
                table.add(
                    name, loss, n, d, *times, f"{ratio:.2f}", f"<= {most}", _bench.verdict(ratio <= most)
                )


if __name__ == "__main__":
    main()
