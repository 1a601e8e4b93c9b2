"""Labelled recordings as tuning needs them: the scores of all frames in memory, beside the true events.

R recordings, T frames, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htsat.data.dataset import BrokenClip
from htsat.data.events import EventFiles
from htsat.data.manifest import Clip
from htsat.data.stores import SoundReader
from htsat.data.timeline import target_of
from htsat.errors import AudioError, DataError
from htsat.evaluation.evaluate import Progress
from htsat.labels import LabelSet
from htsat.metrics.event_table import EventTable
from htsat.recognition.inference import NonFiniteScoresError
from htsat.recognition.recognizer import Recognizer
from htsat.scores import FloatArray, FrameScores, log_odds, probabilities


@dataclass(frozen=True, eq=False)
class ScoredClips:
    """R recordings with what was heard in them and what is true.

    Shape: `targets` `(R, K)`, ones for the classes in a recording. `reference` are the true events, of which
    those of a class that overlap are one; it has none for recordings without strong labels.
    """

    clips: tuple[Clip, ...]
    scores: tuple[FrameScores, ...]
    reference: EventTable
    targets: FloatArray
    broken: tuple[BrokenClip, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def labels(self) -> LabelSet:
        """The classes."""
        return self.scores[0].labels

    @property
    def durations_s(self) -> NDArray[np.float64]:
        """How much was heard of each recording, `(R,)`."""
        return np.array([scores.grid.boundaries_s[-1] for scores in self.scores])

    @property
    def n_events(self) -> NDArray[np.intp]:
        """Number of true events of each class, `(K,)`."""
        return np.bincount(self.reference.classes, minlength=len(self.labels))

    @property
    def n_tagged(self) -> NDArray[np.intp]:
        """Number of recordings with each class, `(K,)`."""
        n_tagged: NDArray[np.intp] = self.targets.sum(axis=0).astype(np.intp)
        return n_tagged

    def part(self, chosen: NDArray[np.bool_]) -> ScoredClips:
        """Some of the recordings; `chosen` is `(R,)`."""
        places = np.flatnonzero(chosen)
        return ScoredClips(
            tuple(self.clips[place] for place in places),
            tuple(self.scores[place] for place in places),
            _among(self.reference, chosen),
            self.targets[chosen],
        )

    def of_classes(self, chosen: NDArray[np.bool_]) -> ScoredClips:
        """The same recordings with some of the classes, as those of a multi-label model; `chosen` is `(K,)`.

        Probabilities stay as they are: those of a multi-class model get the logits that they have alone.
        """
        kept = self.reference.where(chosen[self.reference.classes])
        return dataclasses.replace(
            self,
            scores=tuple(_alone(scores, chosen) for scores in self.scores),
            reference=dataclasses.replace(kept, classes=(np.cumsum(chosen) - 1)[kept.classes]),
            targets=self.targets[:, chosen],
        )


def score_clips(model: Recognizer, clips: Sequence[Clip], progress: Progress = iter) -> ScoredClips:
    """Hear every clip as `htsat detect` would, and read its labels; broken clips are listed, not fatal.

    Raises:
        DataError: when strong labels cannot be read or name a class that the model does not know; or when not
            a single clip can be heard.
    """
    labels = model.description.labels
    reference, targets = _truth(clips, labels)
    reader = SoundReader(model.description.sample_rate)
    answers = [_answer(model, reader, clip) for clip in progress(clips)]
    heard = [answer for answer in answers if isinstance(answer, FrameScores)]
    broken = [
        BrokenClip(clip, answer)
        for clip, answer in zip(clips, answers, strict=True)
        if isinstance(answer, str)
    ]
    if not heard:
        raise DataError(f"none of the {len(broken)} clips can be heard; the first: {broken[0].reason}")
    is_heard = np.array([isinstance(answer, FrameScores) for answer in answers])
    kept = tuple(clip for clip, whole in zip(clips, is_heard, strict=True) if whole)
    return ScoredClips(kept, tuple(heard), _among(reference, is_heard), targets[is_heard], tuple(broken))


def _truth(clips: Sequence[Clip], labels: LabelSet) -> tuple[EventTable, FloatArray]:
    """The true events of the clips, and their targets `(R, K)`."""
    files = EventFiles(clips)
    names = [str(number) for number in range(len(clips))]
    events = {name: files.of(clip) for name, clip in zip(names, clips, strict=True)}
    reference = EventTable.of(events, names, labels).merged()
    targets = np.stack([target_of(clip.labels, labels) for clip in clips])
    targets[reference.recordings, reference.classes] = 1.0
    return reference, targets


def _answer(model: Recognizer, reader: SoundReader, clip: Clip) -> FrameScores | str:
    """The scores of a clip, or why there are none."""
    try:
        return model.scores(reader.read(clip), reader.sample_rate)
    except (AudioError, NonFiniteScoresError) as error:
        reason = str(error)
        return reason if clip.title in reason else f"{clip.title}: {reason}"


def _among(events: EventTable, chosen: NDArray[np.bool_]) -> EventTable:
    """The events of the chosen recordings `(R,)`, which are counted anew."""
    kept = events.where(chosen[events.recordings])
    return dataclasses.replace(kept, recordings=(np.cumsum(chosen) - 1)[kept.recordings])


def _alone(scores: FrameScores, chosen: NDArray[np.bool_]) -> FrameScores:
    labels = LabelSet(tuple(label for label, own in zip(scores.labels, chosen, strict=True) if own))
    if scores.task == "multi_label":
        logits, clip_logits = scores.logits[:, chosen], scores.clip_logits[:, chosen]
    else:
        logits, clip_logits = (
            log_odds(chances[:, chosen])
            for chances in (scores.probabilities, probabilities(scores.clip_logits, scores.task))
        )
    return FrameScores(logits, clip_logits, scores.grid, labels, "multi_label")
