"""A small model file and some recordings."""

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

SAMPLE_RATE = 8_000
LABELS = ("Dog", "Male speech, man speaking", "Siren")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, one_second_config: ModelConfig) -> Path:
    """Random weights, clips of 1 s in frames of 31.25 ms."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(
        path,
        HTSAT(one_second_config),
        ModelCard(LabelSet(LABELS), "multi_label", EventRules.usual((0.5, 0.5, 0.5))),
    )
    return path


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A folder with three recordings, one of them deeper, and a text."""
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(["a.wav", "b.WAV", "deep/c.flac"]):
        noise = 0.1 * np.random.default_rng(number).standard_normal(round((1.5 + number) * SAMPLE_RATE))
        soundfile.write(folder / name, noise, SAMPLE_RATE)
    (folder / "notes.txt").write_text("no sound")
    return folder


@pytest.fixture
def htsat(model: Path) -> Callable[..., int]:
    """Runs a listening command with the small model; returns the exit code."""

    def run(command: str, *arguments: object) -> int:
        return main([command, *map(str, arguments), "--model", str(model)])

    return run
