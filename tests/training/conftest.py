"""A network, recordings and settings that train in a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch.utils._pytree import tree_leaves

from htsat.checkpoints import load_model
from htsat.data.augment import WaveformAugmentation
from htsat.data.events import write_events
from htsat.scores import SoundEvent
from htsat.training.experiment import Experiment, Optimisation
from htsat.training.mixing import Mixup, SpecAugment
from htsat.training.state import read_state

SAMPLE_RATE = 8_000
CLIP_SAMPLES = SAMPLE_RATE // 2
PITCHES_HZ = {"high": 2_000, "low": 300}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Twelve high and twelve low noisy tones, half a second each."""
    rng = np.random.default_rng(0)
    time_s = np.arange(CLIP_SAMPLES) / SAMPLE_RATE
    for label, pitch_hz in PITCHES_HZ.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for take in range(12):
            tone = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.8, 1.2) * time_s)
            noisy = 0.3 * tone + 0.01 * rng.standard_normal(CLIP_SAMPLES)
            soundfile.write(tmp_path / "data" / label / f"{take}-{label}.wav", noisy, SAMPLE_RATE)
    return tmp_path / "data"


@pytest.fixture
def experiment(recordings: Path) -> Callable[..., Experiment]:
    """Maker of settings for the recordings; its arguments replace some of them."""
    return partial(_experiment, data=str(recordings))


def _experiment(**changes: object) -> Experiment:
    settings: dict[str, object] = {
        "precision": "32-true",
        "device": "cpu",
        "valid_share": 0.25,
        "log_every": 1,
        "optimisation": Optimisation(
            epochs=6, batch_size=8, learning_rate=5e-3, warmup_clips=16, ema_decay=0.8, optimizer="muon"
        ),
        "augmentation": WaveformAugmentation(speed=1.05),
        "mixup": Mixup(probability=0.3),
        "spec_augment": SpecAugment(max_time_frames=4, max_mel_bins=2),
    }
    return Experiment(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture
def quick_learning() -> Optimisation:
    """How a tiny network learns when tones sound within seconds."""
    return Optimisation(
        epochs=12, batch_size=8, learning_rate=5e-3, warmup_clips=16, ema_decay=0.8, label_smoothing=0.0
    )


def scene(rng: np.random.Generator, duration_s: float) -> tuple[np.ndarray, list[SoundEvent]]:
    """Quiet noise with a tone every half a second, of 0.15 to 0.3 s."""
    waveform = 0.01 * rng.standard_normal(round(duration_s * SAMPLE_RATE))
    events = []
    for start_s in np.arange(0, duration_s, 0.5):
        label = str(rng.choice(list(PITCHES_HZ)))
        onset_s = start_s + rng.uniform(0.02, 0.15)
        offset_s = onset_s + rng.uniform(0.15, 0.3)
        place = np.arange(round(onset_s * SAMPLE_RATE), round(offset_s * SAMPLE_RATE))
        waveform[place] += 0.3 * np.sin(2 * np.pi * PITCHES_HZ[label] * place / SAMPLE_RATE)
        events.append(SoundEvent(label, onset_s, offset_s, 1.0))
    return waveform, events


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """A manifest of six strongly labelled recordings of 3 s, four with weak labels and four without any."""
    rng, rows, events = np.random.default_rng(0), [], []
    for fold, n_recordings in (("strong", 6), ("weak", 4), ("unlabelled", 4)):
        for take in range(n_recordings):
            name = f"{fold}{take}.wav"
            waveform, heard = scene(rng, 3.0 if fold == "strong" else 0.5)
            soundfile.write(tmp_path / name, waveform, SAMPLE_RATE)
            events += [(name, tuple(heard))] if fold == "strong" else []
            labels = "" if fold == "unlabelled" else ";".join(sorted({event.label for event in heard}))
            rows.append(f"{name}\t{labels}\t{fold}\t{'events.tsv' if fold == 'strong' else ''}")
    write_events(tmp_path / "events.tsv", events)
    (tmp_path / "manifest.tsv").write_text("\n".join(["path\tlabels\tfold\tevents", *rows]) + "\n")
    return tmp_path / "manifest.tsv"


@pytest.fixture
def heard_frames() -> Callable[[Path], tuple[np.ndarray, np.ndarray]]:
    """Lets a model hear the frames of a new recording."""
    return _heard_frames


def _heard_frames(model: Path) -> tuple[np.ndarray, np.ndarray]:
    """What a model says of frames of a new recording, and the truth. Shape: `(T, K)` each."""
    waveform, events = scene(np.random.default_rng(9), 4.0)
    network = load_model(model).network.eval()
    clips = torch.tensor(waveform, dtype=torch.float32).reshape(-1, network.config.clip_samples)
    with torch.inference_mode():
        logits = network(clips).frame_logits.flatten(0, 1).numpy()
    middles_s = (np.arange(len(logits)) + 0.5) * 4.0 / len(logits)
    truth = np.zeros(logits.shape, bool)
    for event in events:
        is_inside = (event.onset_s < middles_s) & (middles_s < event.offset_s)
        truth[is_inside, list(PITCHES_HZ).index(event.label)] = True
    return logits, truth


class Written:
    """What a run has left in its folder."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Of the log, which must be strict JSON."""
        lines = (self.run / "log.jsonl").read_text().splitlines()
        events = [json.loads(line, parse_constant=_refuse_constant) for line in lines]
        return [event for event in events if event["event"] == kind]

    def is_sound(self) -> bool:
        """Whether all numbers of models, state and reports are finite, and there is a state."""
        for path in self.run.rglob("*.safetensors"):
            load_model(path)  # refuses what is not finite
        for path in self.run.glob("*.json"):
            json.loads(path.read_text(), parse_constant=_refuse_constant)
        trainer = read_state(self.run).trainer
        leaves = tree_leaves([trainer.network, trainer.averages, trainer.optimizers])
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        return bool(tensors) and all(torch.isfinite(tensor).all() for tensor in tensors)


@pytest.fixture
def written() -> type[Written]:
    """Reads what a run has left."""
    return Written


def _refuse_constant(name: str) -> None:
    """JSON knows neither NaN nor Infinity, though Python writes and reads them."""
    raise AssertionError(f"{name} in JSON")
