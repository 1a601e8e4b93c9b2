"""Search by words: what CLAP of transformers says of sounds and texts, with tiny random weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import save_model
from htsat.checkpoints.convert import convert
from htsat.cli.main import main
from htsat.errors import CheckpointError, ConfigError, MissingExtraError
from htsat.loading import load
from htsat.search import Index
from htsat.search.text import TextModel

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]
TEXT = {
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 40,
}
AUDIO = {
    "depths": [2, 2, 2, 2],
    "num_attention_heads": [1, 2, 2, 4],
    "patch_embeds_hidden_size": 8,
    "hidden_size": 64,
}


def write_clap(folder: Path, seed: int, **changes: object) -> Path:
    """A folder as `hf download laion/clap-htsat-unfused` makes it, with small random weights."""
    from transformers import ClapConfig, ClapModel, RobertaTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    config = ClapConfig(text_config=TEXT, audio_config=AUDIO, projection_dim=6, **changes)
    model = ClapModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        norm = model.audio_model.audio_encoder.batch_norm
        norm.running_mean.copy_(torch.randn(64) - 30)
        norm.running_var.copy_(torch.rand(64) * 50 + 75)
    model.save_pretrained(folder)
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    vocabulary.write_text(json.dumps({word: number for number, word in enumerate(WORDS)}))
    merges.write_text("#version: 0.2\n")
    RobertaTokenizer.from_pretrained(folder, model_max_length=30).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return write_clap(tmp_path_factory.mktemp("clap") / "clap", seed=0)


@pytest.fixture(scope="module")
def encoder(clap):
    path = clap.parent / "encoder.safetensors"
    network, card = convert(clap).model
    save_model(path, network, card)
    return path


@pytest.fixture(scope="module")
def sounds(clap):
    """Recordings of exactly one clip, 10 s."""
    folder = clap.parent / "sounds"
    folder.mkdir()
    for seed in range(4):
        noise = np.random.default_rng(seed).standard_normal(480_000)
        soundfile.write(folder / f"{seed}.wav", 0.1 * np.convolve(noise, np.ones(seed + 1), "same"), 48_000)
    return folder


@pytest.fixture(scope="module")
def index(encoder, sounds):
    path = encoder.parent / "index.parquet"
    options = ["--model", str(encoder), "--overlap", "0", "--threads", "1"]
    assert main(["embed", str(sounds), "-o", str(path), *options]) == 0
    return path


def audio_features(folder, sound):
    """What transformers gives, from the waveform."""
    from transformers import ClapFeatureExtractor, ClapModel

    samples, _ = soundfile.read(sound, dtype="float32")
    extract = ClapFeatureExtractor(frequency_min=50, truncation="rand_trunc")
    features = extract(samples, sampling_rate=48_000, return_tensors="pt")["input_features"].float()
    with torch.inference_mode():
        return ClapModel.from_pretrained(folder).eval().get_audio_features(features).pooler_output.numpy()


def text_features(folder, text):
    from transformers import AutoTokenizer, ClapModel

    tokens = AutoTokenizer.from_pretrained(folder)([text], return_tensors="pt")
    with torch.inference_mode():
        return ClapModel.from_pretrained(folder).eval().get_text_features(**tokens).pooler_output.numpy()


def test_sounds_lie_where_transformers_puts_them(clap, encoder, sounds):
    embedding = load(encoder, n_threads=1, overlap=0.0).embed(sounds / "2.wav")
    expected = audio_features(clap, sounds / "2.wav")
    projected = TextModel(str(clap)).project(embedding)
    np.testing.assert_allclose(projected / np.linalg.norm(projected), expected, atol=2e-4)
    assert expected.std() > 0.05


def test_texts_lie_where_transformers_puts_them(clap):
    model = TextModel(str(clap))
    np.testing.assert_allclose(
        model.direction("dog barking")[None], text_features(clap, "dog barking"), atol=1e-6
    )
    assert np.abs(model.direction("dog barking") - model.direction("rain")).max() > 1e-3
    assert np.isfinite(model.direction("x " * 500)).all()


def test_words_find_what_transformers_finds(clap, index, sounds, capsys):
    arguments = ["--text", "dog barking", "--text-model", str(clap), "--format", "jsonl"]
    assert main(["search", str(index), *arguments]) == 0
    output = capsys.readouterr()
    found = [json.loads(line) for line in output.out.splitlines()]
    text = text_features(clap, "dog barking")[0]
    expected = {str(path): float(audio_features(clap, path)[0] @ text) for path in sounds.iterdir()}
    assert [hit["file"] for hit in found] == sorted(expected, key=lambda file: -expected[file])
    for hit in found:
        assert hit["similarity"] == pytest.approx(expected[hit["file"]], abs=5e-4)
    assert output.err == ""


def test_the_encoder_of_another_model_is_refused(index, tmp_path):
    other = TextModel(str(write_clap(tmp_path / "other", seed=1)))
    with pytest.raises(
        ConfigError, match=r"index.parquet was made by model .*, which is not the audio encoder of"
    ):
        other.searchable(Index.open(index))


def test_an_index_of_unknown_origin_is_refused(clap, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((1, 64), np.float32))
    with pytest.raises(ConfigError, match=r"a.npy does not say what made it"):
        TextModel(str(clap)).searchable(Index.open(tmp_path / "a.npy"))


def test_other_folders_are_refused(clap, tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing: is not a CLAP model of transformers: .+"):
        TextModel(str(tmp_path / "nothing"))
    with pytest.raises(CheckpointError, match="expected a projection of two linear layers with ReLU"):
        TextModel(str(write_clap(tmp_path / "gelu", 0, projection_hidden_act="gelu")))


def test_weights_that_are_missing_are_not_made_up(clap, tmp_path):
    from safetensors.torch import load_file, save_file
    from transformers import ClapModel

    ClapModel.from_pretrained(clap).save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["text_projection.linear1.weight"]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"weights are missing: text_projection.linear1.weight"):
        TextModel(str(tmp_path))


def test_without_transformers_the_extra_is_named(monkeypatch, clap, index, capsys):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"search by text needs .*htsat\[text\]"):
        TextModel(str(clap))
    monkeypatch.setitem(sys.modules, "transformers.utils", None)
    assert main(["search", str(index), "--text", "dog", "--text-model", str(clap)]) == 1
    assert "pip install 'htsat[text]'" in capsys.readouterr().err
