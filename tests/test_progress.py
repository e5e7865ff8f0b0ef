"""What verbose shows, in a terminal, a notebook, a log; what a fitted estimator tells at a glance."""

import io
import os
import re
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from _data import KINDS, SOLVERS, data_of, make, small
from joblib.externals.loky import get_reusable_executor
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgd import DivergenceError, GDClassifier, GDRegressor, _progress
from skgd._training import Record


class Screen(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self):
        return True

    def lines(self):
        """What stands on each line in the end, rewritten from its beginning at each return."""
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            yield shown.rstrip()


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    # not sys.stderr, which pytest sets anew between fixtures and tests
    monkeypatch.setattr(_progress, "sys", types.SimpleNamespace(stderr=screen, modules=sys.modules))
    monkeypatch.setenv("COLUMNS", "100")
    return screen


def record_of(epochs, **columns):
    """A record of checks a second apart, whose loss is one over the epoch."""
    record = Record()
    for epoch in epochs:
        row = {
            "epoch": epoch,
            "update": 10 * epoch,
            "loss": 1 / epoch,
            "validation_loss": np.nan,
            "validation_score": np.nan,
            "learning_rate": 0.01,
            "gradient_norm": 1.0,
            "seconds": float(epoch),
        }
        record.add(**(row | columns))
    return record


class Played:
    """A progress with a clock of its own, told of checks `seconds` apart."""

    def __init__(self, kind, max_iter, **params):
        self.now = 0.0
        self.progress = kind(max_iter, clock=lambda: self.now, **params)

    def play(self, epochs, reason, seconds=1.0, **columns):
        for k in range(len(epochs)):
            record = record_of(epochs[:k], **columns)
            record.place = epochs[k - 1] if k else 0.0
            self.progress.begin(record, None)
            self.now += seconds
            assert not self.progress.check(record_of(epochs[: k + 1], **columns), None)
        record = record_of(epochs, **columns)
        record.stop_reason = reason
        self.progress.close(record)


def rates_of(model):
    """The last rate, and the base rate that the diagram shows too, if it is another."""
    last, base = f"{model.history_['learning_rate'][-1]:.3g}", f"{model.learning_rate_:.3g}"
    return last if last == base else f"{last} (base {base})"


# ---------------------------------------------------------------- all forms


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_end_is_always_told(kind, solver, capsys):
    X, y = data_of(kind, n=80)
    model = small(kind, solver=solver, max_iter=3, tol=None, verbose=1, early_stopping=True).fit(X, y)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    epoch, *facts, end = told.rstrip("\n").split("  ")
    assert epoch == "epoch 3/3"
    assert facts == [
        f"loss {model.loss_curve_[-1]:.6g}",
        f"validation loss {model.history_['validation_loss'][-1]:.6g}",
        f"validation score {model.validation_scores_[-1]:.4g}",
        f"learning rate {rates_of(model)}",
    ]
    assert re.fullmatch(r"[\d.e-]+ s, stopped: max_iter", end)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_shown_unasked(kind, capsys):
    X, y = data_of(kind)
    small(kind, max_iter=3, tol=None).fit(X, y)
    assert capsys.readouterr() == ("", "")


def test_verbose_2_shows_every_check(capsys):
    X, y = make()
    model = small(GDRegressor, solver="sgd", verbose=2, check_every=25, max_iter=3, tol=None).fit(X, y)
    line = r"(?m)^epoch (\S+)/3  loss (\S+)  learning rate \S+  up to \S+ s left$"
    losses = re.findall(line, capsys.readouterr().err)
    expected = zip(model.history_["epoch"], model.loss_curve_, strict=True)
    assert losses == [(f"{round(epoch, 2):g}", f"{loss:.6g}") for epoch, loss in expected]


def test_watching_changes_nothing(capsys):
    X, y = make("log_loss")
    quiet = small(GDClassifier).fit(X, y)
    loud = small(GDClassifier, verbose=2).fit(X, y)
    np.testing.assert_array_equal(quiet.coef_, loud.coef_)
    assert f"stopped: {quiet.stop_reason_}" in capsys.readouterr().err


def test_an_error_ends_the_line(screen):
    X, y = make()
    with pytest.raises(DivergenceError):
        small(GDRegressor, solver="batch", learning_rate=0.9, verbose=2, tol=None).fit(100 * X, y)
    *_, last, empty = screen.lines()
    assert empty == ""
    assert last == "" or last.endswith("stopped: error")


def test_time_left_is_what_the_epochs_took_for_those_to_come(capsys):
    Played(_progress.Log, 101, pause=0).play([1, 2, 4], "tol")
    *lines, last = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[-1] for line in lines] == [
        f"up to {left} left" for left in ("1:40", "1:39", "1:13")
    ]
    assert last.endswith("3.0 s, stopped: tol")


def test_a_long_epoch_is_seen_to_go_on(screen):
    """Before its first check there is no loss yet; an error there still ends the line."""
    played = Played(_progress.Terminal, 8)
    record = Record()
    for place in (0.0, 0.25, 0.5):
        record.place = place
        played.progress.begin(record, None)
        played.now += 30.0
    played.progress.close(record)
    first, second, third, last = screen.getvalue().split("\r")[1:]
    assert first == "epoch 0/8 [--------]"
    assert second == "epoch 0.25/8 [--------] 15:30 left"
    assert third.rstrip() == "epoch 0.5/8 [--------] 15:00 left"
    assert last.rstrip(" \n") == "epoch 0.5/8 [--------] 1:30, stopped: error"
    assert last.endswith("\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "0.012 s"),
        (1.23, "1.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1:00"),
        (205, "3:25"),
        (3805, "1:03:25"),
    ],
)
def test_durations(seconds, text):
    assert _progress._duration(seconds) == text


# ---------------------------------------------------------------- where it is shown


def test_a_log_gets_a_line_every_two_seconds(capsys):
    Played(_progress.Log, 100).play(list(range(1, 11)), "tol", seconds=0.5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  loss")[0] for line in lines] == ["epoch   4/100", "epoch   8/100", "epoch  10/100"]


def test_a_terminal_shows_one_line_with_a_bar(screen):
    Played(_progress.Terminal, 20).play(list(range(1, 11)), "tol", seconds=0.5)
    assert screen.getvalue().count("\n") == 1
    assert screen.getvalue().count("\r") == 12  # the start, ten checks, the end
    line, _ = screen.lines()
    assert line == "epoch 10/20 [########] loss 0.1  rate 0.01  5.0 s, stopped: tol"
    before_the_end = screen.getvalue().split("\r")[-2]
    assert before_the_end.startswith("epoch 10/20 [####----] loss 0.1  rate 0.01  5.0 s left")


@pytest.mark.parametrize(
    ("reason", "bar"),
    [
        ("tol", "########"),
        ("early_stopping", "########"),
        ("callback", "########"),
        ("interrupted", "##------"),
        ("error", "##------"),
    ],
)
def test_the_bar_is_full_when_training_has_finished(screen, reason, bar):
    Played(_progress.Terminal, 20).play([1, 2, 3, 4, 5], reason)
    line, _ = screen.lines()
    assert f"[{bar}]" in line
    assert line.endswith(f"stopped: {reason}")


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_last_line_and_the_diagram_name_the_same_base_rate(solver, capsys):
    X, y = make()
    model = small(GDRegressor, solver=solver, schedule="invscaling", verbose=1, tol=None, max_iter=5)
    model.fit(X, y)
    base, last = model.learning_rate_, model.history_["learning_rate"][-1]
    assert last < 0.9 * base
    assert f"learning rate {last:.3g} (base {base:.3g})  " in capsys.readouterr().err
    assert captions(model)[0].endswith(f"learning rate {base:.3g}")


def test_a_terminal_is_written_to_ten_times_a_second(screen):
    Played(_progress.Terminal, 2000).play(list(range(1, 1001)), "tol", seconds=0.001)
    assert 9 <= screen.getvalue().count("\r") <= 12


@pytest.mark.parametrize("columns", [30, 60, 100, 200])
def test_a_line_fits_the_terminal(screen, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    Played(_progress.Terminal, 1000).play([1, 2, 3], "tol", validation_score=0.5, validation_loss=0.25)
    *shown, _ = screen.getvalue().split("\r")
    assert max(len(line) for line in shown) < columns
    assert ("[" in shown[-1]) == (columns >= 100)
    assert ("validation score" in shown[-1]) == ("validation loss" in shown[-1]) == (columns == 200)


def test_a_real_terminal_while_the_results_go_to_a_file():
    """One line, rewritten, that fits; the width is that of the terminal behind the standard error."""
    termios = pytest.importorskip("termios", reason="no pseudo-terminals here")
    leader, follower = os.openpty()
    termios.tcsetwinsize(follower, (24, 80))
    script = """
import numpy as np
import termios
import time
from skgd import GDRegressor
from skgd.schedules import Schedule
X = np.random.default_rng(0).standard_normal((50, 3))
class Slow(Schedule):
    def __call__(self, t):
        time.sleep(0.03)
        return np.ones(len(t))
for columns in (70, 150):
    termios.tcsetwinsize(2, (24, columns))
    model = GDRegressor(schedule=Slow(), learning_rate=0.01, max_iter=12, tol=None, verbose=1).fit(X, X[:, 0])
    print(f"{model.loss_curve_[-1]:.6g}")
"""
    run = subprocess.run(
        [sys.executable, "-P", "-c", script], stdout=subprocess.PIPE, stderr=follower, check=True, text=True
    )
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    *fits, rest = shown.split("\r\n")
    assert rest == ""
    losses = run.stdout.split()
    for text, loss, columns, long in zip(fits, losses, (70, 150), (False, True), strict=True):
        assert text.endswith("stopped: max_iter")
        assert "\n" not in text
        lines = text.split("\r")[1:]
        assert len(lines) >= 3
        assert max(map(len, lines)) < columns
        assert all(("learning rate" in line) == long for line in lines[1:])
        assert f"loss {loss} " in lines[-1]


def test_a_fit_in_a_terminal(screen):
    X, y = make()
    model = small(GDRegressor, verbose=1).fit(X, y)
    line, _ = screen.lines()
    assert line.startswith(f"epoch {model.n_iter_:4}/1000 [")
    assert line.endswith("stopped: tol")


@pytest.fixture
def notebook(monkeypatch):
    """Modules as they are where a kernel runs; what was displayed, newest last."""
    shown = []

    def update(bundle, raw):
        assert raw
        shown.append(bundle)

    def display(bundle, raw, display_id):
        assert display_id is True
        update(bundle, raw)
        return types.SimpleNamespace(update=update)

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return shown


def test_a_notebook_gets_a_bar(notebook, capsys, monkeypatch):
    monkeypatch.setattr(_progress.Notebook, "pause", 0.0)
    X, y = make()
    model = small(GDRegressor, verbose=1, max_iter=4, tol=None).fit(X, y)
    assert capsys.readouterr() == ("", "")
    assert len(notebook) == 5  # four checks and the end, in one place
    pages = [bundle["text/html"] for bundle in notebook]
    values = [re.match(r'<progress value="(.*?)" max="1">', page)[1] for page in pages]
    assert values == ["0.2500", "0.5000", "0.7500", "1.0000", "1.0000"]
    assert f"loss {model.loss_curve_[-1]:.6g}" in notebook[-1]["text/plain"]
    assert pages[-1].endswith("stopped: max_iter</code>")


def test_the_bar_of_a_notebook_is_full_after_an_early_stop(notebook):
    X, y = make()
    model = small(GDRegressor, verbose=1).fit(X, y)
    assert model.stop_reason_ == "tol"
    assert model.n_iter_ < model.max_iter / 2
    last = notebook[-1]
    assert re.match(r'<progress value="(.*?)" max="1">', last["text/html"])[1] == "1.0000"
    assert last["text/plain"].endswith("stopped: tol")
    assert f"learning rate {rates_of(model)}  " in last["text/plain"]


def in_thread(fit):
    thread = threading.Thread(target=fit)
    thread.start()
    thread.join()


@pytest.mark.parametrize("form", ["screen", "notebook"])
def test_a_fit_beside_others_writes_whole_lines(form, request, capsys):
    """Lines of several threads that rewrite each other would be garbage."""
    shown = request.getfixturevalue(form)
    X, y = make()
    in_thread(lambda: small(GDRegressor, verbose=1, max_iter=4, tol=None).fit(X, y))
    text = shown.getvalue() if form == "screen" else capsys.readouterr().err
    assert re.fullmatch(r"epoch 4/4  loss .* stopped: max_iter\n", text)
    assert form == "screen" or shown == []


def test_worker_processes_write_whole_lines(capfd):
    get_reusable_executor().shutdown(wait=True)  # workers of other tests write where those looked
    X, y = make()
    model = small(GDRegressor, verbose=1, max_iter=4, tol=None)
    GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=2, n_jobs=2).fit(X, y)
    told = capfd.readouterr().err.splitlines()
    assert (
        len([line for line in told if re.fullmatch(r"epoch 4/4  loss \S+  .* stopped: max_iter", line)]) == 5
    )


def test_ipython_in_a_terminal_is_a_terminal(notebook, screen):
    sys.modules["IPython"].get_ipython = lambda: types.SimpleNamespace()
    X, y = make()
    small(GDRegressor, verbose=1).fit(X, y)
    assert not notebook
    assert "stopped: tol" in screen.getvalue()


# ---------------------------------------------------------------- HTML


def captions(estimator):
    return re.findall(r'<div class="caption">(.*?)</div>', estimator._repr_html_())


@pytest.mark.parametrize("kind", KINDS)
def test_html_tells_why_training_stopped(kind):
    X, y = data_of(kind)
    model = small(kind, max_iter=7, tol=None)
    assert captions(model) == []
    model.fit(X, y)
    told = f"stopped: max_iter, 7 epochs, loss {model.loss_:.4g}, learning rate {model.learning_rate_:.3g}"
    assert captions(model) == [told]
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    assert captions(pipeline) == [
        f"stopped: max_iter, 7 epochs, loss {model.loss_:.4g}, learning rate {model.learning_rate_:.3g}"
    ]
    assert pipeline._repr_html_().count(model._get_doc_link()) >= 1
    search = GridSearchCV(model, {"alpha": [1e-3]}, cv=2).fit(X, y)
    assert captions(search)[0].startswith("stopped: max_iter, 7 epochs, loss")


def test_html_after_partial_fit():
    X, y = make()
    model = small(GDRegressor).partial_fit(X, y)
    told = f"1 epoch, loss {model.loss_:.4g}, learning rate {model.learning_rate_:.3g}"
    assert captions(model) == [told]
    model = small(GDRegressor, max_iter=2, tol=None).fit(X, y).partial_fit(X, y)
    assert captions(model)[0].startswith("3 epochs, loss")  # nothing stopped


def test_html_of_a_name_that_needs_escaping():
    X, y = make()
    kind = type("<b>Mine</b>", (GDRegressor,), {"__init__": GDRegressor.__init__})
    page = small(kind).fit(X, y)._repr_html_()
    assert "<b>Mine" not in page
    assert "&lt;b&gt;Mine" in page


def test_html_where_the_display_is_text():
    X, y = make()
    with config_context(display="text"):
        assert not hasattr(small(GDRegressor).fit(X, y), "_repr_html_")


def test_the_text_representation_is_the_constructor_call():
    X, y = make()
    model = GDRegressor(alpha=0.5, random_state=0)
    before = repr(model)
    assert repr(model.fit(X, y)) == before == "GDRegressor(alpha=0.5, random_state=0)"
