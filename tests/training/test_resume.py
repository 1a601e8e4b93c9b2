"""A run that was stopped and resumed is the run that was never stopped, to the last bit."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from htsat.checkpoints import load_model
from htsat.errors import CheckpointError, ConfigError, DataError
from htsat.network import ModelConfig
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.state import STATE_NAME, read_state
from htsat.training.train import Watcher, resume, train

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def half_second_config(half_second_config: ModelConfig) -> ModelConfig:
    """With stochastic depth, which draws from torch's global generator."""
    return dataclasses.replace(half_second_config, drop_path=0.4)


@pytest.fixture(params=["adamw", "muon"])
def settings(request: pytest.FixtureRequest, experiment: Callable[..., Experiment]) -> Experiment:
    """Four epochs of two steps, each heard in two parts; mixup and SpecAugment are on."""
    optimisation = Optimisation(
        epochs=4,
        batch_size=8,
        accumulate=2,
        learning_rate=5e-3,
        warmup_clips=16,
        ema_decay=0.8,
        optimizer=request.param,
    )
    return experiment(optimisation=optimisation)


class StoppedError(Exception):
    """What a test stops a run with."""


def stop_after(n_events: int) -> Watcher:
    """A watcher that ends the run right after its n-th event."""
    seen: list[object] = []

    def event(event: dict[str, object]) -> None:
        seen.append(event)
        if len(seen) == n_events:
            raise StoppedError

    return Watcher(event)


def flat(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """All leaves of a state with their places; tensors as their bytes."""
    if dataclasses.is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from flat(item, f"{name}.{key}")
    else:
        yield name, value.numpy().tobytes() if isinstance(value, torch.Tensor) else value


def remembered(run: Path) -> dict[str, object]:
    """All that a run leaves behind, apart from times."""
    state = dataclasses.replace(read_state(run), log_bytes=0)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    log = [
        {name: value for name, value in line.items() if name not in ("clips_per_s", "time_left_s")}
        for line in lines
    ]
    models = {name: (run / name).read_bytes() for name in ("model.safetensors", "best.safetensors")}
    return {"log": log, **models, **dict(flat(state))}


def assert_same(run: Path, other: Path) -> None:
    left, right = remembered(run), remembered(other)
    assert [name for name in {**left, **right} if left.get(name) != right.get(name)] == []


def test_what_is_compared_holds_all_that_moves(recordings, tmp_path, experiment):
    train(experiment(), tmp_path / "run")
    names = " ".join(remembered(tmp_path / "run"))
    for part in ("network", "averages", "momentum_buffer", "exp_avg_sq", "n_averaged", "step"):
        assert part in names


def test_a_stopped_run_goes_on_as_if_it_had_not_been(recordings, tmp_path, settings):
    whole = train(settings, tmp_path / "whole")
    # After one line on the data, an epoch logs two steps and an evaluation. These stops are in the first
    # epoch, after the first step of an epoch, between an epoch's model and its checkpoint, and at the end.
    for n_events in (2, 5, 7, 12):
        run = tmp_path / f"stopped-{n_events}"
        with pytest.raises(StoppedError):
            train(settings, run, stop_after(n_events))
        assert resume(settings, run).held_out == whole.held_out
        assert_same(run, tmp_path / "whole")


def test_a_run_goes_on_from_within_an_epoch(recordings, tmp_path, settings):
    settings = dataclasses.replace(
        settings, checkpoint_every_steps=1, checkpoint_every=3, log_every=2, sampling="balanced"
    )
    train(settings, tmp_path / "whole")
    run, n_epochs = tmp_path / "stopped", []
    with pytest.raises(StoppedError):
        train(settings, run, stop_after(3))
    for n_events in (5, 5, 5):
        n_epochs.append(read_state(run).trainer.step / 2)
        with pytest.raises(StoppedError):
            resume(settings, run, stop_after(n_events))
    resume(settings, run)
    assert n_epochs == [0.5, 1.5, 2.5]
    assert_same(run, tmp_path / "whole")


@pytest.mark.parametrize("settings", ["muon"], indirect=True)
def test_checkpoints_do_not_change_a_run(recordings, tmp_path, settings):
    train(dataclasses.replace(settings, checkpoint_every_steps=1), tmp_path / "often")
    train(dataclasses.replace(settings, checkpoint_every=4), tmp_path / "seldom")
    often, seldom = (
        load_model(tmp_path / run / "model.safetensors").network.state_dict() for run in ("often", "seldom")
    )
    assert all(torch.equal(often[key], seldom[key]) for key in seldom)


def started(recordings: Path, run: Path, settings: Experiment, prelude: str = "") -> subprocess.Popen[bytes]:
    """The same run in a process of its own, which can be killed."""
    script = f"""
import os
from pathlib import Path
import torch
from htsat.data.augment import WaveformAugmentation
from htsat.network import ModelConfig
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.train import train
from htsat.training.experiment import Detection, Machines, Teaching
from htsat.training.mixing import MixStyle, Mixup, SpecAugment
torch.set_num_threads({torch.get_num_threads()})
config = {ModelConfig.named("small", n_classes=2)!r}
ModelConfig.named = lambda name, **changes: config
{prelude}
train({settings!r}, Path({str(run)!r}))
"""
    return subprocess.Popen([sys.executable, "-c", script])


@pytest.mark.parametrize("settings", ["adamw"], indirect=True)
def test_a_run_killed_at_any_moment_goes_on(recordings, tmp_path, settings):
    settings = dataclasses.replace(settings, checkpoint_every_steps=1)
    run, log = tmp_path / "killed", tmp_path / "killed" / "log.jsonl"
    n_lines, wait_s = random.randint(2, 9), random.uniform(0.0, 0.05)
    with started(recordings, run, settings) as process:
        while not log.exists() or len(log.read_bytes().splitlines()) < n_lines:
            assert process.poll() is None
            time.sleep(0.001)
        time.sleep(wait_s)
        process.kill()
    train(settings, tmp_path / "whole")
    resume(settings, run)
    assert_same(run, tmp_path / "whole")


KILLED_WHILE_WRITING = """
save, n_left = torch.save, 3
def save_in_part(content, file):
    global n_left
    n_left -= 1
    save(content, file)
    if n_left == 0:
        file.flush()
        os.truncate(file.fileno(), file.tell() // 2)
        os.kill(os.getpid(), 9)
torch.save = save_in_part
"""


@pytest.mark.parametrize("settings", ["muon"], indirect=True)
def test_a_run_killed_while_it_writes_a_checkpoint_has_the_one_before(recordings, tmp_path, settings):
    run = tmp_path / "killed"
    with started(recordings, run, settings, KILLED_WHILE_WRITING) as process:
        assert process.wait() != 0
    assert read_state(run).trainer.step == 2
    assert [path.name for path in run.glob(".state.ckpt.*")] != []
    train(settings, tmp_path / "whole")
    resume(settings, run)
    assert [path.name for path in run.glob(".*")] == []
    assert_same(run, tmp_path / "whole")


@pytest.mark.parametrize("settings", ["muon"], indirect=True)
def test_a_full_disk_leaves_the_checkpoint_before(recordings, tmp_path, settings, monkeypatch):
    def fail(content: object, file: BinaryIO) -> None:
        file.write(b"half of it")
        raise OSError("No space left on device")

    run = tmp_path / "run"
    with pytest.raises(StoppedError):
        train(settings, run, stop_after(5))
    before = (run / STATE_NAME).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match="No space left"):
            resume(settings, run)
    assert (run / STATE_NAME).read_bytes() == before
    assert list(run.glob(".*")) == []


def test_a_finished_run_stays_as_it_is_and_says_so(recordings, tmp_path, experiment):
    run, events = tmp_path / "run", []
    evaluation = train(experiment(), run)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.iterdir()}
    assert resume(experiment(), run, Watcher(events.append)) == evaluation
    assert events == [{"event": "finished before", "epochs": 6}]
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.iterdir()} == before


@pytest.mark.parametrize("settings", ["adamw"], indirect=True)
def test_the_start_is_not_needed_again(recordings, tmp_path, settings):
    start = tmp_path / "start" / "model.safetensors"
    train(settings, start.parent)
    settings = dataclasses.replace(settings, init_from=str(start), seed=1)
    train(settings, tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(settings, tmp_path / "stopped", stop_after(5))
    start.unlink()
    resume(settings, tmp_path / "stopped")
    assert_same(tmp_path / "stopped", tmp_path / "whole")


@pytest.fixture
def stopped(recordings, tmp_path, experiment):
    """A run with the settings `experiment()`, stopped in its second epoch."""
    with pytest.raises(StoppedError):
        train(experiment(), tmp_path / "stopped", stop_after(6))
    return tmp_path / "stopped"


def test_the_recordings_may_have_moved(recordings, stopped, tmp_path, experiment):
    recordings.rename(tmp_path / "elsewhere")
    moved = experiment(data=str(tmp_path / "elsewhere"))
    assert resume(moved, stopped).held_out.accuracy == 1.0


def test_nothing_to_resume(recordings, tmp_path, experiment):
    message = re.escape(f"{tmp_path}: no run to resume (there is no state.ckpt); start it without --resume")
    with pytest.raises(DataError, match=message):
        resume(experiment(), tmp_path)


def test_other_settings_are_refused(recordings, stopped, experiment):
    with pytest.raises(ConfigError, match=r"keeps its settings; it was started with seed 0, now 1$"):
        resume(experiment(seed=1), stopped)
    other = experiment(optimisation=Optimisation(epochs=9, batch_size=8))
    with pytest.raises(ConfigError, match=r"started with optimisation.epochs 6, now 9, .* and \d more$"):
        resume(other, stopped)


def test_other_recordings_are_refused(recordings, stopped, experiment):
    new = recordings / "low" / "12-low.wav"
    new.write_bytes((recordings / "low" / "3-low.wav").read_bytes())
    with pytest.raises(DataError, match=r"not the data that .* was started on \(24 clips then, 25 now\)"):
        resume(experiment(), stopped)
    (recordings / "low" / "3-low.wav").unlink()
    with pytest.raises(DataError, match="files, labels or folds differ among the 24 clips"):
        resume(experiment(), stopped)


def test_recordings_that_cannot_be_read_any_more_are_noticed(recordings, stopped, experiment):
    broken = recordings / "low" / "3-low.wav"
    broken.write_bytes(bytes(broken.stat().st_size))
    with pytest.raises(DataError, match="was started with 24 clips that could be decoded; now 23 can"):
        resume(experiment(), stopped)


def rewrite(run: Path, **changes: object) -> None:
    content = torch.load(run / STATE_NAME, weights_only=True)
    for name, value in changes.items():
        (content if name in content else content["origin"])[name] = value
    torch.save(content, run / STATE_NAME)


def test_another_device_is_refused(recordings, stopped, experiment):
    rewrite(stopped, device="cuda")
    with pytest.raises(ConfigError, match="was started on device 'cuda', got 'cpu'"):
        resume(experiment(), stopped)


def test_a_state_of_another_version_is_refused(recordings, stopped, experiment):
    rewrite(stopped, format_version=4)
    with pytest.raises(CheckpointError, match=r"state.ckpt: expected format version 2 or 3, got 4"):
        resume(experiment(), stopped)


def test_a_state_of_the_version_before_goes_on(recordings, stopped, experiment):
    """It has no loss scale."""
    trainer = torch.load(stopped / STATE_NAME, weights_only=True)["trainer"]
    assert trainer.pop("loss_scale") == {}
    rewrite(stopped, trainer=trainer)
    with pytest.raises(CheckpointError, match=r"state.ckpt: is damaged \(TypeError"):
        resume(experiment(), stopped)
    rewrite(stopped, format_version=2)
    assert resume(experiment(), stopped).held_out.accuracy == 1.0


@pytest.mark.parametrize("changes", [{"origin": {}}, {"top": [1]}, {"trainer": []}, {"evaluation": "no"}])
def test_a_state_of_other_content_is_refused(recordings, stopped, experiment, changes):
    rewrite(stopped, **changes)
    with pytest.raises(CheckpointError, match=r"state.ckpt: is damaged \(.*\)$"):
        resume(experiment(), stopped)


def test_a_compressed_state_is_refused(recordings, stopped, experiment):
    """It could hold any amount of memory."""
    with zipfile.ZipFile(stopped / STATE_NAME) as old:
        entries = {entry.filename: old.read(entry) for entry in old.infolist()}
    with zipfile.ZipFile(stopped / STATE_NAME, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in entries.items():
            new.writestr(name, content)
    with pytest.raises(CheckpointError, match=r"state.ckpt: .* \(refused: it is compressed"):
        resume(experiment(), stopped)


def test_a_damaged_state_is_refused(recordings, stopped, experiment):
    state = stopped / STATE_NAME
    os.truncate(state, state.stat().st_size // 2)
    with pytest.raises(CheckpointError, match=r"state.ckpt: not the state of a run that can be read \("):
        resume(experiment(), stopped)


def test_a_state_that_carries_code_is_refused(recordings, stopped, experiment):
    torch.save({"format_version": 2, "origin": Path()}, stopped / STATE_NAME)
    with pytest.raises(CheckpointError, match=r"state.ckpt: not the state of a run that can be read \("):
        resume(experiment(), stopped)


def test_a_log_of_another_run_is_refused(recordings, stopped, experiment):
    (stopped / "log.jsonl").write_text("")
    with pytest.raises(DataError, match=r"log.jsonl: had \d+ bytes at the checkpoint, now 0"):
        resume(experiment(), stopped)
