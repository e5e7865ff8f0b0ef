"""The compiled core, which has a build for each set of instructions and chooses one at import.

``SKGD_CORE=baseline`` in the environment forces the portable build, where there is one.
"""

try:
    from . import core
except ImportError as error:
    if "another processor" in str(error):
        raise
    raise ImportError(
        "skgd's compiled core is not here. Install the package with `pip install .` from its root, and "
        "if that is done, run Python from another folder: in this one the sources hide the package."
    ) from error

build = core.build

__all__ = ["build", "core"]
