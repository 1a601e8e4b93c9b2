"""Collar-based counts, the "event-based" ones of the DCASE challenges (Mesaros et al., 2016).

A detection finds an event of its class if it begins and ends near it, and finds one event at most: as many
pairs as possible are made (the `optimal` matching of `sed_eval`). Times are compared in double precision
without tolerance, as there, so that both count alike.

P pairs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from htsat.errors import ConfigError
from htsat.metrics.counting import Counts
from htsat.metrics.event_table import EventTable
from htsat.metrics.pairing import Pairs, with_near_onsets


@dataclass(frozen=True)
class Collar:
    """How near is near: both in `collar_s`, the offset also in this share of the true event's length."""

    collar_s: float = 0.2
    offset_share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.collar_s < float("inf"):
            raise ConfigError(f"the collar must be seconds, at least 0, got {self.collar_s:g}")
        if not 0 <= self.offset_share <= 1:
            raise ConfigError(f"the offset's share must be between 0 and 1, got {self.offset_share:g}")


def count_near_events(reference: EventTable, estimated: EventTable, n_classes: int, collar: Collar) -> Counts:
    """Count the events that a detection of their own was found for."""
    pairs = with_near_onsets(reference, estimated, collar.collar_s)
    is_near = _is_near(reference, estimated, pairs, collar)
    found = match(pairs.firsts[is_near], pairs.seconds[is_near])
    n_found, n_true, n_estimated = (
        np.bincount(classes, minlength=n_classes)
        for classes in (reference.classes[found], reference.classes, estimated.classes)
    )
    return Counts(n_found, n_estimated - n_found, n_true - n_found)


def _is_near(reference: EventTable, estimated: EventTable, pairs: Pairs, collar: Collar) -> NDArray[np.bool_]:
    """Whether both ends of a pair are near each other. Shape: `(P,)`."""
    onsets_s = np.abs(reference.onsets_s[pairs.firsts] - estimated.onsets_s[pairs.seconds])
    offsets_s = np.abs(reference.offsets_s[pairs.firsts] - estimated.offsets_s[pairs.seconds])
    reach_s = np.maximum(collar.collar_s, collar.offset_share * reference.durations_s[pairs.firsts])
    near: NDArray[np.bool_] = (onsets_s <= collar.collar_s) & (offsets_s <= reach_s)
    return near


def match(firsts: NDArray[np.intp], seconds: NDArray[np.intp]) -> NDArray[np.intp]:
    """The firsts that get a second of their own when as many as possible do, given the possible pairs.

    Shape: `(P,)` each. Only where one could be paired with several there is anything to search.
    """
    if not len(firsts):
        return firsts
    is_alone = (np.bincount(firsts)[firsts] == 1) & (np.bincount(seconds)[seconds] == 1)
    choices: dict[int, list[int]] = {}
    for first, second in zip(firsts[~is_alone].tolist(), seconds[~is_alone].tolist(), strict=True):
        choices.setdefault(first, []).append(second)
    matched = np.array(sorted(_maximum_matching(choices)), np.intp)
    return np.concatenate([firsts[is_alone], matched])


def _maximum_matching(choices: Mapping[int, Sequence[int]]) -> Iterable[int]:
    """The firsts of a matching that is as large as any: no chain of changes makes room for one more."""
    first_of: dict[int, int] = {}
    for first in choices:
        first_of.update(_shortest_chain(first, choices, first_of))
    return first_of.values()


def _shortest_chain(
    first: int, choices: Mapping[int, Sequence[int]], first_of: Mapping[int, int]
) -> list[tuple[int, int]]:
    """Which second goes to whom so that `first` gets one too; empty if that cannot be (breadth first)."""
    asked_by: dict[int, int] = {}
    waiting = deque([first])
    reached_by: dict[int, int | None] = {first: None}
    while waiting:
        asking = waiting.popleft()
        for second in choices[asking]:
            if second in asked_by:
                continue
            asked_by[second] = asking
            if second not in first_of:
                return _trace(second, asked_by, reached_by)
            reached_by[first_of[second]] = second
            waiting.append(first_of[second])
    return []


def _trace(
    end: int, asked_by: Mapping[int, int], reached_by: Mapping[int, int | None]
) -> list[tuple[int, int]]:
    chain = []
    second: int | None = end
    while second is not None:
        chain.append((second, asked_by[second]))
        second = reached_by[asked_by[second]]
    return chain
