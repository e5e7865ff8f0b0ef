"""Tables: perceptrons with their defaults on data frames of numbers, categories and missing values.

Real tables (benchmarks/_tables.py), split into four fifths to fit on and a fifth to score (--splits 3 such
splits, --seeds 3 random states for each). Error: share of wrong classes, or RMSE in standard deviations of
the target. CPU: seconds of one thread for the whole fit, preprocessing included. Ratios are those of
GDMLPClassifier and GDMLPRegressor to another estimator, geometric means over tables. These two and
HistGradientBoosting take the data frame as it is; the others get a one-hot code of the levels with at least
ten rows, standardised numbers, medians for missing ones and an indicator. All have their default parameters.

RealMLP-TD-S and TabM-D take part with --torch FILE, the results of benchmarks/tabular_torch.py.
"""

import json
import sys
import warnings
from dataclasses import dataclass, field
from statistics import geometric_mean, mean
from time import process_time

import _bench
import _tables
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline

from skgd import GDClassifier, GDMLPClassifier, GDMLPRegressor, GDRegressor

OURS = "GDMLP"
TARGETS = {  # largest ratio of error, log loss and CPU
    "MLP": (0.80, 0.75, 0.5),
    "HistGradientBoosting": (0.97, 0.88, 4),
    "GD": (None, None, None),
    "RealMLP-TD-S": (0.97, 0.92, 1 / 15),
    "TabM-D": (None, None, None),
}
OF_GD = 1.02  # largest ratio of error to that of the linear model, on any one table
N_SPLITS, N_SEEDS = 3, 3
SMALL = 3000  # rows, for --quick


def encoded(model):
    return make_pipeline(_tables.encoder(), model)


def perceptron(classes, seed):
    return (GDMLPClassifier if classes else GDMLPRegressor)(random_state=seed)


def sklearn_perceptron(classes, seed):
    return encoded((MLPClassifier if classes else MLPRegressor)(random_state=seed))


def boosting(classes, seed):
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(categorical_features="from_dtype", random_state=seed)


def linear(classes, seed):
    return encoded((GDClassifier if classes else GDRegressor)(random_state=seed))


CONTENDERS = {
    OURS: perceptron,
    "MLP": sklearn_perceptron,
    "HistGradientBoosting": boosting,
    "GD": linear,
}


@dataclass
class Results:
    """(error, log loss or None, CPU seconds) of each contender, table, and (split, seed)."""

    runs: dict = field(default_factory=dict)

    def add(self, contender, table, run, figures):
        self.runs.setdefault((contender, table), {})[tuple(run)] = figures

    def contenders(self):
        return list(dict.fromkeys(contender for contender, _ in self.runs))

    def means(self, contender, table, runs=None):
        """Means of the three figures over the given runs."""
        known = self.runs[contender, table]
        columns = zip(*(known[run] for run in runs or known), strict=True)
        return [None if None in column else mean(column) for column in columns]

    def ratios(self, other, table):
        """Ours divided by the other's, over the runs that both have; None without such runs."""
        shared = self.runs[OURS, table].keys() & self.runs.get((other, table), {}).keys()
        if not shared:
            return None
        pairs = zip(self.means(OURS, table, shared), self.means(other, table, shared), strict=True)
        return [None if None in pair else max(pair[0], 1e-4) / max(pair[1], 1e-4) for pair in pairs]


def measure(contender, data, seed):
    model = CONTENDERS[contender](data.classes, seed)
    begin = process_time()
    model.fit(data.X, data.y)
    seconds = process_time() - begin
    return *_tables.scores(model, data), seconds


def measure_table(results, name, n_splits, n_seeds):
    X, y, source = _tables.load(name)
    for i in range(n_splits):
        data = _tables.split(X, y, source, i)
        for seed in range(n_seeds):
            for contender in CONTENDERS:
                results.add(contender, name, (i, seed), measure(contender, data, seed))


def measured(names, n_splits, n_seeds):
    results = Results()
    for name in names:
        measure_table(results, name, n_splits, n_seeds)
        print(f"{name} done", file=sys.stderr, flush=True)
    return results


def read(results, file):
    """The results of tabular_torch.py: lists of contender, table, split, seed and the three figures."""
    with open(file) as lines:
        for line in lines:
            contender, table, i, seed, *figures = json.loads(line)
            if (OURS, table) in results.runs:
                results.add(contender, table, (i, seed), figures)


def shown(value):
    return "-" if value is None else f"{value:.3f}"


def print_means(results, names, title, figure):
    contenders = results.contenders()
    widths = {contender: max(len(contender), 7) for contender in contenders}
    table = _bench.Table(title, table=10, **widths)
    for name in names:
        means = [
            results.means(each, name)[figure] if (each, name) in results.runs else None for each in contenders
        ]
        if any(value is not None for value in means):
            table.add(name, *map(shown, means))


def print_ratios(results, names, title):
    table = _bench.Table(
        title, GDMLP_to=20, tables=6, error=6, worst=6, log_loss=8, CPU=6, targets=21, verdict=7
    )
    for other, targets in TARGETS.items():
        ratios = [ratio for name in names if (ratio := results.ratios(other, name))]
        if not ratios:
            continue
        columns = [[value for value in column if value] for column in zip(*ratios, strict=True)]
        figures = [geometric_mean(column) if column else None for column in columns]
        worst = max(columns[0])
        wanted = [pair for pair in zip(figures, targets, strict=True) if None not in pair]
        wanted += [(worst, OF_GD)] if other == "GD" else []
        limits = ", ".join(f"{limit:.3g}" for _, limit in wanted)
        verdict = _bench.verdict(all(value <= limit for value, limit in wanted)) if wanted else ""
        cells = shown(figures[0]), shown(worst), *map(shown, figures[1:])
        table.add(other, len(ratios), *cells, limits and f"<= {limits}", verdict)


def small(names):
    return [name for name in names if len(_tables.load(name)[0]) < SMALL]


def main():
    given = _bench.options(
        __doc__,
        torch="file of results written by tabular_torch.py",
        splits=f"how many splits (default {N_SPLITS}; --quick 1)",
        seeds=f"how many random states (default {N_SEEDS}; --quick 1)",
    )
    warnings.simplefilter("ignore")
    names = small(_tables.names()) if given.quick else _tables.names()
    n_splits, n_seeds = (1, 1) if given.quick else (N_SPLITS, N_SEEDS)
    results = measured(names, int(given.splits or n_splits), int(given.seeds or n_seeds))
    if given.torch:
        read(results, given.torch)
    kinds = {"Tables of the report": _tables.REPORT, "Tables to tune on": _tables.TUNE}
    parts = {title: [name for name in names if name in part] for title, part in kinds.items()}
    for title, part in parts.items():
        print_ratios(results, part, f"{title}: ratios of GDMLP")
    for figure, what in enumerate(("error", "log loss", "CPU seconds")):
        for title, part in parts.items():
            print_means(results, part, f"{title}: {what}", figure)


if __name__ == "__main__":
    main()
