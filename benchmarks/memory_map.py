"""Fits to a memory-mapped file: bytes read in an epoch, its time with a cold cache, and resident memory.

    python benchmarks/memory_map.py [GB] [folder]

The file is made by a formula, 50 features of float32. "Evicted": every 50 ms a thread drops the pages of the
file from the address space and from the page cache, as another program that needs the memory would. An epoch
is the difference between fits of one and of three epochs, over two. Bytes are those of /proc/self/io. The
file is deleted at the end.
"""

import ctypes
import mmap
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np

import skgd
from skgd import _mapped
from skgd._training import _Training

D = 50
LIBC = ctypes.CDLL(None, use_errno=True)


def write(path, n):
    """Rows in the order of their first feature, so that targets are sorted."""
    weights = np.cos(np.arange(D, dtype=np.float32))
    X = np.lib.format.open_memmap(path / "X.npy", "w+", np.float32, (n, D))
    y = np.lib.format.open_memmap(path / "y.npy", "w+", np.float32, (n,))
    for start in range(0, n, 1 << 17):
        rows = slice(start, min(n, start + (1 << 17)))
        block = np.random.default_rng(start).normal(size=(rows.stop - rows.start, D)).astype(np.float32)
        block[:, 0] = 2 * start / n - 1
        X[rows], y[rows] = block, block @ weights
    X.flush()
    y.flush()


class File:
    """The rows as they are read, and their place in the page cache."""

    def __init__(self, path):
        self.path = path
        self.X, self.y = (np.load(path / name, mmap_mode="r") for name in ("X.npy", "y.npy"))

    def evict(self):
        for array, name in ((self.X, "X.npy"), (self.y, "y.npy")):
            start = array.ctypes.data // mmap.PAGESIZE * mmap.PAGESIZE
            LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(array.nbytes), 4)  # MADV_DONTNEED
            number = os.open(self.path / name, os.O_RDONLY)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)


class Evicting:
    """Evict the file's pages every so many seconds, as long as the context lasts."""

    def __init__(self, file, pause):
        self.file, self.pause, self.over = file, pause, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.over.wait(self.pause):
            self.file.evict()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def bytes_read():
    return int(Path("/proc/self/io").read_text().split("read_bytes: ")[1].split()[0])


def anonymous():
    """Resident memory that is no page of a file, in MB."""
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0]) / 1024


def fitted(file, epochs, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = skgd.GDRegressor(max_iter=epochs, tol=None, random_state=0, **params)
        return model.fit(file.X, file.y)


def costs(file, **params):
    """(bytes over the file's size, seconds) of an epoch that begins with a cold cache."""
    found = []
    for epochs in (1, 3):
        file.evict()
        before, began = bytes_read(), time.perf_counter()
        fitted(file, epochs, **params)
        found.append((bytes_read() - before, time.perf_counter() - began))
    return (found[1][0] - found[0][0]) / 2 / file.X.nbytes, (found[1][1] - found[0][1]) / 2


def sequential(path):
    """Seconds for one reading of the file with a cold cache."""
    File(path).evict()
    buffer, began = bytearray(1 << 20), time.perf_counter()
    with open(path / "X.npy", "rb", buffering=0) as stream:
        while stream.readinto(buffer):
            pass
    return time.perf_counter() - began


SETTINGS = {
    "batch": {"solver": "batch", "learning_rate": 0.1, "loss": "huber"},
    "sgd": {"solver": "sgd", "learning_rate": 1e-3},
    "minibatch": {"solver": "minibatch", "learning_rate": 1e-2},
    "sgd, in order": {"solver": "sgd", "learning_rate": 1e-3, "shuffle": False},
    "minibatch, automatic": {"solver": "minibatch"},
}


def main(gigabytes=2.0, folder=None):
    _mapped.SHARE = 0.0
    with tempfile.TemporaryDirectory(dir=folder) as path:
        path = Path(path)
        write(path, int(gigabytes * 1e9 / D / 4))
        file = File(path)
        for name, params in SETTINGS.items():
            before = anonymous()
            with Evicting(file, 0.05):
                evicted, slow = costs(file, **params)
            with Cold(file):
                cold, seconds = costs(file, **params)
            base = np.median([sequential(path) for _ in range(3)])
            print(
                f"{name:22}: reads {evicted:.2f} of the file in {slow:.2f} s while it is evicted; {cold:.2f} "
                f"in {seconds:.2f} s from a cold cache, {seconds / base:.2f} of a reading ({base:.2f} s); "
                f"{anonymous() - before:.0f} MB of memory",
                flush=True,
            )


class Cold:
    """Evict the pages at the beginning of each epoch."""

    def __init__(self, file):
        self.file, self.begin_epoch = file, _Training.begin_epoch

    def __enter__(self):
        def begin_epoch(training, epoch):
            self.file.evict()
            self.begin_epoch(training, epoch)

        _Training.begin_epoch = begin_epoch

    def __exit__(self, *_):
        _Training.begin_epoch = self.begin_epoch


if __name__ == "__main__":
    main(*map(float, sys.argv[1:2]), *sys.argv[2:])
