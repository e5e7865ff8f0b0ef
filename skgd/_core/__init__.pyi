from typing import Any

core: Any  # the compiled module: see bindings*.cpp
build: str
