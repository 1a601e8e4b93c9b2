"""The scripts for SLURM and Kubernetes, with stand-ins for a cluster, which write down their words."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from htsat.bulk.sharding import Shard, shard_of
from htsat.cli.main import COMMANDS

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted((EXAMPLES / "slurm").iterdir())
JOB = {
    "SLURM_JOB_ID": "31234",
    "SLURM_JOB_NODELIST": "node[1-2]",
    "SLURM_NNODES": "2",
    "SLURM_GPUS_ON_NODE": "4",
    "SLURM_CPUS_PER_TASK": "8",
}
STAND_INS = {
    # Runs nothing, but waits where the test wants it to.
    "srun": 'echo "$TORCH_DISABLE_SHARE_RDZV_TCP_STORE|$@" >> srun.txt; [[ ! -e wait ]] || exec sleep 60',
    "scontrol": 'echo "$@" >> scontrol.txt; if [[ $1 == show ]]; then printf "node1\\nnode2\\n"; fi',
}
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a script as SLURM does."""
    for name, body in STAND_INS.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)

    def started(script: str, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        others = {
            name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "TORCH"))
        }
        environment = others | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": ""} | JOB | variables
        environment["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        return subprocess.Popen([EXAMPLES / "slurm" / script, *words], cwd=tmp_path, env=environment)

    return started


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)
    assert max(map(len, script.read_text().splitlines())) <= 120


def test_training_starts_a_torchrun_on_each_node(start: Start, tmp_path: Path) -> None:
    assert start("train.sbatch", "esc50", "--data", "my data", "-o", "run").wait() == 0
    assert (tmp_path / "srun.txt").read_text() == (
        "1|--kill-on-bad-exit=1 --cpus-per-task=8 torchrun --nnodes 2 --nproc-per-node 4 --max-restarts 3 "
        "--rdzv-id 31234 --rdzv-backend c10d --rdzv-endpoint node1:21234 "
        "-m htsat train esc50 --data my data -o run\n"
    )
    assert (tmp_path / "scontrol.txt").read_text() == "show hostnames node[1-2]\n"


def test_a_task_of_an_array_hears_its_share(start: Start, tmp_path: Path) -> None:
    array = {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "64", "SLURM_ARRAY_TASK_MIN": "0"}
    assert start("bulk.sbatch", "tag", "archive/", "-o", "tags.parquet", **array).wait() == 0
    words = "--cpus-per-task=8 htsat tag archive/ -o tags.parquet --shard env --jobs 8"
    assert (tmp_path / "srun.txt").read_text() == f"|{words}\n"
    assert shard_of("env", array | {"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}) == Shard(3, 64)


def test_the_job_after_an_array_joins(start: Start, tmp_path: Path) -> None:
    assert start("bulk.sbatch", "tag", "archive/", "-o", "tags.parquet").wait() == 0
    words = "--cpus-per-task=8 htsat tag archive/ -o tags.parquet --resume --jobs 8"
    assert (tmp_path / "srun.txt").read_text() == f"|{words}\n"


@pytest.mark.parametrize("script", ["train.sbatch", "bulk.sbatch"])
def test_a_job_whose_time_ends_is_put_back(script: str, start: Start, tmp_path: Path) -> None:
    (tmp_path / "wait").touch()
    process = start(script, "tag")
    while not (tmp_path / "srun.txt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    assert process.wait() == 0
    assert (tmp_path / "scontrol.txt").read_text().splitlines()[-1] == "requeue 31234"


def test_a_job_that_fails_says_so(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bin" / "srun").write_text("#!/bin/bash\nexit 3\n")
    assert start("train.sbatch", "esc50").wait() == 3
    assert start("bulk.sbatch", "tag").wait() == 3


def test_a_job_of_kubernetes_has_as_many_shares_as_pods() -> None:
    job = yaml.safe_load((EXAMPLES / "kubernetes" / "bulk.yaml").read_text())["spec"]
    (container,) = job["template"]["spec"]["containers"]
    program, command, *words = container["command"]
    assert (program, command in COMMANDS, job["completionMode"]) == ("htsat", True, "Indexed")
    share = words[words.index("--shard") + 1]
    for index in range(job["completions"]):
        assert shard_of(share, {"JOB_COMPLETION_INDEX": str(index)}) == Shard(index, job["completions"])
    volumes = {volume["name"] for volume in job["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
