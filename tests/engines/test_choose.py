"""Which engine runs which file, and what is said when none does."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from htsat.engines import choose, onnx_engine, openvino_engine
from htsat.engines.choose import EngineSettings, is_exported, is_model, open_engine, read_exported
from htsat.engines.exported import ParityError
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.openvino_engine import OpenVinoEngine
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import CheckpointError, ConfigError, HtsatWarning, MissingExtraError

ENGINES = {"torch": TorchEngine, "onnx": OnnxEngine, "openvino": OpenVinoEngine}


@pytest.fixture
def installed(monkeypatch):
    """Says which engines are installed."""
    return lambda *names: monkeypatch.setattr(choose, "is_installed", lambda engine: engine in names)


@pytest.fixture
def opened(monkeypatch):
    """Which engine is opened, in place of opening it."""
    monkeypatch.setattr(choose, "_open", lambda engine, *_: engine)
    return lambda file, **settings: open_engine(Path(file), "m", EngineSettings(**settings))


ALL = ("torch", "onnx", "openvino")


@pytest.mark.parametrize(
    ("file", "there", "settings", "engine"),
    [
        ("m.safetensors", ALL, {}, "torch"),
        ("m.safetensors", ALL, {"engine": "torch", "device": "cuda", "precision": "bf16"}, "torch"),
        ("m.safetensors", ALL, {"compiled": True}, "torch"),
        ("m.safetensors", ALL, {"device": "mps"}, "torch"),
        ("m.onnx", ALL, {}, "openvino"),
        ("m.onnx", ("torch", "onnx"), {}, "onnx"),
        ("m.onnx", ALL, {"engine": "onnx"}, "onnx"),
        ("m.onnx", ALL, {"engine": "openvino", "device": "cpu"}, "openvino"),
        ("m.onnx", ALL, {"precision": "bf16"}, "openvino"),
        ("m.onnx", ALL, {"precision": "fp32"}, "openvino"),
        ("m.xml", ALL, {}, "openvino"),
        ("m.xml", ALL, {"precision": "bf16", "n_threads": 2}, "openvino"),
    ],
)
def test_what_runs_a_file(file, there, settings, engine, installed, opened):
    installed(*there)
    assert opened(file, **settings) == engine


@pytest.mark.parametrize(
    ("file", "settings", "message"),
    [
        (
            "m.safetensors",
            {"engine": "onnx"},
            r"m\.safetensors runs on torch, not on onnx; `htsat export` makes a file for it",
        ),
        ("m.onnx", {"engine": "torch"}, r"m\.onnx runs on openvino or onnx, not on torch"),
        ("m.xml", {"engine": "onnx"}, r"m\.xml runs on openvino, not on onnx"),
        (
            "m.onnx",
            {"device": "cuda"},
            r"m\.onnx runs on openvino or onnx, not on cuda: that needs its \.safetensors",
        ),
        ("m.xml", {"compiled": True}, r"m\.xml runs on openvino, not compiled: that needs its \.safetensors"),
    ],
)
def test_what_does_not_go_together(file, settings, message, opened):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        opened(file, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"engine": "jax"}, "engine must be one of auto, torch, onnx, openvino, got 'jax'"),
        ({"device": "tpu"}, "device must be one of auto, cpu, cuda, mps, got 'tpu'"),
        ({"precision": "fp16"}, "precision must be one of auto, fp32, bf16, got 'fp16'"),
        (
            {"engine": "onnx", "precision": "bf16"},
            "ONNX Runtime computes in float32; bf16 needs the engine openvino or torch",
        ),
        ({"engine": "openvino", "device": "cuda"}, "device cuda needs the engine torch, got openvino"),
        ({"engine": "onnx", "compiled": True}, "compiling needs the engine torch, got onnx"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        EngineSettings(**settings)


@pytest.mark.parametrize(
    ("file", "there", "settings", "extra"),
    [
        ("m.safetensors", ("onnx", "openvino"), {}, "torch"),
        ("m.xml", ("torch", "onnx"), {}, "openvino"),
        ("m.onnx", ("torch", "onnx"), {"precision": "bf16"}, "openvino"),
        ("m.onnx", ("torch", "onnx"), {"engine": "openvino"}, "openvino"),
    ],
)
def test_what_is_not_installed(file, there, settings, extra, installed, opened):
    installed(*there)
    message = rf"^{file} needs packages that are not installed: pip install 'htsat\[{extra}\]'$"
    with pytest.raises(MissingExtraError, match=message):
        opened(file, **settings)


def test_what_is_no_model(opened):
    message = r"^m\.pt: a model ends with \.safetensors, \.onnx, \.xml; a foreign .* `htsat convert`$"
    with pytest.raises(CheckpointError, match=message):
        opened("m.pt")


@pytest.mark.parametrize(
    ("there", "settings", "wants"),
    [
        (ALL, {}, True),
        (("torch", "onnx"), {}, True),
        (("torch",), {}, False),
        (ALL, {"engine": "torch"}, False),
        (ALL, {"device": "cuda"}, False),
        (ALL, {"compiled": True}, False),
        (ALL, {"precision": "bf16"}, True),
        (("torch", "onnx"), {"precision": "bf16"}, False),
        (("torch", "onnx"), {"engine": "openvino"}, True),
    ],
)
def test_when_a_model_that_comes_as_both_is_run_from_its_exported_file(there, settings, wants, installed):
    installed(*there)
    assert EngineSettings(**settings).wants_exported is wants


@pytest.mark.parametrize(
    ("file", "settings", "engine"),
    [
        ("small.safetensors", {"device": "cpu"}, "torch"),
        ("small.onnx", {"engine": "onnx", "n_threads": 1}, "onnx"),
        ("small.onnx", {"n_threads": 1}, "openvino"),
        ("small.xml", {"precision": "bf16", "n_threads": 1}, "openvino"),
    ],
)
def test_engines_open_and_hear(file, settings, engine, files):
    opened = open_engine(files / file, "small", EngineSettings(**settings))
    assert type(opened) is ENGINES[engine]
    assert opened.description.name == "small"
    assert opened.frame_scores(np.zeros((3, 4_000), np.float32)).frame_logits.shape == (3, 8, 3)


@pytest.fixture
def off(monkeypatch):
    """Makes a runtime give answers that are off."""

    def install(module):
        def refuse(*_):
            raise ParityError(f"small: {module.__name__} is off")

        monkeypatch.setattr(module, "require_parity", refuse)

    return install


def test_a_runtime_that_is_off_is_passed_over(files, off):
    off(openvino_engine)
    message = r"^small: htsat\.engines\.openvino_engine is off; trying another runtime$"
    with pytest.warns(HtsatWarning, match=message):
        engine = open_engine(files / "small.onnx", "small", EngineSettings())
    assert isinstance(engine, OnnxEngine)


def test_the_last_runtime_that_is_off_is_an_error(files, off):
    off(openvino_engine)
    off(onnx_engine)
    with (
        pytest.warns(HtsatWarning, match="openvino_engine is off"),
        pytest.raises(ParityError, match="onnx_engine"),
    ):
        open_engine(files / "small.onnx", "small", EngineSettings())


def test_a_runtime_that_was_asked_for_is_not_replaced(files, off):
    off(openvino_engine)
    with warnings.catch_warnings(), pytest.raises(ParityError, match="openvino_engine is off"):
        open_engine(files / "small.onnx", "small", EngineSettings(engine="openvino"))


def test_files_are_known_by_their_suffix():
    names = ("m.safetensors", "m.onnx", "m.xml", "m.wav", "m")
    assert [is_model(Path(name)) for name in names] == [True, True, True, False, False]
    assert [is_exported(Path(name)) for name in names] == [False, True, True, False, False]


def test_reading_takes_what_is_installed(files, installed, small_model):
    for there, file in ((ALL, "small.onnx"), (("openvino",), "small.onnx"), (ALL, "small.xml")):
        installed(*there)
        assert read_exported(files / file).card == small_model.card
    installed("torch", "onnx")
    with pytest.raises(MissingExtraError, match=r"^small\.xml needs packages .*htsat\[openvino\]"):
        read_exported(files / "small.xml")
