from __future__ import annotations

import numpy as np
import pytest

from htsat.evaluation import answers, curve_store
from htsat.evaluation.answers import Answer, gather, keep
from htsat.evaluation.curve_store import CurveStore
from htsat.evaluation.detection import Detected
from htsat.evaluation.event_curves import EventCurves
from htsat.processes import Processes
from htsat.scores import FrameGrid, SoundEvent

EVENTS = (SoundEvent("Dog", 0.1, 0.2, 0.5),)


def curves_of(seed, n_frames):
    rng = np.random.default_rng(seed)
    return EventCurves(
        rng.random((n_frames, 3), np.float32), FrameGrid.regular(n_frames, 0.1, 0.1 * n_frames)
    )


@pytest.mark.parametrize("max_memory", [2**26, 100])
def test_curves_come_back_as_they_were(max_memory, monkeypatch):
    monkeypatch.setattr(curve_store, "_MAX_MEMORY", max_memory)
    whole = [curves_of(seed, n_frames) for seed, n_frames in enumerate((5, 1, 40))]
    with CurveStore() as store:
        stored = [store.add(curves) for curves in whole[:2]]
        first = stored[0].read()
        stored.append(store.add(whole[2]))
        for kept, curves in zip(stored, whole, strict=True):
            found = kept.read()
            assert found.probabilities.dtype == np.float32
            np.testing.assert_array_equal(found.probabilities, curves.probabilities)
            np.testing.assert_array_equal(found.grid.boundaries_s, curves.grid.boundaries_s)
            assert kept.duration_s == curves.grid.boundaries_s[-1]
    np.testing.assert_array_equal(first.probabilities, whole[0].probabilities)


class Both(Processes):
    """Two processes that were given the same share, each item twice in a row."""

    def gather(self, share):
        return [item for item in share for _ in range(2)]


def test_what_others_have_stored_is_stored_here(monkeypatch):
    monkeypatch.setattr(answers, "_SENT_TOGETHER", 2)
    detected = Detected(EVENTS, curves_of(0, 4))
    given = [Answer(np.ones(3), detected), "broken", Answer(np.zeros(3), None)] * 2
    with CurveStore() as store:
        share = [keep(answer, store) for answer in given]
        gathered = gather(share, 12, store, Both(0, 2))
        assert [isinstance(answer, str) for answer in gathered] == [
            False,
            False,
            True,
            True,
            False,
            False,
        ] * 2
        kept = [answer.detected for answer in gathered if not isinstance(answer, str) and answer.detected]
        assert len({own.curves.index for own in kept}) == len(kept) == 4
        for own in kept:
            assert own.events == EVENTS
            np.testing.assert_array_equal(own.curves.read().probabilities, detected.curves.probabilities)
