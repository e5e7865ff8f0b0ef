"""Defaults on real data: arrival delay of flights, employment of people.

Test scores of GDRegressor() and GDClassifier(), for every solver, must come within 0.002 of those
of scikit-learn's Ridge() (R2) and LogisticRegression() (accuracy). The data and their preparation
are those of examples/flights.py and examples/employment.py, which say how to install them.
"""

import sys
import warnings
from pathlib import Path
from time import process_time

import _bench
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split

from skgd import GDClassifier, GDRegressor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
import employment
import flights

WITHIN = 0.002


def flight_data(rows):
    """Train and test features and targets; Ridge and our estimator."""
    train, test = train_test_split(flights.load_flights(rows), test_size=0.2, random_state=1)
    prepare = flights.preprocessing(sparse=False)
    X_train, X_test = prepare.fit_transform(train), prepare.transform(test)
    data = X_train, train[flights.TARGET], X_test, test[flights.TARGET]
    return data, Ridge(), GDRegressor


def employment_data(rows):
    """Train and test features and targets; LogisticRegression and our estimator."""
    people = employment.load_people(rows)
    is_2018 = people["year"] == 2018
    train, test = people[~is_2018], people[is_2018]
    prepare = employment.preprocessing(sparse=False)
    X_train, X_test = prepare.fit_transform(train), prepare.transform(test)
    data = X_train, train[employment.TARGET], X_test, test[employment.TARGET]
    return data, LogisticRegression(max_iter=1000), GDClassifier


def main():
    quick = _bench.start(__doc__)
    warnings.simplefilter("ignore")
    columns = {"model": 26, "score": 7, "fit_s": 7, "epochs": 6, "score_-_peer": 12}
    for name, load in {"flights, R2": flight_data, "employment, accuracy": employment_data}.items():
        (X, y, X_test, y_test), peer, estimator = load(20_000 if quick else None)
        n, d = X.shape
        title = f"{name}: {n:,} training rows, {d} features"
        table = _bench.Table(title, **columns, target=8, verdict=7)
        solvers = "batch", "minibatch", "sgd"
        models = [peer, *(estimator(solver=solver, random_state=0) for solver in solvers)]
        for model in models:
            begin = process_time()
            model.fit(X, y)
            seconds = f"{process_time() - begin:.2f}"
            score = model.score(X_test, y_test)
            if model is peer:
                peer_score = score
                table.add(type(peer).__name__, f"{score:.4f}", seconds, "-", "-", "", "")
                continue
            label = f"{estimator.__name__}, {model.solver}"
            behind = score - peer_score
            ok = _bench.verdict(behind >= -WITHIN)
            cells = f"{score:.4f}", seconds, model.n_iter_, f"{behind:+.4f}", f">= -{WITHIN}", ok
            table.add(label, *cells)


if __name__ == "__main__":
    main()
