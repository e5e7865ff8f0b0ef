"""The compiled core: the build for this processor, chosen at import.

``SKGD_CORE=baseline`` in the environment forces the portable build.
"""

import contextlib
import os

try:
    from . import _baseline as core
except ImportError as error:
    try:
        from . import _x86_64_v3 as core  # the only build where SKGD_SETS (CMakeLists.txt) says so
    except ImportError:
        raise ImportError(
            "skgd's compiled core is not here. Install the package with `pip install .` from its root, and "
            "if that is done, run Python from another folder: in this one the sources hide the package."
        ) from error

if os.environ.get("SKGD_CORE") != "baseline" and core.supports_x86_64_v3():
    with contextlib.suppress(ImportError):  # not built on other architectures
        from . import _x86_64_v3 as core

build = core.__name__.rpartition("._")[2]

__all__ = ["build", "core"]
