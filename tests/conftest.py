"""Test the installed package: the project root leaves sys.path, this folder (helpers) joins it."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent

sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != TESTS.parent]
sys.path.append(str(TESTS))
