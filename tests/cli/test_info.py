from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile

from htsat.checkpoints import ModelCard, save_model
from htsat.cli.info import main
from htsat.errors import AudioError, CheckpointError, ConfigError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import default_rules
from htsat.training.experiment import Experiment, Optimisation


@pytest.fixture
def model(tmp_path):
    labels = LabelSet.of(["dog", "rain"])
    network = HTSAT(ModelConfig(n_classes=2, dim=8, depths=(1, 1, 1, 1), n_heads=(1, 2, 2, 4)))
    card = ModelCard(labels, "multi_class", default_rules("multi_class", 2), {"licence": "MIT"})
    save_model(tmp_path / "model.safetensors", network, card)
    return tmp_path / "model.safetensors"


def info(what, capsys):
    assert main([str(what)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return {name: value for name, _, value in (line.partition("  ") for line in lines)}


def shown(what, capsys):
    return {name: value.strip() for name, value in info(what, capsys).items()}


def test_a_model_is_described(model, capsys):
    facts = shown(model, capsys)
    assert facts["file"] == f"{model} ({model.stat().st_size / 1e6:.1f} MB)"
    assert facts["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert facts["classes"] == "2 (dog, rain)"
    assert facts["thresholds"] == "0.5 for every class"
    assert facts["licence"] == "MIT"
    assert int(facts["parameters"].replace(",", "")) > 10_000


def test_a_folder_with_a_model_is_described(model, capsys):
    assert shown(model.parent, capsys)["task"] == "multi_class"


def test_a_damaged_model_is_refused(model):
    model.write_bytes(model.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        main([str(model)])


def test_a_recording_is_described(tmp_path, capsys):
    soundfile.write(tmp_path / "sound.wav", np.zeros((22_050, 2)), 44_100)
    assert shown(tmp_path / "sound.wav", capsys) == {
        "file": f"{tmp_path / 'sound.wav'} (0.1 MB)",
        "format": "WAV (Microsoft), Signed 16 bit PCM",
        "sample rate": "44100 Hz",
        "channels": "2",
        "duration": "0.500 s",
    }


def test_a_recording_that_only_ffmpeg_reads_is_described(tmp_path, capsys):
    path = tmp_path / "sound.m4a"
    with av.open(path, "w") as container:
        track = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
        frame.sample_rate = 48_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    facts = shown(path, capsys)
    assert facts["format"] == "QuickTime / MOV, AAC (Advanced Audio Coding)"
    assert (facts["sample rate"], facts["channels"]) == ("48000 Hz", "1")
    assert float(facts["duration"].removesuffix(" s")) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ["notes.txt", "sound.wav", "SOUND.WAV"])
def test_what_is_no_audio_is_refused(tmp_path, name):
    (tmp_path / name).write_text("no sound at all")
    with pytest.raises(AudioError, match=name):
        main([str(tmp_path / name)])


def test_what_is_missing_is_refused():
    with pytest.raises(AudioError, match=r"none\.wav"):
        main(["none.wav"])
    with pytest.raises(CheckpointError, match=r"none\.safetensors: no such model file"):
        main(["none.safetensors"])
    with pytest.raises(CheckpointError, match="no model 'nano'"):
        main(["nano"])


def test_recordings_do_not_wait_for_torch(tmp_path):
    soundfile.write(tmp_path / "sound.wav", np.zeros(100), 8_000)
    code = "import sys; from htsat.cli.info import main; main(sys.argv[1:]); sys.exit('torch' in sys.modules)"
    command = [sys.executable, "-c", code, str(tmp_path / "sound.wav")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_help_shows_an_example(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "example:\n  htsat info" in capsys.readouterr().out


@pytest.fixture
def run(tmp_path, model):
    """A run of two epochs that stands after the first."""
    folder = tmp_path / "runs" / "first"
    (folder / "top").mkdir(parents=True)
    model.rename(folder / "model.safetensors")
    settings = dataclasses.asdict(Experiment(task="multi_class", optimisation=Optimisation(epochs=2)))
    (folder / "experiment.json").write_text(json.dumps(settings))
    events = [
        {"event": "data", "n_train_clips": 90, "n_valid_clips": 10, "broken": ["a.wav: gone"]},
        {"event": "step", "step": 5, "epoch": 1.0, "loss": 2.5, "learning_rate": 0.1, "clips_per_s": 20.0},
        {
            "event": "evaluation",
            "step": 5,
            "epoch": 1.0,
            "loss": 1,
            "accuracy": 0.5,
            "mean_average_precision": 0.75,
        },
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def test_a_run_is_described(run, capsys):
    facts = shown(run, capsys)
    assert facts["run"] == str(run)
    assert facts["state"] == "epoch 1 of 2"
    assert facts["pace"] == "20 clips/s"
    assert facts["last written"].endswith(" s ago)")
    assert facts["clips"] == "90 to learn from, 10 held out, 1 left out"
    assert facts["classes"] == "2 (dog, rain)"
    assert facts["settings"] == "task multi_class"
    assert facts["best"] == "accuracy 0.5000, mAP 0.7500, loss 1.0000 at epoch 1"
    assert facts["files"].endswith("MB  model.safetensors")


def test_settings_and_files_get_a_line_each(run, capsys):
    main([str(run)])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["optimisation.epochs", "2"] in lines
    assert ["0.000", "MB", "log.jsonl"] in lines
    assert [line[0] for line in lines].count("files") == 1


def test_a_finished_run_says_so(run, capsys):
    step = {"event": "step", "step": 10, "epoch": 2.0, "loss": 2, "learning_rate": 0.1, "clips_per_s": 20.0}
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps(step) + "\n")
    (run / "held_out.json").write_text('{"n_clips": 10, "accuracy": 0.5, "mAP": 0.625}')
    (run / "test.json").write_text('{"n_clips": 20, "mAP": 0.75}')
    facts = shown(run, capsys)
    assert facts["state"] == "finished: 2 epochs"
    assert facts["held out"] == "accuracy 0.5000, mAP 0.6250 on 10 clips"
    assert facts["test"] == "mAP 0.7500 on 20 clips"


def test_runs_share_a_picture(run, tmp_path, capsys):
    assert main([str(run), str(run), "--picture", str(tmp_path / "curves.svg")]) == 0
    assert (tmp_path / "curves.svg").read_text().count("first: accuracy 0.500, mAP 0.750 after 1 epochs") == 2
    assert capsys.readouterr().out.count(f"run           {run}\n") == 2


def test_only_runs_have_curves(run, tmp_path):
    with pytest.raises(ConfigError, match=r"--picture shows the curves of runs, and .* is none"):
        main([str(run), str(tmp_path), "--picture", str(tmp_path / "curves.svg")])
    with pytest.raises(ConfigError, match="a picture ends with"):
        main([str(run), "--picture", str(tmp_path / "curves.doc")])


def test_a_data_set_is_described(tmp_path, capsys):
    rows = ["a.wav\tdog\t1.5\ttrain\tx", "b.wav\tdog;rain\t2.1\ttest\tx", "c.wav\t\t3600\ttest\ty"]
    (tmp_path / "manifest.tsv").write_text("\n".join(["path\tlabels\tduration\tfold\tgroup", *rows]) + "\n")
    for what in (tmp_path, tmp_path / "manifest.tsv"):
        assert shown(what, capsys) == {
            "data": str(what),
            "clips": "3, 1.00 hours",
            "classes": "2 (dog, rain)",
            "labels": "1 clips with 0, 1 clips with 1, 1 clips with 2",
            "folds": "test (2 clips), train (1 clips)",
            "groups": "2",
        }


def test_a_folder_of_classes_is_described(tmp_path, capsys):
    for name in ("dog", "rain"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").touch()
    assert shown(tmp_path, capsys)["clips"] == "2"


def test_what_fails_does_not_keep_others_from_being_described(tmp_path, capsys):
    soundfile.write(tmp_path / "sound.wav", np.zeros(100), 8_000)
    with pytest.raises(AudioError, match=r"gone\.wav"):
        main([str(tmp_path / "gone.wav"), str(tmp_path / "sound.wav"), str(tmp_path / "lost.wav")])
    captured = capsys.readouterr()
    assert "sample rate  8000 Hz" in captured.out
    assert "lost.wav: No such file" in captured.err
