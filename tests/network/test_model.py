from __future__ import annotations

import dataclasses

import pytest
import torch

from htsat.errors import ConfigError
from htsat.network import HTSAT, HTSATOutput, ModelConfig
from htsat.network.swin import SwinBlock


def test_the_size_of_the_paper() -> None:
    config = ModelConfig()
    assert config.clip_samples == 320_000
    assert config.n_mel_frames == 1001
    assert config.token_grid == (64, 64)
    assert config.n_frames == 32
    assert config.embedding_dim == 768
    assert sum(parameter.numel() for parameter in HTSAT(config).parameters()) == 29_963_431


@pytest.mark.parametrize(
    ("name", "embedding_dim", "n_frames", "clip_s"),
    [("tiny", 768, 32, 10.0), ("base", 1024, 32, 10.0), ("large", 2048, 32, 10.0), ("nano", 384, 16, 5.0)],
)
def test_named_sizes(name: str, embedding_dim: int, n_frames: int, clip_s: float) -> None:
    config = ModelConfig.named(name, n_classes=7)
    assert (config.embedding_dim, config.n_frames, config.clip_s) == (embedding_dim, n_frames, clip_s)
    assert config.n_classes == 7


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"no network size 'tny'; did you mean 'tiny'\? \(there are: tiny, base"
    ):
        ModelConfig.named("tny")
    with pytest.raises(ConfigError, match=r"ModelConfig has no field 'n_clases'; did you mean 'n_classes'\?"):
        ModelConfig.named("tiny", n_clases=3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: 0}, rf"{name} must be a whole number above 0, got 0")
            for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "n_folds", "fold_frames")
        ),
        ({"patch": -4}, "patch must be a whole number above 0, got -4"),
        ({"window": 0}, "window must be a whole number above 0, got 0"),
        ({"dim": 0}, "dim must be a whole number above 0, got 0"),
        ({"n_classes": 0}, "n_classes must be 0 for head 'none' only"),
        ({"fine_width": -1}, "fine_width must be a whole number from 0, got -1"),
        ({"fine_width": 0.5}, r"fine_width must be a whole number from 0, got 0\.5"),
        (
            {"fine_width": 8, "head": "none", "n_classes": 0},
            "fine_width needs classes: head 'none' has none",
        ),
        ({"head": "none"}, "n_classes must be 0 for head 'none' only"),
        ({"n_classes": -1}, "n_classes must not be negative, got -1"),
        ({"min_hz": 15_000.0}, r"min_hz must lie below max_hz, got 15000\.0"),
        ({"max_hz": 17_000.0}, r"max_hz must not exceed half the sample rate \(16000\), got 17000"),
        ({"head": "liner"}, "head must be one of token_semantic, linear, none, got 'liner'"),
        ({"drop_path": 1.0}, r"drop_path must lie in \[0, 1\), got 1\.0"),
        ({"clip_s": 1.00001}, r"clip_s must be a whole number of samples, got 1\.00001"),
        ({"depths": ()}, r"depths must be whole numbers above 0, got \(\)"),
        ({"depths": (2, 0)}, r"depths must be whole numbers above 0, got \(2, 0\)"),
        ({"dim": 96.0}, r"dim must be a whole number above 0, got 96\.0"),
        ({"n_heads": (4, 8, 16, 0)}, r"n_heads must be whole numbers above 0, got \(4, 8, 16, 0\)"),
        ({"clip_s": 0.0}, r"clip_s must be a positive number, got 0\.0"),
        ({"clip_s": float("inf")}, "clip_s must be a positive number, got inf"),
        ({"clip_s": 0.01}, r"n_fft is too long for clips of 0\.01 s"),
        ({"n_heads": (4, 8)}, "n_heads needs 4 entries, got 2"),
        ({"n_heads": (4, 8, 16, 36)}, "n_heads 36 does not divide 768 channels"),
        ({"n_mels": 48}, r"n_mels must be a multiple of 32 \(patch and merging\), got 48"),
        ({"fold_frames": 250}, r"fold_frames must be a multiple of 32 \(patch and merging\), got 250"),
        ({"clip_s": 12.0}, r"clip_s gives 1201 mel frames, more than the 4 x 256 of the image"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        ModelConfig(**changes)  # type: ignore[arg-type]


def test_output_shapes(small_network: HTSAT, noise: torch.Tensor) -> None:
    output = small_network(noise)
    assert isinstance(output, HTSATOutput)
    assert output.frame_logits.shape == (3, 32, 5)
    assert output.clip_logits.shape == (3, 5)
    assert output.embedding.shape == (3, 16)
    assert output.frame_embedding.shape == (3, 32, 16)
    torch.testing.assert_close(output.clip_logits, output.frame_logits.mean(dim=1))
    torch.testing.assert_close(output.embedding, output.frame_embedding.mean(dim=1))


@pytest.mark.parametrize(("n_folds", "n_frames"), [(1, 8), (2, 16), (3, 24), (4, 32)])
def test_any_number_of_folds(small_config: ModelConfig, n_folds: int, n_frames: int) -> None:
    config = dataclasses.replace(small_config, n_folds=n_folds, clip_s=0.25 * n_folds)
    network = HTSAT(config).eval()
    output = network(0.1 * torch.randn(2, config.clip_samples))
    assert config.n_frames == n_frames
    assert output.frame_logits.shape == (2, n_frames, 5)


@pytest.mark.parametrize("shape", [(8_000,), (1, 7_999), (1, 8_001), (1, 1, 8_000)])
def test_only_batches_of_whole_clips(small_network: HTSAT, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected a waveform of shape \(batch, 8000\), got \("):
        small_network(torch.zeros(shape))


def test_a_batch_equals_its_clips_one_by_one(small_network: HTSAT, noise: torch.Tensor) -> None:
    together = small_network(noise)
    for index, clip in enumerate(noise):
        alone = small_network(clip[None])
        torch.testing.assert_close(alone.frame_logits[0], together.frame_logits[index], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(alone.embedding[0], together.embedding[index], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("place_s", [0.1, 0.4, 0.63, 0.9])
def test_a_click_moves_the_frame_it_lies_in_most(
    small_network: HTSAT, noise: torch.Tensor, place_s: float
) -> None:
    config = small_network.config
    clicked = noise[:1].clone()
    clicked[0, int(place_s * config.sample_rate)] += 1.0
    moved = (small_network(clicked).frame_logits - small_network(noise[:1]).frame_logits).abs().sum(dim=2)[0]
    assert abs(int(moved.argmax()) - place_s / config.clip_s * config.n_frames) <= 1.5


@pytest.mark.parametrize(("n_folds", "n_frames"), [(1, 16), (2, 32), (4, 64)])
def test_a_fine_head_beside_the_papers(small_config: ModelConfig, n_folds: int, n_frames: int) -> None:
    config = dataclasses.replace(small_config, n_folds=n_folds, clip_s=0.25 * n_folds, fine_width=8)
    torch.manual_seed(0)
    network = HTSAT(config).eval()
    output = network(0.1 * torch.randn(2, config.clip_samples))
    assert (config.n_frames, config.n_coarse_frames) == (n_frames, n_frames // 2)
    assert output.frame_logits.shape == (2, n_frames, 5)
    assert output.tagging_logits.shape == (2, n_frames // 2, 5)
    torch.testing.assert_close(output.clip_logits, output.tagging_logits.mean(dim=1))


def test_a_fine_head_leaves_the_rest_as_it_is(small_config: ModelConfig, noise: torch.Tensor) -> None:
    fine = HTSAT(dataclasses.replace(small_config, fine_width=8)).eval()
    plain = HTSAT(small_config).eval()
    plain.load_state_dict({k: v for k, v in fine.state_dict().items() if not k.startswith("fine_head.")})
    torch.testing.assert_close(fine(noise).tagging_logits, plain(noise).frame_logits)
    assert plain(noise).tagging_logits is not None
    assert plain.fine_head is None


@pytest.mark.parametrize("place_s", [0.1, 0.26, 0.51, 0.9])
def test_a_click_moves_the_fine_frame_it_lies_in_most(
    small_config: ModelConfig, noise: torch.Tensor, place_s: float
) -> None:
    torch.manual_seed(0)
    network = HTSAT(dataclasses.replace(small_config, fine_width=8)).eval()
    clicked = noise[:1].clone()
    clicked[0, int(place_s * small_config.sample_rate)] += 1.0
    moved = (network(clicked).frame_logits - network(noise[:1]).frame_logits).abs().sum(dim=2)[0]
    assert abs(int(moved.argmax()) - place_s * 64) <= 3


def test_every_parameter_matters(small_network: HTSAT, noise: torch.Tensor) -> None:
    small_network.train()(noise).clip_logits.square().sum().backward()
    unused = [
        name for name, parameter in small_network.named_parameters() if not parameter.grad.abs().sum() > 0
    ]
    assert unused == []


def test_augmentation_sees_the_normalised_log_mel(small_network: HTSAT, noise: torch.Tensor) -> None:
    seen = []

    def silence(log_mel: torch.Tensor) -> torch.Tensor:
        seen.append(log_mel)
        return torch.zeros_like(log_mel)

    augmented = small_network(noise, augment=silence)
    expected = small_network.mel_norm(small_network.log_mel(noise).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(seen[0], expected)
    torch.testing.assert_close(augmented.frame_logits[0], augmented.frame_logits[1])


def test_stochastic_depth_grows_linearly_and_rests_in_evaluation(
    small_config: ModelConfig, noise: torch.Tensor
) -> None:
    network = HTSAT(dataclasses.replace(small_config, drop_path=0.9)).eval()
    rates = [module.drop_path_rate for module in network.modules() if isinstance(module, SwinBlock)]
    assert rates == pytest.approx([0.0, 0.3, 0.6, 0.9])
    assert (network(noise).frame_logits == network(noise).frame_logits).all()
    network.train()
    assert (network(noise).frame_logits != network(noise).frame_logits).any()


def test_the_state_holds_weights_and_filters_but_nothing_that_the_sizes_tell(small_network: HTSAT) -> None:
    derived = ("stretch", "window", "bias_index", "mask")
    assert not [name for name in small_network.state_dict() if name.rsplit(".", 1)[-1] in derived]
    assert "log_mel.filterbank" in small_network.state_dict()


def test_without_classes_the_network_only_embeds(small_config: ModelConfig, noise: torch.Tensor) -> None:
    network = HTSAT(dataclasses.replace(small_config, n_classes=0, head="none")).eval()
    output = network(noise)
    assert output.frame_logits.shape == (3, 32, 0)
    assert output.embedding.shape == (3, 16)


def test_clip_logits_of_the_linear_head_are_those_of_the_embedding(
    small_config: ModelConfig, noise: torch.Tensor
) -> None:
    network = HTSAT(dataclasses.replace(small_config, head="linear")).eval()
    output = network(noise)
    torch.testing.assert_close(output.clip_logits, network.head.linear(output.embedding))
