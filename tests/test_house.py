"""The structure: files import from lower floors only, and every public thing is documented."""

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

import skgd

PACKAGE = Path(skgd.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
STOREYS = (  # from the ground up
    {
        "_arrays",
        "_bounds",
        "_core",
        "_dask_collections",
        "_direct",
        "_docs_perceptrons",
        "_drawing",
        "_folds",
        "_log_link",
        "_loss",
        "_parameters",
        "_reading",
        "_residuals",
        "_summary",
        "_table",
        "io",
    },
    {
        "_docs",
        "_feature_layer",
        "_features",
        "_fingerprint",
        "_hints",
        "_labels",
        "_layer_rates",
        "_mapped",
        "_moments",
        "_penalty",
        "_scoring",
        "_shared_weights",
        "_splits",
        "exceptions",
        "losses",
        "optimizers",
        "penalties",
        "preprocessing",
        "schedules",
    },
    {
        "_design",
        "_loss_spec",
        "_network",
        "_onnx_graph",
        "_ranges",
        "_rates",
        "_recipe",
        "_uses",
        "_targets",
        "_validation",
    },
    {
        "_batch_rates",
        "_blocks",
        "_covariance",
        "_diagram",
        "_network_rates",
        "_onnx_encoders",
        "_options",
        "_quadratic",
        "_theta",
    },
    {"_assigned", "_dask_blocks", "_epochs", "_onnx", "_path", "_problem", "_stopping"},
    {"_block_plan", "_block_problem", "_descent", "_held_out", "_look", "_step_size"},
    {
        "_coordinates",
        "_drift",
        "_fit",
        "_growth",
        "_kinks",
        "_layer_norms",
        "_newton",
        "_packing",
        "_rate_choice",
        "_rows",
        "_training_state",
    },
    {"_calibration", "_remaining_gain", "_steady", "_training"},
    {"_callbacks", "_checkpoint", "_diagnosis", "_fitted", "_fitting", "_pilot", "_progress"},
    {
        "_blockwise",
        "_columns",
        "_estimator",
        "_evaluation",
        "_export",
        "_landscape",
        "_replicates",
        "_streaming",
        "_sweep",
    },
    {
        "_dask_columns",
        "_intervals",
        "_layers",
        "_members",
        "_regularization",
        "_selection",
        "_tasks",
        "_twins",
        "display",
    },
    {"_table_blocks"},
    {"_perceptron"},
    {"_dask_estimator", "_dask_search", "learning_rate", "linear", "mlp"},
    {"_dask_mlp", "inference", "one_class", "search"},
    {"dask", "onnx"},
    {"__init__"},
)
FLOORS = {name: floor for floor, names in enumerate(STOREYS) for name in names}
HEADERS = Path(__file__).parent.parent / "skgd" / "_core"
LEAVES = {"loss", "activation", "penalty", "optimizer", "design", "gemm", "nonzeros", "random"}


@cache
def tree_of(path):
    return ast.parse(path.read_text())


def name_of(path):
    """The module below skgd that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Modules of skgd that a file imports, wherever in it."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] == "skgd"]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if not node.level and module.split(".")[0] != "skgd":
                continue
            inside = module if node.level else module.removeprefix("skgd").lstrip(".")
            names = [inside] if inside else [alias.name for alias in node.names]
            names = [name.removeprefix("skgd.") for name in names]
        else:
            continue
        yield from (name.removeprefix("skgd.").split(".")[0] or "__init__" for name in names)


def modules():
    return [path for path in SOURCES if name_of(path) != "_core"]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_downwards(path):
    floor = FLOORS[name_of(path)]
    for other in imports(path):
        assert FLOORS[other] < floor, f"{path.name} imports {other}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_short(path):
    """Lines of code: neither blank, nor comment, nor docstring."""
    source = path.read_text()
    lines = {
        number
        for number, line in enumerate(source.splitlines(), start=1)
        if line.strip() and not line.strip().startswith("#")
    }
    for node in ast.walk(tree_of(path)):
        scope = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, scope) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    assert len(lines) < 300


def public_modules():
    public = [
        name for name in sorted(FLOORS) if not name.startswith("_") and (PACKAGE / f"{name}.py").exists()
    ]
    return [skgd, *(__import__(f"skgd.{name}", fromlist=["_"]) for name in public)]


@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_public_names_are_sorted_and_there(module):
    names = list(module.__all__)
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(module, name), name


@pytest.mark.parametrize("module", public_modules(), ids=lambda module: module.__name__)
def test_public_things_are_documented(module):
    assert module.__doc__
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        assert thing.__doc__, name
        if not inspect.isclass(thing) or not thing.__module__.startswith("skgd"):
            continue
        for attribute, member in vars(thing).items():
            if inspect.isfunction(member) and not attribute.startswith("_"):
                assert inspect.getdoc(getattr(thing, attribute)), f"{name}.{attribute}"


@pytest.mark.parametrize(
    "kind", [skgd.GDRegressor, skgd.GDClassifier, skgd.GDMLPRegressor, skgd.GDMLPClassifier]
)
def test_every_parameter_and_attribute_is_described(kind):
    parameters, attributes = kind.__doc__.split("Attributes\n", 1)
    for parameter in inspect.signature(kind).parameters:
        assert re.search(rf"(?m)^\s*(\w+, )*{parameter}(, \w+)* : ", parameters), parameter
    for attribute in (
        *(("coefs_", "intercepts_") if "MLP" in kind.__name__ else ("coef_", "intercept_")),
        "n_iter_",
        "n_updates_",
        "learning_rate_",
        "loss_",
        "loss_curve_",
        "stop_reason_",
        "history_",
        "path_",
        "n_features_in_",
        "feature_names_in_",
        "validation_scores_",
        "best_validation_score_",
    ):
        assert re.search(rf"(?m)^\s*(\w+, )*{attribute}(, \w+)* : ", attributes), attribute


def test_the_public_names_are_the_documented_ones():
    assert {"DivergenceError", "GDClassifier", "GDMLPClassifier", "GDMLPRegressor", "GDRegressor"} <= set(
        skgd.__all__
    )


@pytest.mark.skipif(not HEADERS.exists(), reason="the sources are not here")
def test_leaves_of_the_core_do_not_include_each_other():
    for header in HEADERS.glob("*.hpp"):
        included = set(re.findall(r'#include "(\w+)\.hpp"', header.read_text()))
        assert header.stem not in included
        if header.stem in LEAVES:
            assert not included & LEAVES, header.name


@pytest.mark.skipif(not HEADERS.exists(), reason="installed without the sources of the core")
def test_the_engine_includes_the_standard_library_before_its_own_headers():
    """Under Clang these are in a namespace of its own, in which no header of the library may be opened."""
    text = (HEADERS / "engine.cpp").read_text()
    before = set(re.findall(r"#include <(\w+)>", text))
    seen, left = set(), re.findall(r'#include "([\w.]+)"', text)
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            inside = (HEADERS / name).read_text()
            assert set(re.findall(r"#include <(\w+)>", inside)) <= before, name
            left += re.findall(r'#include "([\w.]+)"', inside)
    assert len(seen) > 20


@cache
def constants(path):
    """String constants of a file's code, docstrings left aside."""
    tree = tree_of(path)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    }


# defaults of estimators, counterparts in scikit-learn and words of other libraries are no places to add to
ELSEWHERE = {
    "_docs.py",
    "_docs_perceptrons.py",
    "_uses.py",
    "_hints.py",
    "_onnx.py",
    "_twins.py",
    "dask.py",
    "learning_rate.py",
    "linear.py",
    "_dask_mlp.py",
    "mlp.py",
    "one_class.py",
    "search.py",
}
TABLES = {
    "losses.py": (skgd.losses.LOSSES, "loss.hpp"),
    "optimizers.py": (skgd.optimizers.OPTIMIZERS, "optimizer.hpp"),
    "_penalty.py": (skgd._penalty.PENALTIES, "penalty.hpp"),
    "_network.py": (skgd._network.ACTIVATIONS, "activation.hpp"),
    "schedules.py": (skgd.schedules.SCHEDULES, None),
}
WITHOUT_A_STRUCT = {"barzilai_borwein", None}  # a rule of the rates; no penalty
SHARED_WORDS = {"constant", "step", "power"}  # that mean other things elsewhere
DEFAULTS = {  # words that the code itself uses for what they stand for
    "squared_error": {"optimizers.py"},  # that an update rule is defined for
    "hinge": {"optimizers.py"},
    "epsilon_insensitive": {"optimizers.py"},
    "plain": {"_descent.py", "_landscape.py"},  # before there is a rule; of a descent to the optimum
    "elasticnet": {"_options.py"},  # which alone needs a ratio
    "softmax": {"losses.py"},
    "relu": {"_recipe.py"},  # what "auto" means
    "silu": {"_recipe.py"},
    "adam": {"_recipe.py"},
    "momentum": {"_rate_choice.py"},  # the word for what a rule repeats of a step
    "log_loss": {"_sweep.py"},  # whose columns are tied together
}


@pytest.mark.parametrize("home", TABLES)
def test_a_name_is_added_in_one_file_of_python_and_one_of_the_core(home):
    """What "How to add" in docs/design.md promises."""
    table, header = TABLES[home]
    for name in table:
        if name is None or name in SHARED_WORDS:
            continue
        places = [path.name for path in SOURCES if path.name not in ELSEWHERE and name in constants(path)]
        assert set(places) - DEFAULTS.get(name, set()) <= {home}, name
        if header is not None and HEADERS.exists() and name not in WITHOUT_A_STRUCT:
            found = [each.name for each in HEADERS.glob("*.hpp") if f'name = "{name}"' in each.read_text()]
            assert found == [header], name
