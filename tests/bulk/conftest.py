from __future__ import annotations

from pathlib import Path

import pytest

from htsat.bulk.units import Cutting
from htsat.cli import bulk_run

SMALL = Cutting(n_average=3, n_most=6)


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_run, "CUTTING", SMALL)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Thirty files in three folders that are taken for recordings; one of them is bad."""
    folder = tmp_path / "recordings"
    for number in range(30):
        path = folder / f"{number % 3}" / f"r{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("bad" if number == 17 else f"sound {number}")
    return folder
