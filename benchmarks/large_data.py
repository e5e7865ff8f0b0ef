"""Rows beyond one machine, or one pass: local epochs, dask-ml, Vowpal Wabbit.

- Dask, log loss, condition 1e3, rows in random order: readings of the data until the objective is within
  1e-3 of its minimum (of its distance from zero weights), with `local_epochs` and without. An epoch of
  descent is one reading, and so is a local epoch, a look at where it ended, and the look at the start that
  every fit takes.
- Dask, two workers: whole fits of log loss beside LogisticRegression of dask-ml, with the same l2 penalty
  and each of its solvers. Wall time. With `--dask_ml PYTHON`, as dask-ml needs versions of its own:
  python -m venv ENV && ENV/bin/pip install dask-ml.
- One pass over hashed texts, 2^20 features: `partial_fit` over the row groups of a Parquet file, decoding
  included, beside Vowpal Wabbit from its own cache, if it is installed (pip install vowpalwabbit). CPU
  seconds, and the log loss of texts held out.
"""

import json
import subprocess
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time

import _bench
import numpy as np
from _dask_rows import D, on_workers, rows, two_workers
from scipy import sparse

from skgd import GDClassifier

ALPHA, GAP, WORDS = 1e-6, 1e-3, 80


def objective_of(X, y):
    def value(coef, intercept, alpha):
        z = X @ np.ravel(coef) + float(np.ravel(intercept)[0])
        return float(np.mean(np.logaddexp(0, z) - y * z)) + alpha * float(np.sum(np.square(coef))) / 2

    return value


def local_starts(client, n):
    from skgd.dask import DaskGDClassifier

    table = _bench.Table(
        f"Readings to a gap of {GAP:g}, condition 1e3, {n:,} x {D}, 8 partitions",
        fit=24,
        readings=9,
        over_without=13,
        updates=8,
        gap_at_start=12,
    )
    X, y = on_workers(client, n, 8, 1e3)
    settings = {"standardize": False, "alpha": ALPHA}
    best = DaskGDClassifier(**settings, tol=1e-8, max_iter=2000).fit(X, y, client=client).loss_
    zero, without = np.log(2), 0
    for epochs in (0, 1, 2, 3):
        model = DaskGDClassifier(**settings, tol=None, max_iter=150, local_epochs=epochs)
        loss = model.fit(X, y, client=client).history_["loss"]
        updates = int(np.argmax(loss - best <= GAP * (zero - best)))  # an objective is that before its update
        readings = epochs + bool(epochs) + 1 + updates
        without = without or readings
        name = f"{epochs} local epochs" if epochs else "none"
        table.add(
            name, readings, f"{readings / without:.2f}", updates, f"{(loss[0] - best) / (zero - best):.1e}"
        )


def beside_dask_ml(client, n, blocks, python):
    from skgd.dask import DaskGDClassifier

    X, y = on_workers(client, n, blocks)
    parts = [rows(number, n // blocks) for number in range(blocks)]
    value = objective_of(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    alpha = 1 / n  # l2 of dask-ml: |w|^2 / (2 C) beside a sum over rows, C = 1
    exact = GDClassifier(solver="batch", alpha=alpha, tol=1e-12, max_iter=5000, standardize=False)
    exact.fit(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    best, zero = value(exact.coef_, exact.intercept_, alpha), np.log(2)
    table = _bench.Table(
        f"Whole fits on Dask, two workers, log loss, {n:,} x {D}, {blocks} partitions",
        fit=28,
        seconds=8,
        gap=9,
        over_ours=9,
    )
    times = []
    for _ in range(3):
        begin = perf_counter()
        model = DaskGDClassifier(alpha=alpha).fit(X, y, client=client)
        times.append(perf_counter() - begin)
    ours = float(np.median(times))
    gap = (value(model.coef_, model.intercept_, alpha) - best) / (zero - best)
    table.add("skgd", f"{ours:.2f}", f"{gap:.1e}", "1.0")
    if not python:
        return
    command = [python, str(Path(__file__).with_name("large_data_dask_ml.py")), str(n), str(blocks), "1.0"]
    found = subprocess.run(command, capture_output=True, text=True)
    lines = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("[")]
    if not lines:
        print("dask-ml did not run:", found.stderr.strip().splitlines()[-1:])
    for solver, iterations, seconds, model in lines:
        name = f"dask-ml {solver}, {iterations}"
        if isinstance(model, str):
            table.add(name, "-", "-", "-")
            print("   ", model)
            continue
        gap = (value(*model, alpha) - best) / (zero - best)
        table.add(name, f"{seconds:.2f}", f"{gap:.1e}", f"{seconds / ours:.1f}")


def texts(n, d, words=WORDS, seed=0):
    """Hashed words of texts, each once and in order, the rarer the higher their number; and two classes."""
    rng = np.random.default_rng(seed)
    drawn = (rng.pareto(0.8, (n, words)) * 20).astype(np.int64) * 2654435761 % d  # spread as hashes are
    X = sparse.csr_matrix(
        (np.ones(n * words), drawn.ravel(), words * np.arange(n + 1, dtype=np.int64)), (n, d)
    )
    X.sum_duplicates()
    X.sort_indices()
    X.data[:] = 1 / np.sqrt(words)
    z = X @ (rng.normal(size=d) * 3)
    return X, (z + rng.logistic(size=n) > np.median(z)).astype(np.int64)


def write_texts(path, X, y, group):
    import pyarrow as pa
    import pyarrow.parquet as pq

    word = pa.field("element", pa.int32(), nullable=False)
    schema = pa.schema(
        [pa.field("words", pa.list_(word), nullable=False), pa.field("y", pa.int8(), nullable=False)]
    )
    words = pa.ListArray.from_arrays(
        pa.array(X.indptr, pa.int32()), pa.array(X.indices, pa.int32()), pa.list_(word)
    )
    table = pa.table([words, pa.array(y, pa.int8())], schema=schema)
    pq.write_table(table, path, row_group_size=group, use_dictionary=False, compression="none")


def batches(path, d):
    """(CSR rows, labels) of each row group."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for number in range(file.metadata.num_row_groups):
        table = file.read_row_group(number, use_threads=False)
        words, y = (table.column(name).combine_chunks() for name in ("words", "y"))
        indptr, indices = words.offsets.to_numpy(), words.flatten().to_numpy()
        values = np.full(len(indices), WORDS**-0.5, np.float32)
        X = sparse.csr_array((values, indices, indptr - indptr[0]), (len(y), d))
        X.has_canonical_format = True
        yield X, y.to_numpy()


def one_pass(path, d, settings):
    begin = process_time()
    model = GDClassifier(**{"solver": "sgd", "random_state": 0, **settings})
    for X, y in batches(path, d):
        model.partial_fit(X, y, classes=[0, 1])
    return process_time() - begin, model


def hashed_texts(quick):
    from peers import vowpal_pass

    n, tested, d = (20_000, 5_000, 1 << 20) if quick else (100_000, 10_000, 1 << 20)
    X, y = texts(n + tested, d)
    X, y, X_test, y_test = X[:n], y[:n], X[n:], y[n:]
    table = _bench.Table(
        f"One pass over {n:,} texts, 2^20 features",
        pass_=42,
        rows_a_CPU_second=17,
        over_VW=8,
        test_log_loss=13,
    )
    loss = lambda p: -np.mean(np.log(np.clip(np.where(y_test == 1, p, 1 - p), 1e-6, 1)))  # noqa: E731
    peer = None
    repeats = 1 if quick else 3
    if find_spec("vowpalwabbit"):
        passes = (vowpal_pass(X, y, X_test, bits=20) for _ in range(repeats))
        seconds, p = min(passes, key=lambda found: found[0])
        peer = n / seconds
        table.add("Vowpal Wabbit, from its cache", f"{peer:,.0f}", "1.00", f"{loss(p):.4f}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.parquet"
        write_texts(path, X, y, 20_000)
        begin = process_time()
        for _ in batches(path, d):
            pass
        table.add("decoding alone", f"{n / (process_time() - begin):,.0f}", "-", "-")
        unpenalised = {"optimizer": "adagrad", "penalty": None}
        for name, settings in {
            "skgd": {},
            "skgd Adagrad": {"optimizer": "adagrad"},
            "skgd FTRL": {"optimizer": "ftrl"},
            "skgd Adagrad, alpha=1e-6": {"optimizer": "adagrad", "alpha": 1e-6},
            "skgd Adagrad, no penalty": unpenalised,
            "skgd Adagrad, no penalty, by 32 rows": {**unpenalised, "solver": "minibatch"},
        }.items():
            seconds, model = min(
                (one_pass(path, d, settings) for _ in range(repeats)), key=lambda found: found[0]
            )
            over = "-" if peer is None else f"{n / seconds / peer:.2f}"
            p = model.predict_proba(X_test)[:, 1]
            table.add(f"{name}, from Parquet", f"{n / seconds:,.0f}", over, f"{loss(p):.4f}")


def main():
    given = _bench.options(__doc__, dask_ml="the Python of an environment with dask-ml")
    warnings.simplefilter("ignore")
    hashed_texts(given.quick)
    n = 100_000 if given.quick else 1_000_000
    with two_workers() as client:
        local_starts(client, n)
        beside_dask_ml(client, n, 8, given.dask_ml)


if __name__ == "__main__":
    main()
