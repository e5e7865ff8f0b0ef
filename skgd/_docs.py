"""Descriptions of parameters and attributes shared by the estimators, inserted into their docstrings."""

from __future__ import annotations

import inspect
import re

from ._docs_perceptrons import LAYERS, NETWORK

PARAMETERS = """\
solver : {"batch", "sgd", "minibatch"}, default="minibatch"
    Number of rows per update: all, one, or ``batch_size``.
batch_size : int, default=32
    Number of rows per update for ``solver="minibatch"``.
learning_rate : float or "auto", default="auto"
    Positive step size. "auto" chooses it from the data and undoes updates that make the objective
    explode. Stochastic solvers start with at most half the largest stable rate (adaptive optimizers: with
    a rate that matches the expected size of the parameters), raise it while the updates have little
    noise, halve it while they have much, and decrease it as :math:`1/\\sqrt{1 + t/T}`, where T depends on
    the curvatures of the objective and, without ``warm_start``, is at most a quarter of the updates that
    ``max_iter`` allows (adaptive optimizers: the updates of one epoch, at least 100). Batch descent with
    the "plain" rule starts with 1/L and then uses Barzilai-Borwein steps, or Polyak's step size if the
    loss has kinks.
    With a ``schedule`` other than "constant", the initial rate is multiplied by the schedule and not
    adapted further.
schedule : str, skgd.schedules.Schedule or callable, default="constant"
    Factor of ``learning_rate`` as a function of the update number: "constant", "invscaling",
    "optimal", "adaptive", "exponential", "step", "multi_step", "polynomial", "cosine", "coslog",
    "one_cycle", an object from :mod:`skgd.schedules`, or any callable that takes an array of update
    numbers.
optimizer : str or skgd.optimizers.Optimizer, default="plain"
    Update rule: "plain", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam",
    "amsgrad", "nadam", "adamw", "ftrl", "schedule_free", "barzilai_borwein" (batch only), "implicit"
    (one row per update, squared error), "passive_aggressive" (one row per update, hinge and
    epsilon-insensitive losses), or an object from :mod:`skgd.optimizers`. On CSR rows with few
    non-zeros, "plain", "adagrad" and "ftrl" cost O(non-zeros) per row; the others make the exact dense
    update, and so does "plain" if iterates are averaged with an l1 penalty.
penalty : {"l2", "l1", "elasticnet"}, None or, of linear models, skgd.penalties.Penalty, default="l2"
    R: half the squared l2 norm, the l1 norm (exact zeros), or a mix of both. Intercepts are not
    penalised. With l1, every update ends with a proximal step; stochastic updates of "plain" use the
    cumulative penalty (Tsuruoka et al. 2009), updates of "adagrad" the exact flow of the penalty. For groups
    of features, penalties without bias, and those of your own see :mod:`skgd.penalties`.
alpha : float or array-like of shape (n_features,), default=1e-4
    Strength of the penalty; its meaning does not depend on the batch size. An array has the strength for
    each feature, :math:`\\sum_j \\alpha_j R(w_j)`; features with a zero are not penalised (penalty factors).
l1_ratio : float in [0, 1], default=0.15
    Fraction of l1 in "elasticnet".
positive : bool, default=False
    Whether no weight may be negative: the minimum is then one over weights :math:`w_j \\ge 0`. Intercepts
    may be. Every update ends with the step to the nearest weights that are allowed.
bounds : (low, high) or None, default=None
    Bounds of the weights, each a number, an array of shape (n_features,), or None for no bound:
    :math:`l_j \\le w_j \\le h_j`. The optimizers "ftrl", "schedule_free" and "implicit" cannot keep them.
    Arrays of the shape of ``coef_``, (n_outputs, n_features), bound each output or class differently; that
    needs ``optimizer="plain"``, and its updates are slower.
fit_intercept : bool, default=True
    Whether to fit intercepts.
standardize : bool or "auto", default="auto"
    Run the descent in standardised coordinates, without copying X: feature j minus its mean, divided by
    :math:`t_j = \\sqrt{s_j^2 + \\lambda_2 / c}` with its standard deviation :math:`s_j`, the strength
    :math:`\\lambda_2` of the l2 penalty and the scale c of the loss's second derivative: features and
    penalty then allow the same learning rate, whatever the units. ``coef_`` and ``alpha`` still refer to
    the original features. "auto" does so with ``learning_rate="auto"``, unless the features are about
    standardised already: a sample of the rows has non-zeros of a size (root mean square) between 1/3 and
    3, and means within 1.5 standard deviations of zero (of perceptrons with 64 features and more some may be
    smaller, such as pixels at an edge: those that have at most 2 % of the non-zeros). With a learning rate of
    your own, "auto" leaves the features as they are. ``partial_fit`` decides once it has seen 32 rows.
    Perceptrons for regression with ``learning_rate="auto"`` standardise y in the same way, and undo it in the
    last layer.
max_iter : int, default=1000
    Maximum number of epochs.
max_time : float or None, default=None
    Maximum time of the training in seconds (not counting the preparation of the data): once it is over, the
    updates under way end with a check, and training stops.
tol : float or None, default=1e-4
    Stop after ``n_iter_no_change`` consecutive checks that did not improve the best objective by ``tol``
    times the objective at the start (or at zero parameters, if that is larger; with a log link and a rate of
    your own at most that of the best constant, in units of y). With ``learning_rate="auto"`` the first such
    plateau changes the rates, and a later one ends the fit.
    With ``early_stopping`` it is the loss of the validation set that has to improve by as much, or, if
    ``scoring`` is given, the score by ``tol``. None runs all epochs.
    Noise keeps mini-batches and single rows beside the minimum, and little slopes any descent. With ``tol``
    of 1e-6 or less a linear model of a smooth loss at an automatic rate therefore makes stochastic updates as
    for 1e-6, and ends with steps over all rows, which ``history_`` does not show: of Newton's method, up to
    1,000 parameters in float64, else along gradients; no more of them than ``max_iter`` has left.
n_iter_no_change : int, default=5
    Number of checks to wait for an improvement.
check_every : "epoch" or int, default="epoch"
    Number of updates between two checks of the stopping rules. The last epoch always ends with a check.
early_stopping : bool, default=False
    Stop when the loss of a validation set (or its score, with ``scoring``), instead of the objective, no
    longer improves; the best parameters are restored.
validation_fraction : float in (0, 1), splitter or list, default=0.1
    Fraction of the rows held out for ``early_stopping`` (stratified by class; whole groups if ``fit`` gets
    ``groups``), unless ``fit`` is given ``X_val`` and ``y_val``. Or which rows: a splitter of scikit-learn
    such as GroupShuffleSplit or TimeSeriesSplit, of which the last split is used, or a list of one pair
    (rows to train on, rows held out).
refit : bool, default=False
    With ``early_stopping``, whether to fit anew to all rows, for the (whole) number of epochs after which the
    validation set was best, from the same seed and at the same learning rates, also where those have
    followed plateaus. Automatic rates of linear models are chosen anew, and those of perceptrons with
    ``tol=None`` fall to zero over the epochs that are made; a ``schedule`` keeps its length. ``history_``,
    ``path_``, validation scores and ``stop_reason_`` are of the first fit, coefficients, ``loss_``,
    ``n_iter_`` and ``n_updates_`` of the second; ``max_time`` holds for each. Not if ``fit`` is given
    ``X_val``.
scoring : str, callable, list, dict or None, default=None
    Scores of the validation set, recorded in ``history_``: the name of a scorer, a callable
    ``scorer(estimator, X, y)``, a list of names, or a dict of names and scorers. ``early_stopping`` then goes
    by the first; higher is better. None records R2 or accuracy, and stops by the loss. Sample weights are
    passed to scorers that accept them.
average : bool, int or "auto", default="auto"
    Return the mean of the iterates, from the start (True) or from the given update on (int, counted
    from 0). "auto": with ``learning_rate="auto"`` and a stochastic solver, a mean in which the k-th
    iterate has weight :math:`\\sqrt{k}` (as in Shamir & Zhang 2013) and which restarts at a plateau; the
    fit returns the best of the means at the checks and the last iterate. ``partial_fit`` starts this mean
    anew where it has predicted worse than the last iterates: the stream drifts; and it takes none under
    "adagrad" and "ftrl", whose steps shrink by themselves, if the first rows have non-zeros in fewer than
    one of 64 features, such as hashed words.
shuffle : bool, default=True
    Whether to visit the rows in a new random order every epoch.
random_state : int, RandomState instance or None, default=None
    Seed of the order of the rows.
warm_start : bool, default=False
    Whether ``fit`` continues the last fit: parameters, optimizer state, mean of the iterates, update
    number and order of the rows. Parameters of the estimator may change in between: another optimizer
    starts with a new state, mean and update number (and with it the schedule); without averaging the mean
    is dropped. The shape of ``coef_`` cannot change. Where ``coef_`` or ``intercept_`` was assigned in
    between, a new descent starts there, as from ``coef_init``; entries that are changed in place do not
    count. Under ``learning_rate="auto"``, where rows and
    parameters (but for ``max_iter``) stay the same and the last call was not ended by ``tol``, the rates
    and the stopping rule go on as well: 5 and 5 epochs are 10. This holds to the last bit, but not for
    what falls over ``max_iter`` (the schedules "cosine", "polynomial" and so on; perceptrons with
    ``tol=None``), with a ``check_every`` that epochs are no multiple of, or with ``refit``; and to
    rounding only for batch descent that changes to second moments.
n_jobs : int or None, default=None
    Number of threads; None means 1, -1 all processors. They share gradients over many rows
    (``solver="batch"``, from about 1,000 rows and 250,000 values of dense X on, of perceptrons from 8,192
    rows; CSR from 65,536 rows on), mini-batches of perceptrons on dense X (from a million of rows times
    parameters on; networks that share weights on any X), the short fits that choose settings for a table,
    objectives and predictions on dense X. Single rows and mini-batches of linear models,
    whose updates wait for one another, use one; searches share candidates and folds. The result does not
    depend on it.
verbose : int, default=0
    1 shows epoch, loss, validation loss and score, learning rate and the time left until ``max_iter`` on the
    standard error: one line in a terminal, a bar in a notebook, otherwise a line every two seconds; at
    the end it shows why training stopped. 2 writes a line at every check.
record_path : bool, default=False
    Whether to store the parameters at every check in ``path_``."""

ATTRIBUTES = """\
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if X has string names.
n_iter_ : int
    Number of epochs.
n_updates_ : int
    Number of updates.
learning_rate_ : float
    The base learning rate: the given rate, or the initial rate of "auto" (halved each time a stochastic
    descent exploded). ``history_`` has the rate at every check.
loss_ : float
    Objective, including the penalty, at the fitted parameters; after ``partial_fit`` or an interrupted
    fit, the last entry of ``loss_curve_``.
loss_curve_ : ndarray of shape (n_checks,)
    Objective at each check: the mean loss of the last (at most) n rows visited, each computed just
    before the row was used for an update, plus the penalty. For batch, exactly F at the parameters
    before the update. If ``fit`` averages iterates, exactly F at their mean.
validation_scores_ : ndarray of shape (n_checks,) or None
    The first score of ``scoring``, by default R2 or accuracy, on the validation set at each check.
best_validation_score_ : float or None
    With ``early_stopping`` this score at the parameters restored: the highest with ``scoring``, else the one
    where the validation loss is lowest; of several quantiles of perceptrons once they are moved.
stop_reason_ : {"tol", "early_stopping", "max_iter", "max_time", "callback", "interrupted"}
    Why training stopped.
history_ : dict of ndarrays of shape (n_checks,)
    epoch, update, loss, validation_loss (the weighted mean loss on the validation set, without the penalty),
    validation_score, learning_rate, gradient_norm (of the last update) and seconds at each check; with
    several scorers also validation_<name> of each; of perceptrons also gradient_norm_0, gradient_norm_1, ...
    of each layer.
path_ : ndarray of shape (n_checks + 1, n_parameters)
    Parameters at the start and at each check (flattened ``coef_``, then the intercepts), with
    ``record_path``."""


SEARCH = """\
learning_rates : int, array-like of floats or "auto", default=10
    The rates to try, or their number. A number means rates a factor of two apart, up to the largest
    stable rate of the data (adaptive optimizers: up to twice the rate that "auto" would choose); if all
    of these diverge, lower rates are tried. "auto": the automatic rate in every fit, so that the search
    is one over ``alphas``.
alphas : int, array-like of floats or None, default=None
    Strengths of the penalty to try, or their number; None means ``alpha`` only. A number means those of
    :meth:`GDRegressor.path` on all rows: a constant factor apart, from the smallest at which all weights are
    zero down to a thousandth of it. Where ``alpha`` is an array, they multiply it.
cv : int, cross-validation generator or iterable, default=None
    Folds, as in scikit-learn: None means five, stratified by class in classification.
scoring : str, callable, list, dict or None, default=None
    Name of a scorer or a callable, as in scikit-learn, that candidates are compared by; None means R2 or
    accuracy. Sample weights are passed to scorers that accept them. "neg_mean_squared_error" chooses as
    LassoCV does, which can differ from the choice by R2 where the variance of y differs between the folds.
    Of several, as a list of names or a dict, all are in ``cv_results_`` by name, and the first chooses. The
    same scorers judge held-out rows at each check, with ``early_stopping`` or ``X_val``.
selection : {"best", "one_standard_error"}, default="best"
    Which candidate is chosen: the one with the highest mean score, or the one with the largest alpha of
    those whose mean score is within one standard error of it (Breiman et al. 1984; ``lambda.1se`` of R's
    glmnet; of equal alphas the one with the highest score). The standard error is that of the best
    candidate: the standard deviation of its scores, with n - 1 in the denominator, over the root of the
    number n of folds."""

FOUND = """\
alpha_ : float
    The strength of the penalty of the chosen candidate; where ``alpha`` is an array, what multiplies it.
best_score_ : float
    Mean score of the chosen candidate over the folds.
best_index_ : int
    Index of the chosen candidate in ``cv_results_``.
best_params_ : dict
    Learning rate of the chosen candidate and, with ``alphas``, its alpha.
best_estimator_ : estimator
    The estimator refitted with these parameters on all rows.
learning_rates_ : ndarray of shape (n_learning_rates,)
    The rates tried.
n_splits_ : int
    Number of folds.
cv_results_ : dict of arrays
    Scores by candidate and fold, as in GridSearchCV; the time of all fits is divided evenly between
    the candidates."""


def documented(cls):
    """Fill in the placeholders {parameters}, {attributes}, ... of a class's docstring.

    Only the parameters of its constructor are kept, with their defaults.
    """
    given = inspect.signature(cls.__init__).parameters
    already = set(re.findall(r"(?m)^ *(\w+) : ", cls.__doc__))
    described = (NETWORK if "{network}" in cls.__doc__ else "") + (
        SEARCH if "{search}" in cls.__doc__ else ""
    )
    kept = []
    for entry in re.split(r"\n(?=\w)", PARAMETERS):
        name, head, text = re.findall(r"(\w+)( :[^\n]*)(.*)", entry, re.DOTALL)[0]
        if name in given and not re.search(rf"(?m)^{name} : ", described):
            default = given[name].default
            shown = f'"{default}"' if isinstance(default, str) else repr(default)
            kept.append(name + re.sub(r"default=.*", f"default={shown}", head) + text)
    network = [entry for entry in re.split(r"\n(?=\w)", NETWORK) if entry.split(" : ")[0] in given]
    doc = inspect.cleandoc(cls.__doc__)
    attributes = "\n".join(
        entry for entry in re.split(r"\n(?=\w)", ATTRIBUTES) if entry.split(" : ")[0] not in already
    )
    for place, text in (
        ("parameters", "\n".join(kept)),
        ("attributes", attributes),
        ("search", SEARCH),
        ("found", FOUND),
        ("network", "\n".join(network)),
        ("layers", LAYERS),
    ):
        doc = doc.replace("{" + place + "}", text)
    cls.__doc__ = doc
    return cls
