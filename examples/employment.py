"""Classification of 277,677 people: who is employed?

The data are answers to the American Community Survey in Massachusetts, 2015 to 2018. A spline of the
age and fifteen one-hot encoded answers make 104 features; the models are trained on the years before
2018 and tested on 2018. The script searches for a learning rate with GridSearchCV over a whole
pipeline, on a sample of the rows, and then compares the three solvers with scikit-learn's
SGDClassifier and LogisticRegression.

The data are part of a package, so no network is needed once it is installed:

    pip install --no-deps nannyml==0.13.1 && pip install pandas pyarrow
    python employment.py [--rows 20000]
"""

import argparse

from _common import epochs, fit_seconds, package_data, print_table, search_learning_rate, subsample
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

from skgd import GDClassifier

INSTALL = "pip install --no-deps nannyml==0.13.1 && pip install pandas pyarrow"
CATEGORICAL = [
    "SCHL",
    "MAR",
    "RELP",
    "DIS",
    "ESP",
    "CIT",
    "MIG",
    "MIL",
    "ANC",
    "NATIVITY",
    "DEAR",
    "DEYE",
    "DREM",
    "SEX",
    "RAC1P",
]
TARGET = "employed"
SEARCH_ROWS = 20_000
RATES = ["auto", 0.3, 0.1, 0.03, 0.01, 0.003]


def load_people(rows=None):
    folder = package_data("nannyml", "datasets/data", install=INSTALL)
    import pandas as pd

    reference, analysis, target = (
        pd.read_parquet(folder / f"employment_MA_{part}.pq")
        for part in ("reference", "analysis", "analysis_target")
    )
    people = pd.concat([reference, analysis.merge(target, on="id")], ignore_index=True)
    people[CATEGORICAL] = people[CATEGORICAL].astype(str)
    return subsample(people[["year", "AGEP", *CATEGORICAL, TARGET]], rows)


def preprocessing(*, sparse):
    """A spline of the age and one-hot columns, as one dense array or one CSR matrix."""
    return make_column_transformer(
        (SplineTransformer(sparse_output=sparse), ["AGEP"]),
        (OneHotEncoder(handle_unknown="ignore"), CATEGORICAL),
        sparse_threshold=1.0 if sparse else 0.0,
    )


def best_learning_rate(people):
    """Search over the learning rate of the whole pipeline, on a sample of the rows."""
    pipeline = Pipeline([("prepare", preprocessing(sparse=True)), ("model", GDClassifier(random_state=0))])
    sample = subsample(people, SEARCH_ROWS)
    return search_learning_rate(pipeline, RATES, sample, sample[TARGET], score_name="accuracy")


def compare(train, test, best_rate):
    models = {
        "GDClassifier minibatch": GDClassifier(random_state=0),
        "GDClassifier sgd": GDClassifier(solver="sgd", random_state=0),
        "GDClassifier batch": GDClassifier(solver="batch", random_state=0),
        "SGDClassifier": SGDClassifier(loss="log_loss", random_state=0),
        "LogisticRegression": LogisticRegression(max_iter=1000),
    }
    if best_rate != "auto":
        name = f"GDClassifier minibatch, rate {best_rate}"
        models[name] = GDClassifier(learning_rate=best_rate, random_state=0)
    for sparse in (False, True):
        prepare = preprocessing(sparse=sparse)
        X_train, X_test = prepare.fit_transform(train), prepare.transform(test)
        rows = []
        for name, model in models.items():
            model = clone(model)
            seconds = fit_seconds(model, X_train, train[TARGET])
            accuracy = model.score(X_test, test[TARGET])
            loss = log_loss(test[TARGET], model.predict_proba(X_test))
            rows.append([name, f"{accuracy:.4f}", f"{loss:.4f}", f"{seconds:.2f}", epochs(model)])
        n, d = X_train.shape
        title = f"{'CSR' if sparse else 'Dense'}: {n:,} training rows, {d} features"
        print_table(title, ["", "test accuracy", "log loss", "fit s", "epochs"], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="use a random subset of the people")
    people = load_people(parser.parse_args().rows)
    is_2018 = people["year"] == 2018
    train, test = people[~is_2018], people[is_2018]
    compare(train, test, best_learning_rate(train))


if __name__ == "__main__":
    main()
