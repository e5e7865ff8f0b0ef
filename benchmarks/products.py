"""Updates of perceptrons beside the matrix products that they are made of.

An update of a batch multiplies two matrices for the values of each layer, two for the gradient of its
weights, and two for the deltas of the layer below, if there is one. Shown are the microseconds that NumPy's
sgemm takes for these products, and those of whole updates (rows gathered, products, activations, loss, step)
under the plain rule and under Adam, float32, relu and softmax. Target: from 64 rows on sgemm takes at least
.8 of the time of an update under the plain rule.

An update is the slope (T(8) - T(2)) / 6 of two fits that differ in max_iter, over the updates of an epoch.
"""

from itertools import pairwise, product

import _bench
import numpy as np

from skgd import GDMLPClassifier

NETS = (128, 128, 10), (128, 128, 128, 10), (256, 256, 256, 10), (784, 64, 10), (784, 256, 10)
BATCHES = 64, 128, 256, 1024


def products(sizes, batch_size, rng):
    """The products of an update as pairs of matrices and where they go: values, gradients, and deltas of all
    layers but the first."""
    found = []
    for k, (inputs, outputs) in enumerate(pairwise(sizes)):
        shapes = (batch_size, inputs), (inputs, outputs), (batch_size, outputs)
        A, W, D = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
        found += [(A, W, np.empty_like(D)), (A.T, D, np.empty_like(W))]
        found += [(D, W.T, np.empty_like(A))] if k else []
    return found


def batches_beside_sgemm(repeats, nets, batch_sizes):
    """Microseconds of whole updates, and of the products alone by NumPy."""
    table = _bench.Table(
        "Updates, float32: microseconds, and share of them that sgemm needs for the same products",
        net=15, batch=6, sgemm=8, plain=8, ratio=6, adam=8, with_adam=9, target=7, verdict=7,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for sizes, batch_size in product(nets, batch_sizes):
        updates = max(4, min(64, 8192 // batch_size))
        n = updates * batch_size
        X, y = rng.standard_normal((n, sizes[0]), dtype=np.float32), rng.integers(sizes[-1], size=n)
        net = GDMLPClassifier(
            hidden_layer_sizes=sizes[1:-1], batch_size=batch_size, learning_rate=1e-3, tol=None,
            encoding=None, standardize=False, average=False, random_state=0,
        )  # fmt: skip
        matrices = products(sizes, batch_size, rng) * updates
        runs = {"sgemm": lambda matrices=matrices: [np.matmul(A, B, out=C) for A, B, C in matrices]}
        for rule, epochs in product(("plain", "adam"), (2, 8)):
            chosen = {"optimizer": rule, "max_iter": epochs}
            runs[rule, epochs] = lambda net=net, chosen=chosen, X=X, y=y: net.set_params(**chosen).fit(X, y)
        seconds = _bench.medians(runs, repeats)
        sgemm = 1e6 * seconds["sgemm"] / updates
        ours = {
            rule: 1e6 * (seconds[rule, 8] - seconds[rule, 2]) / (6 * updates) for rule in ("plain", "adam")
        }
        ratio = sgemm / ours["plain"]
        cells = f"{ratio:.2f}", f"{ours['adam']:.0f}", f"{sgemm / ours['adam']:.2f}", ">= .8"
        name, verdict = "-".join(map(str, sizes)), _bench.verdict(ratio >= 0.8)
        table.add(name, batch_size, f"{sgemm:.0f}", f"{ours['plain']:.0f}", *cells, verdict)


def main():
    quick = _bench.start(__doc__)
    batches_beside_sgemm(2 if quick else 5, NETS[:1] if quick else NETS, BATCHES)


if __name__ == "__main__":
    main()
