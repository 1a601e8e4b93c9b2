from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import htsat
from htsat.checkpoints import ModelCard, save_model
from htsat.errors import CheckpointError, ConfigError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ModelConfig.named(
        "nano", n_classes=2, dim=8, depths=(1, 1), n_heads=(2, 4), clip_s=2.5, n_folds=1
    )
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    torch.manual_seed(0)
    save_model(path, HTSAT(config), ModelCard(LabelSet(("a", "b")), "multi_label", EventRules((0.5, 0.5))))
    return path


def test_every_public_name_is_there() -> None:
    assert all(getattr(htsat, name) is not None for name in htsat.__all__)
    assert dir(htsat) == sorted(htsat.__all__)
    with pytest.raises(AttributeError, match="module 'htsat' has no attribute 'lod'"):
        htsat.lod  # noqa: B018


def test_the_version_is_that_of_the_package() -> None:
    project = Path(__file__).parents[1] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == htsat.__version__


def test_importing_the_package_costs_nothing() -> None:
    script = "import sys, htsat; sys.exit(bool({'torch', 'numpy', 'soundfile'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_listening_as_in_the_manual(model: Path, tmp_path: Path) -> None:
    rate = 32_000
    waveform = 0.1 * np.random.default_rng(0).standard_normal(4 * rate).astype(np.float32)
    soundfile.write(tmp_path / "street.wav", waveform, rate, subtype="FLOAT")
    listener = htsat.load(model)
    assert [tag.label for tag in listener.tag(tmp_path / "street.wav", top=1)] in (["a"], ["b"])
    assert all(isinstance(event, htsat.SoundEvent) for event in listener.detect(str(tmp_path / "street.wav")))
    assert listener.embed(tmp_path / "street.wav").shape == (3, 16)
    scores = listener.scores(waveform, rate)
    assert scores.probabilities.shape == (scores.grid.n_frames, 2)
    assert scores.clip().tags() == listener.tag(tmp_path / "street.wav")


def test_the_network_is_at_hand(model: Path) -> None:
    listener = htsat.load(str(model), engine="torch", device="cpu")
    assert isinstance(listener.network, HTSAT)
    assert not listener.network.training
    assert listener.description.name == str(model)


def test_what_does_not_exist_is_refused(model: Path) -> None:
    with pytest.raises(ConfigError, match="engine must be one of auto, torch, onnx, openvino, got 'jax'"):
        htsat.load(model, engine="jax")
    with pytest.raises(ConfigError, match="batch_size must be at least 1, got 0"):
        htsat.load(model, batch_size=0)
    with pytest.raises(CheckpointError, match="no model 'unheard-of'"):
        htsat.load("unheard-of")
