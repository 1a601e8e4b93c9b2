"""What the pages call by a name, and only their readers have: recordings, models and data sets, small ones.

Each is made when a block speaks of it and it is not there yet.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from htsat.checkpoints import ModelCard, save_model
from htsat.labels import LabelSet
from htsat.network import HTSAT, ModelConfig
from htsat.rules import EventRules

ROOT = Path(__file__).parents[2]
SAMPLE_RATE = 32_000
RECORDING_S = 5
CLASSES = ("dog", "rain")
N_RECORDINGS = 12
ONSETS_S = (0.25, 1.0, 1.75, 2.5, 3.25, 4.0)
EVENT_S = 0.5


def make_what_is_missing(text: str) -> None:
    """Make, in the current folder, every stand-in that a text speaks of and does not make itself."""
    made = [Path(name) for name in re.findall(r" -o +(\S+)", text)]
    for name, make in STAND_INS.items():
        path = Path(name)
        spoken_of = re.search(rf"(?<![\w/.-]){re.escape(name)}(?![\w.-])", text)
        if spoken_of and not path.exists() and not any(path.is_relative_to(output) for output in made):
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)


def _sound(seed: int) -> NDArray[np.float64]:
    """Quiet noise with tones (`dog`), or with louder noise (`rain`) if `seed` is odd, at `ONSETS_S`."""
    random = np.random.default_rng(seed)
    sound = 0.003 * random.standard_normal(RECORDING_S * SAMPLE_RATE)
    n_samples = round(EVENT_S * SAMPLE_RATE)
    tone = 0.3 * np.sin(2 * np.pi * (700 + 20 * seed) * np.arange(n_samples) / SAMPLE_RATE)
    for onset_s in ONSETS_S:
        event = 0.1 * random.standard_normal(n_samples) if seed % 2 else tone
        sound[round(onset_s * SAMPLE_RATE) :][:n_samples] += event
    return sound


def _recordings(folder: Path, n: int = N_RECORDINGS) -> None:
    """A folder of each class; beside each recording a label file of Audacity."""
    for seed in range(n):
        label = CLASSES[seed % 2]
        path = folder / label / f"{label}-{seed:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, _sound(seed), SAMPLE_RATE)
        lines = [f"{onset_s}\t{onset_s + EVENT_S}\t{label}\n" for onset_s in ONSETS_S]
        path.with_suffix(".txt").write_text("".join(lines))


def _data_set(folder: Path, folds: Sequence[str], *, strong: bool, n: int = N_RECORDINGS) -> None:
    """A manifest of such recordings, dealt into folds by turns; with their events, or without."""
    _recordings(folder, n)
    columns = ["path", "labels", "fold", *(["events"] if strong else [])]
    rows = ["\t".join(columns)]
    for index, path in enumerate(sorted(folder.rglob("*.wav"))):
        name = path.relative_to(folder).as_posix()
        events = [name.replace(".wav", ".txt")] if strong else []
        rows.append("\t".join([name, path.parent.name, folds[index % len(folds)], *events]))
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")


def _recording(path: Path) -> None:
    soundfile.write(path, _sound(1_000), SAMPLE_RATE)


def _field(folder: Path) -> None:
    """Recordings of several mornings, as recorders name them."""
    folder.mkdir()
    for day in (1, 2, 3, 4):
        shutil.copyfile(ROOT / "examples" / "scene.ogg", folder / f"SITE7_2024060{day}_053000.ogg")


def _model(path: Path) -> None:
    """A network of half a second at 8 kHz with random weights that has learned nothing."""
    torch.manual_seed(0)
    sizes = {"clip_s": 0.5, "n_fft": 256, "hop_length": 80, "n_mels": 16, "max_hz": 4_000.0, "n_folds": 1}
    config = ModelConfig(
        n_classes=len(CLASSES),
        sample_rate=8_000,
        fold_frames=64,
        window=4,
        dim=16,
        depths=(1, 1),
        n_heads=(2, 4),
        **sizes,  # type: ignore[arg-type]
    )
    card = ModelCard(LabelSet(CLASSES), "multi_label", EventRules.usual((0.5, 0.5)))
    save_model(path, HTSAT(config), card)


STAND_INS: Mapping[str, Callable[[Path], object]] = {
    "recordings": _recordings,
    "held_out": _recordings,
    "field": _field,
    "data/esc50": lambda folder: _data_set(folder, "12345", strong=False),
    "data/scenes": lambda folder: _data_set(folder, ["train", "test"], strong=True),
    "data/dev": lambda folder: _data_set(folder, ["dev"], strong=True),
    "data/manifest.tsv": lambda path: _data_set(path.parent, "12", strong=False, n=2),
    "new.wav": _recording,
    "street.wav": _recording,
    "street.flac": _recording,
    "runs/first/model.safetensors": _model,
    "audioset.safetensors": _model,
    "first.safetensors": _model,
    "second.safetensors": _model,
}
