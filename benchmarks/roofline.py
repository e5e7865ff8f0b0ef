"""The loops beside what the machine allows: a reading of memory, and the rate of matrix products.

Linear models do a few operations for each number of X, so no epoch can be shorter than a reading of X from
where it lies, in memory or in a cache; shown is the time of an epoch over that of the dot product of X with
itself (float64 and float32, all solvers, both losses). Perceptrons do many operations for each number:
shown are their GFlop/s (2 operations a weight and row, times 3 for forward, backward and gradient) over
those of NumPy's matrix product of 1,000 x 1,000 in the same precision.

An epoch is the slope (T(7) - T(2)) / 5 of two fits at a given rate, without a mean, that differ in max_iter.
"""

from itertools import pairwise

import _bench
import numpy as np

from skgd import GDClassifier, GDMLPClassifier, GDRegressor

SHAPES = ((100_000, 20), (50_000, 100), (20_000, 300), (20_000, 1000))


def data(n, d, dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)).astype(dtype)
    y = (X @ rng.standard_normal(d) / np.sqrt(d)).astype(dtype)
    return X, y


def epoch(model, X, y, repeats):
    def fit(epochs):
        return lambda: model.set_params(max_iter=epochs, tol=None).fit(X, y)

    seconds = _bench.medians({2: fit(2), 7: fit(7)}, repeats)
    return max(seconds[7] - seconds[2], 1e-9) / 5


def linear(repeats, shapes):
    table = _bench.Table(
        "Epochs of linear models over a reading of X",
        loss=8, dtype=8, n=7, d=5, reading_ms=10, sgd=6, minibatch=9, batch=6,
    )  # fmt: skip
    for dtype in (np.float64, np.float32):
        for n, d in shapes:
            X, y = data(n, d, dtype)
            flat = X.ravel()
            reading = _bench.medians({"dot": lambda x=flat: x @ x}, 4 * repeats)["dot"]
            for loss, model, target in (("huber", GDRegressor, y), ("log_loss", GDClassifier, y > 0)):
                shared = {"learning_rate": 1e-3, "average": False, "standardize": False, "random_state": 0}
                ratios = (
                    epoch(model(loss, solver=solver, **shared), X, target, repeats) / reading
                    for solver in ("sgd", "minibatch", "batch")
                )
                cells = (f"{ratio:.2f}" for ratio in ratios)
                table.add(loss, np.dtype(dtype).name, n, d, f"{1e3 * reading:.2f}", *cells)


def perceptrons(repeats, quick):
    table = _bench.Table(
        "Perceptrons: GFlop/s over those of a matrix product",
        net=18, dtype=8, batch=6, gflops=7, product=8, share=6,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    n = 2_000 if quick else 8_000
    for dtype in (np.float32, np.float64):
        A = rng.standard_normal((1000, 1000)).astype(dtype)
        product = 2e-9 * 1000**3 / _bench.medians({"AA": lambda A=A: A @ A}, 4 * repeats)["AA"]
        for inputs, hidden in ((100, (64, 64)), (784, (256,)), (100, (512, 512))):
            X, y = rng.standard_normal((n, inputs)).astype(dtype), rng.integers(0, 10, n)
            sizes = [inputs, *hidden, 10]
            weights = sum(a * b for a, b in pairwise(sizes)) - sizes[0] * sizes[1] / 3
            for batch in (32, 200, 1000):
                model = GDMLPClassifier(
                    hidden_layer_sizes=hidden, solver="minibatch", batch_size=batch, learning_rate=1e-3,
                    optimizer="adam", encoding=None, random_state=0,
                )  # fmt: skip
                rate = 6e-9 * weights * n / epoch(model, X, y, repeats)
                net, name = "-".join(map(str, sizes)), np.dtype(dtype).name
                table.add(net, name, batch, f"{rate:.1f}", f"{product:.1f}", f"{rate / product:.2f}")


def main():
    quick = _bench.start(__doc__)
    repeats = 2 if quick else 5
    linear(repeats, SHAPES[:2] if quick else SHAPES)
    perceptrons(repeats, quick)


if __name__ == "__main__":
    main()
