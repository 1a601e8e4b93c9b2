"""The networks of `training_speed.py`, each with inputs of its own length."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from htsat.network import HTSAT, ModelConfig

N_CLASSES = 527
SECONDS = {"nano": 5.0, "tiny": 10.0, "AST": 10.24, "CLAP": 10.0}
"""Length of the clips of each network."""


class Input(NamedTuple):
    """A batch as a network takes it, and the seconds that its features took."""

    batch: Tensor
    features_s: float = 0.0


class Rival(NamedTuple):
    """A network with random weights, a maker of batches of so many clips, and the logits in its output."""

    network: nn.Module
    inputs: Callable[[int], Input]
    logits: Callable[[Any], Tensor]


def ours(size: str) -> Callable[[], Rival]:
    """One of our sizes; its input is the waveform."""

    def build() -> Rival:
        network = HTSAT(ModelConfig.named(size, n_classes=N_CLASSES))

        def inputs(n_clips: int) -> Input:
            return Input(0.1 * torch.randn(n_clips, network.config.clip_samples))

        return Rival(network, inputs, lambda output: output.clip_logits)

    return build


def ast() -> Callable[[], Rival]:
    """`transformers`' audio spectrogram transformer: 1024 frames of 128 mel bins."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    def build() -> Rival:
        network = ASTForAudioClassification(ASTConfig(num_labels=N_CLASSES))
        inputs = _extracted("AST", ASTFeatureExtractor(), "input_values")
        return Rival(network, inputs, lambda output: output.logits)

    return build


def clap() -> Callable[[], Rival]:
    """`transformers`' CLAP audio encoder, an HTS-AT, with a classifier: 1001 frames of 64 mel bins."""
    from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

    class ClapClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = ClapAudioModel(ClapAudioConfig())
            self.head = nn.Linear(768, N_CLASSES)

        def forward(self, features: Tensor) -> Tensor:
            logits: Tensor = self.head(self.encoder(features).pooler_output)
            return logits

    def build() -> Rival:
        inputs = _extracted("CLAP", ClapFeatureExtractor(truncation="rand_trunc"), "input_features")
        return Rival(ClapClassifier(), inputs, lambda output: output)

    return build


def _extracted(name: str, extractor: Any, key: str) -> Callable[[int], Input]:
    rng, sample_rate = np.random.default_rng(0), extractor.sampling_rate
    n_samples = round(SECONDS[name] * sample_rate)

    def inputs(n_clips: int) -> Input:
        clips = [0.1 * rng.standard_normal(n_samples).astype(np.float32) for _ in range(n_clips)]
        began = time.perf_counter()
        features = np.asarray(extractor(clips, sampling_rate=sample_rate)[key], dtype=np.float32)
        return Input(torch.from_numpy(features), time.perf_counter() - began)

    return inputs


RIVALS = {"nano": lambda: ours("nano"), "tiny": lambda: ours("tiny"), "CLAP": clap, "AST": ast}
"""Each imports what it needs and gives the builder of a network."""
