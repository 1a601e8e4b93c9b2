"""A signal that comes after engines of OpenVINO are gone is handled, in place of a segmentation fault."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SIGNAL_AFTER_ENGINES = """
import gc, os, signal, sys
from pathlib import Path
from htsat.engines.openvino_engine import OpenVinoEngine

handled = []
signal.signal(signal.SIGUSR1, lambda *_: handled.append(True))
engines = [OpenVinoEngine(Path(sys.argv[1]), "m", precision, 1) for precision in ("fp32", "bf16", "fp32")]
while engines:
    engines.pop(0)
    gc.collect()
    os.kill(os.getpid(), signal.SIGUSR1)
sys.exit(handled != [True] * 3)
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="only there OpenVINO changes the stack of signal handlers"
)
def test_signals_after_engines_are_gone(files: Path) -> None:
    command = [sys.executable, "-c", _SIGNAL_AFTER_ENGINES, str(files / "small.xml")]
    assert subprocess.run(command, check=False).returncode == 0
