"""What is heard in single clips, and how the answers of several processes come together in little memory.

K classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from htsat.evaluation.curve_store import CurveStore
from htsat.evaluation.detection import Detected, StoredDetection
from htsat.metrics.ranking import Doubles
from htsat.processes import Processes

_SENT_TOGETHER = 64
"""Clips of each process; bounds the memory."""


class Answer(NamedTuple):
    """What is heard in a clip: probabilities `(K,)`, and events where its labels say when classes sound."""

    probabilities: Doubles
    detected: Detected | None


class KeptAnswer(NamedTuple):
    """An answer with the scores of its frames in a store."""

    probabilities: Doubles
    detected: StoredDetection | None


def gather(
    share: Sequence[KeptAnswer | str], n_clips: int, store: CurveStore, processes: Processes
) -> list[KeptAnswer | str]:
    """The answers of all processes; what others have stored comes some clips at a time."""
    if processes.n == 1:
        return list(share)
    gathered: list[KeptAnswer | str] = []
    for start in range(0, math.ceil(n_clips / processes.n), _SENT_TOGETHER):
        sent = [_read(answer) for answer in share[start : start + _SENT_TOGETHER]]
        gathered += [keep(answer, store) for answer in processes.gather(sent)]
    return gathered


def keep(answer: Answer | str, store: CurveStore) -> KeptAnswer | str:
    """Put the scores of an answer into a store; a text says why there is none."""
    if isinstance(answer, str) or answer.detected is None:
        return answer if isinstance(answer, str) else KeptAnswer(answer.probabilities, None)
    detected = StoredDetection(answer.detected.events, store.add(answer.detected.curves))
    return KeptAnswer(answer.probabilities, detected)


def _read(answer: KeptAnswer | str) -> Answer | str:
    if isinstance(answer, str) or answer.detected is None:
        return answer if isinstance(answer, str) else Answer(answer.probabilities, None)
    return Answer(answer.probabilities, Detected(answer.detected.events, answer.detected.curves.read()))
