"""Rows in blocks: fit_blocks beside fit and beside decoding, and Dask beside one process.

- one epoch of mini-batches over Parquet row groups: rows a second, over those of decoding alone;
- batch descent on blocks in memory over fit, whole fits;
- Dask, two workers: seconds of a map beyond those that the slower worker works, for 2 to 128 blocks;
- Dask, two workers: whole fits over those of one process, and how many maps they make, log loss and squared
  error.

Wall time, as reading ahead and clusters are about waiting: on a machine with other work it says little.
Needs the extras io and dask.
"""

import tempfile
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

import _bench
import numpy as np

import skgd
from skgd.io import parquet_blocks

D = 50


def rows(number, n):
    """Some rows of a data set that is made of as many as are wanted."""
    rng = np.random.default_rng(number)
    X = rng.standard_normal((n, D))
    raw = X @ np.linspace(-1, 1, D) + 3 * rng.standard_normal(n)
    return X, raw


def seconds(function, repeats=3):
    times = []
    for _ in range(repeats):
        begin = perf_counter()
        function()
        times.append(perf_counter() - begin)
    return median(times)


def write_parquet(folder, n, blocks):
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number in range(blocks):
        X, raw = rows(number, n // blocks)
        frame = pd.DataFrame(X.astype(np.float32), columns=[f"x{j}" for j in range(D)])
        frame["y"] = raw.astype(np.float32)
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{number:03d}.parquet")


def parquet(n, blocks):
    """Rows a second of decoding alone, and of an epoch over them."""
    with tempfile.TemporaryDirectory() as temporary:
        write_parquet(Path(temporary), n, blocks)
        source = parquet_blocks(temporary, target="y", rows=1)

        def decode():
            for number in range(len(source)):
                source[number]

        def epochs(count):
            model = skgd.GDRegressor(learning_rate=1e-3, max_iter=count, tol=None, random_state=0)
            return lambda: model.fit_blocks(source)

        alone = seconds(decode)
        one = (seconds(epochs(5)) - seconds(epochs(1))) / 4
    return n / alone, n / one


def in_memory(n, blocks):
    """Seconds of fit and of fit_blocks, batch descent on log loss."""
    parts = [rows(number, n // blocks) for number in range(blocks)]
    parts = [(X, raw > 0) for X, raw in parts]
    X, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    model = skgd.GDClassifier(solver="batch")
    return seconds(lambda: model.fit(X, y)), seconds(lambda: model.fit_blocks(parts))


def timed(block, *arguments):
    """A result of sums_of_block, and how long it took."""
    from skgd._block_problem import sums_of_block

    begin = perf_counter()
    found = sums_of_block(block, *arguments)
    return found, perf_counter() - begin


def on_dask(client, n, blocks):
    """(Seconds of a map beyond the slower worker's own, whole fits on Dask by loss: seconds and maps)."""
    from _dask_rows import partitions
    from distributed import wait

    from skgd._dask_blocks import DaskBlocks
    from skgd.dask import DaskGDClassifier, DaskGDRegressor

    X, raw = partitions(rows, n, blocks, float)
    X, raw, y = client.persist([X, raw, raw > 0])
    wait([X, raw, y])
    beyond, whole = [], DaskBlocks.map

    def measured(self, function, *arguments, **options):
        if function.__name__ != "sums_of_block":
            return whole(self, function, *arguments, **options)
        begin = perf_counter()
        found = whole(self, timed, *arguments, **options)
        taken = perf_counter() - begin
        works = [sum(found[i][1] for i in group.blocks) for group in self.groups]
        beyond.append(taken - max(works))
        return [result for result, _ in found]

    def counted(self, *arguments, **options):
        maps.append(1)
        return whole(self, *arguments, **options)

    DaskBlocks.map = measured
    DaskGDClassifier().fit(X, y, client=client)
    DaskBlocks.map, fits = counted, {}
    for loss, model, target in (("log loss", DaskGDClassifier(), y), ("squares", DaskGDRegressor(), raw)):
        maps: list[int] = []
        taken = seconds(lambda model=model, target=target: model.fit(X, target, client=client))
        fits[loss] = taken, len(maps) // 3
    DaskBlocks.map = whole
    return median(beyond), fits


def alone(n):
    """Seconds of whole fits in one process, by loss."""
    X, raw = rows(0, n)
    return {
        "log loss": seconds(lambda: skgd.GDClassifier(solver="batch").fit(X, raw > 0)),
        "squares": seconds(lambda: skgd.GDRegressor(solver="batch").fit(X, raw)),
    }


def dask_table(n, counts):
    from _dask_rows import two_workers

    table = _bench.Table(
        f"Dask, two workers, {n} x {D}: a map beyond its work; whole fits, over those of one process",
        blocks=6,
        beyond_ms=9,
        log_loss_s=10,
        over_one=8,
        maps=4,
        squares_s=9,
        over_one_=9,
        maps_=5,
    )
    one = alone(n)
    with two_workers() as client:
        for blocks in counts:
            beyond, fits = on_dask(client, n, blocks)
            columns = (
                each
                for loss, (taken, maps) in fits.items()
                for each in (f"{taken:.2f}", f"{taken / one[loss]:.2f}", str(maps))
            )
            table.add(str(blocks), f"{1e3 * beyond:.1f}", *columns)


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore")
    n = 100_000 if quick else 1_000_000
    decoded, descended = parquet(n, 20)
    print(f"Parquet: decoding {decoded:.3g} rows/s, an epoch {descended:.3g}: {descended / decoded:.2f}")
    fit, blocks = in_memory(n, 20)
    print(
        f"batch descent, log loss: fit {fit:.2f} s, fit_blocks {blocks:.2f} s: {blocks / fit:.2f}", flush=True
    )
    dask_table(n, (2, 8) if quick else (2, 8, 32, 128))


if __name__ == "__main__":
    main()
