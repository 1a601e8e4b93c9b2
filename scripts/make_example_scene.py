"""Mix examples/scene.ogg and its labels from clips of ESC-50 that the packaged model has not heard (fold 4).

Usage: python scripts/make_example_scene.py ESC-50-FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from htsat.audio import load_audio
from htsat.data.prepare.esc50 import Esc50, read_esc50
from htsat.scores import FloatArray

EXAMPLES = Path(__file__).parent.parent / "examples"
SAMPLE_RATE = 32_000
DURATION_S = 50.0
FADE_S = 0.05
PEAK = 0.5


class Part(NamedTuple):
    """A stretch of a clip, and where it is put."""

    clip: str
    start_s: float
    end_s: float
    onset_s: float


SCENE = (
    Part("4-150364-A-46", 0.0, 4.8, 1.0),
    Part("4-194754-A-0", 0.35, 3.3, 7.5),
    Part("4-182034-A-30", 0.6, 2.8, 12.5),
    Part("4-185575-A-20", 0.0, 3.8, 16.5),
    Part("4-67358-A-42", 0.0, 4.0, 21.5),
    Part("4-164859-A-1", 0.3, 2.7, 27.0),
    Part("4-198841-A-37", 0.0, 4.2, 31.0),
    Part("4-164243-A-26", 0.0, 4.3, 36.5),
    Part("4-175845-A-43", 0.0, 4.1, 42.0),
    Part("4-212698-A-39", 0.5, 1.1, 47.5),
)
SINGLE = {"dog": "4-183992-A-0", "rain": "4-161127-A-10", "crackling_fire": "4-164661-A-12"}


def main() -> None:
    """Write the recordings, the labels and the attribution."""
    data = read_esc50(Path(sys.argv[1]), ["CC0", "CC-BY"])
    paths = {clip.path.stem: clip.path for clip in data.manifest.clips if clip.fold == "4"}
    labels = {clip.path.stem: clip.labels[0] for clip in data.manifest.clips}
    scene = pink_noise(round(DURATION_S * SAMPLE_RATE), level_db=-60.0)
    rows = ["filename\tonset\toffset\tevent_label"]
    for part in SCENE:
        event = stretch(load_audio(paths[part.clip], SAMPLE_RATE), part)
        place = round(part.onset_s * SAMPLE_RATE)
        scene[place : place + len(event)] += event
        offset_s = part.onset_s + part.end_s - part.start_s
        rows.append(f"scene.ogg\t{part.onset_s:.2f}\t{offset_s:.2f}\t{labels[part.clip]}")
    soundfile.write(EXAMPLES / "scene.ogg", scene, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    (EXAMPLES / "scene.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name, clip in SINGLE.items():
        (EXAMPLES / f"{name}.ogg").write_bytes(paths[clip].read_bytes())
    used = [part.clip for part in SCENE] + list(SINGLE.values())
    (EXAMPLES / "ATTRIBUTION.md").write_text(attribution(data, used), encoding="utf-8")


def stretch(waveform: FloatArray, part: Part) -> FloatArray:
    """The stretch of a clip, faded at both ends and brought to one peak level."""
    event = waveform[round(part.start_s * SAMPLE_RATE) : round(part.end_s * SAMPLE_RATE)].copy()
    fade = np.linspace(0.0, 1.0, round(FADE_S * SAMPLE_RATE), dtype=np.float32)
    event[: len(fade)] *= fade
    event[-len(fade) :] *= fade[::-1]
    return event * np.float32(PEAK / np.abs(event).max())


def pink_noise(n_samples: int, level_db: float) -> FloatArray:
    """Quiet noise whose power falls with frequency, as in a room."""
    white = np.fft.rfft(np.random.default_rng(0).standard_normal(n_samples))
    pink = np.fft.irfft(white / np.sqrt(np.maximum(np.arange(len(white)), 100)), n_samples)
    return (pink / pink.std() * 10 ** (level_db / 20)).astype(np.float32)


def attribution(data: Esc50, used: list[str]) -> str:
    """Who made the clips, and under which licence."""
    licences = {path.stem: licence for path, licence in data.licences.items()}
    lines = [f"- `{clip}` ({licences[clip].name}): {licences[clip].credit}" for clip in used]
    head = (
        "# Where these recordings come from\n\n"
        "`scene.ogg` is mixed from the first ten clips below over quiet noise\n"
        "(`python scripts/make_example_scene.py`); the others are unchanged. All are from fold 4 of\n"
        "ESC-50 (K. J. Piczak, 2015). CC-BY is Creative Commons Attribution 3.0, CC0 the public domain.\n\n"
    )
    return head + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
