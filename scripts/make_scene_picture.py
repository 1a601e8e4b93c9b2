"""Draw docs/pictures/scene.png: the example scene, what is in it, and what the packaged model hears.

Usage: python scripts/make_scene_picture.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import htsat
from htsat.audio import load_audio
from htsat.formats.dcase import read_events
from htsat.network.frontend import LogMel, mel_filterbank

ROOT = Path(__file__).parent.parent
SCENE = ROOT / "examples" / "scene.ogg"
SAMPLE_RATE = 32_000
TRUE_COLOUR, HEARD_COLOUR = "#9aa0a6", "#d9480f"


def main() -> None:
    """Write the picture."""
    mpl.use("Agg")
    (truth,) = read_events(SCENE.with_suffix(".tsv")).values()
    heard = htsat.load().detect(SCENE)
    labels = list(dict.fromkeys(event.label for event in [*truth, *heard]))
    sizes = {"height_ratios": [1.0, 0.13 * len(labels)]}
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(10, 6), sharex=True, gridspec_kw=sizes)
    draw_log_mel(upper)
    draw_lanes(lower, labels, truth, TRUE_COLOUR, shift=0.2)
    draw_lanes(lower, labels, heard, HEARD_COLOUR, shift=-0.2)
    lower.set_yticks(range(len(labels)), labels)
    lower.invert_yaxis()
    lower.set_xlabel("seconds")
    lower.grid(axis="x", alpha=0.3)
    lower.spines[["top", "right"]].set_visible(False)
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in (HEARD_COLOUR, TRUE_COLOUR)]
    lower.legend(handles, ["heard", "in the scene"], loc="lower left", frameon=False)
    figure.tight_layout()
    path = ROOT / "docs" / "pictures" / "scene.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)


def draw_log_mel(axes: Axes) -> None:
    """The spectrogram that the network sees."""
    waveform = load_audio(SCENE, SAMPLE_RATE)
    log_mel = LogMel(1024, 320, mel_filterbank(SAMPLE_RATE, 1024, 64, 50, 14_000))
    picture = log_mel(torch.from_numpy(waveform)[None])[0].T.numpy()
    extent = (0, len(waveform) / SAMPLE_RATE, 0, 64)
    floor, ceiling = np.percentile(picture, [20, 99.8])
    axes.imshow(picture, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=floor, vmax=ceiling)
    axes.set_ylabel("mel bin")


def draw_lanes(
    axes: Axes, labels: list[str], events: list[htsat.SoundEvent], colour: str, shift: float
) -> None:
    """One bar per event, in the lane of its class."""
    for event in events:
        place = labels.index(event.label) + shift
        axes.barh(place, event.offset_s - event.onset_s, left=event.onset_s, height=0.36, color=colour)


if __name__ == "__main__":
    main()
