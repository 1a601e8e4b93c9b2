from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from htsat.checkpoints import resolve as module
from htsat.checkpoints.resolve import packaged_models, resolve
from htsat.errors import CheckpointError


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A package that holds two models."""
    for name in ("nano-esc50", "nano-birds"):
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "nano-esc50.ATTRIBUTION.md").touch()
    monkeypatch.setattr(module, "_packaged_folder", lambda: tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    folder = tmp_path / "cache" / "models"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HTSAT_CACHE", str(folder.parent))
    return folder


def test_packaged_models_are_found_by_name(packaged):
    assert packaged_models() == ("nano-birds", "nano-esc50")
    assert resolve("nano-birds") == packaged / "nano-birds.safetensors"
    assert resolve() == packaged / "nano-esc50.safetensors"
    assert resolve(None) == resolve()


def test_paths_are_taken_as_they_are(tmp_path):
    (tmp_path / "model.safetensors").touch()
    assert resolve(str(tmp_path / "model.safetensors")) == tmp_path / "model.safetensors"
    assert resolve(tmp_path / "model.safetensors") == tmp_path / "model.safetensors"
    assert resolve(str(tmp_path)) == tmp_path / "model.safetensors"


def test_addresses_of_the_hub_are_fetched(monkeypatch):
    monkeypatch.setattr(
        "htsat.checkpoints.hub.fetch",
        lambda source, names: Path("/cache") / source.removeprefix("hf://") / names[0],
    )
    assert resolve("hf://owner/repo@v1") == Path("/cache/owner/repo@v1/model.safetensors")
    assert resolve("hf://owner/repo@v1", exported=True) == Path("/cache/owner/repo@v1/model.onnx")


def test_a_folder_may_hold_the_exported_file_too(tmp_path):
    (tmp_path / "model.onnx").touch()
    assert resolve(tmp_path) == resolve(tmp_path, exported=True) == tmp_path / "model.onnx"
    (tmp_path / "model.safetensors").touch()
    os.utime(tmp_path / "model.onnx", (2e9, 2e9))
    assert resolve(tmp_path) == tmp_path / "model.safetensors"
    assert resolve(tmp_path, exported=True) == tmp_path / "model.onnx"


def test_an_exported_file_that_is_older_than_the_model_is_passed_over(tmp_path):
    (tmp_path / "model.onnx").touch()
    (tmp_path / "model.safetensors").touch()
    os.utime(tmp_path / "model.onnx", (1e9, 1e9))
    assert resolve(tmp_path, exported=True) == tmp_path / "model.safetensors"


def test_models_in_the_cache_are_found_by_name(cache, packaged):
    (cache / "birds.onnx").touch()
    assert resolve("birds") == resolve("birds", exported=True) == cache / "birds.onnx"
    (cache / "birds.safetensors").touch()
    assert resolve("birds") == cache / "birds.safetensors"
    assert resolve("birds", exported=True) == cache / "birds.onnx"
    (cache / "nano-birds.onnx").touch()
    assert resolve("nano-birds", exported=True) == packaged / "nano-birds.onnx"
    with pytest.raises(
        CheckpointError, match=r"^no model 'bird'; did you mean 'birds'\? \(there are: .*birds"
    ):
        resolve("bird")


def test_a_known_model_that_is_not_here_says_how_to_get_it(cache):
    with pytest.raises(CheckpointError) as caught:
        resolve("audioset-1")
    assert str(caught.value) == "model 'audioset-1' is not on this machine yet: htsat models get audioset-1"


def test_unknown_models_are_refused_with_the_nearest_name(packaged, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        resolve("nano-esc5")
    known = "(there are: nano-birds, nano-esc50)"
    assert str(caught.value) == f"no model 'nano-esc5'; did you mean 'nano-esc50'? {known}"
    with pytest.raises(CheckpointError, match=r"^models/none.safetensors: no such model file$"):
        resolve("models/none.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        CheckpointError, match=r"empty: expected a folder with model.safetensors or model.onnx$"
    ):
        resolve(tmp_path / "empty")


def test_finding_a_model_imports_neither_torch_nor_the_hub():
    code = """
import sys
from htsat.checkpoints.resolve import packaged_models
packaged_models()
sys.exit(any(name in sys.modules for name in ("torch", "huggingface_hub")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
