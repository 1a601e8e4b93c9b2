"""The graph is the network: every part of it, at every size."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from htsat.engines.exported import INPUT, OUTPUTS
from htsat.engines.openvino_engine import read_graph
from htsat.export.graph import build_graph
from htsat.network import HTSAT, ModelConfig
from htsat.scores import probabilities

Arrays = Mapping[str, NDArray[np.float32]]

SIZES = {
    "token_semantic": {},
    "linear": {"head": "linear"},
    "encoder": {"head": "none", "n_classes": 0},
    "one_class": {"n_classes": 1},
    "fine": {"fine_width": 8},
    "fine_over_one_fold": {"fine_width": 8, "n_folds": 1, "fold_frames": 128},
    "fine_linear": {"fine_width": 8, "head": "linear"},
    "one_fold": {"n_folds": 1, "fold_frames": 128},
    "two_folds": {"n_folds": 2, "fold_frames": 64},
    "three_folds": {"n_folds": 3, "fold_frames": 64},
    "wide_windows": {"n_folds": 2, "n_mels": 12, "fold_frames": 64, "window": 8},
    "high_windows": {"n_folds": 3, "n_mels": 16, "fold_frames": 40, "window": 6},
    "one_window": {"n_folds": 1, "n_mels": 8, "fold_frames": 128, "window": 64},
    "one_stage": {"depths": (3,), "n_heads": (2,)},
    "three_stages": {"depths": (1, 2, 3), "n_heads": (1, 2, 4)},
    "large_patches": {"patch": 4},
    "no_stretch": {"hop_length": 63, "fold_frames": 32, "clip_s": 1.0},
    "samples_one_by_one": {"hop_length": 81, "n_fft": 256},
    "samples_in_tens": {"hop_length": 70, "n_fft": 250},
    "window_shorter_than_step": {"hop_length": 120, "n_fft": 96, "n_mels": 8, "fold_frames": 32},
    "high_mel_bins_only": {"min_hz": 1_000.0, "max_hz": 3_000.0},
}


def config_of(base: ModelConfig, name: str) -> ModelConfig:
    return dataclasses.replace(base, **SIZES[name])


def clips_for(config: ModelConfig, n_clips: int) -> NDArray[np.float32]:
    """Noise, and a loud chirp in the last one."""
    clips = 0.05 * np.random.default_rng(7).standard_normal((n_clips, config.clip_samples))
    clips[-1] += 0.5 * np.sin(np.linspace(0, 50, config.clip_samples) ** 2)
    return clips.astype(np.float32)


def expected(network: HTSAT, clips: NDArray[np.float32]) -> Arrays:
    with torch.inference_mode():
        output = network(torch.from_numpy(clips))
    return {name: getattr(output, name).numpy() for name in OUTPUTS}


def assert_same(answer: Arrays, truth: Arrays) -> None:
    for name in answer:
        assert answer[name].shape == truth[name].shape
        if name.endswith("logits"):
            found, right = (probabilities(each[name], "multi_label") for each in (answer, truth))
            np.testing.assert_allclose(found, right, rtol=0, atol=1e-5)
        else:
            np.testing.assert_allclose(
                answer[name], truth[name], rtol=0, atol=1e-5 * np.abs(truth[name]).max()
            )


class OnOnnxRuntime:
    def __init__(self, network: HTSAT) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = build_graph(network).SerializeToString()
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, clips: NDArray[np.float32]) -> Arrays:
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, {INPUT: clips}), strict=True))


@pytest.mark.parametrize("name", SIZES)
def test_every_size_of_network(name, one_second_config, lively):
    config = config_of(one_second_config, name)
    network = lively(config)
    clips = clips_for(config, 2)
    answer = OnOnnxRuntime(network)(clips)
    assert set(answer) == set(OUTPUTS) - unused_outputs(config)
    assert_same(answer, expected(network, clips))


def unused_outputs(config: ModelConfig) -> set[str]:
    if config.head == "none":
        return {"frame_logits", "tagging_logits"}
    return set() if config.fine_width else {"tagging_logits"}


@pytest.mark.parametrize(
    ("name", "windows"),
    [("wide_windows", {(6, 8)}), ("high_windows", {(6, 5)}), ("one_window", {(4, 64), (2, 32)})],
)
def test_windows_need_not_be_square(name, windows, one_second_config):
    network = HTSAT(config_of(one_second_config, name))
    assert {block.window for stage in network.stages for block in stage.blocks} == windows


def test_batches_of_any_size_in_one_session(one_second_config, lively):
    network = lively(one_second_config)
    run = OnOnnxRuntime(network)
    clips = clips_for(one_second_config, 5)
    whole = expected(network, clips)
    for part in (slice(0, 1), slice(0, 5), slice(3, 5), slice(1, 2)):
        assert_same(run(clips[part]), {key: values[part] for key, values in whole.items()})


def test_a_filterbank_of_a_checkpoint_is_kept(one_second_config, lively):
    network = lively(one_second_config)
    clips = clips_for(one_second_config, 1)
    usual = expected(network, clips)
    network.log_mel.filterbank.copy_(network.log_mel.filterbank.roll(3, 0) * 2)
    assert np.abs(expected(network, clips)["frame_logits"] - usual["frame_logits"]).max() > 0.1
    assert_same(OnOnnxRuntime(network)(clips), expected(network, clips))


def test_silence_and_full_scale(one_second_config, lively):
    network = lively(one_second_config)
    clips = np.stack([np.zeros(8_000), np.ones(8_000), np.resize([1, -1], 8_000)]).astype(np.float32)
    assert_same(OnOnnxRuntime(network)(clips[:1]), expected(network, clips[:1]))
    assert np.isfinite(OnOnnxRuntime(network)(clips)["frame_logits"]).all()


def test_standard_operators_alone(one_second_config, lively):
    graph = build_graph(lively(config_of(one_second_config, "fine")))
    assert {node.domain for node in graph.graph.node} == {""}
    assert "STFT" not in {node.op_type for node in graph.graph.node}
    assert [opset.version for opset in graph.opset_import] == [20]
    (clips,) = graph.graph.input
    batch, samples = clips.type.tensor_type.shape.dim
    assert (batch.dim_param, samples.dim_value) == ("batch", 8_000)


@pytest.mark.parametrize("storage", ["fp16", "bf16"])
def test_half_the_bytes_for_weights(storage, one_second_config, lively):
    network = lively(dataclasses.replace(one_second_config, dim=64))
    whole, half = (build_graph(network, each).ByteSize() for each in ("fp32", storage))
    n_matrices = sum(tensor.numel() for tensor in network.parameters() if tensor.ndim > 1)
    assert whole - half == pytest.approx(2 * n_matrices, rel=0.05)


def test_equal_constants_are_stored_once(one_second_config, lively):
    graph = build_graph(lively(one_second_config)).graph
    contents = [(tuple(tensor.dims), tensor.data_type, tensor.raw_data) for tensor in graph.initializer]
    assert len(set(contents)) == len(contents)


def test_openvino_reads_it(tmp_path, one_second_config, lively):
    (tmp_path / "fine.onnx").write_bytes(
        build_graph(lively(config_of(one_second_config, "fine"))).SerializeToString()
    )
    graph = read_graph(tmp_path / "fine.onnx")
    assert {name for output in graph.outputs for name in output.names} >= set(OUTPUTS)
