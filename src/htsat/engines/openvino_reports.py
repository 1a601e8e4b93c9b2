"""OpenVINO without its reports.

To import it would tell its maker so, over the network, and leave an identity in the home folder. What does so
is a package of its own, without which OpenVINO works as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

_REPORTER = "openvino_telemetry"


@contextmanager
def reports_withheld() -> Iterator[None]:
    """OpenVINO that is first imported in the block finds nothing that reports, now and later.

    Whoever uses that package elsewhere in this process keeps it.
    """
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    before = {name: modules.pop(name) for name in [*modules] if name.partition(".")[0] == _REPORTER}
    modules[_REPORTER] = None  # its import fails, as if it were not installed
    try:
        yield
    finally:
        del modules[_REPORTER]
        modules.update(before)
