"""Cross-validation of learning rates and alphas: candidates, their fits on each fold, scores, the choice."""

from __future__ import annotations

import time
import warnings
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

from . import _options as options
from ._callbacks import watched_as
from ._columns import Model, Search, by_moments, descend, together
from ._coordinates import standardizes
from ._estimator import of_mean_one
from ._validation import check_design, check_weights
from .exceptions import DivergenceError

_RATIO = 2.0  # between neighbouring learning rates
_TRIES = 8  # of lower and lower rates where all diverge, unless they were given


@dataclass
class Chosen:
    """A fitted estimator and what the search has to tell."""

    estimator: object
    facts: dict = field(default_factory=dict)

    def attributes(self) -> dict:
        """Fitted attributes of the search."""
        of_estimator = {
            name: value
            for name, value in vars(self.estimator).items()
            if name.endswith("_") or name in ("_flat_y", "_indicators")
        }
        return {**of_estimator, **self.facts, "best_estimator_": self.estimator}


class Candidates:
    """Learning rates x alphas, and the folds to judge them by."""

    def __init__(self, search, X, y, sample_weight, groups):
        from sklearn.model_selection import check_cv  # late: slow to import

        regression = search._task == "regression"
        self.search, self.loss = search, options.loss_of(search, search._task)
        self.X, self.y = check_design(search, X, y, reset=True, y_numeric=regression)
        self.weight = check_weights(sample_weight, self.X)
        self.seed = options._seed(search.random_state)  # one order of the rows for all
        self.standardize = self._standardize()
        alphas = [search.alpha] if search.alphas is None else _positive(search.alphas, "alphas", zero=True)
        rates = self._rates(max(alphas))
        self.params = [(float(alpha), float(rate)) for alpha in alphas for rate in rates]
        cv = check_cv(search.cv, self.y, classifier=is_classifier(search))
        self.folds = [_rows(fold, len(self.y)) for fold in cv.split(self.X, self.y, groups)]
        self.in_fold = [self._weights_of(train) for train, _ in self.folds]

    def _new(self, **params):
        return self.search._estimator(random_state=self.seed, standardize=self.standardize, **params)

    def _standardize(self) -> bool:
        """Whether all candidates standardise; "auto" does not where rates were given."""
        asked, given = self.search.standardize, np.ndim(self.search.learning_rates)
        asked = False if given and isinstance(asked, str) else asked
        return standardizes(asked, self.X, self.weight, bool(self.search.fit_intercept))

    def _encoded(self, estimator, weight):
        targets = estimator._encode(self.X, self.y, weight, self.loss)
        targets.weight = of_mean_one(targets.weight)
        return targets

    def _rates(self, alpha) -> np.ndarray:
        """The rates asked for: so many, a factor of two apart, up to the largest stable one."""
        given = self.search.learning_rates
        if np.ndim(given):
            return _positive(given, "learning_rates")
        estimator = self._new(alpha=alpha)
        targets = self._encoded(estimator, self.weight)
        problem = estimator._problem_of_fit(self.X, targets, self.loss)
        batch_size = options.rows_per_update(estimator, problem.n)
        optimizer = options.optimizer_of(estimator)
        rule, slots = options.rule_of(estimator, optimizer, problem.penalty, batch_size, problem.n)
        descent = options.new_descent(estimator, problem, rule[0], slots)
        half, _ = options.base_rate(estimator, problem, descent, optimizer, batch_size, False)
        return 2 * half * _RATIO ** np.arange(1.0 - given, 1.0)

    def _weights_of(self, train) -> np.ndarray:
        """Sample weights that are zero on the rows held out."""
        weight = np.zeros(len(self.y), self.X.dtype)
        counts = np.bincount(train, minlength=len(weight))  # a splitter may repeat rows
        weight[:] = counts if self.weight is None else counts * self.weight
        if not weight.any():
            raise ValueError("The sample weights of all rows that a fold trains on are zero.")
        return weight

    def _weight_in_fit(self, estimator, weight):
        """Weights of mean one, those of the classes included."""
        if getattr(estimator, "class_weight", None) is None:
            return of_mean_one(weight)
        return self._encoded(estimator, weight).weight

    # -- fits -------------------------------------------------------------------------------------

    def fitted(self) -> list[list]:
        """For each candidate and fold the fitted estimator, or None where it diverged."""
        estimator = self._new(learning_rate=1.0)
        optimizer = options.optimizer_of(estimator)
        targets = self._encoded(estimator, self.weight)
        batch_size = options.rows_per_update(estimator, len(self.y))
        if not together(estimator, self.X, targets, self.loss, optimizer, batch_size):
            return self._fit_apart()
        return self._fit_together(estimator, optimizer, targets, batch_size)

    def _fit(self, alpha, rate, fold):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                return self._new(alpha=alpha, learning_rate=rate, n_jobs=None, verbose=0).fit(
                    self.X, self.y, self.in_fold[fold]
                )
        except DivergenceError:
            return None

    def _fit_apart(self):
        from joblib import Parallel, delayed  # late: slow to import

        folds = range(len(self.folds))
        fits = [delayed(self._fit)(*params, fold) for params in self.params for fold in folds]
        found = Parallel(n_jobs=self.search.n_jobs, prefer="threads")(fits)
        return [found[c : c + len(folds)] for c in range(0, len(found), len(folds))]

    def _fit_together(self, estimator, optimizer, targets, batch_size):
        own = self.search
        penalty = options.penalty_of(own.penalty, 1.0, getattr(own, "l1_ratio", 0.0))
        rule, slots = options.rule_of(estimator, optimizer, penalty, batch_size, len(self.y))
        settings = estimator._settings(rule, batch_size, len(self.y))
        shared = Search(
            X=self.X,
            targets=targets,
            weights=np.column_stack([self._weight_in_fit(estimator, w) for w in self.in_fold]),
            folds=self.folds,
            loss=self.loss,
            penalty=penalty,
            fit_intercept=bool(own.fit_intercept),
            settings=settings,
            slots=slots,
            sample_weight=self.weight,
        )
        models = []
        for alpha, rate in self.params:
            candidate = self._new(alpha=alpha, learning_rate=rate)
            for fold, problem in enumerate(shared.problems):
                model = Model(rate, alpha, fold)
                model.rates = options.rates_of(candidate, problem, model, self.loss, optimizer, batch_size)
                models.append(model)
        random = np.array([self.seed], dtype=np.uint64)
        descend(shared, models, random, by_moments(self.X, self.loss, batch_size))
        F = len(self.folds)
        fitted = [None if m.diverged else _fitted_as(estimator, m, shared) for m in models]
        return [fitted[c * F : (c + 1) * F] for c in range(len(self.params))]

    # -- scores -----------------------------------------------------------------------------------

    def scores(self, fitted) -> np.ndarray:
        """(candidates, folds); NaN where the descent diverged."""
        scores = np.full((len(self.params), len(self.folds)), np.nan)
        for fold, (_, test) in enumerate(self.folds):
            column = [models[fold] for models in fitted]
            there = np.flatnonzero([model is not None for model in column])
            if len(there):
                weight = None if self.weight is None else self.weight[test]
                if weight is not None and not weight.any():
                    raise ValueError("The sample weights of all rows that a fold is judged by are zero.")
                scores[there, fold] = self._score([column[c] for c in there], test, weight)
        return scores

    def _score(self, models, test, weight) -> list[float]:
        X, y = self.X[test], self.y[test]
        if self.search.scoring is not None:
            return [self._by_scorer(model, X, y, weight) for model in models]
        first = models[0]
        if first.coef_.size != X.shape[1]:
            return [
                first._score_rows(X, y, weight) if model is first else model._score_rows(X, y, weight)
                for model in models
            ]
        coef = np.column_stack([model.coef_.ravel() for model in models])
        raw = X @ coef + np.concatenate([model.intercept_ for model in models])
        if is_classifier(self.search):
            right = (raw > 0) == (y == first.classes_[1])[:, None]
            return np.average(right, axis=0, weights=weight)
        from sklearn.metrics import r2_score  # late: slow to import

        predictions = self.loss.inverse_link(raw)
        each = {"sample_weight": weight, "multioutput": "raw_values"}
        return r2_score(np.broadcast_to(y.reshape(-1, 1), predictions.shape), predictions, **each)

    def _by_scorer(self, model, X, y, weight) -> float:
        weighted = {} if weight is None or not self._scorer_takes_weights else {"sample_weight": weight}
        return self._scorer(model, X, y, **weighted)

    @cached_property
    def _scorer(self):
        from sklearn.metrics import check_scoring  # late: slow to import

        return check_scoring(self._new(), self.search.scoring)

    @cached_property
    def _scorer_takes_weights(self) -> bool:
        function = getattr(self._scorer, "_score_func", self._scorer)
        return "sample_weight" in signature(function).parameters

    # -- the choice -------------------------------------------------------------------------------

    def choose(self) -> Chosen:
        """The candidate with the best mean score, fitted on all rows."""
        error = None
        for _ in range(1 if np.ndim(self.search.learning_rates) else _TRIES):
            begin = time.perf_counter()
            fitted = self.fitted()
            fit_time = time.perf_counter() - begin
            begin = time.perf_counter()
            scores = self.scores(fitted)
            results = self._results(scores, fit_time, time.perf_counter() - begin)
            means = results["mean_test_score"]
            if np.ndim(self.search.learning_rates):  # rates of our own reach for the limit on purpose
                self._warn_of(fitted)
            for index in np.argsort(-means, kind="stable")[: np.isfinite(means).sum()]:
                alpha, rate = self.params[index]
                estimator = watched_as(self._new(alpha=alpha, learning_rate=rate), self.search)
                try:
                    estimator.fit(self.X, self.y, self.weight)
                except DivergenceError as diverged:  # on all rows, though on no fold
                    error = diverged
                    continue
                return Chosen(estimator, self._facts(index, results, estimator))
            if error is None and any(None not in models for models in fitted):
                raise ValueError("No candidate has a finite mean score: look at the scorer and at the folds.")
            if not np.ndim(self.search.learning_rates):
                fall = _RATIO**-self.search.learning_rates
                self.params = [(alpha, rate * fall) for alpha, rate in self.params]
        raise error or self._none_left()

    def _warn_of(self, fitted):
        """Fits that diverged are no reason to stop, but to be told."""
        rates = [
            rate for (_, rate), models in zip(self.params, fitted, strict=True) for m in models if m is None
        ]
        if rates:
            count = len(fitted) * len(self.folds)
            message = (
                f"{len(rates)} of {count} fits diverged, the lowest at learning_rate={min(rates):.3g}: "
                f"their scores are nan."
            )
            warnings.warn(message, FitFailedWarning, stacklevel=5)

    def _none_left(self):
        rates = [rate for _, rate in self.params]
        text = f"solver={self.search.solver!r}"
        stable = self._new(verbose=0).fit(self.X, self.y, self.weight).learning_rate_
        return DivergenceError(min(rates), 2 * stable, text)

    def _facts(self, index, results, estimator) -> dict:
        alpha, rate = self.params[index]
        names = getattr(self.search, "feature_names_in_", None)
        if names is not None:
            estimator.feature_names_in_ = names
        return {
            "learning_rate_": rate,
            "alpha_": alpha,
            "best_score_": float(results["mean_test_score"][index]),
            "best_index_": int(index),
            "best_params_": results["params"][index],
            "learning_rates_": np.unique([rate for _, rate in self.params]),
            "n_splits_": len(self.folds),
            "cv_results_": results,
        }

    def _results(self, scores, fit_time, score_time) -> dict:
        """As GridSearchCV gives them; times are those of all fits, shared out evenly."""
        n_candidates, n_folds = scores.shape
        named = {"learning_rate": [rate for _, rate in self.params]}
        if self.search.alphas is not None:
            named = {"alpha": [alpha for alpha, _ in self.params], **named}
        results = {}
        for name, seconds in (("fit", fit_time), ("score", score_time)):
            results[f"mean_{name}_time"] = np.full(n_candidates, seconds / scores.size)
            results[f"std_{name}_time"] = np.zeros(n_candidates)
        for name, values in named.items():
            results[f"param_{name}"] = np.ma.MaskedArray(values, mask=np.zeros(n_candidates, bool))
        results["params"] = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
        for fold in range(n_folds):
            results[f"split{fold}_test_score"] = scores[:, fold]
        means = results["mean_test_score"] = scores.mean(axis=1)
        results["std_test_score"] = scores.std(axis=1)
        filled = np.where(np.isnan(means), -np.inf, means)
        results["rank_test_score"] = 1 + (filled[None, :] > filled[:, None]).sum(axis=1).astype(np.int32)
        return results


def _fitted_as(template, model, shared):
    """A copy of the template, which knows the targets, with the parameters of a column."""
    estimator = copy(template)
    estimator.learning_rate, estimator.alpha = model.rate, model.alpha
    problem = shared.problems[model.fold]
    estimator._set_parameters(model.parameters, problem)
    estimator.n_features_in_, estimator.n_iter_ = problem.d, model.epochs
    return estimator


def _rows(fold, n: int):
    """Row numbers of a fold, which may be given as masks."""
    return tuple(np.arange(n)[part] for part in fold)


def _positive(values, name: str, zero: bool = False) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    fine = array.ndim == 1 and array.size and np.isfinite(array).all()
    if not fine or not np.all(array >= 0 if zero else array > 0):
        kind = "non-negative" if zero else "positive"
        raise ValueError(f"{name}={values!r} must be one or more {kind} finite numbers.")
    return array
