"""Draws the moving picture of the README: the updates of gallery/plot_01_three_paths.py, and their cost.

python examples/moving_paths.py --output docs/_static/moving_paths.gif
"""

import argparse
import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from skgd import GDRegressor

NAMES = {"batch": "60 rows an update", "minibatch": "10 rows an update", "sgd": "1 row an update"}
COLOURS = {"batch": "#0072b2", "minibatch": "#009e73", "sgd": "#d55e00"}  # for colour-blind readers too
UPDATES, START = 60, np.array([4.2, 1.6])


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(UPDATES, 2)) @ [[1.0, 0.0], [0.7, 0.7]]
    return X, X @ [2.0, -1.0] + rng.normal(size=UPDATES)


def paths(X, y):
    """The weights before and after each update of the three variants, (updates + 1, 2)."""
    shared = {"alpha": 0, "fit_intercept": False, "tol": None, "average": False, "random_state": 0}
    shared |= {"record_path": True, "check_every": 1}
    models = {
        "batch": GDRegressor(solver="batch", learning_rate=0.3, max_iter=60, **shared),
        "minibatch": GDRegressor(solver="minibatch", batch_size=10, learning_rate=0.3, max_iter=10, **shared),
        "sgd": GDRegressor(solver="sgd", learning_rate=0.15, max_iter=1, **shared),
    }
    found = {}
    for name, model in models.items():
        model.fit(X, y, coef_init=START)
        found[name] = np.reshape(model.path_, (UPDATES + 1, -1))[:, :2]
    return found


def cost(X, y, weights):
    return np.mean((X @ np.atleast_2d(weights).T - y[:, None]) ** 2, axis=0) / 2


def frame(X, y, found, update):
    figure, (plane, curve) = plt.subplots(
        1, 2, figsize=(7.6, 3.6), dpi=80, layout="constrained", width_ratios=(1.15, 1)
    )
    w0, w1 = np.meshgrid(np.linspace(-0.2, 4.8, 120), np.linspace(-3.2, 2.4, 120))
    height = cost(X, y, np.column_stack([w0.ravel(), w1.ravel()])).reshape(w0.shape)
    least = cost(X, y, np.linalg.lstsq(X, y)[0])[0]
    plane.contour(
        w0,
        w1,
        height,
        levels=least + np.array([0.03, 0.15, 0.5, 1.2, 2.5, 4.5, 7]),
        colors="0.75",
        linewidths=1,
    )
    for name, path in found.items():
        part = path[: update + 1]
        plane.plot(*part.T, color=COLOURS[name], linewidth=1.2)
        plane.plot(*part[-1], "o", color=COLOURS[name], markersize=6)
        curve.plot(cost(X, y, part) - least, color=COLOURS[name], linewidth=1.4, label=NAMES[name])
    plane.set(xlabel="weight 1", ylabel="weight 2", title="paths over lines of equal cost")
    curve.set(
        yscale="log", xlim=(0, UPDATES), ylim=(3e-6, 20), xlabel="update", title="cost above its minimum"
    )
    curve.legend(loc="lower left", frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer)
    plt.close(figure)
    return Image.open(buffer).convert("RGB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", default="docs/_static/moving_paths.gif")
    X, y = data()
    found = paths(X, y)
    steps = [*range(0, 20), *range(20, UPDATES + 1, 2)]
    frames = [frame(X, y, found, update) for update in steps]
    palette = frames[-1].quantize(24)
    frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    times = [140] * (len(frames) - 1) + [3000]
    output = parser.parse_args().output
    frames[0].save(output, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)


if __name__ == "__main__":
    main()
