"""How good small perceptrons are, and in what time: GDMLPRegressor and GDMLPClassifier with their defaults.

MNIST 5k, five seeds: mean test accuracy at least that of MLPClassifier with its defaults, in at most a
tenth of its time. Fashion-MNIST (--fashion FOLDER with its four files), one hidden layer of 64, 8 epochs,
batches of 256, float32: at least three times as fast as MLPClassifier, at equal or better test accuracy,
at least .871. The automatic rate against 1e-3, both with Adam and all else equal: objective and test score
after 30 epochs, and where the defaults stop. The reported loss is the objective of the parameters, to 1e-10.

Times are CPU seconds of one thread. The data are those of examples/mnist_mlp.py, which says how to get them.
"""

import sys
import warnings
from pathlib import Path
from statistics import mean, median
from time import process_time

import _bench
import numpy as np
from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer, load_digits, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skgd import GDMLPClassifier, GDMLPRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import mnist_mlp

WITHIN = 0.005  # of a test score: a row in two hundred


def fitted(model, X, y):
    """The model, fitted, and the CPU seconds that took."""
    begin = process_time()
    model.fit(X, y)
    return model, process_time() - begin


def split(X, y, seed, classes=True):
    return train_test_split(X, y, test_size=0.2, stratify=y if classes else None, random_state=seed)


def digits_of_mnist(seeds):
    table = _bench.Table(
        f"MNIST 5k, defaults, {seeds} seeds: test accuracy, CPU seconds (median), epochs",
        data=8, ours=6, sklearn=7, s=6, of_sklearn=10, epochs=6, of_it=6, ratio=6, target=6, verdict=7,
    )  # fmt: skip
    pixels, digits = mnist_mlp.load_digits_of_mnist()
    for dtype in (np.float32, np.float64):
        runs = {GDMLPClassifier: [], MLPClassifier: []}
        for seed in range(seeds):
            X, X_test, y, y_test = split(pixels.astype(dtype), digits, seed)
            for kind, results in runs.items():
                model, seconds = fitted(kind(random_state=seed), X, y)
                results.append((model.score(X_test, y_test), seconds, model.n_iter_))
        ours, theirs = (list(zip(*results, strict=True)) for results in runs.values())
        ratio = median(theirs[1]) / median(ours[1])
        ok = mean(ours[0]) >= mean(theirs[0]) and ratio >= 10
        scores = (f"{mean(each[0]):.4f}" for each in (ours, theirs))
        seconds = (f"{median(each[1]):.3f}" for each in (ours, theirs))
        passes = (f"{mean(each[2]):.0f}" for each in (ours, theirs))
        table.add(dtype.__name__, *scores, *seconds, *passes, f"{ratio:.1f}", ">= 10", _bench.verdict(ok))


def clothes(folder, seeds):
    table = _bench.Table(
        f"Fashion-MNIST, 784-64-10, 8 epochs, batches of 256, float32, {seeds} seeds",
        model=16, accuracy=8, lowest=8, CPU_s=6, ratio=6, target=16, verdict=7,
    )  # fmt: skip
    (X, y), (X_test, y_test) = mnist_mlp.load_fashion(folder)
    shared = {"hidden_layer_sizes": (64,), "batch_size": 256, "max_iter": 8}
    runs = {}
    for seed in range(seeds):
        models = (
            GDMLPClassifier(**shared, tol=None, random_state=seed),
            MLPClassifier(**shared, n_iter_no_change=8, random_state=seed),
        )
        for model in models:
            model, seconds = fitted(model, X, y)
            runs.setdefault(type(model).__name__, []).append((model.score(X_test, y_test), seconds))
    ours, theirs = (list(zip(*results, strict=True)) for results in runs.values())
    ratio = median(theirs[1]) / median(ours[1])
    ok = mean(ours[0]) >= max(0.871, mean(theirs[0])) and ratio >= 3
    shown = [
        (f"{mean(each[0]):.4f}", f"{min(each[0]):.4f}", f"{median(each[1]):.2f}") for each in (ours, theirs)
    ]
    table.add("GDMLPClassifier", *shown[0], f"{ratio:.2f}", ">= 3, >= .871", _bench.verdict(ok))
    table.add("MLPClassifier", *shown[1], "", "", "")


def data_sets():
    """name, estimator, X, y."""
    X, y = load_digits(return_X_y=True)
    yield "digits", GDMLPClassifier, X / 16, y
    X, y = load_breast_cancer(return_X_y=True)
    yield "breast cancer", GDMLPClassifier, StandardScaler().fit_transform(X), y
    X, y = make_friedman1(2000, noise=1.0, random_state=0)
    yield "friedman1", GDMLPRegressor, StandardScaler().fit_transform(X), y
    yield "MNIST 5k", GDMLPClassifier, *mnist_mlp.load_digits_of_mnist()


def automatic_rates(seeds, **params):
    what = f"{params['max_iter']} epochs" if params else "where the defaults stop"
    table = _bench.Table(
        f"learning_rate='auto' and 1e-3, {what}, {seeds} seeds: objective, test score, epochs",
        data=14, auto=7, fixed=7, auto_score=10, fixed_score=11, auto_epochs=11, fixed_epochs=12, verdict=7,
    )  # fmt: skip
    for name, kind, X, y in data_sets():
        X, runs = X.astype(np.float32), {"auto": [], 1e-3: []}
        for seed in range(seeds):
            X_train, X_test, y_train, y_test = split(X, y, seed, is_classifier(kind()))
            for rate, results in runs.items():
                model = kind(learning_rate=rate, random_state=seed, **params).fit(X_train, y_train)
                results.append((model.loss_, model.score(X_test, y_test), model.n_iter_))
        (loss, score, passes), (loss_0, score_0, passes_0) = (
            [mean(column) for column in zip(*results, strict=True)] for results in runs.values()
        )
        ok = loss <= loss_0 and score >= score_0 - WITHIN
        losses, scores = (f"{loss:.4f}", f"{loss_0:.4f}"), (f"{score:.4f}", f"{score_0:.4f}")
        table.add(name, *losses, *scores, f"{passes:.0f}", f"{passes_0:.0f}", _bench.verdict(ok))


def reported_losses():
    """Relative distance of loss_ from the objective recomputed in NumPy."""
    table = _bench.Table(
        "The reported loss and the objective of the parameters", case=32, distance=9, verdict=7
    )
    rng = np.random.default_rng(0)
    X, Y, weights = rng.standard_normal((300, 8)), rng.standard_normal((300, 3)), rng.random(300)
    for solver in ("batch", "minibatch", "sgd"):
        for sample_weight in (None, weights):
            model = GDMLPRegressor(
                hidden_layer_sizes=(9, 7), solver=solver, alpha=0.01, max_iter=20, random_state=0
            )
            model.fit(X, Y, sample_weight=sample_weight)
            h = X
            for i, (W, b) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
                h = (np.maximum(h, 0) if i else h) @ W + b
            F = np.average(np.sum((h - Y) ** 2, axis=1) / 2, weights=sample_weight)
            F += 0.01 / 2 * sum(np.sum(W**2) for W in model.coefs_)
            distance = abs(model.loss_ - F) / F
            case = f"{solver}, 3 outputs{'' if sample_weight is None else ', weights'}"
            table.add(case, f"{distance:.0e}", _bench.verdict(distance <= 1e-10))


def main():
    given = _bench.options(__doc__, fashion="folder of the four files of Fashion-MNIST")
    warnings.simplefilter("ignore", ConvergenceWarning)
    digits_of_mnist(2 if given.quick else 5)
    if given.fashion:
        clothes(given.fashion, 1 if given.quick else 3)
    automatic_rates(1 if given.quick else 5, max_iter=30, tol=None)
    automatic_rates(1 if given.quick else 3)
    reported_losses()


if __name__ == "__main__":
    main()
