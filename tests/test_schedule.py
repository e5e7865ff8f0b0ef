"""Every schedule: its multiplier against its formula, and the rate that training really used."""

import _reference as reference
import numpy as np
import pytest
from _data import STILL, estimator, make, unpack
from sklearn.base import clone

from skgd import schedules

N, M, EPOCHS, RATE, ALPHA = 40, 10, 6, 0.04, 0.2
STEPS = np.arange(EPOCHS * N // M)  # update numbers, starting at 0
EPOCH = STEPS / (N / M)


def one_cycle(peak, last, start=0.04, final=4e-6):
    """From start at 0 over 1 at peak to final at last, by half cosines."""
    up = start + (1 - start) * (1 - np.cos(np.pi * STEPS / max(peak, 1))) / 2
    way = np.minimum((STEPS - peak) / (last - peak), 1)
    return np.where(peak > STEPS, up, final + (1 - final) * (1 + np.cos(np.pi * way)) / 2)


def warmed(n, after):
    return np.append((np.arange(n) + 1) / n, after)


CLOSED_FORMS = [
    (schedules.Constant(), np.ones(len(STEPS))),
    (schedules.InvScaling(), (1 + STEPS) ** -0.25),
    (schedules.InvScaling(power=0.5), (1 + STEPS) ** -0.5),
    (schedules.Optimal(), 1 / (1 + RATE * ALPHA * STEPS)),
    (schedules.Exponential(), 0.95**EPOCH),
    (schedules.Exponential(decay=0.5), 0.5**EPOCH),
    (schedules.Cosine(), (1 + np.cos(np.pi * STEPS / len(STEPS))) / 2),
    (schedules.Cosine(final=0.1), 0.1 + 0.9 * (1 + np.cos(np.pi * STEPS / len(STEPS))) / 2),
    (schedules.Cosine(period=3), (1 + np.cos(np.pi * np.minimum(EPOCH / 3, 1))) / 2),
    (schedules.CosLog(), np.sin(np.pi * np.log2(1 + 15 * STEPS / 24)) ** 2),
    (schedules.CosLog(cycles=1, period=3), (EPOCH < 3) * np.sin(np.pi * np.log2(1 + EPOCH / 3)) ** 2),
    (schedules.Step(), 0.1 ** (STEPS // 8)),
    (schedules.Step(factor=0.5, period=1.5), 0.5 ** (STEPS // 6)),
    (schedules.Step(period=0.6), 0.1 ** np.floor(STEPS / 2.4)),
    (schedules.MultiStep(), 0.1 ** ((STEPS >= 12) + 1.0 * (STEPS >= 18))),
    (schedules.MultiStep([1, 2.5, 9], factor=0.5), 0.5 ** ((STEPS >= 4) + 1.0 * (STEPS >= 10))),
    (schedules.MultiStep((0,), factor=0.5), 0.5 * np.ones(len(STEPS))),
    (schedules.Polynomial(), 1 - STEPS / 24),
    (schedules.Polynomial(power=2, final=0.1), 0.1 + 0.9 * (1 - STEPS / 24) ** 2),
    (schedules.Polynomial(power=0.5, period=4), np.sqrt(np.maximum(1 - STEPS / 16, 0))),
    (schedules.OneCycle(warmup=0.5), one_cycle(11, 23)),
    (schedules.OneCycle(warmup=0.25, start=0.2, final=0.1, period=4), one_cycle(3, 15, 0.2, 0.1)),
    (schedules.OneCycle(warmup=0.0), one_cycle(0, 23)),
    (schedules.Warmup(5), np.minimum((STEPS + 1) / 5, 1)),
    (schedules.Warmup(4, then="cosine"), warmed(4, (1 + np.cos(np.pi * np.arange(20) / 20)) / 2)),
    (schedules.Warmup(4, then=schedules.Exponential(decay=0.5)), warmed(4, 0.5 ** (np.arange(20) / 4))),
    (schedules.Warmup(30), (STEPS + 1) / 30),
    (schedules.Warmup(2, then=lambda t: 1 / (2 + t)), warmed(2, 1 / (2.0 + np.arange(22)))),
]


def run(schedule, **params):
    X, y = make(n=N)
    params = {"max_iter": EPOCHS, "check_every": 1, "record_path": True, **STILL, **params}
    return estimator(schedule=schedule, learning_rate=RATE, alpha=ALPHA, batch_size=M, **params).fit(X, y)


def test_the_table_names_every_documented_schedule():
    names = {"constant", "invscaling", "optimal", "adaptive", "exponential", "cosine"}
    assert names | {"coslog", "step", "multi_step", "one_cycle", "polynomial"} == set(schedules.SCHEDULES)


def test_the_cosines_of_a_logarithm_touch_zero_and_one():
    schedule = schedules.CosLog().bind(schedules.ScheduleContext(updates_per_epoch=15, max_iter=1))
    t = np.linspace(0, 15, 301)
    np.testing.assert_allclose(schedule(t), (1 - np.cos(2 * np.pi * np.log2(1 + t))) / 2, atol=1e-12)
    np.testing.assert_allclose(schedule([0, 1, 3, 7, 15, 20]), 0, atol=1e-12)
    np.testing.assert_allclose(schedule(2 ** np.array([0.5, 1.5, 2.5, 3.5]) - 1), 1, rtol=1e-12)


@pytest.mark.parametrize(("schedule", "multiplier"), CLOSED_FORMS)
def test_the_rate_used_follows_the_formula(schedule, multiplier):
    model = run(schedule)
    assert model.learning_rate_ == RATE
    np.testing.assert_allclose(model.history_["learning_rate"], RATE * multiplier, rtol=1e-9)


@pytest.mark.parametrize(("schedule", "multiplier"), CLOSED_FORMS)
def test_the_updates_take_the_rate_of_their_own_step(schedule, multiplier):
    X, y = make(n=N)
    path = np.array([unpack(row) for row in run(schedule).path_])
    expected = reference.descend(
        X, y, rate=RATE, multiplier=lambda t: multiplier[t], batch_size=M, epochs=EPOCHS, l2=ALPHA
    )
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_a_name_is_the_object_with_its_defaults(name):
    named, built = run(name), run(schedules.SCHEDULES[name]())
    np.testing.assert_array_equal(named.path_, built.path_)


@pytest.mark.parametrize("solver", ["batch", "minibatch", "sgd"])
def test_any_callable_of_the_steps(solver):
    X, y = make(n=N)

    def multiplier(t):
        return 1 / (1 + 0.1 * np.sqrt(t))

    size = {"batch": None, "minibatch": M, "sgd": 1}[solver]
    model = run(multiplier, solver=solver)
    expected = reference.descend(
        X, y, rate=RATE, multiplier=multiplier, batch_size=size, epochs=EPOCHS, l2=ALPHA
    )
    path = np.array([unpack(row) for row in model.path_])
    np.testing.assert_allclose(path, expected, rtol=1e-9, atol=1e-10)
    steps = np.arange(len(expected) - 1)
    np.testing.assert_allclose(model.history_["learning_rate"], RATE * multiplier(steps))


def test_a_callable_gets_update_numbers_in_order_and_once():
    seen = []

    def spy(t):
        seen.append(np.array(t))
        return np.ones(len(t))

    run(spy, check_every="epoch")
    np.testing.assert_array_equal(np.concatenate(seen), STEPS)


@pytest.mark.parametrize(
    "bad",
    [lambda t: -np.ones(len(t)), lambda t: np.ones(len(t) + 1), lambda t: np.full(len(t), np.nan)],
)
def test_a_callable_that_returns_nonsense_is_refused(bad):
    with pytest.raises(ValueError, match="schedule"):
        run(bad)


@pytest.mark.parametrize("tol", [1e-4, None])
def test_adaptive_reduces_on_a_plateau(tol):
    """At the optimum nothing improves: every `patience` checks the rate falls by `factor`."""
    X, y = make(n=N)
    start = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    model = estimator(
        schedule=schedules.Adaptive(factor=0.5, patience=3),
        learning_rate=0.1,
        solver="batch",
        penalty=None,
        max_iter=14,
        tol=tol,
    ).fit(X, y, coef_init=start[:-1], intercept_init=start[-1:])
    rates = model.history_["learning_rate"]
    drops = np.flatnonzero(np.diff(rates)) + 1
    np.testing.assert_allclose(rates[drops] / rates[drops - 1], 0.5, rtol=1e-12)
    np.testing.assert_array_equal(np.diff(drops), 3)
    assert len(drops) >= 3


def test_adaptive_leaves_a_falling_objective_alone():
    model = run(schedules.Adaptive(), solver="batch", max_iter=10, check_every="epoch")
    np.testing.assert_array_equal(model.history_["learning_rate"], RATE)


@pytest.mark.parametrize(
    ("schedule", "parameter", "value"),
    [
        (schedules.InvScaling(power=-1.0), "power", -1.0),
        (schedules.Exponential(decay=1.5), "decay", 1.5),
        (schedules.Adaptive(factor=2.0), "factor", 2.0),
        (schedules.Adaptive(patience=0), "patience", 0),
        (schedules.Cosine(final=-0.5), "final", -0.5),
        (schedules.Step(factor=1.0), "factor", 1.0),
        (schedules.Step(period=0.0), "period", 0.0),
        (schedules.MultiStep(factor=1.0), "factor", 1.0),
        (schedules.MultiStep([5, 2]), "milestones", "2"),
        (schedules.MultiStep(7), "milestones", 7),
        (schedules.MultiStep([-1, 2]), "milestones", -1),
        (schedules.MultiStep(["a"]), "milestones", "a"),
        (schedules.Warmup(3, then=schedules.MultiStep([])), "milestones", ""),
        (schedules.Polynomial(power=-2), "power", -2),
        (schedules.OneCycle(warmup=1.0), "warmup", 1.0),
        (schedules.OneCycle(start=-0.1), "start", -0.1),
        (schedules.Warmup(0), "n", 0),
        (schedules.Warmup(3, then="cosin"), "then", "cosin"),
        (schedules.Warmup(3, then=7), "then", 7),
        (schedules.Warmup(3, then=schedules.Cosine(final=2.0)), "final", 2.0),
    ],
)
def test_parameters_out_of_range_are_refused_by_fit(schedule, parameter, value):
    X, y = make()
    with pytest.raises(ValueError, match=rf"(?s){parameter}.*{value}"):
        estimator(schedule=schedule).fit(X, y)


def test_auto_rate_steps_are_recorded_too():
    X, y = make(n=N)
    model = estimator(max_iter=4, tol=None).fit(X, y)
    rates = model.history_["learning_rate"]
    assert model.learning_rate_ > 0
    assert np.all(rates > 0)
    assert np.all(np.isfinite(rates))


def test_a_warm_up_keeps_what_reacts_to_plateaus():
    """Adaptive behind a warm-up of two updates falls as often as alone."""
    X, y = make(n=N)
    start = np.linalg.lstsq(reference.with_ones(X), y, rcond=None)[0]
    adaptive = schedules.Adaptive(factor=0.5, patience=3)
    params = {"learning_rate": 0.1, "solver": "batch", "penalty": None, "max_iter": 14, "tol": None}
    rates = [
        estimator(schedule=schedule, **params)
        .fit(X, y, coef_init=start[:-1], intercept_init=start[-1:])
        .history_["learning_rate"]
        for schedule in (adaptive, schedules.Warmup(2, then=adaptive))
    ]
    np.testing.assert_allclose(rates[1][0], rates[0][0] / 2)
    np.testing.assert_array_equal(rates[1][1:], rates[0][1:])


def test_a_warm_up_is_cloned_and_searched_like_any_parameter():
    schedule = schedules.Warmup(3, then=schedules.Cosine())
    model = clone(estimator(schedule=schedule)).set_params(schedule__then__final=0.5)
    assert (model.schedule.n, model.schedule.then.final, schedule.then.final) == (3, 0.5, 0.0)


# ---------------------------------------------------------------- PyTorch's, where it is installed


def torch_rates(make_schedule, steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make_schedule(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(rates)


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (schedules.Step(factor=0.3, period=1.5), lambda m, o: m.StepLR(o, 6, gamma=0.3)),
        (schedules.MultiStep([1, 3.5], factor=0.3), lambda m, o: m.MultiStepLR(o, [4, 14], gamma=0.3)),
        (schedules.Exponential(decay=0.5**4), lambda m, o: m.ExponentialLR(o, 0.5)),
        (schedules.Polynomial(power=1.7), lambda m, o: m.PolynomialLR(o, 24, power=1.7)),
        (schedules.Cosine(final=0.2), lambda m, o: m.CosineAnnealingLR(o, 24, eta_min=0.2)),
        (schedules.OneCycle(), lambda m, o: m.OneCycleLR(o, 1.0, total_steps=24, cycle_momentum=False)),
        (
            schedules.Warmup(4, then="polynomial"),
            lambda m, o: m.SequentialLR(
                o, [m.LinearLR(o, 0.25, total_iters=3), m.PolynomialLR(o, 20)], milestones=[4]
            ),
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pytorch_has_the_same_rates(schedule, theirs):
    context = schedules.ScheduleContext(updates_per_epoch=4, max_iter=6)
    expected = torch_rates(theirs, 24)
    np.testing.assert_allclose(schedule.bind(context)(np.arange(24)), expected, rtol=1e-10, atol=1e-12)
