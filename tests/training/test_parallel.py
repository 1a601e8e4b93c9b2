"""Two processes learn what one learns: the same losses, the same weights, from the same clips.

Both are started once and do all their work (`parallel_work.py`); the tests look at what they left behind.
"""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from htsat.checkpoints import load_model
from htsat.training.state import read_state

SAMPLE_RATE = 8_000
TIMEOUT_S = 300
N_EPOCHS = 2
"""Of two steps each."""


def load_work() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "parallel_work", Path(__file__).with_name("parallel_work.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


work = load_work()


def write_recordings(folder: Path) -> None:
    rng = np.random.default_rng(0)
    time_s = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    for (label, n_clips), pitch_hz in zip(work.N_CLIPS.items(), (2_000, 300), strict=True):
        (folder / label).mkdir(parents=True)
        for take in range(n_clips):
            tone = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.8, 1.2) * time_s)
            noisy = 0.3 * tone + 0.01 * rng.standard_normal(len(time_s))
            soundfile.write(folder / label / f"{take}-{label}.wav", noisy, SAMPLE_RATE)


def start_two(command: list[str]) -> None:
    """Run a command twice as `torchrun` would, on the processor."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "TORCHELASTIC_RUN_ID": "test",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            command,
            env=environment() | shared | {"RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        messages = [process.communicate(timeout=TIMEOUT_S)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(messages)


def environment() -> dict[str, str]:
    """Of this process, without what a launcher or a run in it has left behind."""
    theirs = ("GLOO_", "PL_", "SLURM_", "MASTER_", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK")
    return {name: value for name, value in os.environ.items() if not name.startswith(theirs)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With the runs of one process in `one/`, and those of two in `two/`."""
    folder = tmp_path_factory.mktemp("parallel")
    write_recordings(folder / "data")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings = work.experiments(folder / "data")
    for name, experiment in settings.items():
        with work.heard(folder / f"heard-{name}.json"):
            work.run(experiment, folder / "one" / name)
    start_two([sys.executable, str(Path(work.__file__)), str(folder)])
    for name in ("adamw", "fsdp"):
        work.resume(settings["adamw"], folder / "two" / f"{name}-stopped")
    yield folder
    torch.set_num_threads(n_threads)


def losses(run: Path) -> list[float]:
    """In the order of the log."""
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [event["loss"] for event in events if event["event"] == "step"]


def weights(run: Path) -> dict[str, Tensor]:
    """At the end of a run."""
    return read_state(run).trainer.network


def figures(run: Path) -> dict[str, object]:
    """What the model of a run was measured to."""
    report = json.loads((run / "held_out.json").read_text())
    return {name: report[name] for name in ("n_clips", "clip_list_sha256", "accuracy", "mAP")}


def refuse_other_weights(here: dict[str, Tensor], there: dict[str, Tensor], tolerance: float) -> None:
    assert list(here) == list(there)
    for name, tensor in here.items():
        torch.testing.assert_close(
            there[name], tensor, rtol=tolerance, atol=tolerance, msg=f"{name}: {there[name]}, {tensor}"
        )


@pytest.mark.parametrize(
    ("alone", "together"),
    [
        ("adamw", "two/adamw"),
        ("head_first", "two/head_first"),
        ("head_only", "two/head_only"),
        ("adamw", "two/fsdp"),
        ("head_first", "two/fsdp-head_first"),
        ("adamw", "two/adamw-stopped"),
        ("adamw", "two/fsdp-stopped"),
        ("adamw", "two/resumed-ddp"),
        ("adamw", "two/resumed-fsdp"),
    ],
)
def test_two_processes_learn_what_one_learns(folder: Path, alone: str, together: str) -> None:
    """From beginning to end; from a checkpoint of two on with one (`stopped`); the other way (`resumed`)."""
    one, two = folder / "one" / alone, folder / together
    expected = losses(one)
    assert len(expected) == 2 * N_EPOCHS
    assert losses(two) == pytest.approx(expected, rel=1e-5)
    # AdamW divides by the size of the gradient, also of one that is nothing but rounding.
    refuse_other_weights(weights(one), weights(two), 2e-5)
    models = [load_model(run / "model.safetensors").network.state_dict() for run in (one, two)]
    refuse_other_weights(*models, 2e-5)


def test_two_processes_learn_what_one_learns_by_muon(folder: Path) -> None:
    """As near as one process comes to itself where its first weights are moved by rounding (1e-7).

    Muon works in bfloat16 inside, where a difference that falls on an edge grows.
    """
    one, two = folder / "one" / "muon", folder / "two" / "muon"
    expected, found = losses(one), losses(two)
    assert found[:2] == pytest.approx(expected[:2], rel=1e-5)
    assert found == pytest.approx(expected, rel=5e-4)
    refuse_other_weights(weights(one), weights(two), 2e-3)


def test_the_command_starts_the_second_process_itself(folder: Path) -> None:
    """And the two print what one would print, once."""
    one, two = folder / "one" / "adamw", folder / "two" / "by itself"
    command = [sys.executable, "-m", "htsat", "train"]
    done = subprocess.run(
        [*command, str(one / "experiment.json"), "-o", str(two), "--machines.n-devices", "2"],
        env=environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(two / "model.safetensors")) == 1
    assert losses(two) == pytest.approx(losses(one), rel=1e-5)


def test_the_state_of_two_is_laid_out_like_that_of_one(folder: Path) -> None:
    def layout(run: str) -> list[object]:
        trainer = read_state(folder / run).trainer
        moments = [sorted(state["state"]) for state in trainer.optimizers]
        sizes = [tensor.shape for average in trainer.averages for tensor in average.values()]
        return [moments, sizes, [sorted(state["param_groups"][0]) for state in trainer.optimizers]]

    assert layout("two/fsdp") == layout("two/adamw") == layout("one/adamw")


@pytest.mark.parametrize("name", ["adamw", "muon", "head_first", "head_only"])
def test_every_clip_is_heard_by_one_process(folder: Path, name: str) -> None:
    def heard(path: str) -> Counter[tuple[int, ...]]:
        return Counter(map(tuple, json.loads((folder / path).read_text())))

    shares = [heard(f"heard-{name}-{rank}.json") for rank in (0, 1)]
    assert shares[0] + shares[1] == heard(f"heard-{name}.json")
    assert max((shares[0] + shares[1]).values()) == 1, "a clip's takes differ, so that none comes twice"
    assert shares[0].total() == shares[1].total() == 8 * N_EPOCHS


def test_only_the_first_process_writes(folder: Path) -> None:
    first, second = (json.loads((folder / f"written-{rank}.json").read_text()) for rank in (0, 1))
    assert any("state.ckpt" in change for change in first)
    assert any("log.jsonl" in change for change in first)
    assert second == []


def test_two_processes_measure_what_one_measures(folder: Path) -> None:
    assert figures(folder / "two" / "adamw") == figures(folder / "one" / "adamw")


def test_batch_norm_over_two_processes_is_that_of_the_joined_batch(folder: Path) -> None:
    norm = torch.nn.BatchNorm1d(16)
    joined = work.batch_norm(slice(0, 8), norm)
    first, second = (torch.load(folder / f"norm-{rank}.pt") for rank in (0, 1))
    outputs = torch.cat([first.pop("outputs"), second.pop("outputs")], dim=1)
    torch.testing.assert_close(outputs, joined.pop("outputs"), rtol=1e-5, atol=1e-5)
    for name in ("weight.grad", "bias.grad"):
        # Of sums of squares, not means: those of the processes add up.
        whole = joined.pop(name)
        torch.testing.assert_close(first.pop(name) + second.pop(name), whole, rtol=1e-4, atol=1e-2)
    for name, tensor in joined.items():
        torch.testing.assert_close(first[name], tensor, rtol=1e-5, atol=1e-4)
        assert torch.equal(first[name], second[name])
