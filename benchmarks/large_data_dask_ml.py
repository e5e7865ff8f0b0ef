"""LogisticRegression of dask-ml on two workers; large_data.py runs this in an environment with dask-ml.

Arguments: rows, partitions, C. Prints a line of JSON for each solver and number of iterations: these,
seconds, and weights and intercept, or the error.
"""

import json
import os
import sys
import warnings
from pathlib import Path
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["PYTHONPATH"] = str(Path(__file__).parent)  # of the workers

import numpy as np
from _dask_rows import on_workers, two_workers
from dask_ml.linear_model import LogisticRegression

LONGEST = 30.0  # seconds of a fit, after which its solver gets no more iterations


def main():
    n, blocks, C = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    warnings.simplefilter("ignore")
    with two_workers() as client:
        X, y = on_workers(client, n, blocks)
        for solver in ("lbfgs", "admm", "newton", "gradient_descent", "proximal_grad"):
            for iterations in (5, 20, 100):
                model = LogisticRegression(penalty="l2", C=C, solver=solver, max_iter=iterations)
                begin = perf_counter()
                try:
                    model.fit(X, y)
                    found = [np.ravel(model.coef_).tolist(), np.ravel(model.intercept_).tolist()]
                except Exception as error:
                    found = f"{type(error).__name__}: {error}"[:200]
                seconds = perf_counter() - begin
                print(json.dumps([solver, iterations, seconds, found]), flush=True)
                if isinstance(found, str) or seconds > LONGEST:
                    break


if __name__ == "__main__":
    main()
