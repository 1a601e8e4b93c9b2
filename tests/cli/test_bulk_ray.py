"""Many recordings with `--engine-cluster ray`, as people call it, and with a real model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pyarrow import parquet

from htsat.bulk.ray.session import cluster_for
from htsat.bulk.ray.workers import Needs
from htsat.bulk.units import Cutting
from htsat.cli import bulk_cluster, bulk_run
from htsat.cli.bulk_cluster import Recipe, for_driver
from htsat.errors import ConfigError

Run = Callable[..., int]
pytestmark = pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.")
SAMPLE_RATE = 8_000
CLUSTER = ["--engine-cluster", "ray"]
ALIKE = ["--threads", 1, "--batch-size", 3]
"""Batches in which clips of several recordings meet, so that it is seen if they meet others."""

SMALL_UNITS = """
import sys
from htsat.bulk.units import Cutting
from htsat.cli import bulk_run
from htsat.cli.main import main

bulk_run.CUTTING = Cutting(2, 3)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_run, "CUTTING", Cutting(4, 6))


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A cluster on this machine."""
    pytest.importorskip("ray")
    with cluster_for(Needs(1, 0, 1), 2):
        yield


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of half a second to seven; one is no sound, one too short, one cut off."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(30):
        noise = 0.1 * np.random.default_rng(number).standard_normal(4000 + 8700 * (number % 7))
        soundfile.write(folder / f"{number:02d}.wav", noise, SAMPLE_RATE)
    (folder / "07.wav").write_text("no sound")
    soundfile.write(folder / "12.wav", np.zeros(50), SAMPLE_RATE)
    whole = (folder / "20.wav").read_bytes()
    (folder / "20.wav").write_bytes(whole[: len(whole) // 2])
    return folder


def outcome(folder: Path) -> dict[str, object]:
    """All that users see below a folder, by path; times of runs are left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("summary.json")]
    visible = [path for path in files if ".htsat" not in path.parts]
    return {
        str(path.relative_to(folder)): parquet.read_table(path).to_pylist()
        if path.suffix == ".parquet"
        else path.read_bytes()
        for path in visible
    }


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
@pytest.mark.parametrize(
    ("command", "output", "options"),
    [
        ("tag", "tags.csv", ["--workers", 2]),
        ("detect", "events/", ["--format", "parquet", "--classes", "Dog,Siren", "--workers", 1]),
        ("embed", "vectors.parquet", ["--overlap", 0, "--workers", 1]),
    ],
)
def test_the_same_comes_out(
    htsat: Run, many: Path, tmp_path: Path, command: str, output: str, options: list[object]
) -> None:
    call = [command, many, *options[:-2], *ALIKE]
    for name, engine in (("plain", ["--resume"]), ("cluster", [*options[-2:], *CLUSTER])):
        (tmp_path / name).mkdir()
        assert htsat(*call, "-o", f"{tmp_path}/{name}/{output}", *engine) == 1
    plain, cluster = outcome(tmp_path / "plain"), outcome(tmp_path / "cluster")
    assert cluster == plain != {}
    [failures] = [content for name, content in cluster.items() if name.endswith("failures.csv")]
    assert str(failures).count(".wav,") == 3


@pytest.mark.slow
def test_a_run_that_others_began(ray: None, htsat: Run, many: Path, tmp_path: Path) -> None:
    calls = {"plain": [["--resume"]], "mixed": [["--shard", "1/2"], CLUSTER]}
    for name, engines in calls.items():
        for engine in engines:
            assert htsat("tag", many, "-o", f"{tmp_path}/{name}/", *ALIKE, *engine) in (0, 1)
    assert outcome(tmp_path / "mixed") == outcome(tmp_path / "plain") != {}
    summary = json.loads((tmp_path / "mixed" / "summary.json").read_text())
    assert (summary["recordings"], summary["failures"]) == (30, 3)


def stopped(command: list[str], records: Path, n_units: int, number: int) -> tuple[int, str]:
    """Start a run, end it by a signal when so many units are done; returns its exit code and its words."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and len(list(records.glob("*.json"))) < n_units:
            time.sleep(0.01)
        run.send_signal(number)
        return run.wait(), run.stderr.read() if run.stderr else ""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.slow
def test_a_driver_that_is_killed(model: Path, many: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")

    def command(output: str, *options: str) -> list[str]:
        call = ["tag", many, "-o", tmp_path / output, *ALIKE, *options, "--model", model]
        return [sys.executable, "-c", SMALL_UNITS, *map(str, call)]

    assert subprocess.run(command("plain.csv", "--resume"), check=False, capture_output=True).returncode == 1
    records = tmp_path / "killed.csv.parts" / ".htsat" / "units"
    for n_units, number, code in ((1, signal.SIGTERM, 143), (3, signal.SIGKILL, -9)):
        returned, words = stopped(command("killed.csv", *CLUSTER), records, n_units, number)
        assert returned == code
        if number != signal.SIGKILL:
            lines = words.splitlines()
            assert lines[-1].endswith(" parts are done, the same call goes on from there")
            assert all(line.startswith("htsat: ") for line in lines), words
    assert 3 <= len(list(records.glob("*.json"))) < 30
    assert subprocess.run(command("killed.csv", "--resume"), check=False, capture_output=True).returncode == 1
    assert (tmp_path / "killed.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    failures = [(tmp_path / f"{name}.csv.failures.csv").read_text() for name in ("killed", "plain")]
    assert failures[0] == failures[1]


@pytest.mark.slow
def test_a_cluster_without_gpus(
    ray: None, htsat: Run, many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert htsat("tag", many, "-o", f"{tmp_path}/out/", "--device", "cuda", *CLUSTER) == 2
    assert "and 0 GPUs, room for 0 workers: each takes 0 for the network, 1 " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--workers", 2, "--resume", "-o", "x.csv"],
            "--workers are those of a cluster: --engine-cluster ray",
        ),
        (CLUSTER, "--resume, --retry and --shard need a place for parts: -o FOLDER/ or -o FILE (--engine-cl"),
        (["--engine-cluster", "dask", "-o", "x.csv"], "argument --engine-cluster: invalid choice: 'dask'"),
    ],
)
def test_wrong_use(
    htsat: Run, recordings: Path, options: list[object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert htsat("tag", recordings, *options) == 2
    assert capsys.readouterr().err.startswith(f"htsat: {message}")


def test_without_ray(
    htsat: Run,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert htsat("tag", recordings, "-o", tmp_path / "x.csv", *CLUSTER) == 1
    said = capsys.readouterr().err
    assert said == (
        "htsat: --engine-cluster ray needs packages that are not installed: pip install 'htsat[ray]'\n"
    )


def test_a_finished_run_needs_no_cluster(
    htsat: Run, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert htsat("tag", recordings, "-o", f"{tmp_path}/out/", "--resume") == 0
    monkeypatch.setitem(sys.modules, "ray", None)
    assert htsat("tag", recordings, "-o", f"{tmp_path}/out/", *CLUSTER) == 0


def test_a_worker_with_another_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_cluster, "settings_of", lambda *_: {"htsat": "1", "--model": "other"})
    recipe = Recipe(lambda _: None, lambda *_: None)  # type: ignore[arg-type, return-value]
    args = Namespace(engine_cluster="ray")
    with pytest.raises(ConfigError, match=r"^a worker on .* has --model other, this call has this$"):
        bulk_cluster._loaded(args, recipe, {"htsat": "1", "--model": "this"}, lambda *_: None)  # type: ignore


def test_who_deals_units_needs_no_gpu() -> None:
    def options(engine_cluster: str | None, device: str, engine: str) -> tuple[str, str]:
        args = for_driver(Namespace(engine_cluster=engine_cluster, device=device, engine=engine))
        return args.device, args.engine

    assert options("ray", "cuda", "auto") == ("cpu", "torch")
    assert options("ray", "auto", "auto") == ("cpu", "auto")
    assert options("ray", "mps", "auto") == ("mps", "auto")
    assert options(None, "cuda", "auto") == ("cuda", "auto")


def test_remarks_of_a_cluster_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print("\x1b[33m(raylet)\x1b[0m A worker died. To find out why, ...", file=bulk_cluster._Remarks())
    assert capsys.readouterr() == ("", "htsat: cluster: A worker died\n")
