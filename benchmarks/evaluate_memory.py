"""Peak memory of `evaluate` on strong labels, at the size of AudioSet-strong.

Usage: python benchmarks/evaluate_memory.py [--recordings 3000] [--classes 400]

Nothing is heard: the scores are made up (noise, raised where a class is true), 250 frames of 40 ms for each
recording, nine true events in each.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from htsat.data.manifest import Clip, Manifest
from htsat.evaluation.ensemble import HeardClip
from htsat.evaluation.evaluate import evaluate
from htsat.evaluation.rule_sets import NamedRules
from htsat.labels import LabelSet
from htsat.rules import EventRules
from htsat.scores import FrameGrid, FrameScores

N_FRAMES, FRAME_S, EVENTS_PER_RECORDING = 250, 0.04, 9


class MadeUp(NamedTuple):
    """What `evaluate` asks of an ensemble, without a network."""

    labels: LabelSet
    names: tuple[str, ...] = ("made up",)
    task: str = "multi_label"
    n_passes: int = 1
    class_map: None = None

    def check_labels(self, labels: LabelSet) -> None:
        """All are known."""

    def own_rules(self) -> NamedRules:
        """The usual ones."""
        return NamedRules("the usual ones", EventRules.usual((0.5,) * len(self.labels)))

    def hear(self, clip: Clip) -> HeardClip:
        """Noise, with the true classes of the clip louder throughout."""
        random = np.random.default_rng(int(clip.path.stem))
        logits = random.normal(-5, 1.5, (N_FRAMES, len(self.labels))).astype(np.float32)
        logits[:, [self.labels.index(label) for label in clip.labels]] += 4
        grid = FrameGrid.regular(N_FRAMES, FRAME_S, N_FRAMES * FRAME_S)
        scores = FrameScores(logits, logits, grid, self.labels, "multi_label")
        return HeardClip(scores.clip().probabilities.astype(np.float64), scores)


def made_up_manifest(folder: Path, n_recordings: int, labels: LabelSet) -> Manifest:
    """Recordings that are not there, with strong labels that are."""
    random = np.random.default_rng(0)
    events = folder / "events.tsv"
    clips = []
    with events.open("w") as file:
        file.write("filename\tonset\toffset\tevent_label\n")
        for number in range(n_recordings):
            chosen = [
                labels[index] for index in random.choice(len(labels), EVENTS_PER_RECORDING, replace=False)
            ]
            for label in chosen:
                onset_s = random.uniform(0, 8)
                file.write(f"{number}.wav\t{onset_s:.3f}\t{onset_s + random.uniform(0.2, 2):.3f}\t{label}\n")
            clips.append(Clip(folder / f"{number}.wav", tuple(chosen), events=events))
    return Manifest(tuple(clips), labels)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=3000)
    parser.add_argument("--classes", type=int, default=400)
    args = parser.parse_args()
    labels = LabelSet(tuple(f"class {number}" for number in range(args.classes)))
    with tempfile.TemporaryDirectory() as folder:
        manifest = made_up_manifest(Path(folder), args.recordings, labels)
        begin = time.process_time()
        report = evaluate(MadeUp(labels), manifest, "made up")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"recordings {args.recordings}, classes {args.classes}, frames {N_FRAMES}")
    print(f"PSDS1 {report.detection.events.psds1.value:.12f}")
    print(f"time {time.process_time() - begin:.0f} s, peak memory {peak_mb:,.0f} MB")


if __name__ == "__main__":
    main()
