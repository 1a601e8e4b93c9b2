"""How far an exported model is from the original, in the answers that users get.

N clips, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from htsat.data.manifest import Manifest
from htsat.data.timeline import target_of
from htsat.errors import AudioError, DataError
from htsat.evaluation.ensemble import Ensemble
from htsat.evaluation.evaluate import Progress
from htsat.metrics.summary import RankedClips, Summary
from htsat.recognition.recognizer import Recognizer


class Comparison(NamedTuple):
    """The largest difference between probabilities of clips, and the figures of both models.

    `broken` says of the clips that could not be heard why; they count in no figure.
    """

    n_clips: int
    broken: tuple[str, ...]
    largest_difference: float
    original: Summary[float]
    exported: Summary[float]


def compare(
    original: Recognizer, exported: Recognizer, manifest: Manifest, progress: Progress = iter
) -> Comparison:
    """Let two models hear the same labelled clips, each as `htsat tag` hears it.

    Raises:
        DataError: when the labels are not those of the models, or no clip can be heard.
    """
    ensembles = [Ensemble([model]) for model in (original, exported)]
    ensembles[0].check_labels(manifest.labels)
    answers, targets, broken = [], [], []
    for clip in progress(manifest.clips):
        try:
            answers.append([ensemble.probabilities(clip) for ensemble in ensembles])
        except AudioError as error:
            broken.append(str(error))
            continue
        targets.append(target_of(clip.labels, ensembles[0].labels))
    if not answers:
        raise DataError(f"none of the {len(broken)} clips can be heard; the first: {broken[0]}")
    probabilities = np.stack(answers, axis=1)  # (2, N, K)
    figures = [RankedClips.of(each, np.stack(targets), ensembles[0].task).summary() for each in probabilities]
    largest = float(np.abs(probabilities[1] - probabilities[0]).max())
    return Comparison(len(answers), tuple(broken), largest, *figures)
