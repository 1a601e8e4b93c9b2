from __future__ import annotations

import numpy as np
import pytest
import torch

from htsat.checkpoints import clap
from htsat.checkpoints.convert import convert
from htsat.errors import CheckpointError
from htsat.network import ModelConfig
from htsat.network.frontend import mel_filterbank

TEXT = {
    "vocab_size": 10,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "projection_dim": 4,
}


@pytest.fixture(scope="module")
def reference():
    """A `ClapModel` of transformers with the default audio sizes (those of the paper), all weights random."""
    from transformers import ClapConfig, ClapModel

    torch.manual_seed(0)
    model = ClapModel(ClapConfig(text_config=TEXT)).eval()
    with torch.no_grad():
        for parameter in model.audio_model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.03)
        norm = model.audio_model.audio_encoder.batch_norm
        norm.running_mean.copy_(torch.randn(64) - 30)
        norm.running_var.copy_(torch.rand(64) * 50 + 75)
    return model


@pytest.fixture(scope="module")
def small_reference():
    from transformers import ClapAudioConfig, ClapAudioModel

    sizes = {"depths": [2, 2, 2, 2], "num_attention_heads": [1, 2, 2, 4]}
    return ClapAudioModel(ClapAudioConfig(patch_embeds_hidden_size=8, hidden_size=64, **sizes))


@pytest.fixture(scope="module")
def waveform():
    time_s = torch.arange(480_000) / 48_000
    noise = torch.randn(1, 480_000, generator=torch.Generator().manual_seed(0))
    return 0.05 * noise + 0.2 * torch.sin(2 * torch.pi * 440 * time_s * (1 + 0.1 * time_s))


@pytest.fixture(scope="module")
def expected(reference, waveform):
    """The embedding that transformers computes from the same log-mel."""
    from transformers import ClapFeatureExtractor

    extract = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc")
    features = extract(waveform[0].numpy(), sampling_rate=48_000, return_tensors="pt")
    with torch.inference_mode():
        return reference.audio_model(features["input_features"].float()).pooler_output


def embedding(network, waveform):
    with torch.inference_mode():
        return network(waveform).embedding


def test_a_clap_model_gives_the_embedding_of_transformers(reference, waveform, expected, saved):
    (network, card), notes = convert(saved(reference.state_dict(), "pytorch_model.bin"))
    assert network.config == ModelConfig(n_classes=0, sample_rate=48_000, hop_length=480, head="none")
    torch.testing.assert_close(embedding(network, waveform), expected, rtol=0, atol=1e-4)
    assert expected.std() > 0.1
    assert (len(card.labels), card.thresholds) == (0, ())
    assert card.provenance["kind"] == "audio encoder of a Hugging Face CLAP model"
    n_beside = sum(not key.startswith("audio_model.audio_encoder.") for key in reference.state_dict())
    assert notes == (
        "left out relative_position_index (12): recomputed from the window",
        f"left out {n_beside} tensors beside the audio branch: text and projections",
        "the file has no mel filterbank: built the one for 48000 Hz",
    )


def test_a_model_within_a_clap_model_is_the_same_as_alone(small_reference, saved):
    alone = small_reference.state_dict()
    within = {f"audio_model.{key}": tensor for key, tensor in alone.items()}
    expected = convert(saved(alone)).model.network.state_dict()
    for key, tensor in convert(saved(within)).model.network.state_dict().items():
        assert torch.equal(tensor, expected[key]), key


def test_a_laion_checkpoint_gives_the_same_network(small_reference, saved, foreign):
    network = convert(saved(small_reference.state_dict())).model.network
    branch = foreign(network) | {"tscam_conv.weight": torch.ones(9, 64, 2, 3), "head.bias": torch.ones(9)}
    beside = {"text_branch.embeddings.weight": torch.zeros(2), "logit_scale_a": torch.ones(())}
    tensors = {f"audio_branch.{key}": tensor for key, tensor in branch.items()} | beside
    tensors = {f"module.{key}": tensor for key, tensor in tensors.items()}
    path = saved({"epoch": 45, "name": "CLAP", "state_dict": tensors, "score": np.float64(0.9)}, "clap.pt")
    model, notes = convert(path)
    assert model.network.config == network.config
    for key, tensor in network.state_dict().items():
        assert torch.equal(model.network.state_dict()[key], tensor), key
    assert notes == (
        "left out tscam_conv (1): a classifier that contrastive training never touches",
        "left out head (1): a classifier that contrastive training never touches",
        "left out 2 tensors beside the audio branch: text and projections",
    )
    assert model.card.provenance["kind"] == "audio encoder of LAION-CLAP"


def test_transformers_has_our_mel_filters():
    from transformers import ClapFeatureExtractor

    theirs = ClapFeatureExtractor(frequency_min=50).mel_filters_slaney
    ours = mel_filterbank(48_000, 1024, 64, 50.0, 14_000.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", ["tiny", "base", "large"])
def test_sizes_are_told_apart_by_their_shapes(name):
    config = ModelConfig.named(name, n_classes=0, head="none", sample_rate=48_000, hop_length=480)
    converted = clap.from_laion(laion_shapes(config), None)
    assert converted.config == config


@pytest.mark.parametrize(
    "key", ["patch_embed.mel_conv2d.weight", "patch_embed.fusion_model.local_att.0.weight"]
)
def test_fused_models_are_refused(small_network, foreign, saved, key):
    tensors = {f"audio_branch.{name}": tensor for name, tensor in foreign(small_network).items()}
    path = saved(tensors | {f"audio_branch.{key}": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"is of the fusion type, .* take an unfused CLAP model"):
        convert(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers.0.blocks.0.attention.self.key.weight": None}, "key.weight is missing"),
        ({"layers.0.blocks.0.attention.self.query.weight": None}, "1 tensor missing .*attention.qkv.weight"),
        (
            {"layers.0.blocks.0.attention.self.value.bias": torch.zeros(7)},
            "query, key and value differ in shape",
        ),
        ({"layers.3.blocks.1.output.dense.bias": None}, r"1 tensor missing \(stages.3.blocks.1.mlp.2.bias\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(small_reference, saved, change, message):
    changed = {f"audio_encoder.{key}": tensor for key, tensor in change.items()}
    tensors = {**small_reference.state_dict(), **changed}
    with pytest.raises(CheckpointError, match=message):
        convert(saved({key: tensor for key, tensor in tensors.items() if tensor is not None}))


def laion_shapes(config):
    """Just the tensors that tell sizes, without memory behind them."""
    shapes = {"patch_embed.proj.weight": (config.dim, 1, 4, 4), "bn0.weight": (64,)}
    for stage, (depth, n_heads) in enumerate(zip(config.depths, config.n_heads, strict=True)):
        tables = {
            f"layers.{stage}.blocks.{block}.attn.relative_position_bias_table" for block in range(depth)
        }
        shapes |= dict.fromkeys(tables, (225, n_heads))
    return {f"audio_branch.{key}": torch.zeros(()).expand(shape) for key, shape in shapes.items()}
