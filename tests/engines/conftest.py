"""Exported files of a small model."""

from __future__ import annotations

from pathlib import Path

import pytest

from htsat.checkpoints import Model, save_model
from htsat.export.write import export_model


@pytest.fixture(scope="session")
def files(small_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `small.safetensors`, `small.onnx`, `small.xml` and `small.bin`. Not to be changed."""
    folder = tmp_path_factory.mktemp("small")
    save_model(folder / "small.safetensors", *small_model)
    export_model(small_model, folder / "small.onnx", "onnx")
    export_model(small_model, folder / "small.xml", "openvino")
    return folder
