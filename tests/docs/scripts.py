"""The scripts that make the manual, as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPTS = Path(__file__).parents[2] / "scripts"


def script(path: str) -> ModuleType:
    """The module in `scripts/` of this path."""
    specification = importlib.util.spec_from_file_location(Path(path).stem, SCRIPTS / path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    # Classes of a module look it up by its name while they are made.
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module
