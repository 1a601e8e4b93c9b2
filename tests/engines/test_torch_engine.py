from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from htsat.checkpoints import Model, ModelCard
from htsat.engines.torch_engine import TorchEngine, use_threads
from htsat.errors import ConfigError, HtsatError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules


@pytest.fixture
def model(one_second_config: ModelConfig) -> Model:
    config = dataclasses.replace(one_second_config, drop_path=0.5)
    torch.manual_seed(0)
    return Model(
        HTSAT(config), ModelCard(LabelSet(("a", "b", "c")), "multi_class", EventRules((0.1, 0.2, 0.3)))
    )


@pytest.fixture
def clips() -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((2, 8_000)).astype(np.float32)


def test_describes_the_model(model: Model) -> None:
    description = TorchEngine(model, "small").description
    assert description.name == "small"
    assert description.labels == model.card.labels
    assert (description.task, description.rules) == ("multi_class", model.card.rules)
    assert (description.sample_rate, description.clip_samples) == (8_000, 8_000)
    assert (description.n_frames, description.embedding_dim) == (32, 16)
    assert (description.clip_s, description.frame_s) == (1.0, 1 / 32)


def test_gives_what_the_network_gives_in_evaluation(model: Model, clips: np.ndarray) -> None:
    output = TorchEngine(Model(model.network.train(), model.card), "small", "cpu").frame_scores(clips)
    with torch.no_grad():
        expected = model.network.eval()(torch.from_numpy(clips))
    np.testing.assert_array_equal(output.frame_logits, expected.frame_logits)
    np.testing.assert_array_equal(output.embedding, expected.embedding)
    assert output.frame_logits.shape == (2, 32, 3)
    assert output.embedding.shape == (2, 16)
    assert output.frame_embedding.shape == (2, 32, 16)
    np.testing.assert_allclose(output.frame_embedding.mean(axis=1), output.embedding, atol=1e-6)


def test_bf16_is_close_and_comes_back_as_float32(model: Model, clips: np.ndarray) -> None:
    exact = TorchEngine(model, "small", "cpu").frame_scores(clips)
    rough = TorchEngine(model, "small", "cpu", "bf16").frame_scores(clips)
    assert rough.frame_logits.dtype == rough.embedding.dtype == np.float32
    assert 0 < np.abs(rough.frame_logits - exact.frame_logits).max() < 0.02
    np.testing.assert_allclose(rough.embedding, exact.embedding, atol=0.05)


def test_auto_takes_a_device_that_is_there(model: Model, clips: np.ndarray) -> None:
    engine = TorchEngine(model, "small", "auto")
    assert engine.frame_scores(clips).frame_logits.shape == (2, 32, 3)
    assert engine.network is model.network


def test_settings_that_do_not_exist_are_refused(model: Model) -> None:
    with pytest.raises(ConfigError, match="device must be one of auto, cpu, cuda, mps, got 'gpu'"):
        TorchEngine(model, "small", "gpu")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="precision must be one of auto, fp32, bf16, got 'fp16'"):
        TorchEngine(model, "small", precision="fp16")  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_refused(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device 'cuda' is not available on this machine"):
        TorchEngine(model, "small", "cuda")


def test_too_little_memory_is_one_line(
    model: Model, clips: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("a\nlong\nstory")

    engine = TorchEngine(model, "small", "cpu")
    monkeypatch.setattr(engine.network, "forward", fail)
    with pytest.raises(HtsatError, match=r"^a batch of 2 clips needs more memory than cpu has$"):
        engine.frame_scores(clips)


def test_threads() -> None:
    before = torch.get_num_threads()
    use_threads(before + 1)
    assert torch.get_num_threads() == before + 1
    use_threads(before)


def test_a_saved_model_sounds_the_same(model: Model, clips: np.ndarray, tmp_path: Path) -> None:
    from htsat.checkpoints import load_model, save_model

    save_model(tmp_path / "small.safetensors", model.network, model.card)
    loaded = TorchEngine(load_model(tmp_path / "small.safetensors"), "small", "cpu").frame_scores(clips)
    original = TorchEngine(model, "small", "cpu").frame_scores(clips)
    np.testing.assert_array_equal(loaded.frame_logits, original.frame_logits)
