"""Cross-validation of learning rates and alphas: candidates, their fits on each fold, scores, the choice."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning

from ._callbacks import with_callbacks_of
from ._columns import CandidateFit, Diverged, SharedProblem, can_share_pass, descend
from ._coordinates import asks_for_units, of_present_features
from ._design import Design, design_of
from ._fitting import initial_descent
from ._folds import order_of_choice, scores_of_folds
from ._options import options_of, threads_of
from ._path import Minimum, goes_by_path, minima_of
from ._problem import Problem
from ._quadratic import moments_of_folds
from ._rate_choice import RATIO, TRIES, choose_rates, rates_up_to_stable
from ._scoring import Scorer, scorers_of, with_offset
from ._targets import of_mean_one
from ._validation import (
    check_design,
    check_offset,
    check_rows,
    check_weights,
    dense,
    door_of,
    positive,
    schema_of,
)
from .exceptions import DivergenceError


@dataclass
class Chosen:
    """A fitted estimator and what the search has to tell."""

    estimator: object
    facts: dict = field(default_factory=dict)

    def attributes(self) -> dict:
        """Fitted attributes of the search; all others are those of the estimator."""
        return {**self.facts, "best_estimator_": self.estimator}


class Candidates:
    """Learning rates x alphas, and the folds to judge them by."""

    def __init__(self, search, X, y, sample_weight, groups, offset=None, alphas=None, held_out=None):
        from sklearn.model_selection import check_cv  # late: slow to import

        regression, door = search._task == "regression", door_of(search)
        self.search, self.groups = search, groups
        self.X, self.y = check_design(door, X, y, reset=True, y_numeric=regression)
        self.schema, self.held_out = schema_of(door), self._held_out(door, **(held_out or {}))
        self.weight = check_weights(sample_weight, self.X)
        self.seed = options_of(search).seed  # one order of the rows for all
        self.automatic = isinstance(search.learning_rates, str)
        self.given = not (self.automatic or isinstance(search.learning_rates, Integral))
        self.standardize = False if self.given and isinstance(search.standardize, str) else search.standardize
        self.template = self._new(learning_rate="auto" if self.automatic else 1.0)
        self.options = options_of(self.template)
        self.options.objective.penalty.check_features(self.X.shape[1])
        self.loss = self.options.objective.loss
        self.task, self.labels, self.y = self.template._task_of(self.y), self.y, dense(self.y)
        self.offset = check_offset(offset, self.X, self._encoded(self.weight, None).columns)
        self.targets = self._encoded(self.weight, self.offset)
        design = of_present_features(design_of(self.X), self.options.objective, True)
        self._settle_units(design)
        self.design = self.template._problem_of(self.options, design, self.targets).design
        own = self.options.objective.penalty.alpha  # one, where there are factors
        alphas = search.alphas if alphas is None else alphas
        alphas = [own] if alphas is None else positive(alphas, "alphas", zero=True, count=True)
        rates = self._rates(max(alphas))
        self.params = [(float(alpha), rate) for alpha in alphas for rate in rates]
        cv = check_cv(search.cv, self.y, classifier=is_classifier(search))
        self.folds = [_rows(fold, len(self.y)) for fold in cv.split(self.X, self.y, groups)]
        self.in_fold = [self._weights_of(train) for train, _ in self.folds]

    @staticmethod
    def _held_out(door, X_val=None, y_val=None, sample_weight_val=None, offset_val=None) -> dict:
        """A validation set of the user's own, as fits take it; nothing without one."""
        validation = X_val, y_val, sample_weight_val
        if all(part is None for part in (*validation, offset_val)):
            return {}
        names = "X_val", "y_val", "sample_weight_val"
        return {**dict(zip(names, check_rows(validation, door), strict=True)), "offset_val": offset_val}

    def _settle_units(self, design: Design) -> None:
        """Whether all candidates standardise: one answer for all rates and folds."""
        if isinstance(self.standardize, str):
            sample = design.sampled_moments(self.targets.weight)
            self.standardize = asks_for_units(sample, self.options.objective.fit_intercept)
            self.template.set_params(standardize=self.standardize)
            self.options = options_of(self.template)

    def _new(self, **params):
        """An estimator; its alpha multiplies what the search has of it for each feature."""
        if "alpha" in params and np.ndim(self.search.alpha):
            params["alpha"] = params["alpha"] * np.asarray(self.search.alpha, dtype=float)
        if self.held_out or self.search.early_stopping:  # rows are there for scores at each check
            params = {"scoring": self.search.scoring, **params}
        return self.search._estimator(random_state=self.seed, standardize=self.standardize, **params)

    def _encoded(self, weight, offset):
        """Targets under weights of mean one, those of the classes included."""
        targets = self.template._encode(self.task, self.y, weight, self.X.dtype, self.loss)
        return targets.with_offset(offset, self.loss).weighted_to_mean_one()

    def _rates(self, alpha) -> list:
        """The rates asked for: so many, a factor of two apart, up to the largest stable one; or "auto"."""
        asked = self.search.learning_rates
        if self.automatic:
            return ["auto"]
        if self.given:
            return positive(asked, "learning_rates").tolist()
        options = self.options.with_rate(None, alpha)
        problem = Problem(self.design, self.targets, options.objective)
        return rates_up_to_stable(problem, initial_descent(self.options, problem), options, asked)

    def _weights_of(self, train) -> np.ndarray:
        """Sample weights that are zero on the rows held out."""
        weight = np.zeros(len(self.y), self.X.dtype)
        counts = np.bincount(train, minlength=len(weight))  # a splitter may repeat rows
        weight[:] = counts if self.weight is None else counts * self.weight
        if not weight.any():
            raise ValueError("The sample weights of all rows that a fold trains on are zero.")
        return weight

    def _weight_in_fit(self, weight):
        """Weights of mean one, those of the classes included."""
        if getattr(self.search, "class_weight", None) is None:
            return of_mean_one(weight)
        return self._encoded(weight, None).weight

    # -- fits -------------------------------------------------------------------------------------

    def fitted(self) -> list[list]:
        """For each candidate and fold the fitted model, or None where it diverged."""
        all_there = self.design.features is None  # minima know no others
        if all_there and goes_by_path(self.options, self.design) and (minima := self._minima()):
            return minima
        shares = not self.automatic and can_share_pass(self.options, self.design, self.targets)
        return self._fit_together() if shares else self._fit_apart()

    def _fit(self, alpha, rate, fold):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                estimator = self._new(alpha=alpha, learning_rate=rate, n_jobs=None, verbose=0)
                given = {"groups": self.groups, "offset": self.offset, **self.held_out}
                return estimator.fit(self.X, self.y, self.in_fold[fold], **given)
        except DivergenceError:
            return None

    def _fit_apart(self):
        from joblib import Parallel, delayed  # late: slow to import

        folds = range(len(self.folds))
        fits = [delayed(self._fit)(*params, fold) for params in self.params for fold in folds]
        found = Parallel(n_jobs=self.search.n_jobs, prefer="threads")(fits)
        return [found[c : c + len(folds)] for c in range(0, len(found), len(folds))]

    def _minima(self) -> list[list[Minimum]] | None:
        """The minima that the fits would end near, from second moments; None where these overflow."""
        objective, design = self.options.objective, self.design.standardized(None)
        with np.errstate(over="ignore", invalid="ignore"):
            moments = moments_of_folds(design, self.targets, self.folds, objective.fit_intercept)
        if not all(fold.is_finite for fold in moments):
            return None
        alphas = [alpha for alpha, _ in self.params]
        flat, threads = self.task.coef_is_flat, threads_of(self.search.n_jobs)
        return minima_of(moments, alphas, objective.penalty, self.X.dtype, flat, threads)

    def _fit_together(self):
        shared = SharedProblem(
            design=self.design,
            targets=self.targets,
            weights=np.column_stack([self._weight_in_fit(weight) for weight in self.in_fold]),
            folds=self.folds,
            options=self.options.with_rate(None, 1.0),
            rule=self.options.rule(self.design.n),
            sample_weight=self.weight,
        )
        candidates = []
        for alpha, rate in self.params:
            options = self.options.with_rate(rate, alpha)
            for fold, problem in enumerate(shared.problems):
                candidate = CandidateFit(rate, alpha, fold)
                candidate.rates = choose_rates(problem, candidate, options, exploded=Diverged)
                candidates.append(candidate)
        random = np.array([self.seed], dtype=np.uint64)
        descend(shared, candidates, random, threads_of(self.search.n_jobs))
        F = len(self.folds)
        fitted = [None if c.diverged else self._fitted_as(c, shared) for c in candidates]
        return [fitted[c * F : (c + 1) * F] for c in range(len(self.params))]

    def _fitted_as(self, candidate: CandidateFit, shared: SharedProblem):
        """An estimator with the parameters of a column."""
        problem = shared.problems[candidate.fold]
        weights = self.template._unpack(candidate.parameters, problem)
        params = {"learning_rate": candidate.rate, "alpha": candidate.alpha}
        return self._model(params, problem, weights, candidate.epochs)

    def _model(self, params: dict, problem: Problem, weights: tuple, epochs: int):
        """An estimator with given parameters of the model."""
        estimator = self._new(**params)
        model = estimator._model_of(self.task, problem, *weights)
        estimator._become({**model, "n_features_in_": problem.design.all_features, "n_iter_": epochs})
        return estimator

    def _estimator_of(self, minimum: Minimum):
        """For scorers, which see an estimator."""
        weights = np.atleast_2d(minimum.coef_), minimum.intercept_
        params = {"alpha": minimum.alpha, "learning_rate": "auto"}
        return self._model(params, self._problem, weights, minimum.n_iter_)

    @cached_property
    def _problem(self) -> Problem:
        return Problem(self.design, self.targets, self.options.objective)

    # -- scores -----------------------------------------------------------------------------------

    def scores(self, fitted) -> np.ndarray:
        """(scorers, candidates, folds); NaN where the descent diverged."""
        scores = np.full((len(self._scorers) or 1, len(self.params), len(self.folds)), np.nan)
        for fold, (_, test) in enumerate(self.folds):
            column = [models[fold] for models in fitted]
            there = np.flatnonzero([model is not None for model in column])
            if len(there):
                weight = None if self.weight is None else self.weight[test]
                if weight is not None and not weight.any():
                    raise ValueError("The sample weights of all rows that a fold is judged by are zero.")
                scores[:, there, fold] = self._score([column[c] for c in there], test, weight)
        return scores

    def _score(self, models, test, weight) -> list:
        """Of each scorer the scores of models."""
        X, y, offset = self.X[test], self.y[test], None if self.offset is None else self.offset[test]
        scoring, one_output = self.search.scoring, models[0].coef_.size == X.shape[1]
        known = ("r2", "neg_mean_squared_error") if one_output and not is_classifier(self.search) else ()
        if scoring is not None and scoring not in known:
            seen = [self._for_scorers(model, offset) for model in models]
            return [[scorer(model, X, y, weight) for model in seen] for scorer in self._scorers]
        if not one_output:
            added = 0 if offset is None else offset
            return [[self.task.score(y, model._raw(X) + added, self.loss, weight) for model in models]]
        coef = np.column_stack([model.coef_.ravel() for model in models])
        raw = X @ coef + np.concatenate([model.intercept_ for model in models])
        raw = raw if offset is None else raw + offset
        if is_classifier(self.search):
            right = (raw > 0) == (y == self.task.classes[1])[:, None]
            return [np.average(right, axis=0, weights=weight)]
        from sklearn.metrics import mean_squared_error, r2_score  # late: slow to import

        predictions = self.loss.inverse_link(raw)
        y = np.broadcast_to(y.reshape(-1, 1), predictions.shape)
        each = {"sample_weight": weight, "multioutput": "raw_values"}
        if scoring == "neg_mean_squared_error":
            return [-mean_squared_error(y, predictions, **each)]
        return [r2_score(y, predictions, **each)]

    def _for_scorers(self, model, offset):
        """An estimator whose predictions have the offset of the rows."""
        return with_offset(self._estimator_of(model) if isinstance(model, Minimum) else model, offset)

    @cached_property
    def _scorers(self) -> list[Scorer]:
        """Those asked for, the first of which chooses; none where R2 or accuracy does."""
        return scorers_of(self._new(), self.search.scoring)

    # -- the choice -------------------------------------------------------------------------------

    def choose(self) -> Chosen:
        """The candidate with the best mean score, fitted on all rows."""
        error = None
        for _ in range(1 if self.given or self.automatic else TRIES):
            begin = time.perf_counter()
            fitted = self.fitted()
            fit_time = time.perf_counter() - begin
            begin = time.perf_counter()
            scores = self.scores(fitted)
            results = self._results(scores, fit_time, time.perf_counter() - begin)
            alphas = [alpha for alpha, _ in self.params]
            if self.given:  # rates of our own reach for the limit on purpose
                self._warn_of(fitted)
            for index in order_of_choice(scores[0], alphas, self.search.selection):
                alpha, rate = self.params[index]
                estimator = with_callbacks_of(self._new(alpha=alpha, learning_rate=rate), self.search)
                estimator._rate_of_search = not (self.automatic or self.given)
                try:
                    given = {"groups": self.groups, "offset": self.offset, **self.held_out}
                    estimator.fit(self.X, self.labels, self.weight, **given)
                except DivergenceError as diverged:  # on all rows, though on no fold
                    error = diverged
                    continue
                return Chosen(estimator, self._facts(index, results, estimator))
            if error is None and any(None not in models for models in fitted):
                raise ValueError("No candidate has a finite mean score: look at the scorer and at the folds.")
            if not self.given and not self.automatic:
                fall = RATIO**-self.search.learning_rates
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
        stable = self._new(verbose=0).fit(self.X, self.y, self.weight, offset=self.offset).learning_rate_
        return DivergenceError(min(rates), 2 * stable, text)

    def _facts(self, index, results, estimator) -> dict:
        alpha, rate = self.params[index]
        vars(estimator).update(self.schema)
        return {
            **self.schema,
            "learning_rate_": estimator.learning_rate_ if self.automatic else rate,
            "alpha_": alpha,
            "best_score_": float(results["mean_test_score"][index]),
            "best_index_": int(index),
            "best_params_": results["params"][index],
            "learning_rates_": np.unique(
                [estimator.learning_rate_ if self.automatic else rate for _, rate in self.params]
            ),
            "n_splits_": len(self.folds),
            "cv_results_": results,
        }

    def _results(self, scores, fit_time, score_time) -> dict:
        """As GridSearchCV gives them; times are those of all fits, shared out evenly."""
        n_candidates, (alphas, rates) = len(self.params), zip(*self.params, strict=True)
        named = {} if self.search.alphas is None else {"alpha": alphas}
        named["learning_rate"] = rates
        results: dict = {}
        for name, seconds in (("fit", fit_time), ("score", score_time)):
            results[f"mean_{name}_time"] = np.full(n_candidates, seconds / scores[0].size)
            results[f"std_{name}_time"] = np.zeros(n_candidates)
        for name, values in named.items():
            results[f"param_{name}"] = np.ma.MaskedArray(values, mask=np.zeros(n_candidates, bool))
        results["params"] = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
        by_name = zip((scorer.name for scorer in self._scorers), scores, strict=False)
        for name, own in {"score": scores[0], **dict(by_name)}.items():
            results |= scores_of_folds(own, name)
            filled = np.nan_to_num(own.mean(axis=1), nan=-np.inf)
            results[f"rank_test_{name}"] = 1 + (filled > filled[:, None]).sum(axis=1, dtype=np.int32)
        return results


def _rows(fold, n: int):
    """Row numbers of a fold, which may be given as masks."""
    return tuple(np.arange(n)[part] for part in fold)
