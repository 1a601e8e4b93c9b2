"""From the name of a model to a recogniser, on each engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import htsat
from htsat.checkpoints import save_model
from htsat.checkpoints.resolve import packaged_models, resolve
from htsat.engines import choose
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.openvino_engine import OpenVinoEngine
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import CheckpointError, ConfigError
from htsat.export.write import export_model
from htsat.network import HTSAT

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def files(small_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    save_model(folder / "m.safetensors", *small_model)
    for runtime, suffix in (("onnx", ".onnx"), ("openvino", ".xml")):
        export_model(small_model, folder / f"m{suffix}", runtime)
    return folder


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("m.onnx", {"engine": "onnx"}),
        ("m.onnx", {"engine": "openvino"}),
        ("m.xml", {}),
        ("m.xml", {"precision": "fp32", "n_threads": 1}),
    ],
)
def test_every_engine_hears_the_same(file, settings, files):
    noise = 0.1 * np.random.default_rng(0).standard_normal(13_000).astype(np.float32)
    original, exported = (
        htsat.load(files / "m.safetensors", device="cpu"),
        htsat.load(files / file, **settings),
    )
    before, after = (model.scores(noise, 8_000) for model in (original, exported))
    assert before.labels == after.labels
    np.testing.assert_array_equal(after.grid.boundaries_s, before.grid.boundaries_s)
    np.testing.assert_allclose(after.probabilities, before.probabilities, rtol=0, atol=1e-5)


def test_the_network_is_at_hand_on_torch_only(files):
    assert isinstance(htsat.load(files / "m.safetensors", device="cpu").network, HTSAT)
    with pytest.raises(
        ConfigError, match=r"^the network is at hand with the engine torch only: load\(.*'torch'\)$"
    ):
        htsat.load(files / "m.onnx").network  # noqa: B018


@pytest.mark.parametrize(
    ("installed", "settings", "engine"),
    [
        (("torch", "onnx", "openvino"), {}, OpenVinoEngine),
        (("torch", "onnx"), {}, OnnxEngine),
        (("onnx",), {}, OnnxEngine),
        (("torch",), {}, TorchEngine),
        (("torch", "onnx", "openvino"), {"engine": "torch"}, TorchEngine),
        (("torch", "onnx"), {"precision": "bf16", "device": "cpu"}, TorchEngine),
    ],
)
def test_what_runs_the_packaged_model(installed, settings, engine, monkeypatch):
    monkeypatch.setattr(choose, "is_installed", lambda name: name in installed)
    model = htsat.load(**settings)
    assert type(model.engine.engine) is engine
    assert model.description.name == "nano-esc50"


def test_the_packaged_model_is_the_same_in_both_files():
    exported, original = htsat.load(engine="onnx"), htsat.load(engine="torch", device="cpu")
    assert exported.description == original.description
    sound, rate = soundfile.read(EXAMPLES / "scene.ogg", dtype="float32")
    after, before = (model.scores(sound, rate) for model in (exported, original))
    np.testing.assert_allclose(after.probabilities, before.probabilities, rtol=0, atol=1e-5)


def test_packaged_models_come_as_both():
    for name in packaged_models():
        assert resolve(name).suffix == ".safetensors"
        assert resolve(name, exported=True).suffix == ".onnx"
        assert resolve(name, exported=True).is_file()


def test_what_does_not_exist_is_refused(files):
    with pytest.raises(ConfigError, match="engine must be one of auto, torch, onnx, openvino, got 'jax'"):
        htsat.load(files / "m.onnx", engine="jax")
    with pytest.raises(CheckpointError, match=r"gone\.onnx: no such model file"):
        htsat.load("gone.onnx")
    with pytest.raises(ConfigError, match=r"m\.onnx runs on openvino or onnx, not on torch"):
        htsat.load(files / "m.onnx", engine="torch")
