"""From scores on a time grid to sound events: which class sounds from when to when.

Events are runs of active frames, or boxes where the rules have any. Rules and scores are those of
`htsat.rules` and `htsat.scores`.
"""

from __future__ import annotations

from htsat.errors import ConfigError
from htsat.labels import LabelSet
from htsat.recognition.boxes import BoxFinder, confident
from htsat.recognition.runs import SLACK_S, RunFinder
from htsat.rules import BoxRules, EventRules
from htsat.scores import FrameScores, SoundEvent, in_order


def find_events(scores: FrameScores, rules: EventRules) -> list[SoundEvent]:
    """All events in the scores of a whole recording, in order."""
    finder = EventFinder(scores.labels, rules, float(scores.grid.durations_s[0]))
    return in_order([*finder.push(scores), *finder.finish()], scores.labels)


class EventFinder:
    """Finds the events of one recording in scores that arrive block by block.

    How the frames are cut into blocks does not change the events, and what is kept between blocks does not
    grow.

    Raises:
        ConfigError: when the rules do not have one threshold per label.
    """

    def __init__(self, labels: LabelSet, rules: EventRules, frame_s: float) -> None:
        if rules.n_classes != len(labels):
            raise ConfigError(
                f"thresholds must have one value per class ({len(labels)}), got {rules.n_classes}"
            )
        self._finder: RunFinder | _SureBoxFinder
        if rules.boxes is None:
            self._finder = RunFinder(labels, rules, frame_s)
        else:
            self._finder = _SureBoxFinder(labels, rules, rules.boxes, frame_s)

    def push(self, scores: FrameScores) -> list[SoundEvent]:
        """Take the next frames; return the events that nothing later can change."""
        return self._finder.push(scores)

    def finish(self) -> list[SoundEvent]:
        """The recording has ended: return the remaining events."""
        return self._finder.finish()


class _SureBoxFinder:
    """Finds boxes, and leaves out those that are not sure or not long enough."""

    def __init__(self, labels: LabelSet, rules: EventRules, boxes: BoxRules, frame_s: float) -> None:
        self._finder = BoxFinder(labels, boxes, frame_s)
        self._labels = labels
        self._thresholds = rules.thresholds
        self._min_durations_s = rules.per_class("min_duration_s")

    def push(self, scores: FrameScores) -> list[SoundEvent]:
        return self._chosen(self._finder.push(scores))

    def finish(self) -> list[SoundEvent]:
        return self._chosen(self._finder.finish())

    def _chosen(self, boxes: list[SoundEvent]) -> list[SoundEvent]:
        sure = confident(boxes, self._thresholds, self._labels)
        return [box for box in sure if box.offset_s - box.onset_s >= self._min_s(box) - SLACK_S]

    def _min_s(self, box: SoundEvent) -> float:
        return float(self._min_durations_s[self._labels.index(box.label)])
