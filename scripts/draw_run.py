"""Draw the loss and the held-out scores of a training run.

Usage: python scripts/draw_run.py RUN/log.jsonl PICTURE.png
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt


def main() -> None:
    """Write the picture."""
    mpl.use("Agg")
    source, picture = map(Path, sys.argv[1:])
    events = [json.loads(line) for line in source.read_text().splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    evaluations = [event for event in events if event["event"] == "evaluation"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    left.plot([one["epoch"] for one in steps], [one["loss"] for one in steps], color="#d9480f", lw=0.8)
    left.set(xlabel="epoch", ylabel="training loss (mixup, smoothing)")
    ends = [one["epoch"] + 1 for one in evaluations]
    for name, colour in (("accuracy", "#d9480f"), ("mean_average_precision", "#1c7ed6")):
        right.plot(ends, [one[name] for one in evaluations], label=name.replace("_", " "), color=colour)
    right.set(xlabel="epoch", ylabel="held-out clips", ylim=(0, 1))
    right.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
