"""Sound at the edge: whatever a recording holds, scores are finite, or it is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import Model, ModelCard
from htsat.engines.torch_engine import TorchEngine
from htsat.errors import AudioError
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.recognition.hearing import Hearing
from htsat.recognition.recognizer import Recognizer
from htsat.rules import EventRules
from htsat.scores import FloatArray

RATE = 8_000
TIME = np.arange(RATE) / RATE

FINE = {
    "silence": np.zeros(RATE, np.float32),
    "the shortest that is heard, repeated": np.full(RATE // 50, 0.5, np.float32),
    "the shortest silence": np.zeros(RATE // 50, np.float32),
    "constant": np.full(RATE, 0.7, np.float32),
    "denormal numbers": np.full(RATE, 1e-40, np.float32),
    "the smallest number": np.where(np.arange(RATE) == 5, np.float32(1e-45), np.float32(0)),
    "a clipped square wave": np.sign(np.sin(2 * np.pi * 440 * TIME)).astype(np.float32),
    "unscaled integers": np.float32(2**31) * np.sin(2 * np.pi * 440 * TIME).astype(np.float32),
    "the loudest that is allowed": np.where(np.arange(RATE) % 2, np.float32(1e12), np.float32(-1e12)),
    "one impulse": np.where(np.arange(RATE) == RATE // 2, np.float32(1), np.float32(0)),
}
IMPOSSIBLE = {
    "huge": (np.float32(1e30), "absurdly large"),
    "huge and negative": (np.float32(-1e30), "absurdly large"),
    "NaN": (np.float32(np.nan), "NaN or infinite"),
    "infinite": (np.float32(-np.inf), "NaN or infinite"),
}


@pytest.fixture
def recognizer(half_second_config: ModelConfig) -> Recognizer:
    """A network with a batch norm as training leaves it: decibels of about -40 become about 0."""
    torch.manual_seed(0)
    network = HTSAT(half_second_config).eval()
    assert network.mel_norm.running_mean is not None
    assert network.mel_norm.running_var is not None
    network.mel_norm.running_mean.fill_(-40)
    network.mel_norm.running_var.fill_(400)
    labels = LabelSet(tuple(f"class {number}" for number in range(half_second_config.n_classes)))
    card = ModelCard(labels, "multi_label", EventRules.usual((0.5,) * len(labels)))
    return Recognizer(TorchEngine(Model(network, card), "tiny"))


def write(path: Path, samples: FloatArray) -> Path:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize("name", FINE)
def test_scores_of_odd_sound_are_finite(recognizer: Recognizer, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "odd.wav", FINE[name])
    tags = recognizer.tag(path)
    assert np.isfinite(recognizer.frame_scores(path).logits).all()
    assert all(0 <= tag.probability <= 1 for tag in tags)
    assert len(tags) == len(recognizer.description.labels)
    assert all(0 <= event.onset_s < event.offset_s for event in recognizer.detect(path))
    assert np.isfinite(recognizer.embed(path)).all()


def test_one_sample_is_too_short_to_be_heard(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(
        AudioError, match=r"one\.wav: too short: 0\.125 ms of audio, at least 20 ms are needed"
    ):
        recognizer.tag(write(tmp_path / "one.wav", np.ones(1, np.float32)))


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_samples_are_refused_with_their_place(
    recognizer: Recognizer, tmp_path: Path, name: str
) -> None:
    value, reason = IMPOSSIBLE[name]
    samples = np.zeros(RATE, np.float32)
    samples[RATE // 4] = value
    path = write(tmp_path / "bad.wav", samples)
    with pytest.raises(AudioError, match=rf"bad\.wav: contains {reason} samples \(first at 0\.250 s\)$"):
        recognizer.tag(path)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_recording_beside_a_bad_one_is_heard_as_alone(
    recognizer: Recognizer, tmp_path: Path, name: str
) -> None:
    """They share the network's batches, and nothing of one reaches another."""
    samples = np.zeros(RATE, np.float32)
    samples[5] = IMPOSSIBLE[name][0]
    bad = write(tmp_path / "bad.wav", samples)
    good = write(tmp_path / "good.wav", FINE["a clipped square wave"])
    alone = recognizer.hear(good)
    first, refused, last = recognizer.hear_all([good, bad, good])
    assert isinstance(refused, AudioError)
    for heard in (first, last):
        assert isinstance(heard, Hearing)
        np.testing.assert_allclose(heard.clip_scores.logits, alone.clip_scores.logits, rtol=1e-5)


def test_a_constant_sounds_like_its_absence_but_for_the_lowest_frequencies(
    half_second_config: ModelConfig,
) -> None:
    """The first mel filter begins above 0 Hz, and a window leaks into the bins beside it only."""
    log_mel = HTSAT(half_second_config).log_mel
    waveforms = torch.stack(
        [torch.zeros(half_second_config.clip_samples), torch.full((half_second_config.clip_samples,), 0.5)]
    )
    silence, constant = log_mel(waveforms)
    assert (silence == -100).all()
    assert torch.isfinite(constant).all()
    assert (constant[:, half_second_config.n_mels // 2 :] < -90).all()


def test_a_batch_norm_that_saw_nothing_but_silence_hears_on(half_second_config: ModelConfig) -> None:
    """Its running variance goes to 0; what keeps the division possible is its epsilon."""
    network = HTSAT(half_second_config).train()
    for _ in range(200):
        network.mel_norm(torch.full((4, half_second_config.n_mels, 51), -100.0))
    assert network.mel_norm.running_var is not None
    assert (network.mel_norm.running_var < 1e-8).all()
    network.eval()
    with torch.inference_mode():
        logits = network(torch.randn(2, half_second_config.clip_samples)).clip_logits
    assert torch.isfinite(logits).all()
