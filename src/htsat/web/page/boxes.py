"""Boxes of the recordings that were looked at last: thresholds choose among them, but change none.

Finding them takes seconds where a recording lasts an hour; a slider must not wait for that each time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Lock

from htsat.recognition.boxes import confident
from htsat.recognition.runs import SLACK_S
from htsat.rules import EventRules
from htsat.scores import SoundEvent, in_order
from htsat.web.page.events import find_events, loud_classes
from htsat.web.page.frames import StoredFrames

_MOST_RECORDINGS = 2

_Key = tuple[str, int, bytes]


class BoxShelf:
    """Keeps boxes by recording and class, all of them, for rules with the boxes of the model."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[_Key, dict[str, list[SoundEvent]]] = OrderedDict()

    def find(self, frames: StoredFrames, rules: EventRules) -> list[SoundEvent]:
        """What `find_events` finds by the same rules."""
        labels = frames.model.labels
        loud = [labels[index] for index in loud_classes(frames, rules)]
        with self._lock:
            known = self._of(frames)
            missing = [label for label in loud if label not in known]
            if missing:
                known.update(_all_boxes(frames, rules, missing))
            boxes = [box for label in loud for box in known[label]]
        least_s = dict(zip(labels, rules.per_class("min_duration_s").tolist(), strict=True))
        sure = confident(boxes, rules.thresholds, labels)
        return in_order(
            (box for box in sure if box.offset_s - box.onset_s >= least_s[box.label] - SLACK_S), labels
        )

    def _of(self, frames: StoredFrames) -> dict[str, list[SoundEvent]]:
        """What is known of a recording as far as it is heard; forgets what was not asked for lately."""
        key = (str(frames.folder), frames.summary.n_frames, frames.summary.tagging_sum.tobytes())
        known = self._found.setdefault(key, {})
        self._found.move_to_end(key)
        while len(self._found) > _MOST_RECORDINGS:
            self._found.popitem(last=False)
        return known


def _all_boxes(frames: StoredFrames, rules: EventRules, wanted: list[str]) -> dict[str, list[SoundEvent]]:
    """The boxes of some classes, however unsure and short."""
    labels = frames.model.labels
    thresholds = tuple(0.0 if label in wanted else 1.0 for label in labels)
    found: dict[str, list[SoundEvent]] = {label: [] for label in wanted}
    for box in find_events(frames, replace(rules, thresholds=thresholds, min_duration_s=0.0)):
        found[box.label].append(box)
    return found
