"""What stands beside results in bulk runs (scores, pictures, hours) is what a plain call writes."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
from htsat.formats.embedding_files import open_embeddings

Run = Callable[..., int]
ONE = ("--batch-size", 1)
"""Rounding depends on the company of a clip, and units end where batches would go on."""


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_run, "CUTTING", Cutting(1, 1))


def below(folder: Path, suffix: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob(f"*{suffix}"))
    }


def detect(htsat: Run, recordings: Path, folder: Path, *options: object) -> int:
    beside = ["--scores", folder / "scores", "--plot", folder / "plots"]
    return htsat("detect", recordings, "-o", folder / "events.csv", *beside, *ONE, *options)


def test_scores_and_pictures_of_parts_are_those_of_a_plain_call(
    htsat: Run, recordings: Path, tmp_path: Path
) -> None:
    assert detect(htsat, recordings, tmp_path / "plain") == 0
    for share in ("1/2", "2/2"):
        assert detect(htsat, recordings, tmp_path / "shared", "--shard", share) == 0
    assert detect(htsat, recordings, tmp_path / "shared", "--resume") == 0
    for suffix, n_files in ((".npz", 3), (".png", 3), ("events.csv", 1)):
        assert below(tmp_path / "shared", suffix) == below(tmp_path / "plain", suffix)
        assert len(below(tmp_path / "shared", suffix)) == n_files


def test_formats_of_one_recording_have_scores_too(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    for name, options in (("plain", ()), ("resumed", ("--resume",))):
        output = (
            "-o",
            f"{tmp_path}/{name}/",
            "--format",
            "audacity",
            "--scores",
            tmp_path / f"{name}-scores",
        )
        assert htsat("detect", recordings, *output, *ONE, *options) == 0
    for suffix, folder in ((".txt", ""), (".npz", "-scores")):
        assert (
            below(tmp_path / f"resumed{folder}", suffix) == below(tmp_path / f"plain{folder}", suffix) != {}
        )


def test_a_call_with_other_places_is_refused(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recordings / "bad.wav").write_text("no sound")
    assert detect(htsat, recordings, tmp_path, "--resume") == 1
    capsys.readouterr()
    output = ("-o", tmp_path / "events.csv", "--resume", *ONE)
    assert htsat("detect", recordings, *output, "--plot", tmp_path / "plots") == 2
    said = capsys.readouterr().err
    assert f"was made with --scores {tmp_path}/scores, this call has --scores not given" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plot", "{0}/a.png"), "--plot {0}/a.png is one picture; those of many recordings need a folder"),
        (("--scores", "{0}/file"), "--scores needs a folder, and {0}/file is a file"),
    ],
)
def test_places_that_cannot_be(
    htsat: Run,
    recordings: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    places = [option.format(tmp_path) for option in options]
    assert htsat("detect", recordings, "--resume", "-o", tmp_path / "x.csv", *places) == 2
    assert message.format(tmp_path) in capsys.readouterr().err


def test_recordings_in_shards_have_scores_and_no_pictures(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as file:
        file.add(recordings / "a.wav", "a.wav")
    for name, source in (("shard", shard), ("file", recordings / "a.wav")):
        output = ("-o", tmp_path / f"{name}.csv", "--scores", tmp_path / name)
        assert htsat("detect", source, *output, "--resume") == 0
    assert below(tmp_path / "shard", ".npz") == below(tmp_path / "file", ".npz") != {}
    assert htsat("detect", shard, "-o", tmp_path / "x.csv", "--plot", tmp_path / "plots", "--resume") == 2
    assert "--plot reads recordings once more: give files" in capsys.readouterr().err


@pytest.mark.parametrize("per", ["clip", "frame"])
def test_an_array_of_embeddings_is_that_of_a_plain_call(
    htsat: Run, recordings: Path, tmp_path: Path, per: str
) -> None:
    for name, options in (("plain", ()), ("resumed", ("--resume",))):
        assert htsat("embed", recordings, "-o", tmp_path / name / "a.npy", "--per", per, *ONE, *options) == 0
    for name in ("a.npy", "a.rows.csv", "a.origin.json"):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    assert open_embeddings(tmp_path / "resumed" / "a.npy").n_rows > 3


@pytest.mark.parametrize("per", ["clip", "frame"])
@pytest.mark.parametrize("output", ["a.npy", "a.parquet", "folder/"])
def test_embed_tells_hours(htsat: Run, recordings: Path, tmp_path: Path, per: str, output: str) -> None:
    assert htsat("embed", recordings, "-o", f"{tmp_path}/{output}", "--per", per, "--resume") == 0
    [path] = tmp_path.rglob("*summary.json")
    summary = json.loads(path.read_text())
    assert summary["hours"] == pytest.approx((1.5 + 2.5 + 3.5) / 3600, abs=1e-4)
    assert summary["x_real_time"] > 0
    assert summary["seconds"] * summary["x_real_time"] == pytest.approx(7.5, rel=0.1)


def test_an_array_that_lost_its_rows_is_made_again(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    call = ("embed", recordings, "-o", tmp_path / "a.npy", "--resume")
    assert htsat(*call) == 0
    before = below(tmp_path, ".csv")
    (tmp_path / "a.rows.csv").unlink()
    assert htsat(*call) == 0
    assert below(tmp_path, ".csv") == before
