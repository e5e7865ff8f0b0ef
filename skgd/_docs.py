"""Documentation shared by estimators: written once here, inserted into their docstrings."""

from __future__ import annotations

import inspect
import re

PARAMETERS = """\
solver : {"batch", "sgd", "minibatch"}, default="minibatch"
    Rows per update: all, one, or ``batch_size``.
batch_size : int, default=32
    Rows per update for ``solver="minibatch"``.
learning_rate : float or "auto", default="auto"
    Positive step size. "auto" takes it from the data and undoes updates that make the objective
    explode. Stochastic solvers start from half the largest stable rate or less (adaptive optimizers:
    from the size the parameters will have, 1e-3 for networks), raise it while the updates show little
    noise, halve it while they show much, and lower it as :math:`1/\\sqrt{1 + t/T}`, T a quarter of the
    updates that ``max_iter`` allows (adaptive optimizers: the updates of an epoch, 100 at least). Batch
    descent by the "plain" rule takes 1/L and then Barzilai-Borwein steps, or Polyak's rates where the
    loss has kinks.
    With a ``schedule`` other than "constant" the rate chosen is multiplied by the schedule alone.
schedule : str, skgd.schedules.Schedule or callable, default="constant"
    Multiplier of ``learning_rate`` as a function of the update number: "constant", "invscaling",
    "optimal", "adaptive", "exponential", "step", "polynomial", "cosine", "one_cycle", an object of
    :mod:`skgd.schedules`, or any callable of an array of update numbers.
optimizer : str or skgd.optimizers.Optimizer, default="plain"
    Update rule: "plain", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam",
    "amsgrad", "nadam", "adamw", "ftrl", "schedule_free", "barzilai_borwein" (batch), "implicit" (one
    row, squared error), or an object of :mod:`skgd.optimizers`. On CSR rows with few non-zeros,
    "plain" and (with ``solver="sgd"`` and ``average=False``) "adagrad" and "ftrl" cost O(non-zeros)
    per row; the others make the exact dense update, and so does "plain" where iterates are averaged
    under an l1 penalty.
penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
    R: half the squared l2 norm, the l1 norm (exact zeros), or their mix. Intercepts are free. Under
    l1 updates end with a proximal step; those of "plain" that see some of the rows take the cumulative
    penalty (Tsuruoka et al. 2009), those of "adagrad" the exact flow of the penalty.
alpha : float, default=1e-4
    Strength of the penalty; its meaning does not depend on the batch size.
l1_ratio : float in [0, 1], default=0.15
    Share of l1 in "elasticnet".
fit_intercept : bool, default=True
    Whether to fit intercepts.
standardize : bool or "auto", default="auto"
    Descend in standardised coordinates, without a copy of X: feature j less its mean, over
    :math:`t_j = \\sqrt{s_j^2 + \\lambda_2 / c}` with its standard deviation :math:`s_j`, the strength
    :math:`\\lambda_2` of the l2 penalty and the scale c of the loss's second derivative, so that features
    and penalty allow the same learning rate whatever the units. ``coef_`` and the meaning of ``alpha``
    stay those of the original features. "auto" does so under ``learning_rate="auto"`` unless the features
    are standardised already, or nearly: unless a sample of the rows has non-zeros of a size (root mean
    square) between 1/3 and 3, and means within 1.5 standard deviations of zero. Under a rate that is given
    it leaves the features as they are. ``partial_fit`` decides once it has seen 32 rows.
max_iter : int, default=1000
    Epochs at most.
tol : float or None, default=1e-4
    Stop after ``n_iter_no_change`` checks in a row that did not improve the best objective by ``tol``
    times its value at the start (or at zero parameters, where that is larger). With
    ``learning_rate="auto"`` a first such plateau changes the rates, and a later one ends the fit.
    With ``early_stopping``: the score, by ``tol``. None runs all epochs.
n_iter_no_change : int, default=5
    How many checks to wait for an improvement.
check_every : "epoch" or int, default="epoch"
    Updates between two checks of the stopping rules. The last epoch ends with a check in any case.
early_stopping : bool, default=False
    Stop on the score of a validation set in place of the objective; the best parameters are
    restored.
validation_fraction : float in (0, 1), default=0.1
    Share of rows held out for ``early_stopping`` (stratified by class), unless ``fit`` is given
    ``X_val`` and ``y_val``.
average : bool, int or "auto", default="auto"
    Offer the mean of the iterates, from the start (True) or from an update on (int, counted from 0).
    "auto": with ``learning_rate="auto"`` and a stochastic solver, a mean in which the k-th iterate has
    weight k (Shamir & Zhang 2013), begun anew at a plateau; the fit ends with the best of the means at
    checks and the last iterate.
shuffle : bool, default=True
    Whether to take a fresh order of the rows every epoch.
random_state : int, RandomState instance or None, default=None
    Seed of the order.
warm_start : bool, default=False
    Whether ``fit`` continues from the last fit: parameters, optimizer state, mean of the iterates,
    update number and order of the rows. Parameters may change in between: with another optimizer its
    state, the mean and the update number (and with it the schedule) begin anew; without averaging the
    mean is dropped. The shapes of the parameters cannot change.
n_jobs : int or None, default=None
    Threads for gradients over many rows (solver="batch"); None is 1, -1 all. The result does not
    depend on it.
verbose : int, default=0
    1 shows epoch, loss, validation score, learning rate and the time that ``max_iter`` still allows, on
    the standard error: one line in a terminal, a bar in a notebook, else a line every two seconds; and
    at the end why training stopped. 2 writes a line for every check.
record_path : bool, default=False
    Whether to keep the parameters at every check, in ``path_``."""

ATTRIBUTES = """\
n_features_in_ : int
    Number of features.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, when X has string names.
n_iter_ : int
    Epochs run.
n_updates_ : int
    Updates made.
learning_rate_ : float
    The base learning rate: the one given, or where "auto" began (halved each time a stochastic
    descent exploded). The rates of the checks are in ``history_``.
loss_ : float
    Objective, penalty included, at the fitted parameters; after ``partial_fit``, or a fit that was
    interrupted, the last entry of ``loss_curve_``.
loss_curve_ : ndarray of shape (n_checks,)
    Objective at each check: mean loss over the last (at most) n rows visited, each just before its
    update, plus the penalty. For batch, exactly F at the parameters the update started from. Where
    ``fit`` averages iterates, exactly F at their mean.
validation_scores_ : ndarray of shape (n_checks,) or None
    R2 or accuracy on the validation set at each check.
best_validation_score_ : float or None
    The best of them, with ``early_stopping``.
stop_reason_ : {"tol", "early_stopping", "max_iter", "callback", "interrupted"}
    Why training stopped.
history_ : dict of ndarrays of shape (n_checks,)
    epoch, update, loss, validation_score, learning_rate, gradient_norm (of the last update) and
    seconds at each check.
path_ : ndarray of shape (n_checks + 1, n_parameters)
    Parameters at the start and at each check, ``coef_`` flattened and intercepts, with
    ``record_path``."""


NETWORK = """\
hidden_layer_sizes : int or sequence of int, default=(100,)
    Units of each hidden layer; none, ``()``, makes the model linear.
activation : str, default="relu"
    Of the hidden units: "identity", "logistic", "tanh", "relu", "leaky_relu" (slope 0.01 below 0),
    "elu", "gelu", "silu", "softplus". Weights start uniform in (-r, r): :math:`r^2 = 6 / n_{in}` for
    relu and those like it (He et al. 2015), :math:`6 / (n_{in} + n_{out})` for identity and tanh
    (Glorot & Bengio 2010), 16 times that for logistic, a hundredth for the last layer; intercepts
    start at zero, those of regression's last layer at the mean of y (its logarithm with a log link).
learning_rate : float or "auto", default="auto"
    Positive step size. "auto": with optimizers that divide by the size of past gradients (adam,
    rmsprop, adagrad) :math:`5 \\cdot 10^{-4} \\sqrt{b}` for b rows per update, at most 0.01; with the
    others one over the largest curvature at the start. After four checks without improvement it falls
    to three tenths; with ``tol=None``, which makes all ``max_iter`` epochs, it falls to zero over them,
    linearly. Should the objective explode, the stretch is undone and the rate halved. For
    ``solver="batch"`` with "plain", 1/L and Barzilai-Borwein steps as in the linear models.
average : bool, int or "auto", default="auto"
    Offer the mean of the iterates, from the start (True) or from an update on (int). "auto" is False.
dropout : float in [0, 1), default=0.0
    Share of the hidden units left out, anew for each row and update, while learning; the others are
    scaled by 1 / (1 - dropout) (Srivastava et al. 2014).
max_grad_norm : float or None, default=None
    Longer gradients of the loss are shortened to this norm (Pascanu et al. 2013)."""

SEARCH = """\
learning_rates : int or array-like of floats, default=10
    The rates to try, or how many: a factor of two apart, up to the largest stable rate of the data
    (adaptive optimizers: up to twice the rate that "auto" would take); lower ones where all of these
    diverge.
alphas : array-like of floats, default=None
    Strengths of the penalty to try; None is ``alpha`` alone.
cv : int, cross-validation generator or iterable, default=None
    Folds, as in scikit-learn: None is five, stratified by class for labels.
scoring : str, callable or None, default=None
    What is best: a name or a callable of scikit-learn; None is R2 or accuracy. Sample weights count in
    scores that can take them."""

FOUND = """\
alpha_ : float
    The strength of the penalty with the best mean score.
best_score_ : float
    The mean score over the folds of what was chosen.
best_index_ : int
    Its place in ``cv_results_``.
best_params_ : dict
    Its learning rate and, with ``alphas``, its alpha.
best_estimator_ : estimator
    The estimator fitted with them on all rows.
learning_rates_ : ndarray of shape (n_learning_rates,)
    The rates tried.
n_splits_ : int
    Folds.
cv_results_ : dict of arrays
    Scores by candidate and fold in the shape of GridSearchCV's; the time of all fits is shared out
    evenly."""

LAYERS = """\
coefs_ : list of ndarrays of shape (n_inputs, n_units)
    Weights of each layer.
intercepts_ : list of ndarrays of shape (n_units,)
    Intercepts of each layer.
n_layers_ : int
    Layers, that of the inputs included.
n_outputs_ : int
    Columns of raw scores."""


def documented(cls):
    """Fill the places {parameters}, {attributes}, ... of a class's docstring.

    Of the shared parameters those of the constructor are kept, with its defaults.
    """
    given = inspect.signature(cls.__init__).parameters
    already = set(re.findall(r"(?m)^ *(\w+) : ", cls.__doc__))
    described = NETWORK if "{network}" in cls.__doc__ else ""
    kept = []
    for entry in re.split(r"\n(?=\w)", PARAMETERS):
        name, head, text = re.match(r"(\w+)( :[^\n]*)(.*)", entry, re.DOTALL).groups()
        if name in given and f"{name} : " not in described:
            default = given[name].default
            shown = f'"{default}"' if isinstance(default, str) else repr(default)
            kept.append(name + re.sub(r"default=.*", f"default={shown}", head) + text)
    doc = inspect.cleandoc(cls.__doc__)
    attributes = "\n".join(
        entry for entry in re.split(r"\n(?=\w)", ATTRIBUTES) if entry.split(" : ")[0] not in already
    )
    for place, text in (
        ("parameters", "\n".join(kept)),
        ("attributes", attributes),
        ("search", SEARCH),
        ("found", FOUND),
        ("network", NETWORK),
        ("layers", LAYERS),
    ):
        doc = doc.replace("{" + place + "}", text)
    cls.__doc__ = doc
    return cls
