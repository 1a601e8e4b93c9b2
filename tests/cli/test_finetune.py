"""`htsat finetune`: settings from files and options, a run, its continuation, every refusal in one line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.checkpoints import ModelCard, load_model, save_model
from htsat.cli.main import main
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

pytestmark = pytest.mark.usefixtures("small_network")

SAMPLE_RATE = 8_000
SETTINGS = """
size: nano
precision: 32-true
device: cpu
valid_share: 0.25
optimisation:
  epochs: 2
  batch_size: 8
  learning_rate: 5e-3
augmentation:
  speed: 1.0
"""


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Eight high and eight low tones."""
    time_s = np.arange(SAMPLE_RATE // 2) / SAMPLE_RATE
    for label, pitch_hz in (("high", 2_000), ("low", 300)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for take in range(8):
            tone = 0.3 * np.sin(2 * np.pi * (pitch_hz + 10 * take) * time_s)
            soundfile.write(tmp_path / "data" / label / f"{take}-{label}.wav", tone, SAMPLE_RATE)
    return tmp_path / "data"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "first"


@pytest.fixture
def finetune(recordings: Path, run: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs the command with the small settings; returns the exit code."""
    config = tmp_path / "settings.yaml"
    config.write_text(SETTINGS)

    def finetune(*options: str) -> int:
        return main(["finetune", str(recordings), "-o", str(run), "--config", str(config), *options])

    return finetune


def saved(run: Path) -> dict[str, object]:
    settings: dict[str, object] = json.loads((run / "experiment.json").read_text())
    return settings


def test_a_run_from_folder_to_model(finetune, run, capsys):
    assert finetune() == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == str(run / "model.safetensors")
    assert printed.out.startswith("accuracy ")
    assert "12 clips to learn from, 4 held out\n" in printed.err
    assert load_model(run / "model.safetensors").card.labels.names == ("high", "low")


def test_without_held_out_clips_only_the_model_is_named(finetune, run, capsys):
    assert finetune("--valid-share", "0") == 0
    assert capsys.readouterr().out == f"{run / 'model.safetensors'}\n"


def test_broken_recordings_are_named(finetune, recordings, capsys):
    (recordings / "low" / "broken.wav").write_text("no sound")
    assert finetune() == 0
    assert f"left out: {recordings / 'low' / 'broken.wav'}" in capsys.readouterr().err


def test_options_override_the_file_and_the_resolved_settings_are_kept(finetune, run):
    assert finetune("--optimisation.epochs=1", "--init-from", "null", "--sampling", "balanced") == 0
    settings = saved(run)
    assert settings["optimisation"]["epochs"] == 1
    assert settings["optimisation"]["learning_rate"] == 5e-3
    assert (settings["sampling"], settings["init_from"]) == ("balanced", None)


@pytest.mark.parametrize("preset", [["--preset", "esc50-scratch"], ["--preset=esc50-scratch"]])
def test_a_preset_is_a_file_that_later_options_override(recordings, run, tmp_path, preset):
    (tmp_path / "settings.yaml").write_text(SETTINGS)
    words = [*preset, "--config", str(tmp_path / "settings.yaml"), "--optimisation.accumulate", "1"]
    assert main(["finetune", str(recordings), "-o", str(run), *words]) == 0
    settings = saved(run)
    assert (settings["task"], settings["evaluate_every"]) == ("multi_class", 5)
    assert (settings["optimisation"]["optimizer"], settings["optimisation"]["epochs"]) == ("muon", 2)


@pytest.fixture
def start(tmp_path: Path, half_second_config: ModelConfig) -> Path:
    """A small model of other classes, in place of the packaged one."""
    card = ModelCard(LabelSet.of(["x", "y"]), "multi_label", EventRules((0.5, 0.5)))
    path = tmp_path / "start.safetensors"
    save_model(path, HTSAT(dataclasses.replace(half_second_config, n_classes=2)), card)
    return path


def test_without_settings_those_for_as_many_recordings_are_taken(recordings, run, start, capsys):
    words = ["--init-from", str(start), "--optimisation.epochs", "1", "--device", "cpu"]
    assert main(["finetune", str(recordings), "-o", str(run), *words]) == 0
    assert "settings of preset 'finetune-50', by the recordings\n" in capsys.readouterr().err
    settings = saved(run)
    assert settings["init_from"] == str(start)
    assert (settings["optimisation"]["learn"], settings["optimisation"]["epochs"]) == ("head", 1)


@pytest.mark.parametrize("words", [["--init-from", "null"], ["--init-from=null"], ["--size", "nano"]])
def test_a_network_that_begins_from_nothing_chooses_its_own_settings(recordings, run, capsys, words):
    words = [*words, "--optimisation.epochs", "1", "--optimisation.batch-size", "4", "--device", "cpu"]
    assert main(["finetune", str(recordings), "-o", str(run), *words]) == 0
    assert "preset" not in capsys.readouterr().err
    assert saved(run)["optimisation"]["learn"] == "all"


def test_a_stopped_run_goes_on(finetune, recordings, run, tmp_path, capsys, monkeypatch):
    assert finetune("--optimisation.optimizer", "muon") == 0
    model = (run / "model.safetensors").read_bytes()
    run.rename(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("htsat.training.run.evaluate_clips", _interrupted)
        assert finetune("--optimisation.optimizer", "muon") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "htsat: interrupted"
    assert main(["finetune", str(recordings), "-o", str(run), "--resume"]) == 0
    printed = capsys.readouterr()
    assert "goes on at epoch 0 of 2\n" in printed.err
    assert printed.out.splitlines()[-1] == str(run / "model.safetensors")
    assert (run / "model.safetensors").read_bytes() == model


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_line_that_started_a_run_may_be_repeated_to_resume_it(finetune, capsys):
    assert finetune("--seed", "3") == 0
    first = capsys.readouterr().out
    assert finetune("--seed", "3", "--resume") == 0
    again = capsys.readouterr()
    assert again.out == first
    assert again.err == "finished before  epochs 2\n"


def test_a_resumed_run_keeps_its_settings_and_data(finetune, recordings, run, capsys):
    assert finetune() == 0
    capsys.readouterr()
    assert finetune("--resume", "--seed", "1", "--optimisation.weight_decay", "0") == 2
    kept = "a resumed run keeps its settings; it was started with"
    assert capsys.readouterr().err == (
        f"htsat: {run}: {kept} seed 0, now 1, optimisation.weight_decay 0.05, now 0.0\n"
    )
    (recordings / "low" / "0-low.wav").unlink()
    assert finetune("--resume") == 1
    assert capsys.readouterr().err == (
        f"htsat: {recordings}: not the data that {run} was started on (16 clips then, 15 now)\n"
    )


def test_there_must_be_something_to_resume(finetune, run, capsys):
    assert finetune("--resume") == 1
    assert capsys.readouterr().err == (
        f"htsat: {run}: no run to resume (there is no state.ckpt); start it without --resume\n"
    )
    assert not run.exists()


def test_a_folder_with_a_run_is_left_alone(finetune, run, capsys):
    run.mkdir(parents=True)
    (run / "state.ckpt").write_text("")
    assert finetune() == 1
    assert capsys.readouterr().err == (
        f"htsat: {run}: holds a run already; choose another folder, or go on with --resume\n"
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--preset", "esc50-scrach"], 2, "htsat: no preset 'esc50-scrach'; did you mean 'esc50-scratch'?"),
        (["--optimisation.epoch", "3"], 2, "--optimisation.epoch 3; did you mean '--optimisation.epochs'?"),
        (["--optimisation.epochs", "0"], 2, "optimisation.epochs must be positive, got 0"),
        (["--sampling", "even"], 2, "even"),
        (["--checkpoint-every", "0"], 2, "checkpoint_every must be positive, got 0"),
        (["--valid-fold", "4"], 1, "htsat: no clip has fold 4; the manifest's folds are []"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(finetune, run, capsys, options, code, message):
    assert finetune(*options) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not (run / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimisation:\n  epoch: 3\n", "'optimisation' does not accept option 'epoch'"),
        ("seeed: 3\n", "seeed"),
        ("seed: x\n", "seed"),
    ],
)
def test_a_wrong_file_of_settings_is_refused_in_one_line(finetune, tmp_path, capsys, text, message):
    (tmp_path / "settings.yaml").write_text(text)
    assert finetune() == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert message in printed


def test_missing_data_is_named(tmp_path, capsys):
    assert main(["finetune", str(tmp_path / "nowhere"), "-o", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err == f"htsat: {tmp_path / 'nowhere'}: No such file or directory\n"


def test_the_folder_of_the_run_is_needed(capsys):
    assert main(["finetune", "recordings"]) == 2
    assert "required" in capsys.readouterr().err
