"""A small model, and recordings whose samples are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from htsat.checkpoints import ModelCard, save_model
from htsat.cli.main import main
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

LABELS = ("Dog", "Male speech, man speaking", "Siren")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, one_second_config: ModelConfig) -> Path:
    """Random weights, clips of 1 s at 8 kHz in frames of 31.25 ms."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    card = ModelCard(LabelSet(LABELS), "multi_label", EventRules.usual((0.5, 0.5, 0.5)))
    save_model(path, HTSAT(one_second_config), card)
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Three recordings of different lengths, one of them deeper, with times in their names."""
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(["20240601_0530.wav", "20240601_0630.WAV", "deep/20240602_053000.flac"]):
        noise = 0.1 * np.random.default_rng(number).standard_normal(round((1.5 + number) * 8000))
        soundfile.write(folder / name, noise, 8000)
    return folder


@pytest.fixture
def htsat(model: Path) -> Callable[..., int]:
    """Runs a command with the small model; returns the exit code."""

    def run(command: str, *arguments: object) -> int:
        return main([command, *map(str, arguments), "--model", str(model)])

    return run
