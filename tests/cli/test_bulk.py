"""Many recordings with `--resume`, as people call it, and with a real model."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from htsat import __version__
from htsat.bulk.lock import working_on
from htsat.bulk.sharding import ALL
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
from htsat.formats.embedding_files import open_embeddings
from htsat.search import Index

Run = Callable[..., int]
SAMPLE_RATE = 8_000

SMALL_UNITS = """
import sys
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
from htsat.cli.main import main

bulk_run.CUTTING = Cutting(4, 6)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_run, "CUTTING", Cutting(2, 3))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        noise = 0.1 * np.random.default_rng(number).standard_normal(2000 + 500 * (number % 5))
        soundfile.write(folder / f"{number:02d}.wav", noise, SAMPLE_RATE)
    (folder / "39.wav").write_text("no sound")
    return folder


def table(path: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = parquet.read_table(path).to_pylist()
    return rows


@pytest.mark.parametrize("command", ["tag", "detect"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_parts_become_the_file_of_a_plain_run(
    htsat: Run, recordings: Path, tmp_path: Path, command: str, suffix: str
) -> None:
    # Batches of one clip: rounding depends on the company of a clip, and units end where batches would go on.
    one = ["--batch-size", 1]
    plain, resumed = tmp_path / f"plain{suffix}", tmp_path / f"resumed{suffix}"
    assert htsat(command, recordings, "-o", plain, *one) == 0
    assert htsat(command, recordings, "-o", resumed, "--resume", *one) == 0
    if suffix == ".parquet":
        assert table(resumed) == table(plain) != []
    else:
        assert resumed.read_bytes() == plain.read_bytes() != b""


def test_embeddings_are_an_index(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    folder, file, plain = tmp_path / "parts", tmp_path / "file.parquet", tmp_path / "plain.parquet"
    assert htsat("embed", recordings, "-o", plain, "--batch-size", 1) == 0
    for output in (f"{folder}/", file):
        assert htsat("embed", recordings, "-o", output, "--resume", "--batch-size", 1) == 0
    assert table(file) == table(plain)
    assert open_embeddings(file).origin == open_embeddings(plain).origin
    vector = np.array(table(plain)[0]["embedding"], np.float32)[np.newaxis]
    for path in (folder, file):
        assert Index.open(path).nearest(vector, 1)[0].file == str(recordings / "a.wav")


def test_formats_of_one_recording_go_on_too(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    for output, options in (("plain", ()), ("resumed", ("--resume",))):
        assert htsat("detect", recordings, "--format", "raven", "-o", f"{tmp_path}/{output}/", *options) == 0
    written = sorted(path.relative_to(tmp_path / "plain") for path in (tmp_path / "plain").rglob("*.txt"))
    assert len(written) == 3
    for name in written:
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "resumed" / name).read_bytes()


def test_shards_of_recordings_are_heard_like_folders(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    shard = tmp_path / "s.tar"
    with tarfile.open(shard, "w") as file:
        for name in ("a.wav", "b.WAV", "deep/c.flac"):
            file.add(recordings / name, name)
    outputs = [tmp_path / "folder.csv", tmp_path / "shard.csv"]
    for source, output in zip((recordings, shard), outputs, strict=True):
        assert htsat("tag", source, "-o", output, "--jobs", 2) == 0
    folder, heard = (output.read_text() for output in outputs)
    assert heard == folder.replace(f"{recordings}/", f"{shard}/")


def test_failures_and_a_summary(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recordings / "bad.wav").write_text("no sound")
    assert htsat("tag", recordings, "-o", f"{tmp_path}/out/", "--resume") == 1
    errors = capsys.readouterr().err.splitlines()
    assert errors[0].startswith(f"htsat: {recordings}/bad.wav: cannot be decoded (")
    assert errors[1].startswith("htsat: 4 recordings, 0.00 h, 1 failed, ")
    assert errors[1].endswith(" x real time")
    header, failure = (tmp_path / "out" / "failures.csv").read_text().splitlines()
    assert header == "file,reason"
    assert failure.startswith(f"{recordings}/bad.wav,cannot be decoded (")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["recordings"] == 4
    assert summary["failures"] == 1
    assert summary["hours"] == pytest.approx((1.5 + 2.5 + 3.5) / 3600, abs=1e-4)
    assert htsat("tag", recordings, "-o", f"{tmp_path}/out/", "--resume") == 1
    table = f"{tmp_path}/out/failures.csv lists what failed; with --retry that is heard again"
    assert errors[2:] == [f"htsat: {table}"]
    assert capsys.readouterr().err.splitlines() == [
        "htsat: 4 recordings were done before, 1 of them failed",
        f"htsat: {table}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("tag", "{0}", "--resume"),
            "--resume, --retry and --shard need a place for parts: -o FOLDER/ or -o FILE",
        ),
        (
            ("tag", "-", "--resume", "-o", "{0}/x.csv"),
            "standard input is gone when it was read: write it to a",
        ),
        (("tag", "{0}", "--workers", "2"), "--workers are those of a cluster: --engine-cluster ray"),
        (("detect", "{0}", "--resume", "-o", "{0}/x.vtt"), "this format describes one recording; results of"),
        (
            ("tag", "{0}", "--shard", "3/2", "-o", "{0}/x.csv"),
            "--shard: expected a share as 1/8, counted from",
        ),
        (("tag", "{0}", "--resume", "-o", "{0}/a.wav"), "{0}/a.wav has the name of a recording; results go"),
        (
            ("tag", "{0}", "--resume", "-o", "{0}/deep/../a.wav"),
            "{0}/deep/../a.wav has the name of",
        ),
        (("tag", "{0}/list.csv", "--resume", "-o", "{0}/list.csv"), "{0}/list.csv is an input; results"),
    ],
)
def test_wrong_use(
    htsat: Run, recordings: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (recordings / "list.csv").write_text("file\na.wav\n")
    assert htsat(*(argument.format(recordings) for argument in arguments)) == 2
    assert capsys.readouterr().err.startswith(f"htsat: {message.format(recordings)}")


def test_other_rules_are_refused(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = tmp_path / "own.tsv"
    classes.write_text("class\ttarget\nDog\tanimal\n")
    call = ["detect", recordings, "-o", f"{tmp_path}/out/", "--resume", "--class-map", classes]
    assert htsat(*call) == 0
    capsys.readouterr()
    assert htsat(*call, "--threshold", 0.7) == 2
    assert (
        "out: what is there was made with --threshold not given, this call has --thres"
        in capsys.readouterr().err
    )
    classes.write_text("class\ttarget\nSiren\tanimal\n")
    assert htsat(*call) == 2
    assert f"was made with --class-map {classes} (" in capsys.readouterr().err


def test_other_commands_are_refused(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for output in (f"{tmp_path}/out/", tmp_path / "out.csv"):
        assert htsat("tag", recordings, "-o", output, "--resume") == 0
        capsys.readouterr()
        assert htsat("detect", recordings, "-o", output, "--resume") == 2
        said = capsys.readouterr().err
        assert (
            f"was made with htsat tag {__version__}, this call has htsat detect {__version__}; call" in said
        )


@pytest.mark.skipif(os.name != "posix", reason="nobody is refused without locks of the system")
def test_a_plain_call_leaves_a_file_to_the_run_that_holds_it(
    htsat: Run, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for output, state in ((f"{tmp_path}/out/", "out"), (tmp_path / "out.csv", "out.csv.parts")):
        assert htsat("tag", recordings, "-o", output, "--resume") == 0
        with working_on(tmp_path / state / ".htsat", str(output), ALL):
            assert htsat("tag", recordings, "-o", output) == 1
        assert f"htsat: {output}: process {os.getpid()} on " in capsys.readouterr().err
        assert htsat("tag", recordings, "-o", output) == 0


def test_a_folder_that_cannot_be_read_stands_alone(
    htsat: Run, recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = os.scandir

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        if path == recordings / "deep":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return original(path)  # type: ignore[return-value]

    monkeypatch.setattr(os, "scandir", scandir)
    assert htsat("tag", recordings, "--format", "csv") == 1
    said = capsys.readouterr()
    assert said.err == f"htsat: {recordings}/deep: Permission denied\nhtsat: 1 of 3 inputs failed\n"
    assert {row.split(",")[0] for row in said.out.splitlines()[1:]} == {
        str(recordings / name) for name in ("a.wav", "b.WAV")
    }


def test_parts_of_a_file_are_no_index(htsat: Run, recordings: Path, tmp_path: Path) -> None:
    file = tmp_path / "index" / "a.parquet"
    assert htsat("embed", recordings, "-o", file, "--resume") == 0
    assert (tmp_path / "index" / "a.parquet.parts").is_dir()
    assert Index.open(tmp_path / "index").n_rows == open_embeddings(file).n_rows


def killed_after(command: list[str], records: Path, n_units: int, signal_number: int) -> int:
    """Start a run, end it by a signal when so many units are done; returns its exit code."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None and len(list(records.glob("*.json"))) < n_units:
            time.sleep(0.002)
        run.send_signal(signal_number)
    return run.returncode


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again(model: Path, many: Path, tmp_path: Path) -> None:
    def command(output: str) -> list[str]:
        call = ["tag", many, "-o", tmp_path / output, "--resume", "--model", model, "--threads", 1]
        return [sys.executable, "-c", SMALL_UNITS, *map(str, call)]

    assert subprocess.run(command("undisturbed.parquet"), check=False, capture_output=True).returncode == 1
    records = tmp_path / "killed.parquet.parts" / ".htsat" / "units"
    for n_units, number in (
        (1, signal.SIGKILL),
        (3, signal.SIGINT),
        (5, signal.SIGTERM),
        (7, signal.SIGKILL),
    ):
        expected = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[number]
        # It may end before the signal comes, or get it before it has a handler.
        assert killed_after(command("killed.parquet"), records, n_units, number) in (expected, -number, 1)
    assert subprocess.run(command("killed.parquet"), check=False, capture_output=True).returncode == 1
    assert table(tmp_path / "killed.parquet") == table(tmp_path / "undisturbed.parquet")
    failures = [(tmp_path / f"{name}.parquet.failures.csv").read_text() for name in ("killed", "undisturbed")]
    assert failures[0] == failures[1]
