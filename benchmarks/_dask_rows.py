"""Rows of a data set of any size on the workers of a cluster; needs Dask and NumPy alone."""

from contextlib import contextmanager
from functools import partial

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster, wait

D = 50


def rows(number, n, condition=1.0):
    """Those of one partition, with variances from 1 down to one over the condition; and their classes."""
    rng = np.random.default_rng(number)
    scales = np.geomspace(1, condition**-0.5, D)
    X = rng.standard_normal((n, D)) * scales
    w = np.random.default_rng(1).standard_normal(D) / scales / np.sqrt(D)
    return X, (2 * X @ w + rng.logistic(size=n) > 0).astype(np.int64)


@contextmanager
def two_workers():
    """A client of two local workers of one thread each."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        yield client


def partitions(rows, n, blocks, dtype):
    """X and y, of this dtype, of n rows in so many partitions; rows(number, n) gives those of one."""
    size = n // blocks
    parts = [dask.delayed(rows, nout=2)(number, size) for number in range(blocks)]
    X = da.concatenate([da.from_delayed(part[0], (size, D), float) for part in parts])
    return X, da.concatenate([da.from_delayed(part[1], (size,), dtype) for part in parts])


def on_workers(client, n, blocks, condition=1.0):
    """X and y of n rows in so many partitions, computed."""
    X, y = client.persist([*partitions(partial(rows, condition=condition), n, blocks, np.int64)])
    wait([X, y])
    return X, y
