"""Helpers of the benchmarks. Import this before NumPy: it holds every library to one thread."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import argparse
import platform
import statistics
import sys
from pathlib import Path
from time import process_time

if "numpy" in sys.modules:
    raise ImportError("import _bench before numpy, which reads the number of threads at import.")

import numpy
import scipy
import sklearn

import skgd
from skgd._core import build


def start(doc):
    """Parse --quick, print what the script measures and on what machine; True for --quick."""
    return options(doc).quick


def options(doc, **more):
    """The same with more options, name=help, that take a value; gives all of them."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--quick", action="store_true", help="smaller data, fewer repetitions")
    for name, text in more.items():
        parser.add_argument(f"--{name}", help=text)
    given = parser.parse_args()
    print(doc.strip(), environment(), sep="\n\n", flush=True)
    return given


def environment():
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else ())
        if line.startswith("model name")
    ]
    cpu = f"{names[0]}, {len(names)} cores" if names else platform.processor()
    modules = (numpy, scipy, sklearn, skgd)
    versions = ", ".join(f"{module.__name__} {module.__version__}" for module in modules)
    python = f"Python {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{cpu}, {load}; {python}, {versions}; core {build}; one thread"


def medians(functions, repeats, loops=1, clock=process_time):
    """Median seconds of each function of a dict, called in turn (A B A B ...) after a warm-up.

    By default CPU seconds of the process, which other work on the machine disturbs least.
    """
    for function in functions.values():
        function()
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            begin = clock()
            for _ in range(loops):
                function()
            seconds[name].append((clock() - begin) / loops)
    return {name: statistics.median(values) for name, values in seconds.items()}


def verdict(ok):
    return "ok" if ok else "MISSED"


class Table:
    """Rows of text printed as they come: the first column to the left, the others to the right."""

    def __init__(self, title, **widths):
        self.widths = list(widths.values())
        rule = "-" * (sum(self.widths) + 2 * (len(self.widths) - 1))
        print(f"\n{title}\n{rule}")
        self.add(*(name.replace("_", " ") for name in widths))
        print(rule, flush=True)

    def add(self, *cells):
        first, *others = zip(map(str, cells), self.widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        print("  ".join(cells).rstrip(), flush=True)
