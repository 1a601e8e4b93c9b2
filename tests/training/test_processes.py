"""How many processes a run has, and what they cannot do together."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

import pytest

from htsat.errors import ConfigError
from htsat.training.experiment import Experiment, Machines, Optimisation
from htsat.training.parallel import build_fabric, check_batch

MakeExperiment = Callable[..., Experiment]

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "x",
    "WORLD_SIZE": "6",
    "LOCAL_WORLD_SIZE": "3",
    "RANK": "4",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "first-machine",
}
SLURM = {
    "SLURM_NTASKS": "6",
    "SLURM_NTASKS_PER_NODE": "3",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "4",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "12345",
    "SLURM_NODELIST": "machine[03-04]",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of a launcher, and back to what it was afterwards."""
    for name in [*TORCHRUN, *SLURM, "GLOO_SOCKET_IFNAME"]:
        # Set first, so that it is put back even where it was not there.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The fabrics that would have been launched."""
    fabrics: list[object] = []

    def launch(fabric: object) -> None:
        fabrics.append(fabric)

    monkeypatch.setattr("lightning.fabric.Fabric.launch", launch)
    return fabrics


@pytest.mark.parametrize("variables", [TORCHRUN, SLURM], ids=["torchrun", "slurm"])
@pytest.mark.parametrize("strategy", ["auto", "ddp", "fsdp"])
def test_a_launcher_says_how_many(
    variables: dict[str, str],
    strategy: str,
    experiment: MakeExperiment,
    launched: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the settings say."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    machines = Machines(n_devices=7, strategy=strategy)
    settings = Optimisation(batch_size=24, optimizer="adamw")
    fabric = build_fabric(experiment(machines=machines, optimisation=settings))
    assert (fabric.world_size, fabric.global_rank, fabric.local_rank, fabric.node_rank) == (6, 4, 1, 1)
    assert launched == [fabric]
    assert "GLOO_SOCKET_IFNAME" not in os.environ, "between machines gloo needs the network"


def test_one_process_needs_no_launcher(experiment: MakeExperiment) -> None:
    for strategy in ("auto", "ddp", "fsdp"):
        machines, optimisation = Machines(strategy=strategy), Optimisation(batch_size=7)
        fabric = build_fabric(experiment(machines=machines, optimisation=optimisation))
        assert (fabric.world_size, fabric.device.type) == (1, "cpu")


def test_within_a_machine_gloo_takes_the_loopback(
    experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "eth0"), (2, "lo0")])
    build_fabric(experiment())
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo0"
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth0")
    build_fabric(experiment())
    assert os.environ["GLOO_SOCKET_IFNAME"] == "eth0", "who sets it knows why"


def test_a_second_machine_needs_a_launcher(experiment: MakeExperiment) -> None:
    with pytest.raises(ConfigError, match="n_nodes 2 needs torchrun or srun to start the command on each"):
        build_fabric(experiment(machines=Machines(n_nodes=2)))


def test_slurm_must_say_how_many_tasks_a_machine_has(
    experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    with pytest.raises(ConfigError, match="SLURM starts 4 tasks: give their number as --ntasks-per-node"):
        build_fabric(experiment())


@pytest.mark.parametrize("prompt", [True, False], ids=["typed in", "no file"])
def test_what_cannot_be_started_once_more_is_refused(
    prompt: bool, experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    if prompt:
        monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    else:
        monkeypatch.setattr("sys.argv", ["-c"])
        monkeypatch.setattr("__main__.__spec__", None)
    with pytest.raises(ConfigError, match=r"n_devices 2 runs the program once more .*start it with torchrun"):
        build_fabric(experiment(machines=Machines(n_devices=2)))


def test_too_few_devices(
    experiment: MakeExperiment, launched: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ConfigError, match="2 devices 'cuda' are not available on this machine"):
        build_fabric(experiment(device="cuda", machines=Machines(n_devices=2)))


def test_settings_that_fsdp_cannot_go_with(experiment: MakeExperiment) -> None:
    fsdp = Machines(strategy="fsdp")
    with pytest.raises(ConfigError, match="'muon', which needs whole matrices; use 'ddp', or 'adamw'"):
        build_fabric(experiment(machines=fsdp, optimisation=Optimisation(optimizer="muon")))
    with pytest.raises(ConfigError, match="precision '16-mixed'; use 'bf16-mixed', or 'ddp'"):
        build_fabric(experiment(machines=fsdp, precision="16-mixed", optimisation=Optimisation()))


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "n_processes", "unit"), [(32, 1, 3, 6), (8, 4, 2, 16), (6, 1, 2, 4)]
)
def test_a_batch_must_be_shared_evenly_and_in_pairs(
    batch_size: int, accumulate: int, n_processes: int, unit: int
) -> None:
    settings = Optimisation(batch_size=batch_size, accumulate=accumulate)
    expected = (
        rf"must be a multiple of {unit} \(pairs of clips x {n_processes} processes "
        rf"x {accumulate} parts\), got {batch_size}"
    )
    with pytest.raises(ConfigError, match=expected):
        check_batch(settings, n_processes)


def test_batches_that_can_be_shared() -> None:
    check_batch(Optimisation(batch_size=7), 1)
    check_batch(Optimisation(batch_size=48, accumulate=4), 6)
