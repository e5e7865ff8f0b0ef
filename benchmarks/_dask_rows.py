"""Rows of a data set of any size on the workers of a cluster; needs Dask and NumPy alone."""

import dask
import dask.array as da
import numpy as np
from distributed import wait

D = 50


def rows(number, n, condition=1.0):
    """Those of one partition, with variances from 1 down to one over the condition; and their classes."""
    rng = np.random.default_rng(number)
    scales = np.geomspace(1, condition**-0.5, D)
    X = rng.standard_normal((n, D)) * scales
    w = np.random.default_rng(1).standard_normal(D) / scales / np.sqrt(D)
    return X, (2 * X @ w + rng.logistic(size=n) > 0).astype(np.int64)


def on_workers(client, n, blocks, condition=1.0):
    """X and y of n rows in so many partitions, computed."""
    size = n // blocks
    parts = [dask.delayed(rows, nout=2)(number, size, condition) for number in range(blocks)]
    X = da.concatenate([da.from_delayed(part[0], (size, D), float) for part in parts])
    y = da.concatenate([da.from_delayed(part[1], (size,), np.int64) for part in parts])
    X, y = client.persist([X, y])
    wait([X, y])
    return X, y
