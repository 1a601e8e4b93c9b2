"""What the page computes without a browser, by the tests beside this file, on Node."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import htsat

HERE = Path(__file__).parent
STATIC = Path(htsat.__file__).parent / "web" / "static"
MODULES = STATIC / "js"
MAX_LINES = 300


@pytest.mark.parametrize("path", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name)
def test_on_node(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    environment = os.environ | {"PAGE_MODULES": MODULES.as_uri()}
    done = subprocess.run(
        [node, "--test", str(path)], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout


FILES = sorted(path for path in STATIC.rglob("*") if path.suffix in {".css", ".html", ".js", ".svg"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_stay_short_and_name_no_outside_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < MAX_LINES
    assert not re.search(r"""https?://(?!www\.w3\.org/2000/svg")|["'(]//""", text)
