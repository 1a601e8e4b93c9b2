"""What processes tell each other, and users, when they do not stand together."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.distributed import DistNetworkError
from torch.utils.data import DataLoader

from htsat.errors import ConfigError, DataError, HtsatError, MissingExtraError
from htsat.processes import ALONE, Processes
from htsat.training.experiment import Experiment, Machines, Optimisation
from htsat.training.parallel import build_fabric, may_be_started_again, refuse_apart, told_in_one_line
from htsat.training.train import train

MakeExperiment = Callable[..., Experiment]
LAUNCHERS = ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "SLURM_JOB_NAME")


class Agreeing(Processes):
    """Two processes whose steps are known."""

    def gather(self, share: Sequence[object]) -> list[object]:  # type: ignore[override]
        return [*share, 8]


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHERS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["TORCHELASTIC_RUN_ID", "SLURM_NTASKS"])
def test_a_launcher_starts_a_command_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not may_be_started_again()
    monkeypatch.setenv(name, "1")
    assert may_be_started_again()


@pytest.mark.usefixtures("small_network")
def test_the_same_command_goes_on_under_a_launcher(
    recordings: Path, tmp_path: Path, experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone it refuses the folder; other settings are refused wherever it runs."""
    first = train(experiment(), tmp_path / "run")
    with pytest.raises(DataError, match="holds a run already"):
        train(experiment(), tmp_path / "run")
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert train(experiment(), tmp_path / "run") == first
    with pytest.raises(ConfigError, match=r"keeps its settings; it was started with seed 0, now 1$"):
        train(experiment(seed=1), tmp_path / "run")


def test_processes_must_begin_at_one_step(tmp_path: Path) -> None:
    refuse_apart(ALONE, 3, tmp_path)
    refuse_apart(Agreeing(0, 2), 8, tmp_path)
    expected = (
        rf"^{tmp_path}: processes begin at different steps \(0, 8\); all machines must share the folder"
    )
    with pytest.raises(DataError, match=expected):
        refuse_apart(Agreeing(0, 2), 0, tmp_path)


LOST = [
    RuntimeError(
        "[.../gloo/transport/tcp/pair.cc:537] Read error [127.0.0.1]:27277: Connection reset by peer"
    ),
    DistNetworkError("no answer"),
]


@pytest.mark.parametrize("error", LOST)
def test_a_lost_process_is_told_in_one_line(error: RuntimeError) -> None:
    expected = "^process 1 of 2 has lost another one; the run can go on from its last checkpoint$"
    with pytest.raises(HtsatError, match=expected), told_in_one_line(Processes(1, 2)):
        raise error
    with pytest.raises(RuntimeError, match=re.escape(str(error))), told_in_one_line(ALONE):
        raise error


def test_other_errors_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="out of memory"), told_in_one_line(Processes(1, 2)):
        raise RuntimeError("out of memory")
    with pytest.raises(ConfigError, match=r"^short$"), told_in_one_line(ALONE):
        raise ConfigError("short")


class Unreachable(torch.utils.data.Dataset[int]):
    """Clips of a server that does not answer."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        if index == 0:
            raise MissingExtraError("reading shards from a web server", "remote")
        raise DataError("http://host/a.tar: Connection refused (asked 11 times)")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.parametrize(
    ("index", "kind", "expected"),
    [
        (0, HtsatError, r"^reading shards from a web server needs .* pip install 'htsat\[remote\]'$"),
        (1, DataError, r"^http://host/a.tar: Connection refused \(asked 11 times\)$"),
    ],
)
def test_an_error_of_a_process_that_prepares_clips_is_told_in_one_line(
    index: int, kind: type[HtsatError], expected: str
) -> None:
    loader = DataLoader(Unreachable(), num_workers=1, multiprocessing_context="fork", sampler=[index])
    with pytest.raises(kind, match=expected), told_in_one_line(ALONE):
        next(iter(loader))


@pytest.mark.parametrize(("shared", "restarts"), [("False", "3"), ("True", "0")])
def test_restarts_that_can_work(
    shared: str, restarts: str, experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[object] = []

    def launch(fabric: object) -> None:
        launched.append(fabric)

    monkeypatch.setattr("lightning.fabric.Fabric.launch", launch)
    set_up_torchrun(monkeypatch, shared, restarts)
    build_fabric(experiment(machines=Machines(), optimisation=Optimisation(batch_size=8)))
    assert len(launched) == 1


def test_restarts_that_cannot_work_are_refused_at_the_first_start(
    experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_torchrun(monkeypatch, "True", "3")
    expected = r"^torchrun --max-restarts 3 needs .* TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 in its environment"
    with pytest.raises(ConfigError, match=expected):
        build_fabric(experiment())


def set_up_torchrun(monkeypatch: pytest.MonkeyPatch, shared: str, restarts: str) -> None:
    variables = {
        "TORCHELASTIC_RUN_ID": "x",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "TORCHELASTIC_USE_AGENT_STORE": shared,
        "TORCHELASTIC_MAX_RESTARTS": restarts,
        "GLOO_SOCKET_IFNAME": "lo",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
