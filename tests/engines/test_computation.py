"""Engines tell what computes, and `auto` takes the precision that the machine has."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
import torch

import htsat
from htsat.engines.choose import EngineSettings, open_engine
from htsat.engines.protocol import Computation


def computation(files, file, **settings):
    return open_engine(files / file, "small", EngineSettings(device="cpu", **settings)).computation


def has_bf16() -> bool:
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def without_bf16(core, device, name):
    assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
    return ["FP32", "INT8"]


def test_it_is_told_in_one_line(files):
    assert str(Computation("ONNX Runtime 1.2", "cpu", "fp32")) == "ONNX Runtime 1.2, cpu, fp32"
    assert htsat.load(files / "small.onnx").computation.runtime.startswith("OpenVINO ")


@pytest.mark.parametrize(
    ("file", "engine", "runtime"),
    [
        ("small.safetensors", "torch", f"torch {torch.__version__}"),
        ("small.onnx", "onnx", "ONNX Runtime "),
        ("small.onnx", "openvino", "OpenVINO "),
    ],
)
def test_engines_compute_in_float32_unless_asked(file, engine, runtime, files):
    told = computation(files, file, engine=engine)
    assert told.runtime.startswith(runtime)
    assert told[1:] == ("cpu", "fp32")


def test_openvino_takes_what_the_processor_has(files):
    told = computation(files, "small.onnx", engine="openvino", precision="auto")
    assert told.precision == ("bf16" if has_bf16() else "fp32")


def test_openvino_without_bf16_computes_in_float32(files, monkeypatch):
    monkeypatch.setattr(openvino.Core, "get_property", without_bf16)
    assert computation(files, "small.onnx", engine="openvino", precision="auto").precision == "fp32"


def test_onnx_runtime_has_float32_alone(files):
    assert computation(files, "small.onnx", engine="onnx", precision="auto").precision == "fp32"


@pytest.mark.parametrize(
    ("features", "precision"),
    [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")],
)
def test_torch_takes_what_the_processor_has(features, precision, files, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert computation(files, "small.safetensors", precision="auto").precision == precision


def test_torch_that_cannot_tell_computes_in_float32(files, monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert computation(files, "small.safetensors", precision="auto").precision == "fp32"


def test_bf16_is_told_and_close(files):
    engine = open_engine(files / "small.safetensors", "small", EngineSettings(device="cpu", precision="bf16"))
    exact = open_engine(files / "small.safetensors", "small", EngineSettings(device="cpu"))
    clips = 0.1 * np.random.default_rng(0).standard_normal((1, 4_000)).astype(np.float32)
    assert engine.computation.precision == "bf16"
    apart = np.abs(engine.frame_scores(clips).frame_logits - exact.frame_scores(clips).frame_logits).max()
    assert 0 < apart < 0.05


@pytest.mark.parametrize(
    ("file", "engine"), [("small.safetensors", "torch"), ("small.onnx", "onnx"), ("small.onnx", "openvino")]
)
def test_the_arithmetic_of_the_process_stays_as_it_was(file, engine, files):
    settings = EngineSettings(device="cpu", engine=engine)
    open_engine(files / file, "small", settings).frame_scores(np.zeros((1, 4_000), np.float32))
    assert np.array([1e-308])[0] / 1e3 > 0
