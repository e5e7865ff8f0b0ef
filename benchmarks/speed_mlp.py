"""Time per update of small perceptrons: scikit-learn, PyTorch (eager) and JAX (jit and scan over an epoch).

All make the same updates: Adam at 1e-3, float32, relu, squared error for one output and softmax for ten,
shuffled batches. Times are slopes, (T(3 e) - T(e)) / (2 e) epochs, so that what a fit does once
(JAX's compilation too) does not count; CPU seconds, everything held to one thread, JAX by XLA_FLAGS.
Targets against scikit-learn: 80, 30, 6 and 4 times as fast with batches of 1, 32, 200 and 500 rows; against
PyTorch faster everywhere; against JAX 1.5 times in the geometric mean and nowhere slower. PyTorch and JAX
are left out where they are not installed.
"""

import warnings

import _bench
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skgd import GDMLPClassifier, GDMLPRegressor

NETS = [(20, (64,), 1), (100, (64, 64), 10)]
ROWS = {1: 1_000, 32: 6_400, 200: 20_000, 500: 20_000}  # rows of an epoch
TARGETS = {1: 80, 32: 30, 200: 6, 500: 4}


def data(n, d, outputs):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=np.float32)
    if outputs == 1:
        return X, rng.standard_normal(n, dtype=np.float32)
    return X, rng.integers(outputs, size=n)


def ours(hidden, outputs, batch_size):
    kind = GDMLPRegressor if outputs == 1 else GDMLPClassifier
    options = {"batch_size": batch_size, "learning_rate": 1e-3, "tol": None, "random_state": 0}
    return lambda X, y, epochs: kind(hidden_layer_sizes=hidden, max_iter=epochs, **options).fit(X, y)


def of_sklearn(hidden, outputs, batch_size):
    kind = MLPRegressor if outputs == 1 else MLPClassifier
    options = {"batch_size": batch_size, "n_iter_no_change": 1000}
    return lambda X, y, epochs: kind(hidden_layer_sizes=hidden, max_iter=epochs, **options).fit(X, y)


def of_torch(hidden, outputs, batch_size):
    import torch

    torch.set_num_threads(1)

    def fit(X, y, epochs):
        torch.manual_seed(0)
        layers, inputs = [], X.shape[1]
        for width in hidden:
            layers += [torch.nn.Linear(inputs, width), torch.nn.ReLU()]
            inputs = width
        net = torch.nn.Sequential(*layers, torch.nn.Linear(inputs, outputs))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        rows, targets = torch.from_numpy(X), torch.from_numpy(y)
        for _ in range(epochs):
            for batch in torch.randperm(len(X)).split(batch_size):
                optimizer.zero_grad()
                z = net(rows[batch])
                if outputs == 1:
                    loss = 0.5 * torch.mean((z[:, 0] - targets[batch]) ** 2)
                else:
                    loss = torch.nn.functional.cross_entropy(z, targets[batch])
                loss.backward()
                optimizer.step()

    return fit


def of_jax(hidden, outputs, batch_size):
    import jax
    import jax.numpy as jnp

    def loss_of(layers, X, y):
        for i, (W, b) in enumerate(layers):
            X = X @ W + b
            X = jax.nn.relu(X) if i + 1 < len(layers) else X
        if outputs == 1:
            return 0.5 * jnp.mean((X[:, 0] - y) ** 2)
        return jnp.mean(jax.nn.logsumexp(X, axis=1) - X[jnp.arange(len(y)), y])

    def update(carry, batch):
        layers, m, v, t, X, y = carry
        g = jax.grad(loss_of)(layers, X[batch], y[batch])
        t = t + 1
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b**2, v, g)
        rate = 1e-3 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        layers = jax.tree.map(lambda w, a, b: w - rate * a / (jnp.sqrt(b) + 1e-8), layers, m, v)
        return (layers, m, v, t, X, y), None

    @jax.jit
    def epoch(carry, key):
        n = carry[4].shape[0]
        order = jax.random.permutation(key, n)[: n // batch_size * batch_size]
        return jax.lax.scan(update, carry, order.reshape(-1, batch_size))[0]

    def fit(X, y, epochs):
        key, layers, inputs = jax.random.PRNGKey(0), [], X.shape[1]
        for width in (*hidden, outputs):
            key, part = jax.random.split(key)
            layers.append((jax.random.normal(part, (inputs, width)) / inputs**0.5, jnp.zeros(width)))
            inputs = width
        zeros = jax.tree.map(jnp.zeros_like, layers)
        carry = (layers, zeros, zeros, jnp.float32(0), jnp.asarray(X), jnp.asarray(y))
        for _ in range(epochs):
            key, part = jax.random.split(key)
            carry = epoch(carry, part)
        jax.block_until_ready(carry)

    return fit


def peers(hidden, outputs, batch_size):
    found = {"ours": ours(hidden, outputs, batch_size), "sklearn": of_sklearn(hidden, outputs, batch_size)}
    for name, make in (("torch", of_torch), ("jax", of_jax)):
        try:
            found[name] = make(hidden, outputs, batch_size)
        except ImportError:
            print(f"{name} is not installed")
    return found


def microseconds(hidden, outputs, d, batch_size, repeats, part):
    """Microseconds per update of each peer."""
    n = ROWS[batch_size] // part
    X, y = data(n, d, outputs)
    few = {"ours": 10, "jax": 10}  # epochs, so that a run is well above the clock's noise
    runs = {}
    for name, fit in peers(hidden, outputs, batch_size).items():
        for factor in (1, 3):
            epochs = few.get(name, 1) * factor
            runs[name, factor] = lambda fit=fit, epochs=epochs: fit(X, y, epochs)
    seconds = _bench.medians(runs, repeats)
    updates = -(-n // batch_size)
    return {
        name: (seconds[name, 3] - seconds[name, 1]) / (2 * few.get(name, 1) * updates) * 1e6
        for name, factor in runs
        if factor == 1
    }


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore", ConvergenceWarning)
    repeats, part = (3, 5) if quick else (7, 1)
    table = _bench.Table(
        "us per update, and how many times as long the others take",
        net=12, batch=5, ours=7, sklearn=8, target=6, torch=7, jax=7, verdict=7,
    )  # fmt: skip
    against_jax = []
    for d, hidden, outputs in NETS:
        for batch_size, target in TARGETS.items():
            times = microseconds(hidden, outputs, d, batch_size, repeats, part)
            mine = times["ours"]
            ratios = {name: time / mine for name, time in times.items()}
            ok = ratios["sklearn"] >= target and min(ratios.values()) >= 1
            against_jax += [ratios["jax"]] if "jax" in ratios else []
            shown = [f"{ratios[name]:.2f}" if name in ratios else "-" for name in ("torch", "jax")]
            name = "-".join(map(str, (d, *hidden, outputs)))
            of_peer = f"{ratios['sklearn']:.1f}"
            row = (name, batch_size, f"{mine:.2f}", of_peer, f">= {target}", *shown, _bench.verdict(ok))
            table.add(*row)
    if against_jax:
        mean = float(np.exp(np.mean(np.log(against_jax))))
        table.add("geometric mean", "", "", "", "", ">= 1.5", f"{mean:.2f}", _bench.verdict(mean >= 1.5))


if __name__ == "__main__":
    main()
