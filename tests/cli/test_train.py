"""`htsat train`: presets, files on top of them, options on top of both, and many runs in one command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from htsat.cli.learning import merged, preset_files, read_preset, read_settings
from htsat.cli.main import main
from htsat.data.manifest import Clip, Manifest, write_manifest
from htsat.errors import ConfigError
from htsat.labels import LabelSet

pytestmark = pytest.mark.usefixtures("small_network")

RATE = 8_000
SETTINGS = """
base: esc50-scratch
precision: 32-true
device: cpu
evaluate_every: 1
augmentation:
  speed: 1.0
optimisation:
  epochs: 2
  batch_size: 4
  accumulate: 1
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """High and low tones in three folds, each of two recordings (groups) of two clips."""
    time_s = np.arange(RATE // 2) / RATE
    clips = []
    for number in range(12):
        label, pitch_hz = (("high", 2_000), ("low", 300))[number % 2]
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * (pitch_hz + 10 * number) * time_s), RATE)
        clips.append(Clip(path, (label,), fold=str(number // 4), group=f"take {number // 2}"))
    write_manifest(tmp_path / "manifest.tsv", Manifest(tuple(clips), LabelSet.of(["high", "low"])))
    return tmp_path


@pytest.fixture
def train(data: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs the command with the small settings; returns the exit code."""
    (tmp_path / "small.yaml").write_text(SETTINGS)

    def train(*options: object) -> int:
        return main(["train", str(tmp_path / "small.yaml"), "--data", str(data), *map(str, options)])

    return train


def saved(run: Path) -> dict[str, object]:
    settings: dict[str, object] = json.loads((run / "experiment.json").read_text())
    return settings


def test_a_file_stands_on_a_preset_and_options_on_the_file(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train("-o", run, "--valid-fold", 2, "--test-fold", 0, "--seed", 7) == 0
    settings = saved(run)
    assert settings["optimisation"]["optimizer"] == "muon", "from the preset"  # type: ignore[index]
    assert settings["optimisation"]["epochs"] == 2, "from the file"  # type: ignore[index]
    assert (settings["seed"], settings["valid_fold"], settings["task"]) == (7, 2, "multi_class")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" on ")[2] for line in lines[:2]] == [
        "held-out clips (4 clips)",
        "the test fold (4 clips)",
    ]
    assert lines[2] == str(run / "model.safetensors")


def test_a_run_repeats_from_what_it_saved(train: Callable[..., int], tmp_path: Path) -> None:
    assert train("-o", tmp_path / "run", "--valid-fold", 2) == 0
    assert main(["train", str(tmp_path / "run" / "experiment.json"), "-o", str(tmp_path / "again")]) == 0
    models = [(tmp_path / run / "best.safetensors").read_bytes() for run in ("run", "again")]
    assert models[0] == models[1]


def test_the_folder_of_a_run_has_the_name_of_its_experiment(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train("--valid-share", 0) == 0
    assert (tmp_path / "runs" / "small" / "model.safetensors").is_file()


def test_a_stopped_run_goes_on_by_its_folder_alone(
    train: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("htsat.training.run.evaluate_clips", interrupt)
        assert train("-o", tmp_path / "run", "--valid-fold", 2) == 130
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert "goes on at epoch 0 of 2\n" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path / "nowhere")]) == 1
    assert "nowhere: no run to resume" in capsys.readouterr().err


@pytest.mark.parametrize(("by", "n_parts"), [("fold", 3), ("group", 6)])
def test_every_fold_is_held_out_in_turn(
    train: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str, n_parts: int
) -> None:
    folder = tmp_path / "all"
    options = ["-o", folder, "--cross-validation.by", by, "--optimisation.epochs", 1]
    assert train(*options, "--cross-validation.seeds", "[0, 1]" if by == "fold" else "[]") == 0
    printed = capsys.readouterr()
    summary = json.loads((folder / "summary.json").read_text())
    n_seeds = 2 if by == "fold" else 1
    assert len(summary["runs"]) == n_parts * n_seeds
    assert {run["n_clips"] for run in summary["runs"]} == {12 // n_parts}
    accuracies = [run["accuracy"] for run in summary["runs"]]
    assert summary["accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    parts = [accuracies[part::n_parts] for part in range(n_parts)]
    deviation = np.std([np.mean(part) for part in parts], ddof=1)
    assert summary["accuracy"]["between_parts"] == pytest.approx(deviation)
    assert (summary["accuracy"]["between_seeds"] is None) == (n_seeds == 1)
    assert printed.out.splitlines()[-1] == str(folder)
    assert f"accuracy  {np.mean(accuracies):.4f}  +- {deviation:.4f} between parts" in printed.out
    first = summary["runs"][0]["run"]
    assert f"{first}  epoch" in printed.err
    assert saved(folder / first)["valid_fold"] == summary["runs"][0]["part"]


def test_a_cross_validation_goes_on_where_it_was_stopped(
    train: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from htsat.training import outcome

    n_left, write = 2, outcome.write_report

    def stop(path: Path, report: object) -> None:
        nonlocal n_left
        n_left -= 1
        if n_left < 0:
            raise KeyboardInterrupt
        write(path, report)  # type: ignore[arg-type]

    options = ["--cross-validation.by", "fold", "--optimisation.epochs", 1, "-o"]
    with monkeypatch.context() as patch:
        patch.setattr(outcome, "write_report", stop)
        assert train(*options, tmp_path / "stopped") == 130
    written = (tmp_path / "stopped" / "fold-0-seed-0" / "model.safetensors").stat().st_mtime_ns
    assert train(*options, tmp_path / "stopped") == 0
    assert train(*options, tmp_path / "whole") == 0
    assert (tmp_path / "stopped" / "fold-0-seed-0" / "model.safetensors").stat().st_mtime_ns == written
    summaries = [(tmp_path / name / "summary.json").read_text() for name in ("stopped", "whole")]
    assert summaries[0] == summaries[1]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--cross-validation.by", "speaker"], 2, "speaker"),
        (["--cross-validation.parts", "['9']"], 2, "cross_validation.parts needs cross_validation.by"),
        (
            ["--cross-validation.by", "fold", "--cross-validation.parts", "['9']"],
            1,
            "htsat: no clip has fold '9'; there are 0, 1, 2",
        ),
        (["--data", "null"], 2, "htsat: data: needs the recordings to learn from (a manifest, or a folder)"),
        (["--teaching.weight", "2"], 2, "teaching.weight must lie in [0, 1], got 2.0"),
        (["--machines.n-devices", "0"], 2, "machines.n_devices must be positive, got 0"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(
    train: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    message: str,
) -> None:
    assert train("-o", tmp_path / "run", *options) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "htsat: which experiment? give a preset (audioset, "),
        (["esc50-scrach"], "htsat: no preset 'esc50-scrach'; did you mean 'esc50-scratch'?"),
        (["gone.yaml"], "htsat: gone.yaml: No such file or directory"),
    ],
)
def test_an_experiment_that_does_not_exist(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["train", *words]) == 2
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "settings.yaml: expected settings as `name: value`"),
        ("seed: [", "settings.yaml: cannot be read as settings"),
        ("base: nothing\n", "no preset 'nothing'"),
    ],
)
def test_a_file_that_holds_no_settings(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_settings(tmp_path / "settings.yaml")


def test_settings_are_merged_to_the_leaf() -> None:
    below = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(below, {"a": {"c": 4}, "e": 5}) == {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}
    assert below == {"a": {"b": 1, "c": 2}, "d": 3}


def test_every_preset_can_be_read() -> None:
    assert all("base" not in read_preset(name) for name in preset_files())
