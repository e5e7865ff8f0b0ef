"""Configuration of Sphinx; build the site with: python -m sphinx -W -b html docs docs/_build/html"""

import re
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != ROOT]  # the installed skgd
sys.path.insert(0, str(HERE / "_ext"))

import style  # noqa: E402  (from _ext)

import skgd  # noqa: E402

project = "skgd"
author = "The skgd developers"
copyright = author
version = release = skgd.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",  # the changelog and the benchmarks
    "mathml",  # _ext
]
exclude_patterns = ["_build", "design.md"]
smartquotes = False  # keep the straight quotes of "squared_error"
suppress_warnings = ["config.cache"]

# -- docstrings --------------------------------------------------------------------------------------
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
templates_path = ["_templates"]
autodoc_default_options = {
    "members": True,
    "inherited-members": "BaseEstimator, ValueError",
    "exclude-members": "get_metadata_routing, set_output, set_fit_request, set_partial_fit_request, "
    "set_score_request, set_predict_request, set_predict_proba_request, set_predict_log_proba_request, "
    "set_decision_function_request",
}
autodoc_typehints = "none"  # the types are in the docstrings
add_module_names = False

# -- gallery and plots -------------------------------------------------------------------------------
sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "reset_modules": ("style.reset", "seaborn"),
    "doc_module": ("skgd",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"skgd": None},
    "remove_config_comments": True,
    "show_memory": False,
    "min_reported_time": 5,
    "write_computation_times": False,
    "copyfile_regex": r"",
    "matplotlib_animations": (True, "jshtml"),  # frames embedded in the page, played by its own script
    "image_scrapers": ("style.scraper",),
    "thumbnail_size": (480, 360),
}
plot_html_show_source_link = False
plot_html_show_formats = False
plot_include_source = True
plot_formats = [("png", 110)]
plot_rcparams = style.RC
plot_apply_rcparams = True
plot_pre_code = "import numpy as np\nfrom matplotlib import pyplot as plt\n"
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

# -- pages -------------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "skgd"
html_static_path = ["_static"]
html_css_files = ["skgd.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "api": []}


def drop_foreign_labels(app, what, name, obj, options, lines):
    """Methods inherited from scikit-learn refer to labels of its documentation; keep only their text."""
    lines[:] = [re.sub(r":ref:`([^`<]*?)\s*<[^`>]*>`", r"\1", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", drop_foreign_labels)
