"""Descriptions of parameters and attributes that perceptrons alone have, for `_docs`."""

NETWORK = """\
hidden_layer_sizes : int, sequence of int or "auto", default="auto"
    Number of units of each hidden layer; "auto": 100 in one layer, of a table see ``encoding``. ``()``, no
    hidden layer, makes the model linear.
activation : str, callable or sequence of them, default="auto"
    Activation of the hidden units: "identity", "logistic", "tanh", "relu", "leaky_relu" (slope 0.01
    below 0), "elu", "gelu", "silu", "selu", "mish", "softplus"; "auto": "relu", of a table "silu"; or a
    function of your own,
    ``activation(z) -> (values, slopes)``, of arrays (n_rows, n_units) of any size. A sequence has one for
    each hidden layer. "parametric_relu", "parametric_silu" and so on are :math:`z + a_i (\\sigma(z) - z)`
    with a share :math:`a_i` of the activation that each unit learns, from 1 on (Holzmüller, Grinsztajn &
    Steinwart 2024); no penalty acts on it.
scaling_layer : bool, default=False
    Whether each column of X is multiplied by a factor that is learnt, from 1 on, before the first hidden
    layer.
n_frequencies : int, default=0
    Learned waves of each number: so many :math:`\\cos(2 \\pi (w x + b))` stand beside x before the first
    hidden layer, with frequencies w and phases b that are learnt with the network (Gorishniy, Rubachev &
    Babenko 2022; the embeddings PBLD of Holzmüller, Grinsztajn & Steinwart 2024, whose linear part is that of
    the first hidden layer here). Of a table the columns of numbers have waves, else all columns. Either this
    or ``scaling_layer`` makes a layer 0 of ``coefs_``, of shape (1, n_units): first the factors of the
    columns, then the frequencies, those of the first number ahead; the phases are in ``intercepts_[0]``. No
    penalty acts on it.
frequency_scale : float, default=0.1
    Standard deviation of the frequencies at the start, in periods per unit of the column (of a table half
    an interquartile range, as numbers are doubled there; of standardised columns a standard deviation).
init : str, default="auto"
    Distribution of the initial weights of the hidden layers: "glorot_uniform", "glorot_normal" (variance
    :math:`2 / (n_{in} + n_{out})`; Glorot & Bengio 2010), "he_uniform", "he_normal" (:math:`2 / n_{in}`; He
    et al. 2015), "lecun_uniform", "lecun_normal" (:math:`1 / n_{in}`; LeCun et al. 1998). "auto": uniform in
    (-r, r), with
    :math:`r^2 = 6 / n_{in}` for relu and similar activations (He et al. 2015),
    :math:`6 / (n_{in} + n_{out})` for identity and tanh (Glorot & Bengio 2010), 16 times that for
    logistic, and :math:`0.06 / (n_{in} + n_{out})` for the last layer. Intercepts start at zero, those of the
    last layer in regression at the mean of y (its logarithm with a log link).
freeze : int, sequence of int or None, default=None
    Numbers of layers whose weights and intercepts stay as they are: 0 is the first, -1 the last, which gives
    the raw scores. They keep the weights of ``coef_init``, of the last fit (``warm_start``) or those drawn at
    the start. The penalty still counts them in ``loss_``.
learning_rate : float or "auto", default="auto"
    Positive step size. "auto": with optimizers that divide by the size of past gradients (adam,
    rmsprop, adagrad) :math:`5 \\cdot 10^{-4} \\sqrt{b}` for b rows per update, at most 0.01; with the
    others the inverse of the largest curvature at the start. After four checks without improvement the
    rate is multiplied by 0.3; with ``tol=None``, which runs all ``max_iter`` epochs, it decreases
    linearly to zero. If the objective explodes or rises above its start, the updates since the last
    check are undone and the rate is halved. For ``solver="batch"`` with "plain", 1/L and Barzilai-Borwein
    steps as in the linear models.
alpha : float or "auto", default="auto"
    Strength of the penalty on the weights of all layers; its meaning does not depend on the batch size.
average : bool, int or "auto", default="auto"
    Return the mean of the iterates, from the start (True) or from the given update on (int). "auto"
    means False.
dropout : float in [0, 1) or "auto", default="auto"
    Fraction of the hidden units that are dropped during training, chosen anew for each row and update
    ("auto": none, of a table see ``encoding``);
    the others are scaled by 1 / (1 - dropout) (Srivastava et al. 2014).
dropout_schedule : str, Schedule or callable, default="constant"
    Factor of ``dropout`` as a function of the update: a name or an object of :mod:`skgd.schedules`, or a
    function of an array of update numbers that gives an array of factors. Those that fall to zero over
    ``max_iter`` epochs ("polynomial", "cosine") let the last updates see the network that predicts;
    "adaptive" is not possible.
rate_factors : dict or None, default=None
    Factors of the learning rate by part of the network: the weights of layer number i (0 is the first, -1 the
    last) descend at ``rate_factors[i]`` times the rate, intercepts at ``rate_factors["intercepts"]`` times,
    the shares of parametric activations at ``rate_factors["activations"]`` times, and the factors of
    ``scaling_layer``, and frequencies and phases, at those of "scaling" and "frequencies"; with
    ``share_weights`` r and s at that of "adapters". What is not named has the factor 1.
parametrization : "standard" or "ntp", default="standard"
    "ntp", the neural tangent parametrization (Jacot, Gabriel & Hongler 2018): the weights of a layer with n
    inputs are :math:`W = V / \\sqrt{n}`, and the descent is one on V. That is a descent on W whose rate has
    the factor 1 / n in such layers, or :math:`1 / \\sqrt{n}` with optimizers that divide by the size of past
    gradients (adadelta, whose steps have the unit of the weight, needs none), and so it is made. Penalty,
    start (``init="lecun_normal"`` is V from the standard normal distribution) and ``coefs_`` are those of W;
    the decay of adamw has the factor too. "auto" rates are such that the geometric mean over layers of what
    they become is the usual rate; intercepts have none of these factors.
max_grad_norm : float or None, default=None
    Gradients of the loss with a larger norm are clipped to this norm (Pascanu et al. 2013).
encoding : "auto", "table", transformer or None, default="auto"
    What is made of the columns of X before the first layer. "table":
    :class:`skgd.preprocessing.TableEncoder`, which takes data frames with categories and missing values
    and adds piecewise linear bins of the numbers; a transformer of scikit-learn is cloned and fitted;
    None: nothing, X must be numbers. "auto": "table" where X is a data frame with columns that are no
    numbers, where numbers are missing, and, if ``hidden_layer_sizes`` is "auto", where there are at least 100
    rows of at most 256 numbers, 2^25 numbers in all, in a data frame or an array in memory. Other numbers are
    just that, and so are those that ``partial_fit`` begins with; a stream of other columns is encoded by its
    first rows.

    Other parameters that are "auto" depend on it too: of a table they are two networks that share weights,
    four for classes (``n_members``, ``share_weights``), a hidden layer of 128 units (96 where networks for
    classes share weights) with silu, Adam with beta_2 0.95, batches of 64 rows (128 above 16,000 rows, 256
    above 64,000), and 40 epochs (of batch descent n / 8, from 40 to 300) whose rate falls to zero from 2.5
    times the usual one.
    The bins of a table are left out (``encoder_.n_bins`` is 0) where short fits to two thirds of at most
    2,500 rows predict the others better without them, by more than two standard errors; for "squared_error"
    and "log_loss", in fits to 50 rows or more. A TableEncoder that is given is kept as it is.
    alpha and dropout go by short fits to at most 2,500 rows, whose time counts in ``max_time``. For
    "log_loss" alpha is c / n, where c, from 0.37 to 270, is that with which fits to two thirds of these rows
    predict the others best, twice that where networks share weights; dropout is 0.3. For "squared_error",
    with the share v of the variance of y that is left on rows not seen, alpha is 2 v / n and dropout
    0.05 + 0.8 v, at most 0.3, times alpha / 4e-5 where that is less than one and networks share weights. For
    other losses, for fewer than 50 rows and in streams alpha is 8 / n, but at least 1e-3 and at most 3e-3,
    and dropout 0.3 for classes; 1 / (2 n), at most 3e-4, and 0.15 (0.05 with more than 8,000 rows) in
    regression. Of other rows they are a hidden layer of 100 units with relu, no dropout, alpha 1e-4, Adam,
    batches of 32 rows, and at most 200 epochs with tol 1e-4.
    Under a loss of regression that is linear far out and an automatic rate, alpha is such a number over the
    spread of y (times epsilon for the Huber loss) where that is more than one, except in streams: in any
    unit of y the penalty is then to the loss what it is to squared error.
    ``settings_`` tells what was chosen.
categorical_features : "from_dtype", array-like or None, default="from_dtype"
    Which columns of a table are categories (see :class:`skgd.preprocessing.TableEncoder`). "from_dtype": of a
    data frame those whose dtype is neither a number nor bool; or names, indices or a mask, with which
    ``encoding="auto"`` is "table"; None: none.
n_members : int or "auto", default="auto"
    Number of networks, each with its own start and order of the rows. "auto": one, or, where they share
    weights, two in regression and four for classes. Predictions are means of theirs: of probabilities for
    "log_loss", else of what is predicted or of raw scores. With ``early_stopping`` each
    holds out rows of its own. ``n_jobs`` networks are trained at a time; ``max_time`` is that of all of them,
    each with an equal share.
share_weights : bool or "auto", default="auto"
    Whether the networks share the weights W of their hidden layers; "auto": of a table, unless ``n_members``
    is given. Those of member i are :math:`W \\circ (r_i s_i^\\top)`, with vectors r and s of its own, and it
    has its own intercepts and last
    layer (BatchEnsemble, Wen, Tran & Ba 2020; TabM, Gorishniy, Kotelnikov & Babenko 2024). r starts at random
    signs in the first hidden layer; all else starts at one. There is one descent, whose loss is the mean of
    those of the members; what a member has of its own descends at ``n_members`` times the rate where
    steps grow with gradients, as these are those of a mean. The penalty acts on W, and on the last layers in
    the mean. The members see the same rows, and hold out the same: ``early_stopping`` goes by the loss of
    their mean. ``partial_fit``, ``warm_start`` and ``fit_blocks`` work as for one network.
early_stopping : bool or "auto", default="auto"
    Stop when the loss of a validation set (or its score, with ``scoring``), instead of the objective, no
    longer improves; the best parameters are restored. Of several quantiles each is then moved by the quantile
    of the residuals of that set, since rows that were learnt scatter less about the quantiles than new ones.
    "auto": in fits of several quantiles to 100 rows or more, not of blocks and streams.
dtype : "auto", "float32" or "float64", default="auto"
    Precision of the updates. "auto": that of X, and for an encoded table float32 unless y needs more digits.
    With "float32", rows of float64 are rounded to it once they are standardised, in a copy; y and weights are
    rounded too. The weights of the model keep the precision of X, or of its encoding; predictions have that
    of X, or of the weights where it is higher."""

LAYERS = """\
coefs_ : list of ndarrays of shape (n_inputs, n_units)
    Weights of each layer. With ``share_weights`` those that members share, and last an array (n_members,
    n_inputs, n_outputs).
intercepts_ : list of ndarrays of shape (n_units,)
    Intercepts of each layer; with ``share_weights`` of shape (n_members, n_units).
activation_shares_ : list of ndarrays of shape (n_units,)
    Of the hidden layers with a parametric activation, the share that each unit takes of it; with
    ``share_weights`` of shape (n_members, n_units).
adapters_ : list of tuples (r, s)
    With ``share_weights`` and ``n_members`` above one, the adapters of each hidden layer: r of shape
    (n_members, n_inputs), s of shape (n_members, n_units).
n_layers_ : int
    Number of layers, including the input layer.
n_outputs_ : int
    Number of columns of the raw scores.
settings_ : dict
    Values of the parameters that are "auto".
encoder_ : object
    With ``encoding``, the fitted transformer of the columns.
members_ : list of estimators
    With ``n_members`` above one, unless they share weights, the networks, each fitted to the encoded rows.
    The other attributes are those of the first, but ``loss_`` and ``best_validation_score_``, which are
    means.
oof_score_ : float or None
    With ``n_members`` above one and ``early_stopping``, R2 or accuracy of each network on the rows that it
    held out, taken together; None where they share the rows held out. With ``share_weights`` that of their
    mean on the rows held out."""
