"""`--retry`: what comes of recordings that failed, and of those that fail now."""

from __future__ import annotations

import csv
import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from htsat.bulk.inputs import Input
from htsat.bulk.journal import Journal
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
from htsat.errors import AudioError

from .stub import call, files, rows, work

pytestmark = pytest.mark.usefixtures("small_units")


def test_only_bad_recordings_are_tried_again(tmp_path: Path, recordings: Path) -> None:
    out = tmp_path / "out.csv"
    call(recordings, out)
    bad = recordings / "2" / "r17.wav"
    times = bad.stat()
    bad.write_text("ok!")
    os.utime(bad, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert call(recordings, out) == 1
    assert not any("r17" in row for row in rows(out))
    assert call(recordings, out, retry=True) == 0
    assert sum("r17" in row for row in rows(out)) == 3
    assert (tmp_path / "out.csv.failures.csv").read_text() == "file,reason\n"


def hear_nothing(inputs: Sequence[Input]) -> Generator[Any, None, None]:
    for item in inputs:
        yield AudioError(f"{item.title}: the disk is gone")


@pytest.mark.parametrize("name", ["csv", "audacity"])
def test_what_fails_when_it_is_tried_again_has_no_result(
    tmp_path: Path, recordings: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No unit ends by the name of a recording, so the bad one has company wherever these lie.
    monkeypatch.setattr(bulk_run, "CUTTING", Cutting(n_average=10**9, n_most=6))
    out = tmp_path / "out"
    out.mkdir()
    assert call(recordings, out, name) == 1
    before = files(out)
    assert call(recordings, out, name, work=replace(work(name), hear=hear_nothing), retry=True) == 1
    with (out / "failures.csv").open(newline="") as table:
        failed = {Path(row["file"]).stem for row in csv.DictReader(table)}
    heard = {Path(row.split(",")[0]).stem for row in rows(out)} | {path.stem for path in out.rglob("*.txt")}
    assert 1 < len(failed) < 30
    assert heard == {f"r{number:02d}" for number in range(30)} - failed
    assert call(recordings, out, name, retry=True) == 1
    assert files(out) == before


def test_a_record_that_another_share_takes_away_counts_as_none(tmp_path: Path, recordings: Path) -> None:
    """As one that is tried again there, between the listing of records and their reading."""
    out = tmp_path / "out"
    out.mkdir()
    call(recordings, out)
    journal = Journal(out, ".csv")
    key = next(iter(journal.done()))
    (journal.state / "units" / f"{key}.json").unlink()
    assert journal.record(key) is None
