from __future__ import annotations

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
        "htsat.checkpoints.hub.fetch", lambda source: Path("/cache") / source.removeprefix("hf://")
    )
    assert resolve("hf://owner/repo@v1") == Path("/cache/owner/repo@v1")


def test_unknown_models_are_refused_with_the_nearest_name(packaged, tmp_path):
    with pytest.raises(CheckpointError) as caught:
        resolve("nano-esc5")
    known = "(there are: nano-birds, nano-esc50)"
    assert str(caught.value) == f"no model 'nano-esc5'; did you mean 'nano-esc50'? {known}"
    with pytest.raises(CheckpointError, match=r"^models/none.safetensors: no such model file$"):
        resolve("models/none.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"empty: expected a folder with model.safetensors$"):
        resolve(tmp_path / "empty")


def test_finding_a_model_imports_neither_torch_nor_the_hub():
    code = """
import sys
from htsat.checkpoints.resolve import packaged_models
packaged_models()
sys.exit(any(name in sys.modules for name in ("torch", "huggingface_hub")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
