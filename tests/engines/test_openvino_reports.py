"""OpenVINO is used without telling its maker, and without taking the package that tells from anybody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from htsat.engines.openvino_reports import reports_withheld

REPORTER = "openvino_telemetry"

_IMPORTED = """
import sys
import htsat.engines.openvino_engine
import openvino
from openvino.tools.ovc.telemetry_utils import tm
assert tm.__name__ == "openvino.tools.ovc.telemetry_stub", tm
assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]
"""


def test_its_import_asks_nobody_and_leaves_no_identity(tmp_path: Path) -> None:
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTED], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_others_keep_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {name: type(sys)(name) for name in (REPORTER, f"{REPORTER}.backend", f"{REPORTER}_not")}
    for name, module in theirs.items():
        monkeypatch.setitem(sys.modules, name, module)
    with reports_withheld(), pytest.raises(ImportError, match=REPORTER):
        import openvino_telemetry.backend  # noqa: F401
    assert {name: sys.modules[name] for name in theirs} == theirs


def test_a_failure_takes_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, REPORTER, raising=False)
    with pytest.raises(ZeroDivisionError), reports_withheld():
        raise ZeroDivisionError
    assert REPORTER not in sys.modules
