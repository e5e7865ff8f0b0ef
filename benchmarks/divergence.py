"""The largest stable learning rate: predicted from X against the first of many rates that diverges.

Squared loss with intercept, y a linear function of X with a tenth of noise, plain updates. The rates are
a fortieth of the predicted one apart. One has diverged if any of its runs (250, 500 and 1,000 updates, over
five orders of the rows each) ends above where it started.
"""

import _bench
import numpy as np
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.preprocessing import StandardScaler

from skgd import GDRegressor
from skgd.learning_rate import find_learning_rate, largest_stable_learning_rate

LOW, HIGH = 0.75, 1.35
LENGTHS = (250, 500, 1000)  # updates of the runs
ORDERS = 5  # of the rows, for each length


def data_sets():
    rng = np.random.default_rng(0)
    scaled = StandardScaler().fit_transform
    yield "diabetes", scaled(load_diabetes().data)
    yield "breast cancer", scaled(load_breast_cancer().data)
    yield "digits, raw", load_digits().data
    factors = np.logspace(0, 1.5, 20) * np.linalg.qr(rng.normal(size=(20, 20)))[0]
    yield "correlated, condition 1e3", scaled(rng.normal(size=(2000, 20)) @ factors.T)
    yield "heavy tails", scaled(rng.standard_t(5, size=(2000, 20)))
    words = sparse.random(2000, 1500, 0.01, format="csr", random_state=0)
    yield "sparse, 1500 features", words


def measured(X, y, predicted, rows):
    """The first rate that ends a run above the start, in any of the runs."""
    n = X.shape[0]
    solver = {1: "sgd", n: "batch"}.get(rows, "minibatch")
    rates = predicted * np.arange(0.5, 2.2, 1 / 40)
    first = np.inf
    for seed in range(1 if rows == n else ORDERS):
        model = GDRegressor(solver=solver, batch_size=rows, penalty=None, random_state=seed)
        for updates in LENGTHS:
            found = find_learning_rate(model, X, y, rates=rates, max_iter=-(-updates * rows // n))
            first = min(first, found.rates[~(found.losses < found.start)].min(initial=np.inf))
    return first


def main():
    quick = _bench.start(__doc__)
    rng = np.random.default_rng(1)
    title = f"predicted over measured; wanted within [{LOW}, {HIGH}]"
    table = _bench.Table(title, data=26, rows=7, predicted=10, measured=10, ratio=6, bar=7)
    hits = []
    for name, X in list(data_sets())[: 2 if quick else None]:
        y = np.asarray(X @ rng.normal(size=X.shape[1]))
        y += 0.1 * y.std() * rng.normal(size=len(y))
        for rows in (1, 8, 32, 128, X.shape[0]):
            solver = {1: "sgd", X.shape[0]: "batch"}.get(rows, "minibatch")
            predicted = largest_stable_learning_rate(X, solver=solver, batch_size=rows)
            first = measured(X, y, predicted, rows)
            ratio = predicted / first
            hits.append(LOW <= ratio <= HIGH)
            cells = (f"{predicted:.3g}", f"{first:.3g}", f"{ratio:.2f}", _bench.verdict(hits[-1]))
            table.add(name, "n" if rows == X.shape[0] else rows, *cells)
    print(f"\n{sum(hits)} of {len(hits)} within the bar")


if __name__ == "__main__":
    main()
