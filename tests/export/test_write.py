"""Exported files: every precision on every runtime, and nothing where an export has failed."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from htsat.checkpoints import Model
from htsat.engines import exported
from htsat.engines.exported import LIMITS, ParityError, difference
from htsat.engines.onnx_engine import OnnxEngine
from htsat.engines.openvino_engine import OpenVinoEngine
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import ConfigError
from htsat.export import write
from htsat.export.quantize import quantized
from htsat.export.write import export_model
from htsat.labels import LabelSet
from htsat.rules import EventRules

ENGINES = {".onnx": OnnxEngine, ".xml": OpenVinoEngine}
RUNTIMES = {"onnx": ".onnx", "openvino": ".xml"}
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def noise(n_clips, n_samples=4_000):
    return 0.1 * np.random.default_rng(5).standard_normal((n_clips, n_samples)).astype(np.float32)


@pytest.fixture(scope="module")
def model(small_model, lively):
    """Wide enough for its weights to be most of the file."""
    config = dataclasses.replace(small_model.network.config, dim=64)
    return Model(lively(config), small_model.card)


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """One file for each precision and runtime."""
    folder = tmp_path_factory.mktemp("exported")
    for precision in PRECISIONS:
        for runtime, suffix in RUNTIMES.items():
            calibration = noise(3) if precision == "int8" else ()
            export_model(model, folder / f"{precision}{suffix}", runtime, precision, calibration)
    return folder


@pytest.fixture(scope="module")
def answers(files):
    """What each of them says of the same clips."""
    clips = noise(2)
    return {
        (precision, suffix): ENGINES[suffix](files / f"{precision}{suffix}", "m", n_threads=1).frame_scores(
            clips
        )
        for precision in PRECISIONS
        for suffix in ENGINES
    }


@pytest.fixture(scope="module")
def truth(model):
    return TorchEngine(model, "m", "cpu").frame_scores(noise(2))


@pytest.fixture(scope="module")
def description(model):
    return TorchEngine(model, "m", "cpu").description


LEAST_AND_MOST = {"fp32": (0.0, 1e-5), "fp16": (1e-6, 5e-3), "bf16": (1e-5, 5e-2), "int8": (1e-5, 2e-1)}


@pytest.mark.parametrize("suffix", ENGINES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_how_far_each_is_from_the_network(precision, suffix, answers, truth, description):
    found = difference(answers[precision, suffix], truth, description)
    least, most = LEAST_AND_MOST[precision]
    assert least <= found.probability <= most <= LIMITS[precision].probability
    assert found.embedding <= LIMITS[precision].embedding


def test_weights_of_two_bytes_make_half_the_file(files):
    for suffix in (".onnx", ".bin"):
        sizes = {precision: (files / f"{precision}{suffix}").stat().st_size for precision in PRECISIONS}
        assert sizes["fp16"] == pytest.approx(sizes["bf16"], rel=0.01)
        assert 0.5 < sizes["fp16"] / sizes["fp32"] < 0.7
        assert sizes["int8"] < sizes["fp16"]


def test_onnx_runtime_widens_what_openvino_computes_in_bfloat16(answers, description):
    """The same rounded weights: on ONNX Runtime that is all, on OpenVINO the products are rounded too."""
    on_openvino = difference(answers["bf16", ".xml"], answers["bf16", ".onnx"], description)
    widened = difference(answers["fp16", ".xml"], answers["fp16", ".onnx"], description)
    assert widened.probability < 1e-5 < on_openvino.probability


@pytest.mark.parametrize("file", ["fp32.xml", "fp32.onnx", "int8.xml"])
def test_any_file_can_be_computed_in_bfloat16(file, files, description):
    clips = noise(2)
    exact, rough = (
        OpenVinoEngine(files / file, "m", precision, 1).frame_scores(clips) for precision in ("fp32", "bf16")
    )
    assert 1e-5 < difference(rough, exact, description).probability < 5e-2


def test_a_bfloat16_file_can_be_computed_in_float32(files, answers, description):
    exact = OpenVinoEngine(files / "bf16.xml", "m", "fp32", 1).frame_scores(noise(2))
    assert difference(exact, answers["bf16", ".onnx"], description).probability < 1e-5


@pytest.mark.parametrize("suffix", ENGINES)
def test_everything_about_the_model_comes_along(suffix, files, model):
    engine = ENGINES[suffix](files / f"fp32{suffix}", "named", n_threads=1)
    assert engine.description == dataclasses.replace(TorchEngine(model, "x", "cpu").description, name="named")


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ["two words é 日本", "no text \udcff"])
def test_names_of_any_kind(name, runtime, small_model, tmp_path):
    path = tmp_path / f"{name}{RUNTIMES[runtime]}"
    export_model(small_model, path, runtime)
    assert ENGINES[path.suffix](path, "m").description.labels == small_model.card.labels
    assert {file.stem for file in tmp_path.iterdir()} == {name}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_encoder(runtime, small_model, lively, tmp_path):
    config = dataclasses.replace(small_model.network.config, head="none", n_classes=0)
    card = dataclasses.replace(small_model.card, labels=LabelSet(()), rules=EventRules(()))
    path = tmp_path / f"encoder{RUNTIMES[runtime]}"
    export_model(Model(lively(config), card), path, runtime)
    output = ENGINES[path.suffix](path, "m").frame_scores(noise(2))
    assert output.frame_logits.shape == output.tagging_logits.shape == (2, 8, 0)
    assert output.embedding.shape == (2, 32)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_wrong_graph_gets_no_name(runtime, small_model, tmp_path, monkeypatch):
    path = tmp_path / f"model{RUNTIMES[runtime]}"
    before = {path: b"old", path.with_suffix(".bin"): b"old too"}
    for old, content in before.items():
        old.write_bytes(content)
    monkeypatch.setattr(write, "build_graph", spoiled(write.build_graph))
    with pytest.raises(ParityError, match=r"^model: computed by .* \(fp32\) probabilities are off by "):
        export_model(small_model, path, runtime)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def spoiled(build):
    """The largest weight of a graph is turned round."""

    def build_wrongly(*arguments):
        graph = build(*arguments)
        spoil(graph)
        return graph

    return build_wrongly


def spoil(graph):
    matrices = [tensor for tensor in graph.graph.initializer if len(tensor.dims) == 4]
    values = numpy_helper.to_array(matrices[-1]).copy()
    values *= -1
    matrices[-1].CopyFrom(numpy_helper.from_array(values, matrices[-1].name))


def test_a_changed_weight_is_found_out(files, tmp_path):
    graph = onnx.load(files / "fp32.onnx")
    spoil(graph)
    onnx.save(graph, tmp_path / "changed.onnx")
    for engine, runtime in ((OnnxEngine, r"ONNX Runtime [\d.]+"), (OpenVinoEngine, r"OpenVINO [\d.]+")):
        message = (
            rf"^changed: computed by {runtime} \(fp32\) probabilities are off by [\d.e-]+ \(limit 0\.0001\), "
            r"embeddings by [\d.e-]+ \(limit 0\.001\); this file must not be used so on this machine$"
        )
        with pytest.raises(ParityError, match=message):
            engine(tmp_path / "changed.onnx", "changed")


def test_the_clip_that_files_are_checked_with_moves_every_mel_bin(small_model):
    clip = exported.reference_clip(4_000)
    assert clip.shape == (1, 4_000)
    assert clip.dtype == np.float32
    assert np.abs(clip).max() < 1
    log_mel = small_model.network.log_mel(torch.from_numpy(clip))[0]
    assert (log_mel.std(dim=0) > 1).all()
    np.testing.assert_array_equal(clip, exported.reference_clip(4_000))


def test_int8_needs_clips(small_model, tmp_path):
    with pytest.raises(ConfigError, match=r"^int8 needs clips to calibrate with$"):
        export_model(small_model, tmp_path / "model.onnx", "onnx", "int8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_suffix_is_that_of_the_runtime(runtime, small_model, tmp_path):
    with pytest.raises(
        ConfigError, match=rf"^a file for {runtime} must end with {RUNTIMES[runtime]}, got 'm\.pt'$"
    ):
        export_model(small_model, tmp_path / "m.pt", runtime)


def test_linear_layers_alone_are_in_eight_bits(small_model):
    graph = quantized(write.build_graph(small_model.network), noise(2))
    kinds = {tensor.name: tensor.data_type for tensor in graph.graph.initializer}
    eight = [
        name for name, kind in kinds.items() if kind == onnx.TensorProto.INT8 and "zero_point" not in name
    ]
    n_blocks = sum(small_model.network.config.depths)
    assert len(eight) == 4 * n_blocks + 1  # qkv, projection, two of the perceptron; one merging
