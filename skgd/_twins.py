"""Fitted scikit-learn estimators that predict what ours predict, for tools that know only those."""

from __future__ import annotations

import warnings
from copy import copy
from inspect import signature

import numpy as np

from ._targets import Labels

_MLP_ACTIVATIONS = {"identity", "logistic", "tanh", "relu"}


def _no_twin(estimator, why):
    return ValueError(f"{type(estimator).__name__} with {why} has no counterpart in scikit-learn.")


def _check_levels(estimator, loss):
    if loss.levels is not None:
        raise _no_twin(estimator, "several quantiles, which are sorted,")


def _warn_of_loss(estimator, kind):
    warnings.warn(
        f"{kind} of scikit-learn has no loss={estimator.loss!r}: the twin predicts the same, but it would "
        f"minimise the squared error if it were fitted anew.",
        UserWarning,
        stacklevel=4,
    )


def _carry(estimator, twin):
    """What all fitted estimators have."""
    for name in ("n_features_in_", "feature_names_in_", "classes_"):
        if hasattr(estimator, name):
            setattr(twin, name, copy(getattr(estimator, name)))
    return twin


def linear_regressor(estimator, loss):
    """SGDRegressor, or the generalised linear model or least squares where that has none."""
    from sklearn import linear_model

    _check_levels(estimator, loss)
    shared = {"alpha": _one_alpha(estimator), "fit_intercept": estimator.fit_intercept}
    several = estimator.coef_.ndim == 2
    if loss.log_link:
        if several or loss.name is None:
            raise _no_twin(estimator, f"loss={estimator.loss!r} and these outputs")
        kinds = {"poisson": linear_model.PoissonRegressor, "gamma": linear_model.GammaRegressor}
        if loss.name in kinds:
            twin = kinds[loss.name](**shared)
        else:
            twin = linear_model.TweedieRegressor(power=loss.power, link="log", **shared)
        twin._base_loss = twin._get_loss()
        twin.coef_, twin.intercept_ = estimator.coef_.copy(), float(estimator.intercept_[0])
        twin.n_iter_ = estimator.n_iter_
        return _carry(estimator, twin)
    if several:
        twin = linear_model.LinearRegression(fit_intercept=estimator.fit_intercept)
    else:
        known = {"squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"}
        options = {"loss": loss.name} if loss.name in known else {}
        if not options:
            _warn_of_loss(estimator, "SGDRegressor")
        if hasattr(loss, "epsilon") and options:
            options["epsilon"] = loss.epsilon
        twin = linear_model.SGDRegressor(
            penalty=_penalty_name(estimator), l1_ratio=estimator.l1_ratio, **shared, **options
        )
        twin.t_, twin.n_iter_ = float(estimator.n_updates_ + 1), estimator.n_iter_
    twin.coef_, twin.intercept_ = estimator.coef_.copy(), estimator.intercept_.copy()
    return _carry(estimator, twin)


def _penalty_name(estimator) -> str | None:
    """None of penalties that scikit-learn has not."""
    return estimator.penalty if isinstance(estimator.penalty, str) else None


def _one_alpha(estimator) -> float:
    """The strength of the penalty, or its mean over the features: scikit-learn has one for all."""
    return float(np.mean(estimator.alpha))


def linear_classifier(estimator, loss):
    """SGDClassifier; LogisticRegression for softmax."""
    from sklearn import linear_model

    if loss.name is None:
        raise _no_twin(estimator, f"loss={estimator.loss!r}")
    if isinstance(estimator._fitted_task(), Labels):
        raise _no_twin(estimator, "several labels a row")
    if loss.name == "log_loss" and len(estimator.classes_) > 2:
        alpha = _one_alpha(estimator)
        strength = 1 / (2 * alpha) if alpha else 1.0
        twin = linear_model.LogisticRegression(C=strength, fit_intercept=estimator.fit_intercept)
        twin.n_iter_ = np.array([estimator.n_iter_])
    else:
        twin = linear_model.SGDClassifier(
            loss=loss.name,
            penalty=_penalty_name(estimator),
            alpha=_one_alpha(estimator),
            l1_ratio=estimator.l1_ratio,
            fit_intercept=estimator.fit_intercept,
        )
        twin.t_, twin.n_iter_ = float(estimator.n_updates_ + 1), estimator.n_iter_
    twin.coef_, twin.intercept_ = estimator.coef_.copy(), estimator.intercept_.copy()
    return _carry(estimator, twin)


def _perceptron(estimator, kind, **options):
    activation, alpha = estimator._model["activation"], estimator.settings_.get("alpha", estimator.alpha)
    if activation not in _MLP_ACTIVATIONS:
        raise _no_twin(estimator, f"activation={activation!r}")
    if "features" in estimator._model:
        raise _no_twin(estimator, "a layer of features")
    hidden = tuple(len(intercepts) for intercepts in estimator.intercepts_[:-1])
    twin = kind(hidden_layer_sizes=hidden, activation=activation, alpha=alpha, **options)
    twin.coefs_ = [coef.copy() for coef in estimator.coefs_]
    twin.intercepts_ = [intercept.copy() for intercept in estimator.intercepts_]
    twin.n_layers_, twin.n_outputs_ = estimator.n_layers_, estimator.n_outputs_
    twin.n_iter_, twin.t_, twin.loss_ = estimator.n_iter_, estimator.n_updates_, estimator.loss_
    twin.loss_curve_ = list(vars(estimator).get("loss_curve_", ()))  # none once it is stripped
    twin.best_loss_ = estimator.loss_
    twin._no_improvement_count = 0  # which partial_fit goes on with
    return _carry(estimator, twin)


def _refuse_tables(estimator) -> None:
    if hasattr(estimator, "members_") or hasattr(estimator, "adapters_"):
        members = getattr(estimator, "members_", None) or estimator.coefs_[-1]
        raise _no_twin(estimator, f"n_members={len(members)}")
    if hasattr(estimator, "encoder_"):
        raise ValueError(
            f"{type(estimator).__name__} with encoded columns has no counterpart in scikit-learn: put the "
            f"encoder into a Pipeline before an estimator with encoding=None, which has."
        )


def perceptron_regressor(estimator, loss):
    """MLPRegressor."""
    _refuse_tables(estimator)
    _check_levels(estimator, loss)
    from sklearn.neural_network import MLPRegressor

    takes_loss = "loss" in signature(MLPRegressor).parameters  # from scikit-learn 1.7 on
    if loss.log_link and not (takes_loss and loss.name == "poisson"):
        raise _no_twin(estimator, f"loss={estimator.loss!r} (a log link)")
    if loss.name not in ("squared_error", "poisson"):
        _warn_of_loss(estimator, "MLPRegressor")
    twin = _perceptron(estimator, MLPRegressor, **({"loss": "poisson"} if loss.log_link else {}))
    twin.out_activation_ = "exp" if loss.log_link else "identity"
    return twin


def perceptron_classifier(estimator, loss):
    """MLPClassifier."""
    _refuse_tables(estimator)
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import LabelBinarizer

    if loss.name != "log_loss":
        raise _no_twin(estimator, f"loss={estimator.loss!r}")
    twin = _perceptron(estimator, MLPClassifier)
    many_labels = isinstance(estimator._fitted_task(), Labels)
    twin.out_activation_ = "softmax" if estimator.n_outputs_ > 1 and not many_labels else "logistic"
    labels = np.eye(len(estimator.classes_), dtype=int) if many_labels else estimator.classes_
    twin._label_binarizer = LabelBinarizer().fit(labels)
    return twin
