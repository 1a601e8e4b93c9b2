"""Runs that lose a process or a machine, on one machine and on two, end as an undisturbed one does.

`torchrun` starts `htsat train` (`node_work.py`) on two processes. Two machines are two network namespaces,
which a virtual cable connects.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import load_model
from htsat.data.augment import WaveformAugmentation
from htsat.network import HTSAT, ModelConfig
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.mixing import Mixup, SpecAugment
from htsat.training.parallel import load_full_state
from htsat.training.state import read_state

from .parallel_work import NETWORK

SAMPLE_RATE = 8_000
N_TRAIN, BATCH, N_EPOCHS = 18, 4, 2
"""Four steps an epoch, in which each process draws two clips; two clips are left."""
CHECKPOINT = 6
"""The step of the last checkpoint before the loss: in the middle of the second epoch."""
LOST_AT = 2 * (CHECKPOINT + 1) + 1
"""The draw at which a process is lost, in the eighth step."""
TIMEOUT_S = 600
WORK = Path(__file__).with_name("node_work.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--max-restarts", "3"]
_OURS = (
    "GLOO_",
    "PL_",
    "SLURM_",
    "MASTER_",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "RANK",
    "TORCHELASTIC_",
    "NODE_RANK",
)


class Machine(NamedTuple):
    """A network namespace with an address."""

    name: str
    address: str
    interface: str


@contextmanager
def two_machines() -> Iterator[list[Machine]]:
    """Two namespaces and a cable; skips where they may not be made."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root, and the command ip")
    tag = f"ht{os.getpid()}"
    machines = [Machine(f"{tag}{end}", f"10.77.0.{end}", f"{tag}{end}") for end in (1, 2)]
    first, second = machines
    try:
        for machine in machines:
            if subprocess.run(["ip", "netns", "add", machine.name], check=False).returncode:
                pytest.skip("network namespaces may not be made here")
        cable = f"link add {first.interface} netns {first.name} type veth"
        ip(f"{cable} peer name {second.interface} netns {second.name}")
        for name, address, interface in machines:
            ip(f"-n {name} address add {address}/24 dev {interface}")
            for link in ("lo", interface):
                ip(f"-n {name} link set {link} up")
        yield machines
    finally:
        for machine in machines:
            subprocess.run(["ip", "netns", "delete", machine.name], check=False, stderr=subprocess.DEVNULL)


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def write_recordings(folder: Path) -> None:
    """Tones of two classes; six of the 24 are held out."""
    rng, time_s = np.random.default_rng(0), np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    for label, n_clips, pitch_hz in (("high", 16, 2_000), ("low", 8, 300)):
        (folder / label).mkdir(parents=True)
        for take in range(n_clips):
            tone = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.8, 1.2) * time_s)
            noisy = 0.3 * tone + 0.01 * rng.standard_normal(len(time_s))
            soundfile.write(folder / label / f"{take}-{label}.wav", noisy, SAMPLE_RATE)


def write_experiment(folder: Path) -> None:
    experiment = Experiment(
        data=str(folder / "data"),
        network=NETWORK,
        valid_share=0.25,
        precision="32-true",
        device="cpu",
        log_every=1,
        checkpoint_every_steps=3,
        optimisation=Optimisation(epochs=N_EPOCHS, batch_size=BATCH, learning_rate=2e-3, warmup_clips=8),
        augmentation=WaveformAugmentation(speed=1.05),
        mixup=Mixup(probability=0.7),
        spec_augment=SpecAugment(max_time_frames=4, max_mel_bins=2),
    )
    (folder / "experiment.json").write_text(json.dumps(dataclasses.asdict(experiment)))


def start(
    folder: Path, name: str, launcher: Sequence[str], words: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """The run `name` under a launcher, which may be started once more with the same words."""
    (folder / name).mkdir(exist_ok=True)
    command = [str(WORK), str(folder / name), "train", str(folder / "experiment.json")]
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return subprocess.Popen(
        [*launcher, *command, "-o", str(folder / "runs" / name), *words],
        env=own | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(*processes: subprocess.Popen[str]) -> None:
    """Wait for launchers; none of them, and nothing that they started, is left."""
    try:
        told = [process.communicate(timeout=TIMEOUT_S)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(told)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the run `whole`, which nothing disturbed, and two in which a process was killed."""
    folder = tmp_path_factory.mktemp("nodes")
    write_recordings(folder / "data")
    write_experiment(folder)
    for name in ("killed", "fsdp"):
        (folder / name).mkdir()
        (folder / name / "kill-1").write_text(str(LOST_AT))
    alone = [*TORCHRUN, "--standalone", "--nproc-per-node", "2"]
    finish(start(folder, "whole", alone))
    finish(start(folder, "killed", alone))
    finish(start(folder, "fsdp", alone, ["--machines.strategy", "fsdp"]))
    return folder


@pytest.fixture(scope="module")
def two_machines_run(folder: Path) -> Path:
    """The run `nodes` of two machines, of which the second was lost and another one came in its place."""
    (folder / "nodes").mkdir()
    (folder / "nodes" / "lose-1").write_text(str(LOST_AT))
    with two_machines() as (first, second):

        def join(machine: Machine) -> subprocess.Popen[str]:
            place = ["ip", "netns", "exec", machine.name, "env", f"GLOO_SOCKET_IFNAME={machine.interface}"]
            meeting = (
                f"--nnodes 2 --nproc-per-node 1 --rdzv-backend c10d --rdzv-endpoint {first.address}:29500"
            )
            own = f"--rdzv-conf is_host={machine is first} --local-addr {machine.address}"
            return start(folder, "nodes", [*place, *TORCHRUN, *meeting.split(), *own.split()])

        remaining, lost = join(first), join(second)
        lost.communicate(timeout=TIMEOUT_S)
        assert lost.returncode == -signal.SIGKILL
        finish(remaining, join(second))
    return folder


def losses(run: Path) -> list[float]:
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["event"] in ("step", "evaluation")]


def draws(notes: Path, rank: int, life: int) -> list[str]:
    """What a process drew, in order: epoch, number of the clip, take."""
    return (notes / f"heard-{rank}-{life}").read_text().splitlines()


def refuse_other_run(run: Path, whole: Path) -> None:
    """The same losses, models and state, to the last bit."""
    assert losses(run) == losses(whole)
    assert len(losses(run)) == 4 * N_EPOCHS + N_EPOCHS
    for name in ("model.safetensors", "best.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    here, there = (read_state(path).trainer for path in (run, whole))
    torch.testing.assert_close(vars(here), vars(there), rtol=0, atol=0)


def refuse_other_clips(notes: Path, whole: Path) -> None:
    """Up to the checkpoint, and in the second life from there on, what an undisturbed run draws, in order."""
    for rank in (0, 1):
        undisturbed, before, after = draws(whole, rank, 0), draws(notes, rank, 0), draws(notes, rank, 1)
        n_kept = CHECKPOINT * BATCH // 2
        assert before[:n_kept] + after == undisturbed
        assert len(before) > n_kept
        assert not (notes / f"heard-{rank}-2").exists()
    assert len(draws(notes, 1, 0)) == LOST_AT


def test_a_killed_process_costs_nothing(folder: Path) -> None:
    """It was killed within an epoch; torchrun started the same command again."""
    refuse_other_run(folder / "runs" / "killed", folder / "runs" / "whole")
    refuse_other_clips(folder / "killed", folder / "whole")


def test_a_lost_machine_costs_nothing(two_machines_run: Path) -> None:
    """And two machines learn what two processes of one learn."""
    folder = two_machines_run
    refuse_other_run(folder / "runs" / "nodes", folder / "runs" / "whole")
    refuse_other_clips(folder / "nodes", folder / "whole")


def test_a_killed_process_of_those_that_share_the_network_costs_nothing(folder: Path) -> None:
    run, whole = folder / "runs" / "fsdp", folder / "runs" / "whole"
    assert losses(run) == pytest.approx(losses(whole), rel=1e-5)
    refuse_other_clips(folder / "fsdp", folder / "whole")


def test_a_network_saved_by_two_is_loaded_by_one(folder: Path) -> None:
    """Exactly; that training goes on in one, and from one in two, is held in `test_parallel.py`."""
    state = read_state(folder / "runs" / "fsdp")
    network = HTSAT(ModelConfig(**state.origin.network_config))
    (average,) = state.trainer.averages
    load_full_state(network, average)
    saved = load_model(folder / "runs" / "fsdp" / "model.safetensors").network.state_dict()
    torch.testing.assert_close(dict(network.state_dict()), dict(saved), rtol=0, atol=0)


def test_no_clip_comes_twice_in_an_epoch(folder: Path) -> None:
    drawn = list(chain(draws(folder / "whole", 0, 0), draws(folder / "whole", 1, 0)))
    for epoch in range(N_EPOCHS):
        numbers = [int(line.split()[1]) for line in drawn if int(line.split()[0]) == epoch]
        assert len(set(numbers)) == len(numbers) == N_TRAIN - N_TRAIN % BATCH
