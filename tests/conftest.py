"""Test the installed package: the project root leaves sys.path, this folder (helpers) joins it."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).resolve().parent

sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != TESTS.parent]
sys.path.append(str(TESTS))


@pytest.fixture(autouse=True)
def seeded():
    """What random_state=None draws from starts the same way in every test, in whatever order they run."""
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture(autouse=True, scope="session")
def quick_disk():
    """Files are not forced to the disk: thousands of short fits with checkpoints would wait for minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: None)
        yield
