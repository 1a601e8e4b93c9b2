from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from htsat.checkpoints.convert import convert
from htsat.errors import CheckpointError
from htsat.labels import LabelSet
from htsat.network import HTSAT
from htsat.network.frontend import mel_filterbank

THREE = LabelSet.of(["dog", "rain", "bell"])


def prefixed(tensors, prefix="sed_model."):
    return {f"{prefix}{key}": tensor for key, tensor in tensors.items()}


def probabilities(network, waveforms):
    with torch.inference_mode():
        output = network(waveforms)
    return (
        output.clip_logits.sigmoid().numpy(),
        output.frame_logits.sigmoid().numpy(),
        output.embedding.numpy(),
    )


def test_a_lightning_checkpoint_gives_the_official_outputs(
    official_state_dict, official_waveforms, golden, saved
):
    path = saved({"state_dict": prefixed(official_state_dict("hc")), "epoch": 12, "global_step": 345})
    model, notes = convert(path)
    clip, frame, embedding = probabilities(model.network, official_waveforms)
    np.testing.assert_allclose(clip, golden["hc_clip"], atol=1e-5)
    np.testing.assert_allclose(frame, golden["hc_frame"], atol=1e-5)
    np.testing.assert_allclose(embedding, golden["hc_latent"], atol=1e-5)
    assert model.card.labels == LabelSet.named("audioset")
    assert model.card.task == "multi_label"
    assert notes == (
        "left out spectrogram_extractor (2): kernels of a Fourier transform, which torch.stft replaces",
        "left out relative_position_index (12): recomputed from the window",
        "left out attn_mask (5): recomputed from the grid",
        "left out head (2): made by the official network but never used",
    )


def test_a_weight_averaged_file_gives_the_official_outputs(
    official_state_dict, official_waveforms, golden, saved
):
    averaged = {key: tensor.float() for key, tensor in official_state_dict("hc").items()}
    model, _ = convert(saved({"state_dict": prefixed(averaged)}))
    assert model.network.mel_norm.num_batches_tracked.dtype == torch.int64
    clip, _, _ = probabilities(model.network, official_waveforms[:1])
    np.testing.assert_allclose(clip, golden["hc_clip"][:1], atol=1e-5)


def test_the_esc50_variant_gives_the_official_logits(official_state_dict, official_waveforms, golden, saved):
    model, _ = convert(saved(official_state_dict("ce50")))
    with torch.inference_mode():
        logits = model.network(official_waveforms[:1]).clip_logits
    np.testing.assert_allclose(logits, golden["ce50_logits"][:1], atol=1e-5)
    assert model.card.task == "multi_class"
    assert model.card.thresholds == (0.5,) * 50
    assert (model.card.labels[0], model.card.labels[49]) == ("dog", "hand_saw")


def test_the_ablation_h_gives_the_official_outputs(official_state_dict, official_waveforms, golden, saved):
    model, notes = convert(saved(prefixed(official_state_dict("h"), "module.sed_model.")))
    clip, _, _ = probabilities(model.network, official_waveforms[:1])
    np.testing.assert_allclose(clip, golden["h_clip"][:1], atol=1e-5)
    assert model.network.config.head == "linear"
    assert not any("head" in note for note in notes)


@pytest.mark.parametrize("head", ["token_semantic", "linear"])
def test_sizes_come_from_shapes_and_weights_stay(small_network, foreign, saved, head):
    network = HTSAT(replace(small_network.config, head=head, window=4, dim=12, n_heads=(1, 2, 3, 4)))
    model, _ = convert(saved(foreign(network)), THREE, "multi_class")
    assert model.network.config == network.config
    for key, tensor in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], tensor), key


@pytest.mark.parametrize("rate", [32_000, 48_000])
def test_the_mel_filters_tell_the_sample_rate(small_network, foreign, saved, rate):
    tensors = foreign(small_network) | {
        "logmel_extractor.melW": mel_filterbank(rate, 1024, 64, 50.0, 14_000.0)
    }
    model, notes = convert(saved(tensors), THREE, "multi_class")
    config = model.network.config
    assert (config.sample_rate, config.hop_length, config.max_hz) == (rate, rate // 100, 14_000.0)
    assert notes == ()


def test_filters_beyond_half_the_sample_rate_are_kept_and_reported(small_network, foreign, saved):
    filters = mel_filterbank(16_000, 1024, 64, 50.0, 14_000.0)
    tensors = foreign(small_network) | {"logmel_extractor.melW": filters}
    model, notes = convert(saved(tensors), THREE, "multi_class")
    assert (model.network.config.sample_rate, model.network.config.max_hz) == (16_000, 8_000.0)
    assert torch.equal(model.network.log_mel.filterbank, filters)
    assert notes == (
        "kept the file's own mel filterbank, which is not the usual one for 16000 Hz; "
        "9 of its filters hear nothing",
    )


def test_speech_commands_hear_16_khz_through_the_filters_of_32_khz(small_network, foreign, saved):
    network = HTSAT(replace(small_network.config, n_classes=35))
    path = saved(foreign(network))
    model, notes = convert(path, sample_rate=16_000)
    config = model.network.config
    assert (config.sample_rate, config.hop_length, config.min_hz, config.max_hz) == (
        16_000,
        160,
        25.0,
        7_000.0,
    )
    assert torch.equal(model.network.log_mel.filterbank, network.log_mel.filterbank)
    assert notes == ("kept the file's own mel filterbank, which is not the usual one for 16000 Hz",)
    assert model.card.labels == LabelSet.named("speech-commands-author")
    assert model.card.task == "multi_label"
    unsure = convert(path).notes
    assert unsure == ("if it is the published Speech Commands model, set its sample rate: 16000 Hz",)


def test_a_file_without_mel_filters_gets_the_usual_ones(small_network, foreign, saved):
    tensors = foreign(small_network)
    del tensors["logmel_extractor.melW"]
    model, notes = convert(saved(tensors), THREE, "multi_class")
    assert torch.equal(model.network.log_mel.filterbank, small_network.log_mel.filterbank)
    assert notes == ("the file has no mel filterbank: built the one for 32000 Hz",)


def test_missing_weights_are_named(small_network, foreign, saved):
    tensors = foreign(small_network)
    del tensors["layers.1.blocks.0.mlp.fc1.weight"], tensors["norm.bias"]
    path = saved(tensors)
    with pytest.raises(CheckpointError) as caught:
        convert(path, THREE)
    assert str(caught.value) == f"{path}: 2 tensors missing (stages.1.blocks.0.mlp.0.weight, norm.bias)"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("patch_embed.proj.weight", "tensor patch_embedding.projection.weight is missing"),
        (
            "layers.2.blocks.0.attn.relative_position_bias_table",
            "tensor stages.2.blocks.0.attention.bias_table",
        ),
        ("tscam_conv.weight", "has no classifier: expected tscam_conv.weight, or head.weight"),
        ("tscam_conv.bias", "1 tensor missing (head.token_semantic.bias)"),
        ("bn0.running_var", "1 tensor missing (mel_norm.running_var)"),
    ],
)
def test_nothing_of_the_network_may_be_missing(small_network, foreign, saved, key, message):
    tensors = foreign(small_network)
    del tensors[key]
    with pytest.raises(CheckpointError) as caught:
        convert(saved(tensors), THREE)
    assert message in str(caught.value)


def test_a_whole_block_must_not_be_missing(small_network, foreign, saved):
    whole = foreign(small_network)
    tensors = {key: tensor for key, tensor in whole.items() if "layers.2.blocks.1." not in key}
    with pytest.raises(CheckpointError, match=r"come in pairs .* its stages have \(2, 2, 1, 2\)"):
        convert(saved(tensors), THREE)


def test_unknown_weights_are_refused(small_network, foreign, saved):
    with pytest.raises(CheckpointError, match=r"1 tensor unknown \(fine_head.weight\)"):
        convert(saved(foreign(small_network) | {"fine_head.weight": torch.zeros(3)}), THREE)


@pytest.mark.parametrize(
    ("key", "shape", "message"),
    [
        ("patch_embed.proj.weight", (8,), r"projection.weight must have 4 axes, got shape \(8,\)"),
        (
            "layers.0.blocks.0.attn.relative_position_bias_table",
            (225, 3),
            "n_heads 3 does not divide 8 channels",
        ),
        (
            "layers.0.blocks.0.attn.relative_position_bias_table",
            (),
            r"bias_table must have 2 axes, got shape \(\)",
        ),
        ("bn0.weight", (128,), r"mel_norm.weight is real \(128,\), expected real \(64,\)"),
        ("logmel_extractor.melW", (257, 64), r"filterbank is real \(257, 64\), expected real \(513, 64\)"),
        ("tscam_conv.weight", (3, 64, 1, 3), r"is real \(3, 64, 1, 3\), expected real \(3, 64, 2, 3\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(small_network, foreign, saved, key, shape, message):
    with pytest.raises(CheckpointError, match=message):
        convert(saved(foreign(small_network) | {key: torch.zeros(shape)}), THREE)
