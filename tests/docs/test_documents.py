"""Every code block of the manual runs, and says what it is said to say."""

from __future__ import annotations

import shutil

import pytest

from .blocks import read_blocks
from .running import Reader, put_programs_in_reach
from .stand_ins import ROOT, make_what_is_missing

PAGES = {
    "README.md": 4,
    "CONTRIBUTING.md": 1,
    "docs/index.md": 0,
    "docs/cookbook.md": 0,
    "docs/checkpoints.md": 5,
    "docs/evaluation.md": 10,
    "docs/bulk.md": 7,
    "docs/faults.md": 1,
    "SECURITY.md": 1,
    "fuzz/README.md": 1,
    "docs/export.md": 1,
    "docs/formats.md": 0,
    "docs/listening.md": 2,
    "docs/models.md": 3,
    "docs/page.md": 1,
    "docs/pictures-and-reports.md": 1,
    "docs/search.md": 1,
    "docs/service.md": 11,
    "docs/data.md": 8,
    "docs/performance.md": 7,
    "docs/reproduction.md": 11,
}
"""The pages, and how many blocks of each cannot be run or compared here; each such block says why."""

SLOW_PAGES = {
    "docs/training.md": 10,
    "docs/tutorial.md": 5,
}
"""Those that take minutes: run by `pytest -m slow`."""

QUICKER = {"finetune": ["--optimisation.epochs", "1"], "train": ["--optimisation.epochs", "1"]}
"""Training is that of the reader, but for its length."""

LESS_QUICK = {"finetune": ["--optimisation.epochs", "10"]}
"""In slow pages the model is to learn something."""


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder like a clone of the repository, as far as readers are told to use it."""
    for name in ("examples", "tests/golden/desed", "README.md"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        (tmp_path / "desk" / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tmp_path / "desk" / name)
    put_programs_in_reach(tmp_path / "programs", monkeypatch)
    monkeypatch.chdir(tmp_path / "desk")


def read_page(page: str, quicker: dict[str, list[str]]) -> None:
    reader = Reader(quicker)
    for block in read_blocks(ROOT / page):
        if block.skipped is None and block.kind != "other":
            make_what_is_missing(block.text)
        wrong = reader.read(block)
        assert wrong is None, f"{page}:{block.line}: {wrong}"


@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_so(page: str) -> None:
    read_page(page, QUICKER)


@pytest.mark.slow
@pytest.mark.usefixtures("desk")
@pytest.mark.parametrize("page", SLOW_PAGES)
def test_what_a_long_page_shows_is_so(page: str) -> None:
    read_page(page, LESS_QUICK)


@pytest.mark.parametrize(("page", "n_not_run"), (PAGES | SLOW_PAGES).items())
def test_what_cannot_be_run_is_known(page: str, n_not_run: int) -> None:
    reasons = [f"{page}:{block.line}: {block.skipped}" for block in read_blocks(ROOT / page) if block.skipped]
    assert len(reasons) == n_not_run, reasons
