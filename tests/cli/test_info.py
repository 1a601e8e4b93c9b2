from __future__ import annotations

import hashlib
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile

from htsat.checkpoints import ModelCard, default_thresholds, save_model
from htsat.cli.info import main
from htsat.errors import AudioError, CheckpointError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig


@pytest.fixture
def model(tmp_path):
    labels = LabelSet.of(["dog", "rain"])
    network = HTSAT(ModelConfig(n_classes=2, dim=8, depths=(1, 1, 1, 1), n_heads=(1, 2, 2, 4)))
    card = ModelCard(labels, "multi_class", default_thresholds("multi_class", 2), {"licence": "MIT"})
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
